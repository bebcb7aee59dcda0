from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hivenas.execution import SerialExecutor, Task, TaskExecutor
from tests.contracts import ExecutorContract
from tests.executors import trained


class TestSerialExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Iterator[TaskExecutor]:
        with SerialExecutor() as executor:
            yield executor


def test_what_a_task_tells_is_heard_under_its_name_before_it_has_ended() -> None:
    heard: list[tuple[str, int]] = []
    with SerialExecutor() as executor:
        executor.submit(Task("test", trained, (3,), name="nobody listens"))
        executor.follow(lambda name, progress: heard.append((name, progress.epoch)))
        executor.submit(Task("test", trained, (3,), name="0001-scout"))
    assert heard == [("0001-scout", 0), ("0001-scout", 3)]


WATCHED = """
import contextlib, faulthandler, io, sys
from pathlib import Path
from hivenas.execution import SerialExecutor, Task

with contextlib.redirect_stderr(io.StringIO()):  # as tests have it, and notebooks: it has no number
    with SerialExecutor(Path(sys.argv[1])) as executor:
        executor.submit(Task("test", int, name="0001-scout"))
        print(faulthandler.is_enabled())
    print(faulthandler.is_enabled())
"""


@pytest.mark.process
@pytest.mark.parametrize("before", [True, False])
def test_whoever_watched_for_crashes_before_does_so_after(before: bool, tmp_path: Path) -> None:
    options = ["-X", "faulthandler"] if before else []
    command = [sys.executable, *options, "-c", WATCHED, str(tmp_path / "crash.log")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(before)]


SERIAL = """
import faulthandler, os, signal, sys
from pathlib import Path
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Direction, Evaluation, Proposal
from hivenas.execution import SerialExecutor, evaluate_with

class Objective:
    def describe(self):
        return ObjectiveInfo(direction=Direction.of(False))

    def run(self, proposal):
        if proposal.candidate == "input|crash|output" and "crash" in sys.argv:
            faulthandler._sigsegv()
        if proposal.candidate == "input|crash|output" and "kill" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return Evaluation(proposal.candidate, "complete", 1.0)

executor = SerialExecutor(Path(sys.argv[1]))
for index, candidate in enumerate(["input|a|output", "input|crash|output", "input|b|output"]):
    future = executor.submit(evaluate_with(Objective(), Proposal(index, 0, "scout", 0, candidate)))
    print(future.exception() or future.result().candidate, flush=True)
    if future.exception():
        print(" in run" in future.exception().last_words, flush=True)
executor.shutdown()
"""


def serial(log: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SERIAL, str(log), how], capture_output=True, text=True, check=False)


@pytest.mark.process
def test_a_candidate_that_crashes_a_serial_search_fails_when_it_is_resumed(tmp_path: Path) -> None:
    crashed = serial(tmp_path / "crash.log", "crash")
    assert crashed.returncode == -signal.SIGSEGV
    assert crashed.stdout.split() == ["input|a|output"]
    resumed = serial(tmp_path / "crash.log", "crash")
    assert resumed.returncode == 0
    assert resumed.stdout.splitlines() == [
        "input|a|output",
        "the process crashed in native code while it evaluated this",
        "True",
        "input|b|output",
    ]


@pytest.mark.process
def test_a_candidate_at_which_a_serial_search_was_killed_is_evaluated_again(tmp_path: Path) -> None:
    assert serial(tmp_path / "crash.log", "kill").returncode == -signal.SIGKILL
    resumed = serial(tmp_path / "crash.log", "go on")
    assert resumed.stdout.splitlines() == ["input|a|output", "input|crash|output", "input|b|output"]
