"""The progress of a training, as whoever carries it out tells it while it goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from hivenas.core.records import EpochFigures

_EVERY_S = 1.0  # between two messages of a training at the least


@dataclass(frozen=True, slots=True)
class Progress:
    """The point that a training has reached.

    Args:
        epoch: the last one that has ended; for a new training 0 before the first.
        epochs: the last one that there may be; a stopping rule may end the training before.
        figures: of the epochs that have ended since the message before, in order; at the beginning of those that an
            earlier attempt kept.
        at: the time of the message, in seconds since 1970.
        share: of the steps of the epoch after that which are done, from 0 to 1; 1 while it is validated.
        metric: the name of what is looked for, whose values the figures tell; empty for the accuracy.
    """

    epoch: int
    epochs: int
    figures: tuple[EpochFigures, ...] = ()
    at: float = 0.0
    share: float = 0.0
    metric: str = ""


# Gives a message away; False where nobody takes it now, so that the next one repeats what it said.
Tell = Callable[[Progress], bool]
# Of the thread that carries a task out: objectives and networks are called in many ways, and need not pass it on.
_TELL: ContextVar[Tell | None] = ContextVar("hivenas_tell", default=None)


@contextlib.contextmanager
def telling(tell: Tell) -> Iterator[None]:
    """Has trainings of this thread tell how far they are, while it is entered.

    Args:
        tell: is called by the training, which waits meanwhile; it raises nothing.
    """
    token = _TELL.set(tell)
    try:
        yield
    finally:
        _TELL.reset(token)


class Teller:
    """Tells how far a training is: when it is made, then once a second at the most, and at its end.

    Epochs that take longer are told of while they go on, too.

    It reads what the training has come to and changes nothing of it; where nobody listens it does nothing.

    Args:
        before: the epoch after which the training begins.
        epochs: the last one that there may be.
        done: figures of epochs that an earlier attempt kept.
        metric: the name of what is looked for; empty for the accuracy.
    """

    def __init__(self, before: int, epochs: int, done: Sequence[EpochFigures] = (), *, metric: str = "") -> None:
        self._tell = _TELL.get()
        self._before, self._epochs, self._metric = before, epochs, metric
        self._told = 0  # of the figures
        self._not_before = 0.0
        self._since = time.monotonic()  # the end of an epoch
        self._say(done)

    def __call__(self, history: Sequence[EpochFigures], *, ends: bool = False) -> None:
        """Tells of the epochs so far, unless it has just told something.

        Args:
            history: their figures, those of an earlier attempt included.
            ends: no other message follows.
        """
        self._since = time.monotonic()
        if self._tell and ((ends and len(history) > self._told) or self._since >= self._not_before):
            self._say(history)

    def inside(self, history: Sequence[EpochFigures], share: float) -> None:
        """Tells of the epoch at work, where that takes long, unless it has just told something.

        Args:
            history: figures of the epochs so far, those of an earlier attempt included.
            share: of the epoch's steps that are done, from 0 to 1.
        """
        if self._tell and time.monotonic() >= max(self._not_before, self._since + _EVERY_S):
            self._say(history, share)

    def _say(self, history: Sequence[EpochFigures], share: float = 0.0) -> None:
        if self._tell is None:
            return
        epoch = history[-1].epoch if history else self._before
        figures = tuple(history[self._told :])
        if self._tell(Progress(epoch, self._epochs, figures, time.time(), share, self._metric)):
            self._told = len(history)
        self._not_before = time.monotonic() + _EVERY_S
