"""The records of a strategy by how good they are, kept in order as they come."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, insort
from collections.abc import Iterator

from hivenas.core.records import Direction, Evaluation


class Ranking:
    """Candidates, best first; failed ones last, the earlier of two equals first.

    A record is put in its place when it comes: sorting them all in every phase would cost the more, the longer a search
    is.

    Args:
        direction: where a better fitness lies.
    """

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._order: list[tuple[float, int, str]] = []
        self._places: dict[str, tuple[float, int, str]] = {}

    def put(self, candidate: str, evaluation: Evaluation) -> None:
        """Takes a candidate's evaluation, in the place of an earlier one where there is one."""
        before = self._places.get(candidate)
        if before:
            del self._order[bisect_left(self._order, before)]
        place = (-self.goodness(evaluation), before[1] if before else len(self._places), candidate)
        insort(self._order, place)
        self._places[candidate] = place

    def __iter__(self) -> Iterator[str]:
        """All candidates, best first."""
        return (candidate for _, _, candidate in self._order)

    def best(self, count: int | None = None) -> list[str]:
        """The best candidates, so many or all, best first."""
        return list(itertools.islice(self, count))

    def ordered(self) -> Iterator[tuple[float, str]]:
        """The goodness of every candidate and its name, best first."""
        return ((-place, candidate) for place, _, candidate in self._order)

    def number(self, candidate: str) -> int:
        """The number of candidates that were known before this one."""
        return self._places[candidate][1]

    def goodness(self, evaluation: Evaluation) -> float:
        """Fitness, larger being better; the worst there is where it failed."""
        if evaluation.status == "failed" or math.isnan(evaluation.fitness):
            return -math.inf
        return self._direction.score(evaluation.fitness)
