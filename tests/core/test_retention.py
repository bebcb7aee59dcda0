from __future__ import annotations

from dataclasses import replace

import pytest

from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.core.retention import Retention


def row(index: int, fitness: float, *, candidate: str = "", phase: str = "evaluate", status: str = "complete") -> Row:
    name = candidate or f"input|{index}|output"
    made = Row.of(Proposal(index, 0, "scout", 0, name), Evaluation(name, "complete", fitness, filename=f"{index}.h5"))
    return replace(made, phase=phase, status=status, weights_filename="" if status == "failed" else f"{index}.h5")


FITNESS = [0.5, 0.7, 0.6, 0.7, 0.9, 0.1]
ROWS = [row(index, fitness) for index, fitness in enumerate(FITNESS)]


def taken(retention: Retention, rows: list[Row]) -> list[list[int]]:
    return [[fallen.index for fallen in retention.take(each)] for each in rows]


def test_what_is_not_among_the_best_falls_out_at_once_and_of_equals_the_later() -> None:
    retention = Retention(2)
    assert taken(retention, ROWS) == [[], [], [0], [2], [3], [5]]
    assert [each.index for each in retention.left_out(ROWS)] == [0, 2, 3, 5]


@pytest.mark.parametrize("minimize", [False, True])
@pytest.mark.parametrize("keep", [0, 1, 3, 10])
def test_what_has_fallen_out_by_the_end_is_what_the_end_leaves_out(keep: int, minimize: bool) -> None:
    retention = Retention(keep, minimize=minimize)
    fallen = [index for indices in taken(retention, ROWS) for index in indices]
    assert sorted(fallen) == [each.index for each in retention.left_out(ROWS)]
    assert len(fallen) == max(0, len(ROWS) - keep)


@pytest.mark.parametrize("retention", [Retention(None), Retention(1, needed_later=True)])
def test_nothing_goes_while_it_may_be_needed(retention: Retention) -> None:
    assert taken(retention, ROWS) == [[]] * 6


def test_of_a_candidate_that_was_trained_on_the_latest_state_is_kept() -> None:
    rows = [row(0, 0.5), row(1, 0.6), row(2, 0.8, candidate="input|0|output", phase="momentum")]
    retention = Retention(1, needed_later=True)
    assert [each.index for each in retention.left_out(rows)] == [0, 1]


def test_what_failed_has_nothing_to_keep() -> None:
    failed = row(0, 0.0, status="failed")
    retention = Retention(0)
    assert retention.take(failed) == retention.left_out([failed]) == []
