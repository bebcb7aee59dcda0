"""One thread of a process at a time where networks are made and trained."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Of the whole process, as what it guards is: Python's, numpy's and TensorFlow's generators, from which layers draw
# their seeds, and the standard error. The thread that holds it may take it again.
ONE_AT_A_TIME = threading.RLock()


def exclusive(call: Callable[P, T]) -> Callable[P, T]:
    """Has a function wait until no other thread makes or trains a network."""

    @functools.wraps(call)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with ONE_AT_A_TIME:
            return call(*args, **kwargs)

    return alone
