"""The executor that carries out tasks in worker processes of this machine."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import spawn
from pathlib import Path
from typing import Any, TypeVar

from hivenas.config import ExecutionConfig
from hivenas.core.files import disk_full_said
from hivenas.core.progress import Progress
from hivenas.errors import WorkerDiedError, WorkerStartError, first_line
from hivenas.execution.assignment import Assignment
from hivenas.execution.base import Hears, TaskExecutor, ignored
from hivenas.execution.descendants import descendants, kill
from hivenas.execution.gpus import worker_gpus
from hivenas.execution.tasks import Task
from hivenas.execution.time_limit import TimeLimit
from hivenas.execution.wire import Outcome, PackedTask, Packer, Registrations, progress_in, receive, send
from hivenas.execution.worker import BEGUN, PROGRAM, Setup

T = TypeVar("T")
RESUBMISSIONS = 2  # of a task whose worker died; what kills every worker that it meets is then given up
_SHORT = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # of processes, memory or files, for now perhaps
_PAUSES_S = (1.0, 4.0)  # before a process that could not be started is tried again
_LEAVING_S = 10.0  # that a process may take to leave once its last answer is here
_LAST_WORDS = 20_000  # bytes of a log that are kept with a failure
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class WorkerExecutor(TaskExecutor):
    """Carries out tasks in worker processes that are replaced before their memory has grown.

    TensorFlow keeps memory of every graph that it has traced; only the end of its process gives that back. A training
    goes on in the worker that has its network alive, if that is idle. The task of a worker that dies is given to a new
    one, twice at the most, and then ends as a WorkerDiedError; so does one that takes too long, at once. No other task
    is touched. With `execution.gpus` every worker sees a GPU of its own. Workers know what has been registered here by
    now, and need nothing else of the main module.

    Args:
        config: number of workers, threads of each, their GPUs, tasks until one is replaced, seconds a task may take.
        log: file that takes what the workers print.

    Raises:
        ConfigError: the main module has registered what cannot be pickled.
    """

    def __init__(self, config: ExecutionConfig, log: Path) -> None:
        known = Registrations.of_this_process()
        self._packer = Packer()
        self._workers = [Worker(config, log, known, number) for number in range(config.workers)]
        self._assignment = Assignment(self._workers)
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="hivenas-worker")

    def submit(self, task: Task[T]) -> Future[T]:
        """Queues a task, as it is now.

        Raises:
            ConfigError: it cannot be pickled.
        """
        future: Future[T] = self._assignment.add(self._packer.pack(task))
        self._threads.submit(self._carry_out_one)
        return future

    def cpu_seconds(self) -> float:
        """Processor time of the workers that are alive, up to their latest answers; the others are children here."""
        return sum(worker.cpu_s for worker in self._workers)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the workers; with `cancel_futures` at once, in the middle of what they do."""
        if cancel_futures:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._assignment.cancel()
            for worker in self._workers:
                worker.kill()
        try:
            self._threads.shutdown(wait=wait)
        except BaseException:  # interrupted: nobody waits for what they do
            self.shutdown(wait=False, cancel_futures=True)
            raise
        for worker in self._workers:
            worker.retire()

    def _carry_out_one(self) -> None:
        """Has a waiting task carried out: there are as many of these calls as tasks, and as many threads as workers."""
        taken = self._assignment.take()
        if taken is None:  # cancelled
            return
        worker, task, future = taken
        try:
            if not future.set_running_or_notify_cancel():
                return
            tell = functools.partial(future.set_result, worker.run(task, self._hears))
        except BaseException as error:
            tell = functools.partial(future.set_exception, error)
        finally:
            self._assignment.give_back(worker)  # before what comes next is submitted, which it may have alive
        tell()


