"""The volume of a front of several costs: what is expected to be added to it, against what is added."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from hivenas.core.colony.dominated_volume import Costs, DominatedVolume
from hivenas.core.colony.hypervolume import DominatedArea
from hivenas.core.front import Point, hypervolume

REFERENCES: dict[int, Point] = {m: (*[10.0] * m, -1.5) for m in (1, 2, 3)}


def _points(rng: np.random.Generator, count: int, costs: int) -> list[Point]:
    """Some of them beyond the reference, some beside each other in a cost, some of equal score."""
    drawn = np.column_stack([rng.integers(1, 12, (count, costs)), rng.integers(-4, 8, count) / 2])
    return [tuple(map(float, each)) for each in drawn]


def _growth(points: Sequence[Point], costs: Sequence[float], score: float) -> float:
    reference = REFERENCES[len(costs)]
    return hypervolume([*points, (*costs, score)], reference) - hypervolume(points, reference)


def _candidates(rng: np.random.Generator, points: Sequence[Point], count: int, costs: int) -> Costs:
    drawn = rng.uniform(0, 11, (count, costs))
    for place, point in enumerate(points):
        drawn[place] = point[:-1]  # as much as a record does
    return drawn


@pytest.mark.parametrize("costs", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_where_scores_are_certain_it_is_the_growth_itself(count: int, costs: int) -> None:
    rng = np.random.default_rng(10 * count + costs)
    points = _points(rng, count, costs)
    own, scores = _candidates(rng, points, 20, costs), rng.normal(0, 2, 20)
    told = DominatedVolume.of(own, points, REFERENCES[costs]).expected(scores, np.full(20, 1e-12))
    grown = [_growth(points, each, float(score)) for each, score in zip(own.tolist(), scores, strict=True)]
    assert told == pytest.approx(grown, abs=1e-2)
    assert sum(growth > 0 for growth in grown) > 2


def test_what_is_expected_is_the_mean_growth_of_the_volume_over_draws() -> None:
    rng = np.random.default_rng(3)
    points = _points(rng, 7, 2)
    own, mean, deviation = _candidates(rng, points, 8, 2), rng.normal(0, 1.5, 8), rng.uniform(0.2, 2.0, 8)
    expected = DominatedVolume.of(own, points, REFERENCES[2]).expected(mean, deviation**2)
    strata = [NormalDist().inv_cdf((k + 0.5) / 200) for k in range(200)]
    for costs, mu, sigma, told in zip(own.tolist(), mean, deviation, expected, strict=True):
        grown = [_growth(points, costs, float(mu + sigma * each)) for each in strata]
        assert told == pytest.approx(sum(grown) / len(grown), rel=0.02, abs=0.02)


def test_of_a_single_cost_it_is_the_area() -> None:
    rng = np.random.default_rng(4)
    points = _points(rng, 9, 1)
    own, mean, variance = _candidates(rng, points, 20, 1), rng.normal(0, 1.5, 20), rng.uniform(0.1, 2.0, 20)
    volume = DominatedVolume.of(own, points, REFERENCES[1])
    area = DominatedArea.of(own[:, 0], [(p[0], p[1]) for p in points], REFERENCES[1])
    for beyond in ((), (4.0,)):
        assert volume.expected(mean, variance, beyond) == pytest.approx(area.expected(mean, variance, beyond))


def test_beyond_costs_it_is_the_growth_of_that_part_of_the_volume() -> None:
    rng = np.random.default_rng(5)
    points, beyond = _points(rng, 9, 2), (4.0, 2.0)
    own, scores = _candidates(rng, points, 20, 2), rng.normal(0, 2, 20)
    told = DominatedVolume.of(own, points, REFERENCES[2]).expected(scores, np.full(20, 1e-12), beyond)
    moved = [(*np.maximum(point[:-1], beyond).tolist(), point[-1]) for point in points]
    grown = [
        _growth(moved, np.maximum(each, beyond).tolist(), float(score)) for each, score in zip(own, scores, strict=True)
    ]
    assert told == pytest.approx(grown, abs=1e-2)


def test_a_candidate_that_was_found_is_on_the_front_and_one_of_unknown_cost_is_worth_nothing() -> None:
    points: list[Point] = [(2.0, 5.0, 0.0), (5.0, 2.0, 1.0)]
    own = np.array([[3.0, 4.0], [4.0, 6.0], [4.0, 4.5], [3.0, np.inf], [np.inf, np.inf]])
    volume = DominatedVolume.of(own, points, REFERENCES[2])
    assert volume.found(0, 0.5).front == ((2.0, 5.0, 0.0), (3.0, 4.0, 0.5), (5.0, 2.0, 1.0))
    for number, score in ((1, 0.0), (3, 9.0), (4, 9.0)):
        assert volume.found(number, score).front == tuple(points)
    before, after = (each.expected(np.full(5, 0.5), np.full(5, 0.1)) for each in (volume, volume.found(0, 0.5)))
    assert before[2] > after[2] > 0
    assert before[3:].tolist() == after[3:].tolist() == [0, 0]
