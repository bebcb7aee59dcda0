"""Numerical test functions on which bee colonies are compared."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.objective import ObjectiveInfo, ObjectiveInterface
from hivenas.core.parameters import Parameters
from hivenas.core.records import Candidate, Direction

Point = tuple[float, ...]


class NumericalObjective(ObjectiveInterface):
    """A function of several variables, each within ±bound.

    Args:
        dimensions: number of variables.
        bound: largest absolute value of a variable.
        shift: where the function's centre lies, one value a variable or one for all; 0 by default. A rule that
            favours the diagonal or the origin looks good on unshifted functions only.
        minimize: whether the smallest or the largest value is looked for.
        rng: generator of samples and neighbours.
    """

    def __init__(
        self,
        dimensions: int,
        bound: float,
        *,
        rng: np.random.Generator,
        shift: float | NDArray[np.float64] = 0.0,
        minimize: bool = True,
    ) -> None:
        self.dimensions = dimensions
        self.bound = bound
        self.rng = rng
        self._shift = np.broadcast_to(np.asarray(shift, dtype=float), (dimensions,))
        self._minimize = minimize

    @property
    def is_minimize(self) -> bool:
        """True where a smaller value is better."""
        return self._minimize

    def describe(self) -> ObjectiveInfo:
        """A function, whose value costs nothing."""
        return ObjectiveInfo(
            direction=Direction.of(self._minimize),
            metric="value",
            in_workers=False,
            parameters=Parameters.of_box(self.dimensions, self.bound),
        )

    @abstractmethod
    def value(self, x: NDArray[np.float64]) -> float:
        """The function at x, measured from its centre."""

    def sample(self) -> Point:
        """A point drawn uniformly within the bounds."""
        return tuple(self.rng.uniform(-self.bound, self.bound, self.dimensions).tolist())

    def evaluate(self, candidate: Point) -> dict[str, Any]:
        """The function's value at a point."""
        return {"fitness": self.value(np.asarray(candidate) - self._shift)}

    def get_neighbor(self, orig_arch: Point) -> Point:
        """The point with one variable drawn anew."""
        partner = self.sample()
        return self.get_neighbor_toward(orig_arch, partner)

    def get_neighbor_toward(self, candidate: Candidate, partner: Candidate) -> Point:
        """v_j = x_j + φ (x_j − k_j) for one random variable j, φ uniform in ±1, k the partner; kept within the bounds.

        Source: Karaboga (2005), TR-06, eq. 2.2.
        """
        point = [float(x) for x in candidate]
        j = int(self.rng.integers(self.dimensions))
        moved = point[j] + float(self.rng.uniform(-1.0, 1.0)) * (point[j] - float(partner[j]))
        point[j] = min(max(moved, -self.bound), self.bound)
        return tuple(point)

    def momentum_eval(self, candidate: Point, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        """A function does not get better by waiting: the same value again."""
        return self.evaluate(candidate)


class Sphere(NumericalObjective):
    """Σ x²; smallest 0 at the centre, largest in the corners."""

    def __init__(
        self,
        dimensions: int = 10,
        *,
        rng: np.random.Generator,
        shift: float | NDArray[np.float64] = 0.0,
        minimize: bool = True,
    ) -> None:
        super().__init__(dimensions, 100.0, rng=rng, shift=shift, minimize=minimize)

    def value(self, x: NDArray[np.float64]) -> float:
        """Σ x²."""
        return float(np.dot(x, x))


class Rosenbrock(NumericalObjective):
    """Σ 100 (x_{i+1} − x_i²)² + (1 − x_i)²; smallest 0 where every x is 1."""

    def __init__(
        self, dimensions: int = 10, *, rng: np.random.Generator, shift: float | NDArray[np.float64] = 0.0
    ) -> None:
        super().__init__(dimensions, 30.0, rng=rng, shift=shift)

    def value(self, x: NDArray[np.float64]) -> float:
        """Σ 100 (x_{i+1} − x_i²)² + (1 − x_i)²."""
        return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
