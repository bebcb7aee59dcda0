from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hivenas.config import ExecutionConfig
from hivenas.core.onednn import chosen_onednn
from hivenas.errors import WorkerDiedError, WorkerStartError
from hivenas.execution import Task, TaskExecutor, WorkerExecutor, process
from hivenas.execution.process import RESUBMISSIONS
from tests.contracts import ExecutorContract
from tests.executors import task, timed, trained

pytestmark = pytest.mark.process


def die(deaths: Path, times: int | None = None) -> int:
    """Kills its process, as often as it is told to, in the middle of a training; returns how often that was."""
    trained(2)
    before = len(deaths.read_text()) if deaths.exists() else 0
    if times is None or before < times:
        with deaths.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return before


def sleep_long(begun: Path | None = None) -> None:
    trained(2)
    if begun:
        with begun.open("a") as file:
            file.write("x")
    time.sleep(60)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def thread_settings() -> tuple[str, ...]:
    return tuple(os.environ[v] for v in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"))


class TestWorkerExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[TaskExecutor]:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            yield executor


class TestTwoWorkers(ExecutorContract):
    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[TaskExecutor]:
        with WorkerExecutor(ExecutionConfig(workers=2), tmp_path / "worker.log") as executor:
            yield executor


def leave_a_thread() -> int:
    """Leaves a thread behind for which Python waits at its end."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return 7


def test_a_process_that_waits_for_what_a_task_has_left_behind_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_LEAVING_S", 0.5)
    with WorkerExecutor(ExecutionConfig(recycle_after=1), tmp_path / "worker.log") as executor:
        assert [executor.submit(task(leave_a_thread)).result() for _ in range(2)] == [7, 7]


def test_processor_time_is_known_of_workers_that_are_alive(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(recycle_after=2), tmp_path / "worker.log") as executor:
        assert executor.cpu_seconds() == 0.0
        used = [executor.submit(task(time.process_time)).result() and executor.cpu_seconds() for _ in range(3)]
        assert 0.0 < used[0] <= used[1]
        assert used[2] > 0.0
    assert executor.cpu_seconds() == 0.0  # they are children that have ended


def test_what_tasks_tell_is_heard_under_their_names_with_a_time_limit_and_without(tmp_path: Path) -> None:
    heard: list[tuple[str, list[int]]] = []
    with WorkerExecutor(ExecutionConfig(timeout_s=60.0), tmp_path / "worker.log") as executor:
        executor.follow(lambda name, told: heard.append((name, [figures.epoch for figures in told.figures])))
        for name, is_timed in (("0000-scout", False), ("0001-scout", True)):
            made = Task("test", trained, (3,), name=name, timed=is_timed)
            assert executor.submit(made).result() == 3
    assert heard == [(name, epochs) for name in ("0000-scout", "0001-scout") for epochs in ([], [1, 2, 3])]


def test_a_call_whose_workers_all_die_is_given_up_and_no_other(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        before, dead, after = (executor.submit(task(*call)) for call in ((os.getpid,), (die, deaths), (os.getpid,)))
        with pytest.raises(WorkerDiedError, match=r"died after .*, as 2 before it"):
            dead.result()
        assert before.result() != after.result()
    assert len(deaths.read_text()) == RESUBMISSIONS + 1


def test_a_call_whose_worker_dies_is_given_to_the_next(tmp_path: Path) -> None:
    deaths, heard = tmp_path / "deaths", list[int]()
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        executor.follow(lambda name, told: heard.append(told.epoch))
        assert executor.submit(task(die, deaths, 2)).result() == 2
    assert heard == [0, 2] * 3  # each tells from its beginning
    assert (tmp_path / "worker.log").read_text().count("the call is given to a new one") == 2


def test_a_call_over_its_time_ends_with_its_worker(tmp_path: Path) -> None:
    log, begun, heard = tmp_path / "worker.log", tmp_path / "begun", list[int]()
    with WorkerExecutor(ExecutionConfig(timeout_s=1.0), log) as executor:
        executor.follow(lambda name, told: heard.append(told.epoch))
        with pytest.raises(WorkerDiedError, match=r"longer than execution\.timeout_s=1") as caught:
            executor.submit(timed(sleep_long, begun)).result()
        assert "sleep_long" in caught.value.last_words
        assert executor.submit(task(os.getpid)).result() != os.getpid()
    assert "sleep_long" in log.read_text()
    assert begun.read_text() == "x"  # what takes too long once is not tried again
    assert heard == [0, 2]  # by then


def end_a_program() -> int:
    """Starts a program and asks it to end; returns the signal that it ended by."""
    program = subprocess.Popen(["sleep", "600"])
    program.terminate()
    return -program.wait(60)


def end_a_fork() -> int:
    """Forks a child and asks it to end; returns the signal that it ended by."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"x")
        time.sleep(600)
        os._exit(0)
    os.read(reading, 1)
    os.kill(child, signal.SIGTERM)
    return os.waitpid(child, 0)[1]


def own_signals() -> list[bool]:
    """Tells of SIGHUP and SIGTERM whether a program that a task starts ignores them."""
    code = "import signal as s; print(*(int(s.getsignal(n) == s.SIG_IGN) for n in (s.SIGHUP, s.SIGTERM)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [each == "1" for each in told.split()]


@pytest.mark.parametrize("ignored", [True, False])
def test_programs_ignore_the_end_of_the_terminal_where_the_driver_does(ignored: bool, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)  # as nohup does
    try:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            assert executor.submit(task(own_signals)).result() == [ignored, False]
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("end", [end_a_program, end_a_fork])
def test_what_a_task_starts_can_be_ended_by_a_signal_and_its_worker_cannot(
    end: Callable[[], int], tmp_path: Path
) -> None:
    with WorkerExecutor(ExecutionConfig(timeout_s=120.0), tmp_path / "worker.log") as executor:
        assert executor.submit(timed(end)).result() == signal.SIGTERM
        worker = executor.submit(task(os.getpid)).result()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            os.kill(worker, number)
        assert executor.submit(task(os.getpid)).result() == worker


def fork_twice() -> int:
    """Opens files in a forked child, forks again there, and returns how many the grandchild can write to."""
    reading, writing = os.pipe()
    if not os.fork():
        files = [os.open(os.devnull, os.O_WRONLY) for _ in range(4)]
        if not os.fork():
            usable = 0
            for file in files:
                with contextlib.suppress(OSError):
                    usable += os.write(file, b"x")
            os.write(writing, bytes([usable]))
        os._exit(0)
    return os.read(reading, 1)[0]


def test_a_child_of_a_child_keeps_the_files_of_its_parent(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        assert executor.submit(task(fork_twice)).result() == 4


def start_and_wait(started: Path) -> None:
    """Waits for a program that it starts, by a shell."""
    subprocess.run(["sh", "-c", f"echo $$ > {started}; sleep 600; true"], check=True)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell what a process has started")
def test_what_a_task_has_started_ends_with_it_when_it_takes_too_long_or_is_ended(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def end_in_the_middle() -> None:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            executor.submit(task(start_and_wait, started))
            while not started.exists() or not started.read_text():
                time.sleep(0.01)
            raise KeyError

    limited = WorkerExecutor(ExecutionConfig(timeout_s=5.0), tmp_path / "worker.log")
    with limited as executor, pytest.raises(WorkerDiedError, match="longer than"):
        executor.submit(timed(start_and_wait, started)).result()
    _await_end(int(started.read_text()))
    started.unlink()
    with pytest.raises(KeyError):
        end_in_the_middle()
    _await_end(int(started.read_text()))


def test_a_worker_that_cannot_be_started_is_no_failure_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_PAUSES_S", (0.0,))
    (tmp_path / "file").touch()
    said = r"must be started, got (NotADirectory|FileExists)Error: .*; put that right and go on \(--resume\)"
    workers = WorkerExecutor(ExecutionConfig(), tmp_path / "file" / "worker.log")
    with workers as executor, pytest.raises(WorkerStartError, match=said):
        executor.submit(task(os.getpid)).result()


def test_a_worker_whose_preparation_fails_takes_no_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
        with monkeypatch.context() as broken:
            broken.setattr(process, "Setup", lambda *given: given)  # nothing that a worker could read
            with pytest.raises(AttributeError):
                executor.submit(task(os.getpid)).result()
        assert executor.submit(task(os.getpid)).result() > 0


SUSPENDED = """
import pathlib, sys
from hivenas.config import ExecutionConfig
from hivenas.execution import Task, WorkerExecutor
from tests.execution.test_process import nap_noted

with WorkerExecutor(ExecutionConfig(timeout_s=3.0), pathlib.Path("worker.log")) as executor:
    print(executor.submit(Task("test", nap_noted, (pathlib.Path("begun"), 0.5), timed=True)).result())
"""


def nap_noted(begun: Path, seconds: float) -> float:
    begun.with_suffix(".part").write_text(str(os.getpid()))
    begun.with_suffix(".part").rename(begun)
    return nap(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("suspended", ["worker", "driver", "group"])
def test_time_in_which_processes_are_suspended_does_not_count(suspended: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUSPENDED]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    begun = tmp_path / "begun"
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as driver:
        while not begun.exists():
            assert driver.poll() is None
            time.sleep(0.01)
        worker = int(begun.read_text())
        targets = {"worker": [worker], "driver": [driver.pid], "group": [driver.pid, worker]}[suspended]
        for number, pause in ((signal.SIGSTOP, 3.5), (signal.SIGCONT, 0.0)):
            for target in targets:
                os.kill(target, number)
            time.sleep(pause)
        assert driver.stdout is not None
        assert driver.stdout.read() == "0.5\n"


@pytest.mark.slow
def test_the_limit_is_for_candidates_not_for_what_comes_after(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(timeout_s=0.5), tmp_path / "worker.log") as executor:
        assert executor.submit(task(nap, 1.5)).result() == 1.5


def test_workers_that_are_just_starting_are_ended_too(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    executor = WorkerExecutor(ExecutionConfig(), log)
    calls = [executor.submit(task(sleep_long)), executor.submit(task(sleep_long))]
    executor.shutdown(cancel_futures=True)
    assert calls[1].cancelled()
    with pytest.raises(WorkerDiedError):
        calls[0].result(timeout=0)


def test_a_worker_is_replaced_after_its_share_of_calls(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(recycle_after=2), tmp_path / "worker.log") as executor:
        pids = [executor.submit(task(os.getpid)).result() for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_a_task_goes_to_the_worker_that_has_its_training_alive(tmp_path: Path) -> None:
    with WorkerExecutor(ExecutionConfig(workers=2, recycle_after=1_000), tmp_path / "worker.log") as executor:
        assert all(future.result() for future in [executor.submit(task(nap, 0.2)) for _ in range(2)])
        for each in executor._workers * 2:
            each._alive = ("x",)
            assert executor.submit(Task("test", os.getpid, continues="x")).result() == each.pid
            each._alive = ()


def test_workers_have_their_threads_set_before_anything_else_and_no_run_of_the_drivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "the driver's, which a task's start_run would take over and end")
    with WorkerExecutor(ExecutionConfig(threads=3), tmp_path / "worker.log") as executor:
        assert executor.submit(task(thread_settings)).result() == ("3", "3", "3")
        assert executor.submit(task(os.getenv, "MLFLOW_RUN_ID")).result() is None


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="oneDNN is chosen for x86 alone")
def test_workers_compute_with_onednn_unless_they_are_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for before, chosen in ((None, "1"), ("0", "0")):
        if before is None:
            monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
        else:
            monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", before)
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            assert executor.submit(task(chosen_onednn)).result() == chosen


def test_an_error_inside_the_block_ends_workers_at_once(tmp_path: Path) -> None:
    pids = []

    def fail_in_the_middle() -> None:
        with WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log") as executor:
            pids.append(executor.submit(task(os.getpid)).result())
            executor.submit(task(sleep_long))
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_middle()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_driver_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from hivenas.config import ExecutionConfig\n"
        "from hivenas.execution import Task, WorkerExecutor\n"
        "executor = WorkerExecutor(ExecutionConfig(), pathlib.Path(sys.argv[1]))\n"
        "print(executor.submit(Task('test', os.getpid)).result(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    file = tmp_path / "driver.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, str(file), str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    _await_end(int(done.stdout))


def _await_end(pid: int) -> None:
    """Asserts that a process that is no child of this one ends within a minute."""
    for _ in range(600):
        if not _is_running(pid):
            break
        time.sleep(0.1)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    """True where a process runs; one that has ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
