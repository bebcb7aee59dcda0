"""A dask worker's means to carry out a search's tasks: a folder of its own, and processes that it can lose."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Worker as DaskWorker
from distributed import WorkerPlugin, get_worker

from hivenas.config import ExecutionConfig
from hivenas.errors import ConfigError, DatasetError, WorkerDiedError, WorkerStartError
from hivenas.execution.process import Worker
from hivenas.execution.task_results import TaskResult, carry_out
from hivenas.execution.wire import PackedTask, Registrations

_IDLE_S = 300.0  # a child without calls is ended after that: its driver may be dead, and TensorFlow takes much memory


class SearchPlugin(WorkerPlugin):
    """Lives in every dask worker while a search goes on, and carries out its tasks in child processes.

    A child has its threads set before it imports TensorFlow, is replaced before its memory has grown, can be ended when
    a candidate takes too long, and takes nothing but itself along when TensorFlow crashes; the dask worker answers its
    scheduler meanwhile. A dask worker with several threads has as many children.

    Args:
        config: threads, calls until a child is replaced, seconds a call may take.
        known: what the user has registered in the driver; a child is told before its first task.
        is_ours: whether the dask worker belongs to a cluster that the driver has started.
    """

    def __init__(self, config: ExecutionConfig, known: Registrations, *, is_ours: bool) -> None:
        self._config = config
        self._known = known
        self._is_ours = is_ours

    def setup(self, worker: DaskWorker) -> None:
        """Makes the folder; called by dask in the worker."""
        self._address = worker.address
        self._folder = Path(tempfile.mkdtemp(prefix="hivenas-", dir=worker.local_directory))
        self._slots: list[tuple[Worker, Path]] = []
        self._idle: list[tuple[Worker, Path]] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        if self._is_ours:
            with contextlib.suppress(ValueError):  # not in a main thread, which signals do not reach then
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches the whole group; the driver decides what ends

    def teardown(self, worker: DaskWorker) -> None:
        """Ends the children, also in the middle of a call; called by dask when worker or search end."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            for process, _ in self._slots:
                process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, task: PackedTask[Any], states: Mapping[str, bytes]) -> TaskResult:
        """Carries out a task; see `task_results.carry_out`.

        Raises:
            WorkerDiedError: its processes died, or it took too long.
            WorkerStartError: none can be started here.
            InputError: data or modules that this machine does not have.
        """
        process, folder = slot = self._take()
        try:
            return carry_out(process.run, task, states, folder)
        except (ConfigError, DatasetError, WorkerDiedError, WorkerStartError) as error:
            error.args = (f"{error.args[0]} (on the dask worker {self._address})", *error.args[1:])
            raise
        finally:
            self._give_back(slot)

    def _take(self) -> tuple[Worker, Path]:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            if self._idle:
                return self._idle.pop()
            folder = self._folder / f"{len(self._slots)}"
            slot = Worker(self._config, folder / "worker.log", self._known), folder
            self._slots.append(slot)
            return slot

    def _give_back(self, slot: tuple[Worker, Path]) -> None:
        with self._lock:
            self._idle.append(slot)
            if len(self._idle) == len(self._slots):
                self._timer = threading.Timer(_IDLE_S, self._rest)
                self._timer.daemon = True
                self._timer.start()

    def _rest(self) -> None:
        with self._lock:
            for process, _ in self._idle:
                process.retire()


def run_at(
    name: str, task: PackedTask[Any], states: tuple[str, ...], values: tuple[str, ...], *contents: bytes
) -> TaskResult:
    """Carries out a task in the dask worker that this is called in, and tells the driver that it begins.

    Args:
        name: of the search's SearchPlugin.
        task: the task, without its values.
        states: names of the h5 files that it starts from.
        values: digests of the values that it shares with others.
        contents: what is in the files, then the values.
    """
    worker = get_worker()
    worker.log_event(name, worker.get_current_task())
    plugin = worker.plugins[name]
    assert isinstance(plugin, SearchPlugin)
    whole = replace(task, values=dict(zip(values, contents[len(states) :], strict=True)))
    return plugin.run(whole, dict(zip(states, contents[: len(states)], strict=True)))


def content(data: bytes) -> bytes:
    """A saved state or a shared value, kept on the workers that have had it under the hash of what it holds."""
    return data
