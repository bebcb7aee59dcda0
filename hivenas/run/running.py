"""Trainings that go on, as a tracker is shown them now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from hivenas.core.children import Child
from hivenas.core.progress import Progress
from hivenas.core.records import EpochFigures
from hivenas.run.callbacks import Callback
from hivenas.storage import Outbox

K = TypeVar("K", int, str)

_SHARE = 0.05  # of the driver's time goes into showing them at the most, however slow the store


@dataclass(slots=True)
class _Training:
    child: Child  # as it was at its beginning
    at_ms: int
    figures: dict[int, EpochFigures] = field(default_factory=dict)  # by epoch, as another attempt tells them anew

    def as_child(self) -> Child:
        """The child with what is known by now."""
        history = tuple(self.figures[epoch] for epoch in sorted(self.figures))
        return replace(self.child, history=history, end_ms=self.at_ms)


class RunningTrainings(Callback, Generic[K]):
    """Collects what trainings tell, and shows all of them every few seconds.

    Nothing of it is written down: what could not be shown comes with the message of the trial, which has every figure.

    Args:
        every_s: seconds between two times that they are shown; 0 for whenever one tells something, None for never.
        outbox: shows them.
        sends: whether what waits in the outbox is sent first.
    """

    def __init__(self, every_s: float | None, outbox: Outbox, *, sends: bool = True) -> None:
        self._every_s = every_s
        self._sends = sends
        self._outbox = outbox
        self._trainings: dict[K, _Training] = {}
        self._has_news = False
        self._not_before = time.monotonic() + (every_s or 0.0)

    @property
    def is_live(self) -> bool:
        """True where they are shown at all."""
        return self._every_s is not None

    def take(self, name: K, progress: Progress, begun: Callable[[], Child]) -> None:
        """Takes what a training tells.

        Args:
            name: number of its evaluation, or another name, by which they are in order.
            progress: what it tells.
            begun: its nested run, where it has just begun.
        """
        if self._every_s is None:
            return
        at_ms = int(1000 * progress.at)
        training = self._trainings.get(name)
        if training and not progress.figures:  # an epoch goes on: its point is to come
            return
        if training is None:
            training = _Training(replace(begun(), start_ms=at_ms), at_ms)
            self._trainings[name] = training
        training.figures |= {figures.epoch: figures for figures in progress.figures}
        training.at_ms = at_ms
        self._has_news = True

    def drop(self, name: K) -> None:
        """Lets go of a training that has ended: it is recorded."""
        self._has_news |= self._trainings.pop(name, None) is not None

    def on_wait(self) -> None:
        """Shows them where their epochs take long."""
        self.show()

    def show(self) -> None:
        """Shows them, if anything is new and it is time for it."""
        started = time.monotonic()
        if not self._has_news or started < self._not_before:
            return
        children = [self._trainings[name].as_child() for name in sorted(self._trainings)]
        self._outbox.show_running(children, sends=self._sends)
        self._has_news = False
        now = time.monotonic()
        if self._every_s:
            self._not_before = now + max(self._every_s, (now - started) / _SHARE)

    def end(self) -> None:
        """Has those that have not ended shown as ended early: the search is over."""
        if self._every_s is not None:
            self._trainings.clear()
            self._outbox.end_running()