class Worker:
    """One process at a time, replaced when it has done its share or died.

    Args:
        config: threads, tasks until it is replaced, seconds a task may take.
        log: file that takes what it prints.
        known: what users have registered; it is told before its first task.
        number: among the workers, from 0, by which it gets its GPU where they have one each.
    """

    def __init__(self, config: ExecutionConfig, log: Path, known: Registrations, number: int = 0) -> None:
        self._config = config
        self._number = number
        self._log = log
        self._known = known
        self._process: _Process | None = None
        self._tasks = 0  # of the process, without trainings that went on alive
        self._alive: Sequence[str] = ()
        self._began = 0.0  # the present task, once its process is ready
        self._stopped = False

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none."""
        return self._process.pid if self._process else 0

    @property
    def cpu_s(self) -> float:
        """Processor time of the process up to its latest answer, in seconds; 0 while there is none."""
        process = self._process
        return process.cpu_s if process else 0.0

    @property
    def alive(self) -> Sequence[str]:
        """Names of the saved states whose trainings the process has alive."""
        return self._alive

    def run(self, task: PackedTask[T], hears: Hears = ignored) -> T:
        """Has a task carried out, by one process after another where they die.

        Args:
            task: as `Packer` has made it.
            hears: is told how far it is.

        Raises:
            WorkerDiedError: the last of them died too, the task took too long, or the worker was killed on purpose.
            ConfigError: a module cannot be imported.
        """
        limit = self._config.timeout_s if task.timed else None
        written = self._log.stat().st_size if self._log.exists() else 0
        for deaths in range(1, RESUBMISSIONS + 2):
            self._began = time.monotonic()
            try:
                outcome = self._run(task, limit, hears)
            except _DiedError as error:
                self._forget()
                seconds = time.monotonic() - self._began
                reason = f"the worker process died after {seconds:.1f} s (killed, or crashed in native code)"
                if not error.late_s and not self._stopped and deaths <= RESUBMISSIONS:
                    self._note(f"{reason}; the call is given to a new one")
                    continue
                if error.late_s:
                    reason = f"took longer than execution.timeout_s={limit:g} and was ended after {error.late_s:.0f} s"
                elif deaths > 1:
                    reason += f", as {deaths - 1} before it"
                raise WorkerDiedError(f"{reason}; {self._log} has what it wrote last", self._since(written)) from error
            result: T = outcome.get()
            return result
        raise AssertionError("the last death is raised")

    def _run(self, task: PackedTask[Any], limit: float | None, hears: Hears) -> Outcome:
        goes_on = task.continues in self._alive
        # The end of a process gives back the memory of graphs. Those of networks that are alive would be traced again
        # by and by, so they count only once they are given up; and what goes on alive traces none.
        if not goes_on and self._tasks - len(self._alive) >= self._config.recycle_after:
            self.retire()
        if self._stopped:
            raise WorkerDiedError("the executor was shut down before this call began")
        if self._process is None:
            self._start()
        assert self._process is not None
        self._began = time.monotonic()
        self._tasks += not goes_on
        outcome = self._process.carry_out(task, limit, hears)
        if outcome.alive is not None:
            self._alive = outcome.alive
        return outcome

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
            file.write(f"hivenas: {text}\n")

    def _since(self, position: int) -> str:
        """The text written to the log since then; the end of it, where that is long."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(position, self._log.stat().st_size - _LAST_WORDS))
            return file.read().decode("utf-8", errors="replace")
        return ""

    def retire(self) -> None:
        """Ends the process in order; the next task starts another."""
        if self._process is not None:
            self._process.end()
        self._forget()

    def _forget(self) -> None:
        self._process, self._tasks, self._alive = None, 0, ()

    def kill(self) -> None:
        """Ends the process, also one that is just starting; no other is started."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> None:
        gpus = worker_gpus(self._config)
        self._process = self._new_process()
        if self._stopped:
            self.kill()
        try:
            self._process.set_up(Setup(tuple(sys.argv), gpus[self._number] if gpus else None, self._known))
        except BaseException:
            self.retire()  # it knows too little for any task
            raise

    def _new_process(self) -> _Process:
        """Starts one, after a while where the machine has no process or memory left for it."""
        for pause_s in (*_PAUSES_S, None):
            try:
                with disk_full_said(self._log.parent):
                    self._log.parent.mkdir(parents=True, exist_ok=True)
                    return _Process(self._log, self._config.threads)
            except OSError as error:
                is_short = error.errno in _SHORT
                if pause_s is None or self._stopped or not is_short:
                    way_out = "free some, or lower execution.workers," if is_short else "put that right"
                    raise WorkerStartError(
                        f"a worker process must be started, got {first_line(error)}; {way_out} and go on (--resume)"
                    ) from error
                time.sleep(pause_s)
        raise AssertionError("the last pause is none")


class _DiedError(Exception):
    """A process is gone, or went in the middle of a task.

    Args:
        late_s: seconds after which it was ended, as the task took too long; 0 where it went for another reason.
    """

    def __init__(self, late_s: float = 0.0) -> None:
        super().__init__(late_s)
        self.late_s = late_s


class _Process:
    """A process that runs `worker.main`, as it is seen from here; one thread at a time talks to it.

    Args:
        log: takes what it prints.
        threads: of TensorFlow in it.
    """

    def __init__(self, log: Path, threads: int) -> None:
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
        path = json.dumps([each for each in sys.path if isinstance(each, str)])
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                [os.fsdecode(spawn.get_executable()), *flags, "-c", PROGRAM, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={"TF_CPP_MIN_LOG_LEVEL": "2", **_inherited(), **thread_settings(threads)},
            )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._requests, self._answers = self._popen.stdin, self._popen.stdout
        self._sent: set[str] = set()  # digests of the values that it has
        self.cpu_s = 0.0  # up to its latest answer, while it is alive
        self._hears: Callable[[Progress], None] = functools.partial(ignored, "")

    @property
    def pid(self) -> int:
        return self._popen.pid

    def set_up(self, setup: Setup) -> None:
        """Waits until it is ready for tasks."""
        self._ask(pickle.dumps(setup)).get()

    def carry_out(self, task: PackedTask[Any], limit: float | None, hears: Hears) -> Outcome:
        """Waits for what comes of a task; values that it has been sent before are not sent again."""
        new = {digest: data for digest, data in task.values.items() if digest not in self._sent}
        self._hears = functools.partial(hears, task.told_as)
        outcome = self._ask(pickle.dumps(replace(task, values=new)), limit)
        self._sent.update(new)
        return outcome

    def _ask(self, message: bytes, limit: float | None = None) -> Outcome:
        with self._noticing_its_end():
            send(self._requests, message)
            answer = self._answer()
            if answer == BEGUN:
                answer = self._answer_within(limit) if limit else self._answer()
        outcome = _outcome(answer)
        self.cpu_s = outcome.cpu_s or self.cpu_s
        return outcome

    def _answer(self) -> bytes:
        """The next answer; what the task tells before it is passed on."""
        while (told := progress_in(answer := receive(self._answers))) is not None:
            self._hears(told)
        return answer

    def _answer_within(self, limit: float) -> bytes:
        with TimeLimit(self._popen, limit) as time_limit:
            try:
                answer = self._answer()
            except (EOFError, OSError) as error:
                raise _DiedError(time_limit.spent if time_limit.is_over else 0.0) from error
        if time_limit.is_over:  # it has been ended with its answer on the way
            raise _DiedError(time_limit.spent)
        return answer

    @contextlib.contextmanager
    def _noticing_its_end(self) -> Iterator[None]:
        try:
            yield
        except _DiedError:
            self._popen.kill()
            self.end()
            raise
        except (EOFError, OSError, ValueError) as error:
            self._popen.kill()
            self.end()
            raise _DiedError from error

    def end(self) -> None:
        """Takes leave, and waits until it is gone; of one that is dead nothing is left."""
        with contextlib.suppress(OSError, ValueError):
            send(self._requests, b"")
        for stream in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                stream.close()
        try:
            self._popen.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:  # it waits for threads or processes that a task has left behind
            self.kill()
            self._popen.wait()
        self.cpu_s = 0.0  # this process has it among its children now

    def kill(self) -> None:
        """Ends it at once, with all that its task has started."""
        started = descendants(self.pid) if self._popen.poll() is None else []
        self._popen.kill()
        kill(started)


def _outcome(answer: bytes) -> Outcome:
    """Reads an answer; one that cannot be read here is an outcome too."""
    try:
        outcome: Outcome = pickle.loads(answer)
    except Exception as error:
        return Outcome(error=error)
    return outcome


def _inherited() -> dict[str, str]:
    """The environment of workers. A run that it names is the driver's: an objective's own `start_run` would end it."""
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_RUN_ID"}


def thread_settings(threads: int) -> Mapping[str, str]:
    """The variables that limit the threads of TensorFlow in a process where it has not been imported yet."""
    return dict.fromkeys(_THREADS, str(threads))


def limit_threads(threads: int) -> None:
    """Limits the threads of TensorFlow in this process; it must not have been imported yet."""
    os.environ.update(thread_settings(threads))
