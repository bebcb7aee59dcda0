"""The aim of a hive: which records it keeps near, what finding another one is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hivenas.core.colony.surrogate import Gain, Improvement, Vector
from hivenas.core.records import Direction, Evaluation
from hivenas.core.strategies.ranking import Ranking


class Aim(Protocol):
    """What a hive looks for; everything that depends on it asks it."""

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The records to stay near, so many or all, the first ones first; failed ones last."""
        ...

    def is_bettered(self, record: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where a flight from a record was worth it.

        Args:
            record: from which the bee flew.
            by: what it found, which did not fail.
            ranking: of all records, this one included.
        """
        ...

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """What it is worth to find a score at each of some candidates.

        Args:
            studied: the records that the surrogate knows.
            scores: theirs, larger is better.
            candidates: the candidates.
        """
        ...


class BestFitness:
    """The best fitness, whatever it costs.

    Args:
        direction: where a better fitness lies.
    """

    def __init__(self, direction: Direction) -> None:
        self._direction = direction

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The best ones."""
        return ranking.best(count)

    def is_bettered(self, record: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where the fitness is better."""
        return self._direction.is_better(by.fitness, record.fitness)

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """The improvement over the best score."""
        return Improvement(float(scores.max()))
