"""A cost of architectures: as it is known before they are trained, or as evaluations have recorded it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from hivenas.config.costs import Cost
from hivenas.core.measured import recorded_cost
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import Evaluation

KEPT = 100_000  # architectures of which something is kept at hand

CostOf = Callable[[str], float]


class KnownCost:
    """The cost of every architecture, infinite where it is not known, such as where it does not build.

    Args:
        objective: knows the costs of its architectures.
        cost: which of them.
    """

    def __init__(self, objective: ArchitectureObjective, cost: Cost) -> None:
        self._costs = functools.lru_cache(KEPT)(objective.costs)
        self._key = cost.key

    def __call__(self, arch: str) -> float:
        """The cost of an architecture.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        return self._costs(arch).get(self._key, math.inf)


class RecordedCost:
    """The cost of every evaluated architecture, as its latest evaluation has recorded it; infinite of all others.

    Args:
        cost: which.
    """

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self._recorded: dict[str, float] = {}

    def take(self, evaluation: Evaluation) -> None:
        """Takes the next evaluation; one without the cost, as it failed, leaves what is on record."""
        value = recorded_cost(evaluation, self._cost)
        if math.isfinite(value):
            self._recorded[str(evaluation.candidate)] = value

    def __call__(self, arch: str) -> float:
        """The cost of an architecture."""
        return self._recorded.get(arch, math.inf)
