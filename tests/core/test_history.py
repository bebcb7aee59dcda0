from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivenas.core.history import Curves, History, improvements, ranking, settled
from hivenas.core.records import Direction, Trial
from tests.trials import trial

TRIALS = [
    trial(0, 0.5),
    trial(1, 0.4),
    trial(2, 0.0, status="failed"),
    trial(3, 0.7),
    trial(4, 0.7),
    trial(5, 0.8, status="stopped"),
]


@pytest.mark.parametrize(("direction", "expected"), [(Direction.MAXIMIZE, [0, 3, 5]), (Direction.MINIMIZE, [0, 1])])
def test_improvements_are_better_than_all_before_them(direction: Direction, expected: list[int]) -> None:
    assert [each.index for each in improvements(TRIALS, direction)] == expected


@given(st.lists(st.floats(), max_size=30), st.sampled_from(Direction))
def test_they_only_get_better_and_end_at_the_best(values: list[float], direction: Direction) -> None:
    trials = [trial(index, value) for index, value in enumerate(values)]
    scores = [direction.score(each.fitness) for each in improvements(trials, direction)]
    finite = [direction.score(value) for value in values if abs(value) < float("inf")]
    assert scores == sorted(set(scores))
    assert scores[-1:] == ([max(finite)] if finite else [])


def test_trainings_that_are_paused_count_while_there_are_no_others() -> None:
    looks = [trial(0, 0.9, status="paused"), trial(1, 0.8, status="paused")]
    ended = [trial(2, 0.5), trial(3, 0.6, status="stopped")]
    assert settled(looks) == looks
    assert settled([looks[0], ended[0], looks[1], ended[1]]) == ended
    assert settled([]) == []


A, B, C = (f"input|{key}|output" for key in ("identity", "dropout", "batch_norm"))

RANKINGS: list[tuple[str, list[Trial], bool, list[int]]] = [
    ("nothing", [], False, []),
    ("largest first", [trial(0, 0.1, A), trial(1, 0.9, B), trial(2, 0.5, C)], False, [1, 2, 0]),
    ("smallest first", [trial(0, 0.1, A), trial(1, 0.9, B), trial(2, 0.5, C)], True, [0, 2, 1]),
    ("the earlier of equals first", [trial(0, 0.5, B), trial(1, 0.5, A)], False, [0, 1]),
    ("the earlier of equals first", [trial(0, 0.5, B), trial(1, 0.5, A)], True, [0, 1]),
    ("failures left out", [trial(0, 9.0, A, status="failed"), trial(1, 0.2, B)], False, [1]),
    ("stopped ones count", [trial(0, 0.3, A, status="stopped"), trial(1, 0.2, B)], False, [0, 1]),
    (
        "a continuation replaces the line before it, upwards",
        [trial(0, 0.1, A), trial(1, 0.5, B), trial(2, 0.9, A, phase="momentum")],
        False,
        [2, 1],
    ),
    (
        "a continuation replaces the line before it, downwards",
        [trial(0, 0.9, A), trial(1, 0.5, B), trial(2, 0.1, A, phase="momentum")],
        False,
        [1, 2],
    ),
    (
        "a failed continuation leaves the line before it",
        [trial(0, 0.9, A), trial(1, 0.5, B), trial(2, 0.0, A, status="failed", phase="momentum")],
        False,
        [0, 1],
    ),
]


@pytest.mark.parametrize(("trials", "minimize", "expected"), [r[1:] for r in RANKINGS], ids=[r[0] for r in RANKINGS])
def test_the_ranking_takes_the_latest_line_of_every_candidate(
    trials: list[Trial], minimize: bool, expected: list[int]
) -> None:
    assert [each.index for each in ranking(trials, Direction.of(minimize))] == expected


@given(st.lists(st.dictionaries(st.integers(1, 4), st.floats(0, 1)), max_size=30))
def test_curves_give_what_was_seen_at_an_epoch_in_order(curves: list[dict[int, float]]) -> None:
    known = Curves(curves[:3])
    for curve in curves[3:]:
        known.add(curve)
    for epoch in range(6):
        assert list(known.at(epoch)) == sorted(curve[epoch] for curve in curves if epoch in curve)


def test_what_was_told_knows_the_latest_training_of_a_candidate_and_no_continuation() -> None:
    trials = [
        trial(0, 0.2, "a", curve={1: 0.2}),
        trial(1, 0.1, "b", curve={1: 0.1}),
        trial(2, 0.3, "a", curve={1: 0.3}, phase="momentum"),
    ]
    told = History(trials)
    told.extend([trial(3, 0.9, "c", curve={1: 0.9}, status="failed")])
    assert len(told) == 4
    assert told.trained("a") == trials[0]
    assert told.trained("b") == trials[1]
    assert told.trained("c") is None
    assert told.trained("") is None
    assert list(told.curves.at(1)) == [0.1, 0.2]
    some = told.where(lambda each: each.fitness > 0.1)
    assert list(some.curves.at(1)) == [0.2]
    assert (some.trained("a"), some.trained("b")) == (trials[0], None)
