from __future__ import annotations

import os
from pathlib import Path

import pytest

from hivenas import api
from hivenas.config import ExecutionConfig, from_mapping
from hivenas.errors import ConfigError
from hivenas.execution import WorkerExecutor
from hivenas.execution.gpus import present_gpus, worker_gpus
from tests.executors import task

SEEN = ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH")


def seen(seconds: float = 0.0) -> tuple[str | None, ...]:
    return tuple(os.environ.get(variable) for variable in SEEN)


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi lists two, as it writes them."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'GPU 0: Example (UUID: GPU-1)'\necho 'GPU 1: Example (UUID: GPU-2)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.process
@pytest.mark.slow
def test_every_worker_sees_a_gpu_of_its_own_and_takes_memory_as_needed(tmp_path: Path) -> None:
    config = ExecutionConfig(workers=2, gpus=(3, "GPU-5f"), recycle_after=1)
    with WorkerExecutor(config, tmp_path / "worker.log") as executor:
        calls = [executor.submit(task(seen)) for _ in range(6)]
        results = [call.result() for call in calls]
    assert {gpu for gpu, _ in results} == {"3", "GPU-5f"}
    assert {growth for _, growth in results} == {"true"}


@pytest.mark.process
def test_without_gpus_workers_see_what_the_driver_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        assert executor.submit(task(seen)).result() == ("7", "true")


@pytest.mark.process
@pytest.mark.usefixtures("two_gpus")
def test_all_are_those_of_the_machine_or_those_that_the_process_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    assert present_gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-a,2")
    assert present_gpus() == ("1", "GPU-a", "2")
    assert worker_gpus(ExecutionConfig(workers=2, gpus="all")) == ("1", "GPU-a")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert present_gpus() == ()


@pytest.mark.process
def test_a_machine_whose_nvidia_smi_fails_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert present_gpus() == ()


@pytest.mark.process
@pytest.mark.usefixtures("two_gpus")
def test_more_workers_than_gpus_are_refused_by_check() -> None:
    api.plan(from_mapping({"execution": {"workers": 2, "gpus": "all"}}))
    with pytest.raises(ConfigError, match=r"execution\.workers must be at most .*got 3 with 2 found; lower workers"):
        api.plan(from_mapping({"execution": {"workers": 3, "gpus": "all"}}))


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        ({"workers": 2, "gpus": [0]}, r"execution\.workers must be at most .*gpus=\[0\], got 2; lower workers"),
        (
            {"kind": "serial", "gpus": "all"},
            r"execution\.gpus must be null for execution\.kind=serial, got all; set",
        ),
        ({"gpus": [0, 0]}, r"execution\.gpus must be null, all or a list of different device ids"),
        ({"gpus": []}, r"execution\.gpus must be null, all or a list"),
        ({"gpus": [-1]}, r"execution\.gpus must be null, all or a list"),
        ({"gpus": [True]}, r"execution\.gpus must be null, all or a list"),
        ({"gpus": "0,1"}, r"execution\.gpus must be null, all or a list .*got '?0,1"),
    ],
)
def test_what_cannot_be_is_refused(execution: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping({"execution": execution})


def test_the_list_survives_the_way_to_a_recipe_and_to_yaml() -> None:
    config = from_mapping({"execution": {"workers": 2, "gpus": [0, "GPU-5f"]}})
    assert from_mapping(config.to_mapping()) == config
    assert config.to_mapping()["execution"]["gpus"] == [0, "GPU-5f"]
