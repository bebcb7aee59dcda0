"""Fixtures: one MLflow store a session (making one takes seconds), tiny searches."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Set
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from hivenas.core.collector import without_collector

# As hivenas does, which leaves it alone where TensorFlow has been imported already, as a test's module may have done.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The same examples in every run, however slow the machine; `pytest --hypothesis-profile explore` looks for new ones.
hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile("seeded")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports without the collector, and hides what they have made from it: every training would walk over that."""
    with without_collector():
        collected = yield
    gc.collect()
    gc.freeze()
    return collected


@pytest.fixture(autouse=True)
def process_as_found() -> Iterator[None]:
    """Fails the test that leaves the process changed, rather than one that comes after it in some order."""
    imported = {"mlflow", "optuna"} & sys.modules.keys()
    before = _state_of_process(imported)
    yield
    after = _state_of_process(imported)
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == set()


def _state_of_process(imported: Set[str]) -> dict[str, object]:
    """The state that a later test would stumble over; libraries set variables of their own when they are first used."""
    ours = ("HIVENAS_", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT", "OPTUNA_")
    state: dict[str, object] = {key: value for key, value in os.environ.items() if key.startswith(ours)}
    state["folder"] = Path.cwd()
    if "mlflow" in imported:
        import mlflow

        state["MLflow's store"] = mlflow.get_tracking_uri()
        state["MLflow's registry"] = mlflow.get_registry_uri()
        state["MLflow's run"] = mlflow.active_run()
    if "optuna" in imported:
        import optuna

        state["Optuna's log"] = optuna.logging.get_verbosity()
    return state


@pytest.fixture
def metrics_as_found() -> Iterator[None]:
    """Forgets the metrics that a test registers."""
    from hivenas.config.registry import METRICS

    before = dict(METRICS._entries)
    yield
    METRICS._entries = before


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once, for searches that get a copy each; nobody writes to it."""
    import mlflow

    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments(max_results=1)
    return file


@pytest.fixture(scope="session")
def store_uri(template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real sqlite store for all tests that need no store of their own."""
    return f"sqlite:///{shutil.copy(template, tmp_path_factory.mktemp('store'))}"


@pytest.fixture
def store(store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The session's store as this process's and its children's, artifacts in the test's own folder."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", store_uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    mlflow.set_tracking_uri(store_uri)
    mlflow.set_registry_uri(store_uri)
    yield store_uri
    while mlflow.active_run():
        mlflow.end_run()
    # Later tests of this process name their stores themselves.
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    """The smallest useful `eval_config`: 200 digits, one epoch, nothing stops early."""
    return tiny_config(tmp_path)


@pytest.fixture(scope="module")
def shared_tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same for a whole module, for what several tests of it look at; each names its results."""
    return tiny_config(tmp_path_factory.mktemp("tiny"))


def tiny_config(folder: Path) -> dict[str, Any]:
    """The smallest useful `eval_config`, with its results in a folder."""
    return {
        "epochs": 1,
        "batch_size": 64,
        "stopping": "none",
        "augmentation": {"shift": 0.0},
        "dataset": {"name": "digits", "train_limit": 200},
        "full_train": {"epochs": 1},
        "results": {"dir": str(folder / "results")},
        "name": "tiny",
        "seed": 7,
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
