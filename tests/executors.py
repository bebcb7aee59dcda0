"""An executor for tests, and the tasks that executors are tested with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from hivenas.config import registry
from hivenas.core.progress import Progress, Teller, telling
from hivenas.core.records import EpochFigures
from hivenas.execution import Task, TaskExecutor

T = TypeVar("T")


class ThreadExecutor(TaskExecutor):
    """Carries out tasks in threads of this process."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads)

    def submit(self, task: Task[T]) -> Future[T]:
        return self._threads.submit(self._run, task)

    def _run(self, task: Task[T]) -> T:
        def tell(progress: Progress) -> bool:
            self._hears(task.heard_as, progress)
            return True

        with telling(tell):
            return task.run()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def task(call: Callable[..., T], *arguments: Any) -> Task[T]:
    """A call that may take as long as it likes."""
    return Task("test", call, arguments)


def timed(call: Callable[..., T], *arguments: Any) -> Task[T]:
    """A call to which the time limit applies."""
    return Task("test", call, arguments, timed=True)


def knows(operation: str, cell: str) -> bool:
    """Tells whether a worker has both, where importing what it is asked brings no TensorFlow of its own."""
    return operation in registry.OPERATIONS and cell in registry.CELLS


def call_what_is_registered() -> tuple[object, ...]:
    """Calls the cell Sized and the data set sizes in a worker; and the modules that it has imported for them."""
    return registry.CELLS["Sized"](None, "s"), registry.DATASETS["sizes"]("a"), registry.registered_modules()


def trained(epochs: int) -> int:
    """A call that tells how far it is, as a training does."""
    teller = Teller(0, epochs)
    history = [EpochFigures(epoch, 1.0, 0.5, 1.0, epoch / 10) for epoch in range(1, epochs + 1)]
    for epoch in range(1, epochs):
        teller(history[:epoch])
    teller(history, ends=True)
    return epochs
