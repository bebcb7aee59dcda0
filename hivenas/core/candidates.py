"""Candidates as texts: architectures as they are, numerical points as JSON lists."""

from __future__ import annotations

import json
from typing import Any, cast


def encode_candidate(candidate: str | tuple[float, ...]) -> str:
    """A candidate as text: architectures as they are, numerical points as a JSON list."""
    return candidate if isinstance(candidate, str) else json.dumps(list(candidate), default=python_number)


def python_number(value: Any) -> Any:
    """A number of numpy as one of Python's, for JSON.

    Raises:
        TypeError: it is none.
    """
    if not hasattr(value, "item"):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return value.item()


def plain_candidate(value: Any) -> str | tuple[float, ...]:
    """A candidate as JSON gives it back, or an objective of anyone's: lists and arrays stand for tuples."""
    given: Any = value.tolist() if hasattr(value, "tolist") else value
    # A tuple of one's own class stays one.
    if isinstance(given, list) or (isinstance(given, tuple) and any(hasattr(each, "item") for each in given)):
        given = tuple(each.item() if hasattr(each, "item") else each for each in given)
    return cast(str | tuple[float, ...], given)


def decode_candidate(text: str) -> str | tuple[float, ...]:
    """The inverse of `encode_candidate`."""
    point = point_of(text)
    return text if point is None else point


def point_of(text: str) -> tuple[float, ...] | None:
    """The numerical point that a candidate's text stands for; None for any other text, whatever it begins with."""
    try:
        numbers = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    if not isinstance(numbers, list) or not all(type(each) in (int, float) for each in numbers):
        return None
    return tuple(map(float, numbers))
