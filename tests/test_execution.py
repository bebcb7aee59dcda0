from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from hivenas.config import ExecutionConfig
from hivenas.core.records import ResultsFolder
from hivenas.errors import WorkerDiedError
from hivenas.execution import SerialExecutor, Unlimited, WorkerExecutor, make_executor
from tests.contracts import ExecutorContract


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_long() -> None:
    time.sleep(60)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def thread_settings() -> tuple[str, ...]:
    return tuple(os.environ[v] for v in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"))


def faults_of_a_second_array() -> int:
    """Pages that the kernel has to give a process for a large array after one of the same size was freed."""
    np.full(2**23, 1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(2**23, 1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


class TestSerialExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        with SerialExecutor() as executor:
            yield executor


class TestWorkerExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[Executor]:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            yield executor


class TestTwoWorkers(ExecutorContract):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[Executor]:
        with WorkerExecutor(ExecutionConfig(workers=2), tmp_path / "worker.log") as executor:
            yield executor


def test_a_worker_that_dies_takes_only_its_own_call_with_it(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        before, dead, after = executor.submit(os.getpid), executor.submit(die), executor.submit(os.getpid)
        with pytest.raises(WorkerDiedError, match="died"):
            dead.result()
        assert before.result() != after.result()


def test_a_call_over_its_time_ends_with_its_worker(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with WorkerExecutor(ExecutionConfig(timeout_s=1.0), log) as executor:
        with pytest.raises(WorkerDiedError, match=r"longer than execution\.timeout_s=1") as caught:
            executor.submit(sleep_long).result()
        assert "sleep_long" in caught.value.last_words
        assert executor.submit(os.getpid).result() != os.getpid()
    assert "sleep_long" in log.read_text()


def test_the_limit_is_for_candidates_not_for_what_comes_after(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(timeout_s=0.5), tmp_path / "worker.log") as executor:
        assert executor.submit(Unlimited(nap), 1.5).result() == 1.5


def test_workers_that_are_just_starting_are_ended_too(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    executor = WorkerExecutor(ExecutionConfig(), log)
    calls = [executor.submit(sleep_long), executor.submit(sleep_long)]
    executor.shutdown(cancel_futures=True)
    assert calls[1].cancelled()
    with pytest.raises(WorkerDiedError):
        calls[0].result(timeout=0)


def test_a_worker_is_replaced_after_its_share_of_calls(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(recycle_after=2), tmp_path / "worker.log") as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_workers_have_their_threads_set_before_anything_else(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(threads=3), tmp_path / "worker.log") as executor:
        assert executor.submit(thread_settings).result() == ("3", "3", "3")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU's C library alone can be told to")
def test_workers_keep_the_memory_that_was_freed(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        assert executor.submit(faults_of_a_second_array).result() < 10


def test_an_error_inside_the_block_ends_workers_at_once(tmp_path: Path) -> None:
    pids = []

    def fail_in_the_middle() -> None:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            pids.append(executor.submit(os.getpid).result())
            executor.submit(sleep_long)
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_middle()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_driver_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from hivenas.config import ExecutionConfig\n"
        "from hivenas.execution import WorkerExecutor\n"
        "if __name__ == '__main__':\n"
        "    executor = WorkerExecutor(ExecutionConfig(), pathlib.Path(sys.argv[1]))\n"
        "    print(executor.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    file = tmp_path / "driver.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, str(file), str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)
    for _ in range(600):
        if not _is_running(worker):
            break
        time.sleep(0.1)
    assert not _is_running(worker)


def test_cheap_objectives_run_in_the_drivers_process(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "log")
    assert isinstance(make_executor(ExecutionConfig(), folder, serial=True), SerialExecutor)
    assert isinstance(make_executor(ExecutionConfig(kind="serial"), folder), SerialExecutor)
    with make_executor(ExecutionConfig(), folder) as executor:
        assert isinstance(executor, WorkerExecutor)


SERIAL = """
import faulthandler, os, signal, sys
from pathlib import Path
from hivenas.core.evaluation import Proposal
from hivenas.execution import SerialExecutor

def evaluate(proposal):
    if proposal.candidate == "input|crash|output" and "crash" in sys.argv:
        faulthandler._sigsegv()
    if proposal.candidate == "input|crash|output" and "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return proposal.candidate

executor = SerialExecutor(Path(sys.argv[1]))
for index, candidate in enumerate(["input|a|output", "input|crash|output", "input|b|output"]):
    future = executor.submit(evaluate, Proposal(index, 0, "scout", 0, candidate))
    print(future.exception() or future.result(), flush=True)
    if future.exception():
        print("evaluate" in future.exception().last_words, flush=True)
executor.shutdown()
"""


def serial(log: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SERIAL, str(log), how], capture_output=True, text=True, check=False)


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


def test_a_candidate_at_which_a_serial_search_was_killed_is_evaluated_again(tmp_path: Path) -> None:
    assert serial(tmp_path / "crash.log", "kill").returncode == -signal.SIGKILL
    resumed = serial(tmp_path / "crash.log", "go on")
    assert resumed.stdout.splitlines() == ["input|a|output", "input|crash|output", "input|b|output"]


def _is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
