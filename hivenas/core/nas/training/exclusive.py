"""One thread of a process at a time where networks are made and trained."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


class _OneAtATime:
    """A lock that leaves the generators of Python and numpy as they were before: networks are made from seeded ones.

    The thread that holds it may take it again.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._before: tuple[Any, Any] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        if not self._depth:
            self._before = random.getstate(), np.random.get_state()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth and self._before:
            ours, numbers = self._before
            random.setstate(ours)
            np.random.set_state(numbers)
        self._lock.release()


# Of the whole process, as what it guards is: Python's, numpy's and TensorFlow's generators, from which layers draw
# their seeds, and the standard error.
ONE_AT_A_TIME = _OneAtATime()


def exclusive(call: Callable[P, T]) -> Callable[P, T]:
    """Has a function wait until no other thread makes or trains a network."""

    @functools.wraps(call)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with ONE_AT_A_TIME:
            return call(*args, **kwargs)

    return alone
