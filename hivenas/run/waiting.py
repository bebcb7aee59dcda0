"""The wait for what comes of proposals, in which callbacks hear how far their trainings are."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from typing import Any

from hivenas.core.progress import Progress
from hivenas.core.records import Proposal
from hivenas.execution import TaskExecutor
from hivenas.execution.base import ignored
from hivenas.run.callbacks import Callback

_TICK_S = 1.0  # so often callbacks hear that nothing has happened


class Waiting:
    """Waits in the driver's thread; what the executor's threads hear meanwhile is passed on there.

    Args:
        executor: carries out the proposals.
        callbacks: hear of them.
    """

    def __init__(self, executor: TaskExecutor, callbacks: Callback) -> None:
        self._executor = executor
        self._callbacks = callbacks
        self._told: queue.SimpleQueue[tuple[str, Progress] | None] = queue.SimpleQueue()
        self._proposals: dict[str, Proposal] = {}  # by the names of their tasks
        self._error: Exception | None = None
        executor.follow(self._hear)

    def expect(self, name: str, proposal: Proposal) -> None:
        """Takes the name of a proposal's task, before that is submitted."""
        self._proposals[name] = proposal

    def until(self, future: Future[Any], proposal: Proposal) -> None:
        """Waits until a proposal has been carried out, whatever comes of it.

        Raises:
            Exception: what a callback has raised.
        """
        future.add_done_callback(lambda _: self._told.put(None))
        while not future.done():
            self._pass_on(_TICK_S)
        while not self._told.empty():  # the executor's threads may have been quicker than this one
            self._pass_on()
        for name in [name for name, each in self._proposals.items() if each.index == proposal.index]:
            del self._proposals[name]
        error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self) -> None:
        """Hears no more."""
        self._executor.follow(ignored)

    def _hear(self, name: str, progress: Progress) -> None:
        if not self._executor.runs_at_once:
            self._told.put((name, progress))
            return
        try:
            self._deliver(name, progress)
        except Exception as error:  # it is no failure of the training in which this is called
            self._error = self._error or error

    def _pass_on(self, timeout: float = 0.0) -> None:
        try:
            told = self._told.get(timeout=timeout)
        except queue.Empty:
            self._callbacks.on_wait()
            return
        if told is not None:
            self._deliver(*told)

    def _deliver(self, name: str, progress: Progress) -> None:
        if proposal := self._proposals.get(name):
            self._callbacks.on_progress(proposal, progress)
