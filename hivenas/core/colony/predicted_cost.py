"""A cost that only an evaluation tells, predicted for architectures that were not evaluated."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hivenas.config.costs import Cost
from hivenas.core.colony.encoding import Vector
from hivenas.core.measured import recorded_cost
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import Evaluation
from hivenas.core.strategies.known_cost import KEPT

LEAST = 5  # recorded costs below which their mean stands for every other
PENALTY = 1.0  # of the squares of the weights, with features of variance 1
MARGIN = math.log(2.0)  # by which the logarithm of a prediction may lie beyond those that were recorded


@dataclass(frozen=True, slots=True)
class _Ridge:
    """A linear model of the logarithm of a cost, with a penalty of its weights.

    Source: A. E. Hoerl and R. W. Kennard, Ridge regression: Biased estimation for nonorthogonal problems, Technometrics
    12 (1970).
    """

    center: Vector
    weights: Vector
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, features: NDArray[np.float64], logarithms: Vector) -> _Ridge:
        """The model of some features (n, features) and logarithms (n,); with too few of them the mean."""
        if len(logarithms) < LEAST:
            mean = float(logarithms.mean()) if len(logarithms) else 0.0
            return cls(np.zeros(0), np.zeros(0), mean, mean, mean)
        center, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < 1e-12] = np.inf  # what never varied says nothing
        scaled, mean = (features - center) / scale, float(logarithms.mean())
        weights = np.linalg.solve(scaled.T @ scaled + PENALTY * np.eye(len(scale)), scaled.T @ (logarithms - mean))
        return cls(center, weights / scale, mean, float(logarithms.min()) - MARGIN, float(logarithms.max()) + MARGIN)

    def __call__(self, features: Vector) -> float:
        """The cost of an architecture."""
        beyond = float((features - self.center) @ self.weights) if len(self.weights) else 0.0
        return math.exp(min(max(self.mean + beyond, self.low), self.high))


class PredictedCost:
    """The cost of every architecture: as it was recorded, or as records of others have it expected.

    The prediction of a cost c is ĉ(x) = exp(w · (φ(x) − φ̄) + m), where m is the mean of the logarithms of the recorded
    costs, φ̄ that of their features and w minimises Σ (ln c − ln ĉ)² + |w|² over features scaled to variance 1. The
    features φ are ln(1 + k) of every cost k that is known before a training, and how often each component occurs. With
    fewer than five records ĉ is exp(m); it never is beyond the recorded ones by more than a factor of 2. An
    architecture of which no known cost is known, since it does not build, has an infinite one.

    Args:
        objective: what is searched.
        cost: which of its costs.
        records: gives the latest evaluation of every candidate.
    """

    def __init__(
        self, objective: ArchitectureObjective, cost: Cost, records: Callable[[], Mapping[str, Evaluation]]
    ) -> None:
        self._objective = objective
        self._cost = cost
        self._records = records
        self._known = objective.describe().costs
        # "" stands for nothing.
        self._entries = sorted({entry for entries in objective.entries() for entry in entries if entry})
        self._of = functools.lru_cache(KEPT)(self._features)
        self._model = _Ridge.of(np.zeros((0, 0)), np.zeros(0))

    def learn(self) -> None:
        """Learns from the records as they are; what is predicted until it is called again depends on these alone."""
        rows: list[Vector] = []
        logarithms: list[float] = []
        for name, evaluation in self._records().items():
            value, features = recorded_cost(evaluation, self._cost), self._of(name)
            if features is not None and 0 < value < math.inf and evaluation.status != "failed":
                rows.append(features)
                logarithms.append(math.log(value))
        self._model = _Ridge.of(np.array(rows), np.array(logarithms))

    def __call__(self, arch: str) -> float:
        """The cost of an architecture; of one that was evaluated, but without the cost, infinite.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        evaluation = self._records().get(arch)
        if evaluation is not None:
            return math.inf if evaluation.status == "failed" else recorded_cost(evaluation, self._cost)
        features = self._of(arch)
        return math.inf if features is None else self._model(features)

    def _features(self, arch: str) -> Vector | None:
        """The features of an architecture; None where it does not build."""
        costs = self._objective.costs(arch)
        if any(key not in costs for key in self._known):
            return None
        known: Sequence[float] = [math.log1p(costs[key]) for key in self._known]
        counts = Counter(self._objective.components(arch))
        return np.array([*known, *(counts[entry] for entry in self._entries)], dtype=np.float64)
