"""Worker processes: where they are started from, and what travels to them and back."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import ExecutionConfig, from_mapping
from hivenas.config.registry import DATASETS
from hivenas.core.nas import nas_interface
from hivenas.core.nas.data.datasets import register_dataset
from hivenas.core.records import Proposal
from hivenas.errors import ConfigError
from hivenas.execution import TaskExecutor, WorkerExecutor, evaluate_with
from hivenas.execution.tasks import evaluate_network
from hivenas.execution.wire import Packer, Unpacker
from hivenas.execution.worker import _carry_out
from tests.executors import task
from tests.toy_objectives import TinyObjective

pytestmark = [pytest.mark.process]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskExecutor]:
    """One that is never replaced."""
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with WorkerExecutor(ExecutionConfig(recycle_after=1_000), log) as executor:
        yield executor


# Whoever calls a search has a main module of some kind, and none of them is imported by a worker.
DRIVER = """
import pathlib, sys, threading
print("begins", flush=True)
import beside
from hivenas.config import ExecutionConfig
from hivenas.execution import Task, WorkerExecutor

class Point:
    def __init__(self, x):
        self.x = x

class OwnError(Exception):
    pass

def shifted(point, by):
    if by < 0:
        raise OwnError(by)
    return Point(point.x + by + beside.MORE)

def drive():
    with WorkerExecutor(ExecutionConfig(), pathlib.Path("worker.log")) as executor:
        point = executor.submit(Task("test", shifted, (Point(1), 2))).result()
        print(type(point) is Point, point.x, flush=True)
        print(executor.submit(Task("test", lambda: sys.argv[1:])).result())
        try:
            executor.submit(Task("test", shifted, (Point(1), -2))).result()
        except OwnError as error:
            print(error.args, "in shifted" in str(error.__cause__))

BEGIN
"""
TOLD = ["begins", "True 103 ", "['one', 'two']", "(-2,) True"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module for the script that lies beside it."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "beside.py").write_text("MORE = 100\n")
    return tmp_path


@pytest.mark.parametrize("begin", ["drive()", "t = threading.Thread(target=drive); t.start(); t.join()"])
@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_a_driver_may_be_a_script_a_command_or_a_stream_and_use_threads(folder: Path, how: str, begin: str) -> None:
    script = folder / "scripts" / "script.py"
    script.write_text(DRIVER.replace("BEGIN", begin))
    command = {"file": str(script), "-c": ("-c", script.read_text()), "stdin": "-"}[how]
    done = subprocess.run(
        [sys.executable, *([command] if isinstance(command, str) else command), "one", "two"],
        cwd=folder if how == "file" else folder / "scripts",
        input=script.read_text() if how == "stdin" else "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()] == [line.strip() for line in TOLD]


def test_a_worker_looks_for_modules_where_its_driver_does(worker: TaskExecutor) -> None:
    assert worker.submit(task(lambda: (sys.path, os.getcwd()))).result() == (sys.path, os.getcwd())


def test_closures_and_local_classes_travel_by_value(worker: TaskExecutor) -> None:
    offset = 3

    class Shift:
        def __init__(self, by: int) -> None:
            self.by = by

    made = worker.submit(task(lambda shift: Shift(shift.by + offset), Shift(1))).result()
    assert type(made) is Shift
    assert made.by == 4


def chatter() -> str:
    """Prints in every way that there is, reads, and leaves a child behind that holds what it has inherited."""
    print("printed")
    os.write(1, b"written\n")
    subprocess.run(["echo", "echoed"], check=True)
    subprocess.Popen(["sleep", "2"])
    return sys.stdin.read()


def test_what_a_task_prints_goes_to_the_log_and_not_into_its_result(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with WorkerExecutor(ExecutionConfig(), log) as executor:
        assert executor.submit(task(chatter)).result() == ""
        assert executor.submit(task(os.getpid)).result() != os.getpid()
    assert {"printed", "written", "echoed"} <= set(log.read_text().splitlines())


def leave_a_fork_and_die(times: Path) -> int:
    """Dies at the first time, while a child that it has forked lives on; returns how often it was called before."""
    before = len(times.read_text()) if times.exists() else 0
    _count(times)
    if not before:
        child = os.fork()
        if child == 0:
            time.sleep(600)
        times.with_name("forked").write_text(f"{child}")
        os.kill(os.getpid(), signal.SIGKILL)
    return before


def test_a_worker_is_known_to_be_dead_though_a_child_that_it_forked_lives_on(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        assert executor.submit(task(leave_a_fork_and_die, tmp_path / "times")).result() == 1
        forked = int((tmp_path / "forked").read_text())
    os.kill(forked, signal.SIGKILL)  # it lives


class ObstinateError(Exception):
    """Pickles, and cannot be made again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def be_obstinate() -> None:
    raise ObstinateError(1, 2)


