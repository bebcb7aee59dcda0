"""Candidates as texts: architectures as they are, numerical points as JSON lists."""

from __future__ import annotations

import json
from typing import Any, cast

from hivenas.plain import python_values


def encode_candidate(candidate: str | tuple[float, ...]) -> str:
    """A candidate as text: architectures as they are, numerical points as a JSON list."""
    return candidate if isinstance(candidate, str) else json.dumps(list(candidate), default=python_number)


def python_number(value: Any) -> Any:
    """A number of anyone's as one of Python's, for JSON: numpy's as what it is, any other as a decimal one.

    Raises:
        TypeError: it is none.
    """
    return value.item() if hasattr(value, "item") else float(value)


def plain_candidate(value: Any) -> str | tuple[float, ...]:
    """A candidate as JSON gives it back, or an objective of anyone's: lists and arrays stand for tuples."""
    given = python_values(value)
    return cast(str | tuple[float, ...], tuple(given) if isinstance(given, list) else given)


def decode_candidate(text: str) -> str | tuple[float, ...]:
    """The inverse of `encode_candidate`."""
    point = point_of(text)
    return text if point is None else point


def is_network(text: str) -> bool:
    """Tell if a candidate's text is the architecture of a network, with its ends, and not a point or anything else."""
    return text.startswith("input|")


def point_of(text: str) -> tuple[float, ...] | None:
    """The numerical point that a candidate's text stands for; None for any other text, whatever it begins with."""
    try:
        numbers = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    if not isinstance(numbers, list) or not all(type(each) in (int, float) for each in numbers):
        return None
    return tuple(map(float, numbers))
