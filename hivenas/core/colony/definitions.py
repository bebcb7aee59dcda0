"""The likeness of operations by what they are defined as, whatever their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Definition = Mapping[str, Any]
Matrix = NDArray[np.float64]


def unlikeness(definitions: Sequence[Definition]) -> Matrix:
    """The unlikeness of operations: from 0 of the same to 1 of those that have nothing in common.

    It is the mean over the layer, which is the same or not, and over every argument that tells operations apart: one
    that has several values, or that is given to one and not to another operation of the same layer. Of an argument that
    both have, numbers differ by the steps between them, over those from the lowest to the highest, and others by 0
    or 1; one that only one of the two has differs by 1. Every part is an embeddable distance of the first kind, so
    that exp(−scale · unlikeness) is positive semidefinite.

    Args:
        definitions: the layer as `op`, and arguments by name; a value of None counts as not given.

    Returns:
        Unlikeness (operations, operations).
    """
    given = [{name: _value(value) for name, value in each.items() if value is not None} for each in definitions]
    layers = [each.get("op") for each in given]
    parts = [_apart(layers)]
    for name in sorted({name for each in given for name in each} - {"op"}):
        values = [each.get(name) for each in given]
        if _tells_apart(values, layers):
            parts.append(_apart(values))
    mean: Matrix = np.mean(parts, axis=0)
    return mean


def _value(value: Any) -> float | str:
    """A number, of several their mean; anything else as text."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Sequence) and value and all(isinstance(each, int | float) for each in value):
        return float(sum(value) / len(value))
    return repr(value)


def _tells_apart(values: Sequence[float | str | None], layers: Sequence[float | str | None]) -> bool:
    having = {layer for value, layer in zip(values, layers, strict=True) if value is not None}
    lacking = {layer for value, layer in zip(values, layers, strict=True) if value is None}
    return bool(len(set(values) - {None}) > 1 or having & lacking)


def _apart(values: Sequence[float | str | None]) -> Matrix:
    """The distances of values, 0 to 1, that of one who has none from every other included."""
    known = {value for value in values if value is not None}
    apart: Matrix = np.array([[float(one != other) for other in values] for one in values])
    numbers = sorted(value for value in known if isinstance(value, float))
    if len(numbers) < len(known) or len(numbers) < 2:
        return apart
    has = np.array([value is not None for value in values])
    steps = np.array([numbers.index(value) if isinstance(value, float) else 0 for value in values]) / (len(numbers) - 1)
    return np.where(has[:, None] & has[None, :], np.abs(steps[:, None] - steps[None, :]), apart)
