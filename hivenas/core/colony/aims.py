"""The aim of a hive: which records it stays near, and what finding another one is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hivenas.core.colony.encoding import Vector
from hivenas.core.colony.surrogate import Acquisition, Gain, Improvement
from hivenas.core.records import Direction, Evaluation
from hivenas.core.strategies.ranking import Ranking

STAYING = 0.5  # share of the largest expectation anywhere for which an employee stays with its source


class Aim(Protocol):
    """The thing that a hive looks for; everything that depends on it asks it."""

    def prepare(self) -> None:
        """Learns from the records, before a phase is planned."""
        ...

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The records to stay near, so many or all, the first ones first; failed ones last."""
        ...

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """The worth of finding a score at each of some candidates.

        Args:
            studied: the records that the surrogate knows.
            scores: theirs, larger is better.
            candidates: the candidates.
        """
        ...

    def of_source(self, source: str, expected: Vector, acquisition: Acquisition) -> Vector:
        """The expectation that the employee of a source has of every candidate.

        Args:
            source: its record.
            expected: by all others.
            acquisition: of the candidates.
        """
        ...

    def stays(self, own: float, elsewhere: float) -> bool:
        """True where an employee stays with its source.

        Args:
            own: the most that is expected around it.
            elsewhere: the most that is expected where every bee may fly.
        """
        ...

    def is_bettered(self, source: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where an employee's flight has bettered its source.

        Args:
            source: its record.
            by: what was found, which did not fail.
            ranking: of all records, what was found included.
        """
        ...


class BestFitness:
    """The best fitness, whatever it costs.

    Args:
        direction: where a better fitness lies.
    """

    def __init__(self, direction: Direction) -> None:
        self._direction = direction

    def prepare(self) -> None:
        """Nothing is to be learned."""

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The best ones."""
        return ranking.best(count)

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """The improvement over the best score."""
        return Improvement(float(scores.max()))

    def of_source(self, source: str, expected: Vector, acquisition: Acquisition) -> Vector:
        """The same as of all others."""
        return expected

    def stays(self, own: float, elsewhere: float) -> bool:
        """True where its source promises half of what another place does."""
        return own >= STAYING * elsewhere

    def is_bettered(self, source: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where the fitness is better."""
        return self._direction.is_better(by.fitness, source.fitness)
