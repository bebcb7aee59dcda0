from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from hivenas.core import progress
from hivenas.core.progress import Progress, Teller, telling
from hivenas.core.records import EpochFigures


def figures(last: int, first: int = 1) -> list[EpochFigures]:
    return [EpochFigures(epoch, 1.0, 0.5, 1.0, epoch / 10) for epoch in range(first, last + 1)]


def said(told: Sequence[Progress]) -> list[tuple[int, list[int]]]:
    return [(each.epoch, [figure.epoch for figure in each.figures]) for each in told]


def test_every_epoch_is_told_once_though_messages_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    told: list[Progress] = []
    takes = [True, False, True, True]

    def tell(each: Progress) -> bool:
        told.append(each)
        return takes[len(told) - 1]

    with telling(tell):
        teller = Teller(2, 6, figures(3, 3))
    for last in (4, 5):
        teller(figures(last, 3))
    teller(figures(6, 3), ends=True)
    assert said(told) == [(3, [3]), (4, [4]), (5, [4, 5]), (6, [6])]
    assert {each.epochs for each in told} == {6}


def test_messages_are_rare_and_the_last_one_comes() -> None:
    told: list[Progress] = []
    with telling(lambda each: not told.append(each)):  # type: ignore[func-returns-value]
        teller = Teller(0, 500)
        for last in range(1, 500):
            teller(figures(last))
        teller(figures(500), ends=True)
    assert said(told)[0] == (0, [])
    assert said(told)[-1][0] == 500
    assert [epoch for _, epochs in said(told) for epoch in epochs] == list(range(1, 501))
    assert len(told) < 100  # far fewer than epochs, however slow the machine


def test_a_long_epoch_is_told_of_while_it_goes_on_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    with telling(lambda each: not told.append(each)):  # type: ignore[func-returns-value]
        teller = Teller(2, 6)
        clock = [time.monotonic()]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])

        def after(seconds: float) -> None:
            clock[0] += seconds

        after(10.0)
        teller.inside([], 0.25)
        after(0.6)
        teller.inside([], 0.5)
        teller(figures(3, 3))
        after(0.6)
        teller.inside(figures(3, 3), 1.0)  # the message before is old enough, but the epoch is short
        after(0.6)
        teller.inside(figures(3, 3), 1.0)
        after(0.6)
        teller(figures(4, 3))
        after(0.6)
        teller(figures(5, 3))
    assert [(each.epoch, each.share) for each in told] == [(2, 0.0), (2, 0.25), (3, 1.0), (5, 0.0)]
    assert [epoch for _, epochs in said(told) for epoch in epochs] == [3, 4, 5]


def test_a_training_tells_whoever_listens_in_its_thread_and_nobody_else() -> None:
    told: list[Progress] = []
    with telling(lambda each: not told.append(each)):  # type: ignore[func-returns-value]
        other = threading.Thread(target=Teller, args=(0, 3))
        other.start()
        other.join()
        assert told == []
        Teller(0, 3)
    Teller(0, 3)(figures(3), ends=True)
    assert said(told) == [(0, [])]
