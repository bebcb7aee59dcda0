"""Guesses of how alike two architectures perform, as covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hivenas.core.colony.encoding import DistanceKind, Distances, Matrix, Vector

Sizes = tuple[Matrix, Matrix]
Terms = tuple[tuple[float, DistanceKind, float], ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A guess of how alike two architectures perform: a mean of exp(−scale · distance) over kinds of distance.

    Where the sizes of networks are known, such as their parameters and multiply-adds, it may also take them for about
    as good as they are large: a linear function of the standardised logarithms u, whose covariance is u · u'.

    Args:
        terms: weight, kind of distance, and how fast likeness falls with it.
        noise: variance of what the distances do not explain, as a share of the whole.
        sizes: weight of the linear function of sizes; with those of the terms it sums to 1.
    """

    terms: Terms
    noise: float
    sizes: float = 0.0

    def __call__(self, distances: Distances, sizes: Sizes | None = None) -> Matrix:
        """Covariances as shares of the signal's variance.

        Args:
            distances: between two lists of architectures (rows, columns).
            sizes: the standardised sizes of the rows (rows, figures) and of the columns; None where they are unknown.
        """
        parts = (weight * distances.likeness(kind, scale) for weight, kind, scale in self.terms)
        total: Matrix = sum(parts, np.zeros(1))
        return total + self.sizes * (sizes[0] @ sizes[1].T) if sizes and self.sizes else total

    def own(self, count: int, sizes: Matrix | None = None) -> Vector:
        """The covariance of each of so many architectures with itself, that is its variance (count,)."""
        total = np.full(count, sum(weight for weight, _, _ in self.terms))
        return total + self.sizes * (sizes**2).sum(axis=1) if sizes is not None and self.sizes else total


# Of networks whose sizes are known: what each operation is, where it stands first and last, and how large they are.
# Beside it no other kernel was worth anything (docs/colony.md).
OF_SIZES = Kernel(terms=((0.4, "arguments", 3.2), (0.4, "places", 1.0)), sizes=0.2, noise=0.2)
