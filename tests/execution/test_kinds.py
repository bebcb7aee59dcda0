from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

import hivenas
from hivenas import TaskExecutor, register_executor
from hivenas.config import EXECUTOR_KINDS, ExecutionConfig, from_mapping, registry
from hivenas.core.folder import ResultsFolder
from hivenas.errors import ConfigError
from hivenas.execution import SerialExecutor, Task, WorkerExecutor, make_executor
from tests.processes import SPHERE, Place

pytestmark = pytest.mark.process
T = TypeVar("T")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.EXECUTORS, "_entries", {})


def test_cheap_objectives_run_in_the_drivers_process(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "log")
    assert isinstance(make_executor(ExecutionConfig(), folder, serial=True), SerialExecutor)
    assert isinstance(make_executor(ExecutionConfig(kind="serial"), folder), SerialExecutor)
    with make_executor(ExecutionConfig(), folder) as executor:
        assert isinstance(executor, WorkerExecutor)


WITHOUT_DASK = """
import sys
sys.modules["distributed"] = None
from hivenas.cli.commands import main
main()
"""


def test_without_its_extra_dask_is_one_line_that_names_the_command(tmp_path: Path) -> None:
    place = Place(tmp_path, SPHERE.format(name="none", seed=1, iterations=1).replace("sphere_min", "nas"))
    arguments = ["search", "--config", str(place.config), "--set", "execution.kind=dask optuna.storage=null"]
    done = place.run(*arguments, command=[sys.executable, "-c", WITHOUT_DASK])
    assert done.wait() == 2
    assert done.output.splitlines()[-1].endswith("pip install 'hivenas[dask]'")


# -- of one's own -------------------------------------------------------------------------------------------------


class Here(TaskExecutor):
    """An executor of somebody's own: every task at once, and its name in a file."""

    runs_at_once = True

    def __init__(self, config: ExecutionConfig, folder: ResultsFolder) -> None:
        self._log = folder.log

    def submit(self, task: Task[T]) -> Future[T]:
        with self._log.open("a") as log:
            log.write(f"{task.name}\n")
        future: Future[T] = Future()
        future.set_result(task.run())
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


def test_a_registered_executor_carries_out_a_search(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"execution\.kind must be one of serial, process, dask or registered"):
        from_mapping({"execution": {"kind": "here"}})
    assert register_executor("here")(Here) is Here
    mine = hivenas.FunctionObjective(lambda x: x, {"x": [1, 2, 3, 4]})
    config = {"name": "own", "tracking": "none", "results": {"dir": str(tmp_path)}, "execution": {"kind": "here"}}
    result = hivenas.search(config, "colony.size=2", "colony.iterations=2", objective=mine, progress=False)
    logged = (tmp_path / "own/worker.log").read_text().splitlines()
    assert logged == [f"{trial.label} {trial.encoded}" for trial in result.trials]
    assert result.best
    assert result.best.fitness == 4


class Narrow(Here):
    def __init__(self, config: ExecutionConfig) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (print, "must be a class derived from hivenas.TaskExecutor, got <built-in function print>"),
        (dict, "must be a class derived from hivenas.TaskExecutor, got <class 'dict'>"),
        (Narrow, r"the constructor of the executor 'mine' must take \(config, folder\), got \(config: "),
    ],
)
def test_what_is_no_executor_is_refused_when_it_is_registered(wrong: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        register_executor("mine", wrong)
    assert "mine" not in registry.EXECUTORS


def test_an_executor_is_registered_by_a_name_that_is_free() -> None:
    with pytest.raises(ConfigError, match=r"registered by name, got .*Here.*; write @register_executor\('my_name'\)"):
        register_executor(Here)  # type: ignore[call-overload]
    for name in EXECUTOR_KINDS:
        with pytest.raises(ConfigError, match=f"'{name}' is built in, so an executor cannot take the name"):
            register_executor(name, Here)
