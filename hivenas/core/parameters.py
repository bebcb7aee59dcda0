"""How a candidate reads as named parameters: strings and numbers only, no Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.operations import PRESETS
from hivenas.core.records import decode_candidate


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a search, the same for every candidate; made with `of_space`, `of_positions` or `of_box`.

    Args:
        choices: what a parameter of an architecture may be, by its name.
        bounds: the smallest and the largest value of a coordinate, by its name.
        minimize: whether a smaller fitness is better.
    """

    choices: Mapping[str, tuple[str, ...]]
    bounds: Mapping[str, tuple[float, float]]
    minimize: bool

    @classmethod
    def of_space(cls, space: SpaceConfig) -> Parameters:
        """An operation a layer, `op_00`, …, and where skip connections are on the one that starts there, `skip_00`, ….

        Args:
            space: the `space` section of a configuration; limits to the size of networks change no choice.
        """
        operations = tuple(space.operations or PRESETS[space.preset or "layerwise"])
        choices = {f"op_{layer:02d}": operations for layer in range(space.depth)}
        for layer in range(space.depth) if space.skip_rate else ():
            spans = range(1, space.depth - layer + 1)
            choices[f"skip_{layer:02d}"] = ("none", *(f"sc_{span}" for span in spans))
        return cls(choices, {}, minimize=False)

    @classmethod
    def of_positions(cls, operations: Sequence[Sequence[str]], skips: Sequence[Sequence[str]] = ()) -> Parameters:
        """The same names for the strings of a table; "" reads `none`, for layers that not every string has too.

        Args:
            operations: what occurs at every layer.
            skips: which skip connections start at every layer; nothing where the table has none.
        """
        choices = {f"op_{layer:02d}": tuple(each or "none" for each in seen) for layer, seen in enumerate(operations)}
        choices |= {f"skip_{layer:02d}": tuple(each or "none" for each in seen) for layer, seen in enumerate(skips)}
        return cls(choices, {}, minimize=False)

    @classmethod
    def of_box(cls, dimensions: int, bound: float, *, minimize: bool) -> Parameters:
        """The coordinates `x_00`, … of a point.

        Args:
            dimensions: number of coordinates.
            bound: largest absolute value of a coordinate.
            minimize: whether a smaller value of the objective is better.
        """
        return cls({}, {f"x_{i:02d}": (-bound, bound) for i in range(dimensions)}, minimize)

    def values(self, candidate: str) -> dict[str, str | float]:
        """What a candidate, encoded as in the results table, has for each of the parameters.

        Raises:
            ArchitectureError: not an architecture over these operations.
        """
        if not self.choices:
            return dict(zip(self.bounds, map(float, decode_candidate(candidate)), strict=True))
        known = (each for name, choices in self.choices.items() if name.startswith("op_") for each in choices)
        chain = decode(candidate, tuple(dict.fromkeys(known)))
        values: dict[str, str | float] = {f"op_{i:02d}": operation for i, operation in enumerate(chain.operations)}
        values |= {f"skip_{i:02d}": f"sc_{span}" if span else "none" for i, span in enumerate(chain.skips)}
        return {name: values.get(name, "none") for name in self.choices}
