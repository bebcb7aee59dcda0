"""Epochs in stretches: as many steps at a time as fit a call that comes back soon, images read one stretch ahead."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.training.arrays import Split
from hivenas.core.records import EpochFigures

_CALL_S = 0.5  # that a call is to take: signals, progress and checkpoints wait for its end
_ROUNDED = 1.25  # so much longer a call may be, rather than to leave a few steps for another
_STEP_BYTES = 2**24  # of standardised images that a step without gradients is given at the most
_HELD_BYTES = 2**26  # that are kept to be answered step by step


@dataclass(frozen=True, slots=True)
class PartialEpoch:
    """An epoch in whose middle a training is; the rest of its state is in the network and its optimizer.

    Args:
        epoch: its number, from 1.
        step: steps of it that are done.
        loss, hits: sums over the images so far.
        draws: the states from which dropout draws.
    """

    epoch: int
    step: int = 0
    loss: float = 0.0
    hits: float = 0.0
    draws: Sequence[Sequence[int]] = ()


@dataclass(frozen=True, slots=True)
class Inside:
    """The work of a run of epochs between the steps inside them.

    Args:
        begun: the first epoch, where the network comes from the middle of it.
        keep: called between two calls of an epoch, with the figures so far and the state.
        tell: called after every call of an epoch, with the figures so far and the share of its steps that is done,
            which is 1 while it is validated; it may not change anything.
    """

    begun: PartialEpoch | None = None
    keep: Callable[[Sequence[EpochFigures], PartialEpoch], None] | None = None
    tell: Callable[[Sequence[EpochFigures], float], None] | None = None


def answered_at_a_time(shape: Sequence[int], most: int) -> int:
    """The images of a step that answers and does not train: as many as wanted, unless they are large.

    Whole batches of any size give the same figures but for rounding; what a step holds of each of its layers grows with
    them, and how long a signal waits for its end. A layer of 64 filters holds twenty times as much as the images.

    Args:
        shape: height, width and channels of an image.
        most: images that are wanted.
    """
    return _within(_STEP_BYTES, shape, most)


def held_at_a_time(shape: Sequence[int], most: int) -> int:
    """The standardised images that are held beside a network: as many as wanted, unless they are large.

    Args:
        shape: height, width and channels of an image.
        most: images that are wanted.
    """
    return _within(_HELD_BYTES, shape, most)


def _within(bound: int, shape: Sequence[int], most: int) -> int:
    return max(1, min(most, bound // (math.prod(shape) * np.dtype(np.float32).itemsize)))


class Pace:
    """Chooses the number of steps of a call by the time that the one before took; the first call is of one step.

    Figures do not depend on it.
    """

    def __init__(self) -> None:
        self._step_s: float | None = None

    def steps(self, left: int, most: int | None = None) -> int:
        """The steps of the next call.

        Args:
            left: steps of the epoch.
            most: that a call may take; None for any number.
        """
        wanted = 1 if self._step_s is None else max(1, int(_CALL_S / self._step_s))
        wanted = left if left <= _ROUNDED * wanted else wanted
        return wanted if most is None else min(wanted, most)

    def took(self, steps: int, seconds: float) -> None:
        """Notes how long a call took; the first one prepares its graph, so the second is short as well."""
        self._step_s = max(seconds, 1e-9) / steps


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some steps of an epoch, one after the other.

    Args:
        first: number of the first step, from 0.
        last: number of the step after the last one.
        given: what the call is given of their images.
    """

    first: int
    last: int
    given: tuple[Any, ...]


def stretches(
    split: Split, order: NDArray[np.int32], batch: int, pace: Pace, *, begin: int = 0
) -> Generator[Stretch, None, None]:
    """Divides an epoch; whoever takes a stretch tells the pace how long it took before the next.

    Args:
        split: the images.
        order: in which they come.
        batch: images of a step.
        pace: says how many steps a call takes.
        begin: the first step, from 0.
    """
    steps = math.ceil(len(order) / batch)
    most = None if split.most is None else max(1, split.most // batch)

    def following(first: int) -> tuple[int, int]:
        return first, first + pace.steps(steps - first, most)

    def read(first: int, last: int) -> Stretch:
        return Stretch(first, last, split.take(order[first * batch : last * batch]))

    if most is None:
        while begin < steps:
            stretch = read(*following(begin))
            yield stretch
            begin = stretch.last
        return
    with ThreadPoolExecutor(1, thread_name_prefix="hivenas-images") as reader:
        coming = reader.submit(read, *following(begin)) if begin < steps else None
        while coming is not None:
            stretch = coming.result()
            coming = reader.submit(read, *following(stretch.last)) if stretch.last < steps else None
            yield stretch
