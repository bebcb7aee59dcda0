"""The sizes of architectures as the hive compares them: standardised logarithms."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from hivenas.core.colony.encoding import Matrix
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.strategies.known_cost import KEPT

_DRAWN = 500  # combinations of entries, by which it is known what sizes the space has


class KnownSizes:
    """The figures of `ArchitectureObjective.sizes` as numbers of a mean square of 1 over the space.

    Args:
        objective: knows the sizes of its architectures, or does not.
    """

    def __init__(self, objective: ArchitectureObjective) -> None:
        self._objective = objective
        self._of = functools.lru_cache(KEPT)(objective.sizes)

    def __call__(self, names: Sequence[str]) -> Matrix | None:
        """The standardised sizes of architectures (n, figures), 0 for one that is unknown; None where all are.

        They are logarithms, less their mean and over their deviation in the space, over the root of the number of
        figures.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        if self._usual is None:
            return None
        mean, deviation = self._usual
        logs = np.log1p(np.array([self._of(name) for name in names]).reshape(len(names), len(mean)))
        sizes: Matrix = (logs - mean) / (deviation * np.sqrt(len(mean)))
        return np.where(np.isfinite(sizes), sizes, 0.0)

    @functools.cached_property
    def _usual(self) -> tuple[Matrix, Matrix] | None:
        """Mean and deviation of the logarithms in the space; None where no sizes are known, or all are the same."""
        rng, entries = np.random.default_rng(0), self._objective.entries()  # draws nothing of the search's
        drawn = [tuple(each[int(rng.integers(len(each)))] for each in entries) for _ in range(_DRAWN)]
        names = [arch for arch in map(self._objective.compose, drawn) if arch is not None]
        figures = np.array([self._of(arch) for arch in names], dtype=np.float64)
        if figures.ndim != 2 or not figures.size:
            return None
        logs = np.log1p(figures[np.isfinite(figures).all(axis=1)])
        deviation = logs.std(axis=0) if len(logs) else np.zeros(figures.shape[1])
        return (logs.mean(axis=0), np.where(deviation > 0, deviation, np.inf)) if deviation.any() else None
