from __future__ import annotations

import math
from typing import Any

import pytest

from hivenas.core.records import Direction, Trial
from hivenas.reports.findings import (
    Band,
    bands,
    learning_curves,
    operation_map,
    operations_of,
    pareto_front,
    roles,
    timeline,
)
from tests.trials import changed, trial


def row(index: int, fitness: float, candidate: str = "input|a|output", role: str = "scout", **changes: Any) -> Trial:
    made = trial(index, fitness, candidate, iteration=index // 2, role=role, epochs=1, params=10)
    return changed(made, **changes)


SEARCH = [
    row(0, 0.5, "input|a|b|output", curve={0: 0.4, 1: 0.5}, params=30),
    row(1, 0.4, "input|b|b|output", params=20),
    row(2, 0.0, "input|b|a|output", "employee", status="failed"),
    row(3, 0.7, "input|sc_1|a|a|output", "onlooker", params=25),
    row(4, 0.8, "input|a|b|output", "employee", phase="momentum", curve={2: 0.8}, params=30),
]


def test_iterations_are_ranges_of_evaluations() -> None:
    assert bands(SEARCH) == [Band(0, 0, 1), Band(1, 2, 3), Band(2, 4, 4)]


@pytest.mark.parametrize(
    ("candidate", "operations"),
    [("input|sc_2|a|b|output", ["a", "b"]), ("a|b", ["a", "b"]), ("[0.5, 1.0]", [])],
)
def test_operations_of_a_candidate(candidate: str, operations: list[str]) -> None:
    assert operations_of(candidate) == operations


def test_mean_fitness_by_operation_and_layer_counts_every_candidate_once() -> None:
    found = operation_map(SEARCH, Direction.MAXIMIZE)
    assert (found.operations, found.layers) == (("a", "b"), 2)
    assert found.counts == ((2, 1), (1, 2))
    assert found.means[0] == pytest.approx((0.75, 0.7))
    assert found.means[1] == pytest.approx((0.4, 0.6))


def test_an_operation_that_no_candidate_has_in_a_layer_has_no_mean() -> None:
    found = operation_map([row(0, 0.5, "input|a|b|output")], Direction.MAXIMIZE)
    assert math.isnan(found.means[0][1])
    assert found.counts == ((1, 0), (0, 1))


def test_named_choices_have_no_layers_and_other_texts_have() -> None:
    found = operation_map([row(0, 0.5, "w=1|d=1"), row(1, 0.7, "w=1|d=2")], Direction.MAXIMIZE)
    assert (found.operations, found.layers) == (("d=1", "d=2", "w=1"), 1)
    assert found.counts == ((1,), (1,), (2,))
    assert operation_map([row(0, 0.5, "up|up=1")], Direction.MAXIMIZE).layers == 2


def test_the_pareto_front_has_no_candidate_that_another_one_beats() -> None:
    front = pareto_front(SEARCH, Direction.MAXIMIZE)
    assert [(each.params, each.fitness) for each in front] == [(20, 0.4), (25, 0.7), (30, 0.8)]
    better = row(5, 0.9, "input|c|output", params=20)
    assert pareto_front([*SEARCH, better], Direction.MAXIMIZE) == [better]


def test_what_roles_have_contributed() -> None:
    employee, onlooker, scout = roles(SEARCH, Direction.MAXIMIZE)
    assert (employee.evaluations, employee.failed, employee.improvements) == (2, 1, 1)
    assert employee.gain == pytest.approx(0.1)
    assert onlooker.gain == pytest.approx(0.2)
    assert onlooker.quartiles == (0.7,) * 5
    assert employee.quartiles == ()  # it has trained on what a scout has found
    assert math.isnan(employee.best)
    assert (scout.quartiles[0], scout.quartiles[-1]) == (0.4, 0.8)
    assert (scout.improvements, scout.gain, scout.best) == (1, 0.0, 0.8)


# A scout's candidate and an onlooker's are complete; the best first looks, of all three roles, are not over.
CLIMBED = [
    row(0, 0.50, "input|a|b|output", status="paused"),
    row(1, 0.93, "input|c|c|output", status="paused"),
    row(2, 0.91, "input|c|a|output", "employee", status="paused"),
    row(3, 0.55, "input|a|a|output", "onlooker", status="paused"),
    row(4, 0.92, "input|c|b|output", "onlooker", status="paused"),
    row(5, 0.90, "input|a|b|output", "employee", phase="momentum", params=30),
    row(6, 0.80, "input|a|a|output", "employee", phase="momentum", params=30),
]


def test_trainings_that_are_paused_are_not_averaged_with_those_that_are_over() -> None:
    found = operation_map(CLIMBED, Direction.MAXIMIZE)
    assert (found.operations, found.counts) == (("a", "b"), ((2, 1), (0, 1)))
    assert found.means[0] == pytest.approx((0.85, 0.8))
    looked_at = operation_map(CLIMBED[:5], Direction.MAXIMIZE)
    assert looked_at.operations == ("a", "b", "c")


def test_roles_are_compared_by_the_trainings_that_are_over_of_what_they_have_found() -> None:
    employee, onlooker, scout = roles(CLIMBED, Direction.MAXIMIZE)
    assert (scout.quartiles, onlooker.quartiles, employee.quartiles) == ((0.9,) * 5, (0.8,) * 5, ())
    assert (employee.evaluations, employee.failed) == (3, 0)
    employee, onlooker, scout = roles(CLIMBED[:5], Direction.MAXIMIZE)
    assert (scout.best, onlooker.best, employee.best) == (0.93, 0.92, 0.91)


def test_a_learning_curve_goes_on_where_momentum_has_trained_on() -> None:
    (curve,) = learning_curves(SEARCH, Direction.MAXIMIZE)
    assert (curve.epochs, curve.accuracies) == ((0, 1, 2), (0.4, 0.5, 0.8))


def test_the_timeline_begins_with_the_first_training() -> None:
    rows = [
        row(0, 0.5, started=105.0, seconds=2.0, worker="b"),
        row(1, 0.5, started=100.0, seconds=3.0, worker="a"),
        row(2, 0.5, started=103.5, seconds=1.0, worker="a"),
        row(3, 0.5),
    ]
    assert [(lane.worker, [span[:2] for span in lane.spans]) for lane in timeline(rows)] == [
        ("a", [(0.0, 3.0), (3.5, 4.5)]),
        ("b", [(5.0, 7.0)]),
    ]
