"""Candidates as named parameters: strings and numbers only, no Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hivenas.core.candidates import decode_candidate


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a search, the same for every candidate.

    Args:
        read: what an encoded candidate has for them, by their names; a choice that it lacks is `none`.
        choices: what a parameter of an architecture may be, by its name.
        bounds: the smallest and the largest value of a coordinate, by its name.
    """

    read: Callable[[str], Mapping[str, str | float]]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of_box(cls, dimensions: int, bound: float) -> Parameters:
        """The coordinates `x_00`, … of a point.

        Args:
            dimensions: number of coordinates.
            bound: largest absolute value of a coordinate.
        """
        bounds = {f"x_{i:02d}": (-bound, bound) for i in range(dimensions)}

        def read(candidate: str) -> dict[str, str | float]:
            return dict(zip(bounds, map(float, decode_candidate(candidate)), strict=True))

        return cls(read, bounds=bounds)

    def values(self, candidate: str) -> dict[str, str | float]:
        """The value of each parameter for a candidate, encoded as in the results table.

        Raises:
            ArchitectureError: not an architecture over these operations.
        """
        found = self.read(candidate)
        return {name: found.get(name, "none") for name in (*self.choices, *self.bounds)}
