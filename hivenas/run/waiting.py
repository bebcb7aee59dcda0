"""The wait for what comes of trainings, in which the driver's thread hears how far they are."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from hivenas.core.progress import Progress
from hivenas.execution import Task, TaskExecutor
from hivenas.execution.base import ignored
from hivenas.run.callbacks import Callback

T = TypeVar("T")
Heard = Callable[[Progress], None]
_TICK_S = 1.0  # so often callbacks hear that nothing has happened


class Waiting:
    """Waits in the driver's thread; what the executor's threads hear meanwhile is passed on there.

    Args:
        executor: carries out the tasks.
        callbacks: hear where nothing happens for a while.
    """

    def __init__(self, executor: TaskExecutor, callbacks: Callback) -> None:
        self._executor = executor
        self._callbacks = callbacks
        self._told: queue.SimpleQueue[tuple[str, Progress] | None] = queue.SimpleQueue()
        self._heard: dict[str, Heard] = {}  # by what the tasks are heard as
        self._names: dict[Future[Any], str] = {}
        self._error: Exception | None = None

    def submit(self, task: Task[T], heard: Heard) -> Future[T]:
        """Submits a task; what it tells until it has been waited for is passed on to `heard`."""
        self._executor.follow(self._hear)
        self._heard[task.heard_as] = heard
        future = self._executor.submit(task)
        self._names[future] = task.heard_as
        return future

    def until(self, future: Future[Any]) -> None:
        """Waits until a task has been carried out, whatever comes of it.

        Raises:
            Exception: what a callback has raised.
        """
        for _ in self.completed([future]):
            pass

    def completed(self, futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
        """Waits for tasks, and gives each as soon as it has been carried out; raises as `until` does."""
        left = list(futures)
        for future in left:
            future.add_done_callback(lambda _: self._told.put(None))
        while left:
            done = [future for future in left if future.done()]
            self._pass_on(0.0 if done else _TICK_S)
            for future in done:
                left.remove(future)
                self._heard.pop(self._names.pop(future, ""), None)
                yield future

    def end(self) -> None:
        """Hears no more."""
        self._executor.follow(ignored)

    def _pass_on(self, timeout: float) -> None:
        """Passes on what has been told; waits for it where that is nothing."""
        if timeout:
            try:
                self._deliver(self._told.get(timeout=timeout))
            except queue.Empty:
                self._callbacks.on_wait()
        while not self._told.empty():
            self._deliver(self._told.get())
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _hear(self, name: str, progress: Progress) -> None:
        if not self._executor.runs_at_once:
            self._told.put((name, progress))
            return
        try:
            self._deliver((name, progress))
        except Exception as error:  # it is no failure of the training in which this is called
            self._error = self._error or error

    def _deliver(self, told: tuple[str, Progress] | None) -> None:
        if told and (heard := self._heard.get(told[0])):
            heard(told[1])
