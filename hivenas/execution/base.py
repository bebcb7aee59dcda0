"""The port to executors: tasks in, futures out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

from hivenas.core.progress import Progress
from hivenas.execution.tasks import Task

T = TypeVar("T")
Hears = Callable[[str, Progress], None]


def ignored(name: str, progress: Progress) -> None:
    """Does nothing with what the task of a name tells."""


class TaskExecutor(ABC):
    """Carries out tasks somewhere; as a context manager it ends with its block, at once where that fails.

    Attributes:
        runs_at_once: whether `submit` returns only when the task has been carried out, so that nothing else is done
            meanwhile.
    """

    runs_at_once: bool = False
    _hears: Hears = staticmethod(ignored)

    @abstractmethod
    def submit(self, task: Task[T]) -> Future[T]:
        """Takes a task; whatever it raises is raised by the future."""

    def follow(self, hears: Hears) -> None:
        """Has somebody hear how far tasks are while they are carried out; some executors cannot tell.

        Args:
            hears: is called with what a task is `heard_as` and what it tells, in whatever thread, also in the middle of
                `submit`; it returns at once and raises nothing.
        """
        self._hears = hears

    def cpu_seconds(self) -> float:
        """Processor time of workers that are no children of this process, or are alive, in seconds; 0 without any."""
        return 0.0

    @abstractmethod
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends it: in order, or, with `cancel_futures`, in the middle of whatever it does."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.shutdown(wait=True, cancel_futures=exc_type is not None)