def test_what_cannot_come_back_is_told_in_words(worker: TaskExecutor) -> None:
    with pytest.raises(RuntimeError, match="ObstinateError: 1 and 2") as caught:
        worker.submit(task(be_obstinate)).result()
    assert "in be_obstinate" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="cannot pickle"):
        worker.submit(task(threading.Lock)).result()
    assert worker.submit(task(os.getpid)).result() != os.getpid()


def test_what_cannot_be_sent_is_refused_at_once(worker: TaskExecutor) -> None:
    with pytest.raises(ConfigError, match=r"a task of workers \(test\) must be made of what can be pickled, got "):
        worker.submit(task(print, threading.Lock()))


class Counting(TinyObjective):
    """Counts, in a file each, how often it is pickled and unpickled."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.folder = folder

    def __getstate__(self) -> dict[str, Any]:
        _count(self.folder / "pickled")
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _count(self.folder / f"unpickled-{os.getpid()}")


def _count(file: Path) -> None:
    with file.open("a") as counts:
        counts.write("x")


def test_an_objective_is_pickled_once_and_unpickled_once_a_process(tmp_path: Path) -> None:
    objective = Counting(tmp_path, np.random.default_rng(1))
    proposals = [Proposal(index, 0, "scout", 0, objective.sample()) for index in range(12)]
    config = ExecutionConfig(workers=2, recycle_after=4)
    with WorkerExecutor(config, tmp_path / "worker.log") as executor:
        futures = [executor.submit(evaluate_with(objective, proposal)) for proposal in proposals]
        fitness = [future.result().fitness for future in futures]
    assert fitness == [objective.run(proposal).fitness for proposal in proposals]
    assert (tmp_path / "pickled").read_text() == "x"
    unpickled = [file.read_text() for file in tmp_path.glob("unpickled-*")]
    assert len(unpickled) >= 3
    assert set(unpickled) == {"x"}


def test_an_objective_is_packed_beside_its_tasks() -> None:
    objective = TinyObjective(np.random.default_rng(1))
    packer, unpacker = Packer(), Unpacker()
    proposals = [Proposal(index, 0, "scout", 0, objective.sample()) for index in range(2)]
    one, two = (packer.pack(evaluate_with(objective, proposal)) for proposal in proposals)
    assert one.values == two.values
    (content,) = one.values.values()
    assert content not in one.data
    assert isinstance(pickle.loads(content), TinyObjective)
    tasks = [unpacker.unpack(one), unpacker.unpack(two)]
    assert tasks[0].arguments[0] is tasks[1].arguments[0]
    assert [each.arguments[-1] for each in tasks] == proposals
    assert [each.timed for each in (one, two)] == [True, True]


@pytest.mark.keras
def test_the_time_of_a_candidate_begins_when_the_data_are_there(tmp_path: Path) -> None:
    answers, when_loaded = io.BytesIO(), []

    def load(path: str | None) -> dict[str, Any]:
        when_loaded.append(answers.getvalue())
        return {"x_train": np.arange(320, dtype=np.uint8).reshape(20, 4, 4, 1), "y_train": np.arange(20) % 2}

    register_dataset("slow", load)
    given = {
        "seed": 1,
        "dataset": {"name": "slow"},
        "space": {"preset": "layerwise", "depth": 1, "operations": ["identity", "dropout"]},
        "evaluation": {"epochs": 1, "stopping": "none"},
        "results": {"dir": str(tmp_path)},
    }
    proposal = Proposal(0, 0, "scout", 0, "input|identity|output")
    try:
        packed = Packer().pack(evaluate_network(from_mapping(given), proposal))
        assert packed.timed
        outcome = _carry_out(Unpacker(), packed, answers)
    finally:
        DATASETS._entries.pop("slow")
        nas_interface._interface.cache_clear()
    assert outcome.error is None
    assert when_loaded
    assert set(when_loaded) == {b""}
    assert answers.getvalue()  # by then it has begun
