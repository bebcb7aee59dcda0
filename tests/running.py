"""A search as its callbacks see it, for tests of callbacks."""

from __future__ import annotations

from collections.abc import Iterable

from hivenas.core.history import ranking
from hivenas.core.records import Direction, Trial


class Running:
    """A search whose trials the test adds.

    Args:
        planned: evaluations at the most.
        trials: those of earlier processes.
    """

    name = "running"
    direction = Direction.MAXIMIZE
    time_limit: tuple[float, float] | None = None

    def __init__(self, planned: int, trials: Iterable[Trial] = ()) -> None:
        self.planned = planned
        self.trials = list(trials)
        self.stopped: list[str] = []

    @property
    def best(self) -> Trial | None:
        return next(iter(ranking(self.trials, self.direction)), None)

    def stop(self, reason: str = "") -> None:
        self.stopped.append(reason)
