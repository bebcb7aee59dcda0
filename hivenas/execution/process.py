"""The executor that calls in worker processes of this machine, and the worker process itself."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

from hivenas.config import ExecutionConfig
from hivenas.config.registry import import_modules, registered_modules
from hivenas.core.onednn import choose_onednn
from hivenas.errors import ConfigError, WorkerDiedError
from hivenas.execution.gpus import limit_gpus, worker_gpus
from hivenas.execution.tasks import Unlimited

P = ParamSpec("P")
T = TypeVar("T")
RESUBMISSIONS = 2  # of a call whose worker died; what kills every worker that it meets is then given up
_LAST_WORDS = 20_000  # bytes of a log that are kept with a failure


class WorkerExecutor(Executor):
    """Runs calls in spawned worker processes that are replaced before their memory has grown.

    TensorFlow keeps memory of every graph that it has traced; only the end of its process gives that back. The call of
    a worker that dies is given to a new one, twice at the most, and then ends as a WorkerDiedError; so does one that
    takes too long, at once. No other call is touched. With `execution.gpus` every worker sees a GPU of its own.

    Args:
        config: number of workers, threads of each, their GPUs, calls until one is replaced, seconds a call may take.
        log: file that takes what the workers print.
    """

    def __init__(self, config: ExecutionConfig, log: Path) -> None:
        self._workers = [Worker(config, log, registered_modules(), number) for number in range(config.workers)]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="hivenas-worker")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queues a call of an importable function with arguments that can be pickled."""
        return self._threads.submit(self._run, functools.partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the workers; with `cancel_futures` at once, in the middle of what they do."""
        if cancel_futures:
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(wait=wait)
        for worker in self._workers:
            worker.retire()

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> bool | None:
        self.shutdown(wait=True, cancel_futures=exc_type is not None)
        return None

    def _run(self, call: functools.partial[T]) -> T:
        worker = self._idle.get()
        try:
            return worker.run(call)
        finally:
            self._idle.put(worker)


class Worker:
    """One process at a time, replaced when it has done its share or died.

    Args:
        config: threads, calls until it is replaced, seconds a call may take.
        log: file that takes what it prints.
        modules: imported before its first call, as they register what the user has made.
        number: among the workers, from 0, by which it gets its GPU where they have one each.
    """

    def __init__(self, config: ExecutionConfig, log: Path, modules: tuple[str, ...], number: int = 0) -> None:
        self._config = config
        self._number = number
        self._log = log
        self._modules = modules
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._calls = 0
        self._began = 0.0  # the present call, once its process is ready
        self._stopped = False

    def run(self, call: functools.partial[T]) -> T:
        """Has a call carried out, by one process after another where they die.

        Raises:
            WorkerDiedError: the last of them died too, the call took too long, or the worker was killed on purpose.
            ConfigError: a module cannot be imported.
        """
        limit = None if isinstance(call.func, Unlimited) else self._config.timeout_s
        written = self._log.stat().st_size if self._log.exists() else 0
        for deaths in range(1, RESUBMISSIONS + 2):
            self._began = time.monotonic()
            try:
                return self._run(call, limit)
            except BrokenProcessPool as error:
                self._forget()
                seconds = time.monotonic() - self._began
                reason = f"the worker process died after {seconds:.1f} s (killed, or crashed in native code)"
                is_late = bool(limit) and seconds >= (limit or 0.0)
                if not is_late and not self._stopped and deaths <= RESUBMISSIONS:
                    self._note(f"{reason}; the call is given to a new one")
                    continue
                if is_late:
                    reason = f"took longer than execution.timeout_s={limit:g} and was ended after {seconds:.0f} s"
                elif deaths > 1:
                    reason += f", as {deaths - 1} before it"
                raise WorkerDiedError(f"{reason}; {self._log} has what it wrote last", self._since(written)) from error
        raise AssertionError("the last death is raised")

    def _run(self, call: functools.partial[T], limit: float | None) -> T:
        if self._calls >= self._config.recycle_after:
            self.retire()
        if self._stopped:
            raise WorkerDiedError("the executor was shut down before this call began")
        if self._pool is None:
            self._start()
        assert self._pool is not None
        self._began = time.monotonic()
        self._calls += 1
        return self._pool.submit(_bounded, call, limit).result()

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
            file.write(f"hivenas: {text}\n")

    def _since(self, position: int) -> str:
        """What was written to the log since then; the end of it, where that is long."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(position, self._log.stat().st_size - _LAST_WORDS))
            return file.read().decode("utf-8", errors="replace")
        return ""

    def retire(self) -> None:
        """Ends the process in order; the next call starts another."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self._forget()

    def _forget(self) -> None:
        self._pool, self._pid, self._calls = None, 0, 0

    def kill(self) -> None:
        """Ends the process, also one that is just starting; no other is started."""
        self._stopped = True
        if self._pool is not None and self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _start(self) -> None:
        gpus = worker_gpus(self._config)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up_process,
            initargs=(self._config.threads, str(self._log), gpus[self._number] if gpus else None),
        )
        self._pid = self._pool.submit(os.getpid).result()
        if self._stopped:
            self.kill()
        try:
            self._pool.submit(import_modules, self._modules).result()
        except ConfigError:
            self.retire()  # it knows too little for any call
            raise


def limit_threads(threads: int) -> None:
    """Limits the threads of TensorFlow in this process; it must not have been imported yet."""
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[variable] = str(threads)


def _set_up_process(threads: int, log: str, gpu: str | None) -> None:
    """Prepares a fresh worker before anything imports TensorFlow."""
    limit_threads(threads)
    choose_onednn()
    limit_gpus(gpu)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for number in (signal.SIGINT, signal.SIGTERM):  # they may reach the whole group; the driver decides what ends
        signal.signal(number, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A driver that was killed leaves no worker behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _bounded(call: Callable[[], T], timeout_s: float | None) -> T:
    """Runs a call; past the time limit the whole process ends, whatever native code it is in."""
    if timeout_s:
        faulthandler.dump_traceback_later(timeout_s, exit=True)
    try:
        return call()
    finally:
        if timeout_s:
            faulthandler.cancel_dump_traceback_later()
