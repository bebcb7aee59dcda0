"""A cost of architectures: as it is known before they are trained, or as evaluations have recorded it."""

from __future__ import annotations

import math
from collections.abc import Callable

from hivenas.config.costs import Cost
from hivenas.core.measured import recorded_cost
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import Evaluation

_KEPT = 100_000  # costs that are kept at hand

CostOf = Callable[[str], float]


class KnownCost:
    """The cost of every architecture, infinite where it is not known, such as where it does not build.

    Args:
        objective: knows the costs of its architectures.
        cost: which of them.
    """

    def __init__(self, objective: ArchitectureObjective, cost: Cost) -> None:
        self._objective = objective
        self._key = cost.key
        self._known: dict[str, float] = {}

    def __call__(self, arch: str) -> float:
        """The cost of an architecture.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        if arch not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[arch] = self._objective.costs(arch).get(self._key, math.inf)
        return self._known[arch]


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
