from __future__ import annotations

from dataclasses import replace

import pytest

from hivenas.config.costs import COSTS
from hivenas.core.records import Direction, Phase, Status, Trial
from hivenas.run.weights import Retention
from tests.trials import trial


def made(
    index: int, fitness: float, *, candidate: str = "", phase: Phase = "evaluate", status: Status = "complete"
) -> Trial:
    filename = "" if status == "failed" else f"{index}.h5"
    return trial(index, fitness, candidate or f"input|{index}|output", phase=phase, status=status, filename=filename)


MAXIMIZE = Direction.MAXIMIZE
FITNESS = [0.5, 0.7, 0.6, 0.7, 0.9, 0.1]
TRIALS = [made(index, fitness) for index, fitness in enumerate(FITNESS)]


def taken(retention: Retention, trials: list[Trial]) -> list[list[int]]:
    return [[evicted.index for evicted in retention.take(each)] for each in trials]


def test_what_is_not_among_the_best_is_evicted_at_once_and_of_equals_the_later() -> None:
    retention = Retention(2, MAXIMIZE)
    assert taken(retention, TRIALS) == [[], [], [0], [2], [3], [5]]
    assert [each.index for each in retention.to_delete(TRIALS)] == [0, 2, 3, 5]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("keep", [0, 1, 3, 10])
def test_what_has_been_evicted_by_the_end_is_what_the_end_deletes(keep: int, direction: Direction) -> None:
    retention = Retention(keep, direction)
    evicted = [index for indices in taken(retention, TRIALS) for index in indices]
    assert sorted(evicted) == [each.index for each in retention.to_delete(TRIALS)]
    assert len(evicted) == max(0, len(TRIALS) - keep)


@pytest.mark.parametrize("retention", [Retention(None, MAXIMIZE), Retention(1, MAXIMIZE, needed_later=True)])
def test_nothing_goes_while_it_may_be_needed(retention: Retention) -> None:
    assert taken(retention, TRIALS) == [[]] * 6


def test_of_a_candidate_that_was_trained_on_the_latest_state_is_kept() -> None:
    trials = [made(0, 0.5), made(1, 0.6), made(2, 0.8, candidate="input|0|output", phase="momentum")]
    retention = Retention(1, MAXIMIZE, needed_later=True)
    assert [each.index for each in retention.to_delete(trials)] == [0, 1]


def test_what_failed_has_nothing_to_keep() -> None:
    failed = made(0, 0.0, status="failed")
    retention = Retention(0, MAXIMIZE)
    assert retention.take(failed) == retention.to_delete([failed]) == []


@pytest.mark.parametrize(
    ("keep", "goes"),
    [
        (0, [[0], [1], [2], [3], [4], [5]]),
        (1, [[], [], [0], [2], [1], [5]]),
        (2, [[], [], [0], [2], [], [5]]),
    ],
)
def test_members_of_the_front_keep_theirs_for_as_long_as_they_are_on_it(keep: int, goes: list[list[int]]) -> None:
    sizes = [50, 90, 40, 30, 99, 30]
    trials = [
        replace(each, evaluation=replace(each.evaluation, params=size))
        for each, size in zip(TRIALS, sizes, strict=True)
    ]
    retention = Retention(keep, MAXIMIZE, costs=(COSTS["params"],))
    gone = taken(retention, trials)
    # The third beats the first, the fourth all before it; the fifth is the best and the largest.
    assert gone == goes
    left = [index for indices in gone for index in indices]
    assert sorted(left) == [each.index for each in retention.to_delete(trials)]
