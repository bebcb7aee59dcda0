from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from hivenas.execution.assignment import Assignment, choose
from hivenas.execution.wire import PackedTask

CASES: dict[str, tuple[tuple[Sequence[str], Sequence[str], Sequence[str]], tuple[int, int]]] = {
    "in order": ((["", ""], [], ["", ""]), (0, 0)),
    "the worker that has it": ((["", "a"], [], ["a"]), (1, 0)),
    "what a worker has before what is new": ((["a"], ["b"], ["", "b", "a"]), (0, 2)),
    "what another has is left to it": ((["a"], ["b"], ["b", ""]), (0, 1)),
    "nobody idles": (([""], ["ab"], ["b", "a"]), (0, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_goes_on_where_it_is_alive_and_nobody_idles(case: str) -> None:
    # A letter is a saved state.
    (idle, busy, waiting), chosen = CASES[case]
    assert choose([list(each) for each in idle], [list(each) for each in busy], waiting) == chosen


@dataclass(eq=False)
class Holding:
    """A worker that has networks alive."""

    alive: Sequence[str] = ()


def test_workers_are_given_what_waits_until_nothing_does() -> None:
    one, two = Holding(), Holding(("x",))
    assignment = Assignment([one, two])
    assert assignment.take() is None
    new: PackedTask[int] = PackedTask(b"new")
    goes_on: PackedTask[int] = PackedTask(b"goes on", continues="x")
    futures = [assignment.add(new), assignment.add(goes_on), assignment.add(goes_on)]
    assert assignment.take() == (two, goes_on, futures[1])
    assert assignment.take() == (one, new, futures[0])
    assignment.give_back(one)
    assert assignment.take() == (one, goes_on, futures[2])
    last = assignment.add(new)
    assignment.cancel()
    assert last.cancelled()
    assert assignment.take() is None
