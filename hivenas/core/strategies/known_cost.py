"""A cost of architectures that is known before they are trained."""

from __future__ import annotations

import math
from collections.abc import Callable

from hivenas.config.costs import Cost
from hivenas.core.objective import ArchitectureObjective

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
