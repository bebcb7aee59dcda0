"""The assignment of tasks to workers: a training goes on where its network is alive, if that worker is free."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from hivenas.execution.wire import PackedTask


class HoldsNetworks(Protocol):
    """A worker, as far as it matters here."""

    @property
    def alive(self) -> Collection[str]:
        """Names of the saved states whose trainings its process can go on with at once."""


W = TypeVar("W", bound=HoldsNetworks)
Waiting = tuple[PackedTask[Any], Future[Any]]


def choose(idle: Sequence[Collection[str]], busy: Sequence[Collection[str]], waiting: Sequence[str]) -> tuple[int, int]:
    """Chooses one of the idle workers and what it does next; none idles while anything waits.

    A training that an idle worker has alive comes first. Else the worker that has been idle longest takes the first
    task that no busy one has alive, and the very first where these have all of them: to wait would spare a start, about
    ten epochs of a small network, and may take as long as the longest training.

    Args:
        idle: names of the saved states that each idle worker has alive; at least one worker, the longest idle first.
        busy: those of the others.
        waiting: the saved state that each waiting task goes on with, "" for none; at least one task, the first first.

    Returns:
        The positions of the worker and the task.
    """
    for task, name in enumerate(waiting):
        for worker, alive in enumerate(idle):
            if name in alive:
                return worker, task
    free = (task for task, name in enumerate(waiting) if not any(name in alive for alive in busy))
    return 0, next(free, 0)


class Assignment(Generic[W]):
    """The idle workers of an executor and the tasks that wait for one; several threads may use it.

    Args:
        workers: all of them, idle.
    """

    def __init__(self, workers: Sequence[W]) -> None:
        self._workers = tuple(workers)
        self._idle = list(workers)
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()

    def add(self, task: PackedTask[Any]) -> Future[Any]:
        """Has a task wait; returns the future of what comes of it."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((task, future))
        return future

    def take(self) -> tuple[W, PackedTask[Any], Future[Any]] | None:
        """One of the idle workers, of which there must be one, and what it is to do; None where nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            busy = [each.alive for each in self._workers if each not in self._idle]
            waiting = [task.continues for task, _ in self._waiting]
            worker, task = choose([each.alive for each in self._idle], busy, waiting)
            return self._idle.pop(worker), *self._waiting.pop(task)

    def give_back(self, worker: W) -> None:
        """Takes a worker back, idle."""
        with self._lock:
            self._idle.append(worker)

    def cancel(self) -> None:
        """Cancels all that waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.cancel()
