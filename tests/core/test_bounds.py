"""Bounds by which a person asks for a candidate: read, refused, and chosen by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hivenas.config.costs import COSTS
from hivenas.core.bounds import Bound, at_most, best_within, parse_bounds
from hivenas.core.front import front
from hivenas.core.records import Direction
from hivenas.errors import ConfigError
from tests.trials import trial

PARAMS = COSTS["params"]
TRIALS = [
    trial(0, 0.5, "input|a|output", params=10, macs=400),
    trial(1, 0.7, "input|b|output", params=20, macs=300),
    trial(2, 0.99, "input|c|output", params=5, status="stopped"),
    trial(3, 0.9, "input|d|output", params=30, macs=200),
    trial(4, 0.9, "input|e|output", params=25, macs=900),
    trial(5, 0.8, "input|f|output", params=40, macs=100),
]


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("params<=20000", (Bound("params", "<=", 20000.0),)),
        (" fitness >= .9 , macs<1e6 ", (Bound("fitness", ">=", 0.9), Bound("macs", "<", 1e6))),
        ("params>20_000", (Bound("params", ">", 20000.0),)),
        ("fitness>=-1.5", (Bound("fitness", ">=", -1.5),)),
    ],
)
def test_bounds_are_read_and_written_alike(text: str, bounds: tuple[Bound, ...]) -> None:
    assert parse_bounds(text) == bounds
    assert parse_bounds(",".join(map(str, bounds))) == bounds


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "''"),
        ("params<=20000,", "''"),
        ("size<=3", "'size<=3'"),
        ("params=<3", "'params=<3'"),
        ("params==3", "'params==3'"),
        ("params<=", "'params<='"),
        ("params<=nan", "'params<=nan'"),
        ("macs<1e999", "'macs<1e999'"),
        ("1<params<3", "'1<params<3'"),
        ("params<=20,000", "'000'"),
        ("params<=__import__('os')", "\"params<=__import__('os')\""),
    ],
)
def test_what_is_no_bound_is_refused_in_a_line_that_says_what_is(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bounds(text)
    figures = "fitness, params, macs, latency_ms or memory_mb"
    said = f"at must be bounds of {figures} by <=, <, >= or >, separated by commas, got "
    assert str(caught.value) == f"{said}{part}; write 'params<=20000,fitness>=.9', say"


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("params<=20", 1),
        ("params<20", 0),
        ("params<=20,fitness>=.6", 1),
        ("macs<=250", 3),
        ("params>25,params<40", 3),
        ("fitness>=.9", 4),
        ("fitness>.5,fitness<.9", 1),
        ("params<10", None),
        ("params<=25,fitness>.9", None),
    ],
)
def test_the_best_within_is_chosen_and_of_a_fitness_alone_the_smallest(text: str, index: int | None) -> None:
    found = best_within(TRIALS, parse_bounds(text), Direction.MAXIMIZE, PARAMS)
    assert (found and found.index) == index


@pytest.mark.parametrize(("text", "index"), [("latency_ms<=2", 1), ("latency_ms>1e-9", 1), ("memory_mb>0", None)])
def test_what_was_not_measured_is_within_no_bound(text: str, index: int | None) -> None:
    told = replace(TRIALS[1], evaluation=replace(TRIALS[1].evaluation, extra={"latency_ms": 1.25}))
    found = best_within([TRIALS[0], told, *TRIALS[2:]], parse_bounds(text), Direction.MAXIMIZE, COSTS["latency_ms"])
    assert (found and found.index) == index


@pytest.mark.parametrize(("direction", "sign"), [(Direction.MAXIMIZE, 1), (Direction.MINIMIZE, -1)])
def test_of_equal_fitness_the_one_that_costs_less_is_taken(direction: Direction, sign: int) -> None:
    figures = [(0.8, 5, 5), (0.9, 30, 9), (0.9, 20, 9), (0.9, 20, 7)]
    trials = [trial(i, sign * f, f"input|{i}|output", params=p, macs=m) for i, (f, p, m) in enumerate(figures)]
    for costs, index in (("params",), 2), (("macs",), 3), (("params", "macs"), 3):
        found = best_within(trials, parse_bounds("params<=100"), direction, *(COSTS[key] for key in costs))
        assert found == trials[index]


# As shares of right answers are computed: a sum by the reciprocal of their number, in float32.
TOO_LOW, TOO_HIGH = (float(np.float32(hits) * (np.float32(1) / np.float32(n))) for hits, n in ((90, 100), (6, 10)))


@pytest.mark.parametrize(
    ("fitness", "text", "holds"),
    [
        (TOO_LOW, "fitness>=.9", True),
        (TOO_LOW, "fitness<.9", False),
        (TOO_LOW, "fitness>=.90001", False),
        (TOO_HIGH, "fitness<=.6", True),
        (TOO_HIGH, "fitness>.6", False),
        (TOO_HIGH, "fitness>.59999", True),
        (1.2e-7, "fitness<=1.1e-7", False),
        (-1.5, "fitness>=-1.5", True),
        (float("inf"), "fitness<=1e9", False),
    ],
)
def test_a_fitness_is_compared_up_to_the_rounding_of_float32(fitness: float, text: str, holds: bool) -> None:
    assert TOO_LOW < 0.9
    assert TOO_HIGH > 0.6
    (bound,) = parse_bounds(text)
    assert bound.holds(trial(0, fitness, "input|a|output")) == holds


def test_where_less_is_better_the_best_within_is_the_lowest() -> None:
    found = best_within(TRIALS, parse_bounds("params>=20"), Direction.MINIMIZE, PARAMS)
    assert found == TRIALS[1]


@pytest.mark.parametrize("key", COSTS)
@pytest.mark.parametrize("direction", Direction)
def test_a_member_of_the_front_is_the_best_within_its_own_cost(key: str, direction: Direction) -> None:
    cost = COSTS[key]
    members = front(TRIALS, direction, cost)
    assert [best_within(TRIALS, at_most(each, cost), direction, cost) for each in members] == members
