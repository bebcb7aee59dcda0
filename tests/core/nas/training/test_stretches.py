"""The division of an epoch into calls."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hivenas.core.nas.data.joined_images import JoinedImages
from hivenas.core.nas.training.stretches import Pace, Stretch, answered_at_a_time, held_at_a_time, stretches

pytestmark = pytest.mark.keras  # as the types of what is given are TensorFlow's


class Positions:
    """A split that gives the positions themselves."""

    specs = ()

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.threads: set[str] = set()
        self.taken: list[int] = []

    def __len__(self) -> int:
        return 10

    def take(self, chosen: NDArray[np.int32]) -> tuple[Any, ...]:
        self.threads.add(threading.current_thread().name)
        self.taken.append(len(chosen))
        if 99 in chosen:
            raise OSError("no such image")
        return (chosen.tolist(),)

    def batch(self, start: Any, end: Any, given: Any) -> Any:
        raise NotImplementedError

    def first(self, count: int) -> Any:
        raise NotImplementedError


ORDER = np.array([7, 2, 9, 4, 1, 8, 0, 5, 3, 6], np.int32)


def test_the_first_call_is_short_and_those_after_it_take_half_a_second() -> None:
    pace = Pace()
    assert pace.steps(100) == 1
    pace.took(1, 0.15)
    assert (pace.steps(100), pace.steps(100, most=2)) == (3, 2)
    pace.took(3, 0.015)
    assert (pace.steps(1000), pace.steps(124), pace.steps(126)) == (100, 124, 100)
    pace.took(2, 30.0)
    assert pace.steps(100) == 1


def test_only_large_images_are_answered_in_smaller_steps() -> None:
    shapes = [(28, 28, 1), (32, 32, 3), (48, 48, 3), (96, 96, 3), (224, 224, 3), (10_000, 10_000, 3)]
    assert [answered_at_a_time(shape, 512) for shape in shapes] == [512, 512, 512, 151, 27, 1]
    assert [held_at_a_time(shape, 512) for shape in shapes] == [512, 512, 512, 512, 111, 1]
    assert answered_at_a_time((224, 224, 3), 16) == 16


@pytest.mark.parametrize("most", [None, 3, 1000])
@pytest.mark.parametrize("begin", [0, 1, 3, 4])
def test_stretches_are_the_epoch_from_where_it_is_begun(begin: int, most: int | None) -> None:
    pace, split = Pace(), Positions(most)
    found: list[Stretch] = []
    for each in stretches(split, ORDER, 3, pace, begin=begin):
        found.append(each)
        pace.took(each.last - each.first, 0.0)
    assert [position for each in found for position in each.given[0]] == ORDER[begin * 3 :].tolist()
    assert [each.first for each in found] == [begin, *(each.last for each in found)][: len(found)]
    assert most != 3 or {each.last - each.first for each in found} <= {1}
    assert all(name.startswith("hivenas-images") != (most is None) for name in split.threads)


def test_one_stretch_is_read_ahead_and_no_more_and_what_fails_there_is_told_here() -> None:
    split = Positions(3)
    reading = stretches(split, ORDER, 3, Pace())
    next(reading)
    next(reading)
    reading.close()
    assert split.taken in ([3, 3], [3, 3, 3])
    broken = stretches(split, np.array([1, 99], np.int32), 1, Pace())
    next(broken)
    with pytest.raises(OSError, match="no such image"):
        next(broken)


def test_joined_images_are_one_after_the_other() -> None:
    images = np.arange(10 * 2 * 2).reshape(10, 2, 2, 1).astype(np.uint8)
    joined = JoinedImages([images[:4], images[4:5], images[5:]])
    assert (len(joined), joined.shape, joined.dtype) == (10, images.shape, images.dtype)
    assert np.array_equal(joined.take(ORDER), images[ORDER])
    assert np.array_equal(joined[3:7], images[3:7])
