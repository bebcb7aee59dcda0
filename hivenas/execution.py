"""Where candidates are evaluated: executors behind `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import json
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from hivenas.config import Config, ExecutionConfig, from_mapping
from hivenas.core.evaluation import Evaluation, Proposal, encode_candidate
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.records import ResultsFolder
from hivenas.core.tracker import NullTracker
from hivenas.errors import WorkerDiedError
from hivenas.extensions import import_modules, registered_modules
from hivenas.gpus import limit_gpus, worker_gpus

P = ParamSpec("P")
T = TypeVar("T")
_LAST_WORDS = 20_000  # bytes of a log that are kept with a failure
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of <malloc.h>


class SerialExecutor(Executor):
    """Runs every call at once, in the calling process: for cheap objectives and for debugging.

    A crash in native code ends the whole process. The candidate that was being evaluated then fails when it is
    evaluated again, so that a resumed search gets past it; a process that was killed leaves no such trace.

    Args:
        crash_log: file that takes the name of the candidate at work and what Python says of a crash; None for none.
    """

    def __init__(self, crash_log: Path | None = None) -> None:
        self._log = crash_log
        self._crashed, _, self._last_words = _read_crash(crash_log)
        self._file: IO[str] | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls the function and returns a future that is already done."""
        future: Future[T] = Future()
        try:
            if self._log and args and isinstance(args[0], Proposal):
                self._watch(args[0])
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the watch for crashes."""
        if self._file:
            faulthandler.disable()
            self._file.close()
            self._file = None

    def _watch(self, proposal: Proposal) -> None:
        assert self._log
        name = f"{proposal.label} {encode_candidate(proposal.candidate)}"
        if name == self._crashed:
            self._crashed = ""
            raise WorkerDiedError("the process crashed in native code while it evaluated this", self._last_words)
        if self._file is None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._log.open("w", encoding="utf-8")
            faulthandler.enable(self._file)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{name}\n")
        self._file.flush()


def _read_crash(log: Path | None) -> tuple[str, str, str]:
    """The candidate at which a process crashed and what Python said of it; nothing where it ended in another way."""
    text = log.read_text(encoding="utf-8", errors="replace") if log and log.exists() else ""
    return text.partition("\n") if "Fatal Python error" in text else ("", "", "")


@dataclass(frozen=True, slots=True)
class Unlimited(Generic[P, T]):
    """A call to which `execution.timeout_s` does not apply: the limit is for candidates."""

    call: Callable[P, T]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls it."""
        return self.call(*args, **kwargs)


class WorkerExecutor(Executor):
    """Runs calls in spawned worker processes that are replaced before their memory has grown.

    TensorFlow keeps memory of every graph that it has traced; only the end of its process gives that back. A worker
    that dies takes its own call with it, as a WorkerDiedError, and no other. With `execution.gpus` every worker sees
    a GPU of its own.

    Args:
        config: number of workers, threads of each, their GPUs, calls until one is replaced, seconds a call may take.
        log: file that takes what the workers print.
    """

    def __init__(self, config: ExecutionConfig, log: Path) -> None:
        self._workers = [_Worker(config, log, number) for number in range(config.workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
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


class _Worker:
    """One process at a time, replaced when it has done its share or died."""

    def __init__(self, config: ExecutionConfig, log: Path, number: int) -> None:
        self._config = config
        self._log = log
        self._number = number
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._calls = 0
        self._stopped = False

    def run(self, call: functools.partial[T]) -> T:
        limit = None if isinstance(call.func, Unlimited) else self._config.timeout_s
        if self._calls >= self._config.recycle_after:
            self.retire()
        started = time.monotonic()
        written = self._log.stat().st_size if self._log.exists() else 0
        try:
            if self._stopped:
                raise WorkerDiedError("the executor was shut down before this call began")
            if self._pool is None:
                self._start()
            assert self._pool is not None
            started = time.monotonic()
            self._calls += 1
            return self._pool.submit(_bounded, call, limit).result()
        except BrokenProcessPool as error:
            self._forget()
            seconds = time.monotonic() - started
            if limit and seconds >= limit:
                reason = f"took longer than execution.timeout_s={limit:g} and was ended after {seconds:.0f} s"
            else:
                reason = f"the worker process died after {seconds:.1f} s (killed, or crashed in native code)"
            raise WorkerDiedError(f"{reason}; {self._log} has what it wrote last", self._since(written)) from error

    def _since(self, position: int) -> str:
        """What was written to the log since then; the end of it, where that is long."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(position, self._log.stat().st_size - _LAST_WORDS))
            return file.read().decode("utf-8", errors="replace")
        return ""

    def retire(self) -> None:
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
            initargs=(
                self._config.threads,
                str(self._log),
                registered_modules(),
                gpus[self._number] if gpus else None,
            ),
        )
        self._pid = self._pool.submit(os.getpid).result()
        if self._stopped:
            self.kill()


def limit_threads(threads: int) -> None:
    """Limits the threads of TensorFlow in this process; it must not have been imported yet."""
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[variable] = str(threads)


def _set_up_process(threads: int, log: str, modules: tuple[str, ...], gpu: str | None) -> None:
    """Prepares a fresh worker before anything imports TensorFlow, then has the user's modules register what they do."""
    limit_threads(threads)
    keep_freed_memory()
    limit_gpus(gpu)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for number in (signal.SIGINT, signal.SIGTERM):  # they may reach the whole group; the driver decides what ends
        signal.signal(number, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_modules(modules)


def keep_freed_memory() -> None:
    """Has this process keep the memory that is freed in it; where the C library is not GNU's, nothing happens.

    Tensors of a batch are large, so every one of them would be asked of the kernel, filled with zeros, and given back.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1)):
            library.mallopt(option, value)


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


def make_executor(config: ExecutionConfig, folder: ResultsFolder, *, serial: bool = False) -> Executor:
    """The configured executor, with its logs in a results folder; cheap objectives are `serial` in any case."""
    if serial:
        return SerialExecutor()
    return SerialExecutor(folder.crash) if config.kind == "serial" else WorkerExecutor(config, folder.log)


@functools.lru_cache(maxsize=1)
def _interface(config_json: str) -> NASInterface:
    """The worker's interface: one at a time, so that its data are loaded once."""
    return NASInterface.from_config(from_mapping(json.loads(config_json)), tracker=NullTracker())


def interface_of(config: Config) -> NASInterface:
    """The interface of this process for a configuration; its data stay loaded between calls."""
    return _interface(config.model_dump_json(by_alias=True))


def run_proposal(config: Config, proposal: Proposal) -> Evaluation:
    """Evaluates a proposal in the process that this is called in."""
    return interface_of(config).run(proposal)


def describe_data(config: Config) -> dict[str, Any]:
    """Loads the data set and says what it is."""
    return interface_of(config).eval_strategy.data.describe()


def augmented_examples(config: Config) -> NDArray[np.float32]:
    """Training images as they are and augmented, for people to look at."""
    return interface_of(config).eval_strategy.augmented_examples()


def train_best(config: Config, from_weights: bool) -> Evaluation:
    """Fully trains the best recorded candidate."""
    return interface_of(config).fully_train_best(from_arch=not from_weights)


def train_arch(config: Config, arch: str, weights_filename: str | None = None) -> Evaluation:
    """Fully trains a given architecture, from scratch or from an h5 file."""
    return interface_of(config).fully_train(arch, weights_filename)
