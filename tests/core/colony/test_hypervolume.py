"""The hive that weighs fitness against a cost: its acquisition against draws, its front against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig
from hivenas.config.costs import COSTS
from hivenas.core.colony.encoding import Vector
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.colony.hypervolume import DominatedArea, Hypervolume
from hivenas.core.colony.surrogate import Gain
from hivenas.core.front import Point, hypervolume, undominated
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import Direction, Evaluation, Status
from hivenas.core.strategies.known_cost import KnownCost
from hivenas.core.strategies.ranking import Ranking
from hivenas.objectives.table import TableObjective
from tests.colonies import Make, evaluations_of, fails_now_and_then, fly, write_table
from tests.colony_contract import WeighingContract
from tests.strategy_contract import RUNS
from tests.toy_objectives import TinyObjective

PARAMS = COSTS["params"]
REFERENCE = (10.0, -1.5)


def _points(rng: np.random.Generator, count: int) -> list[Point]:
    return [(float(c), float(s)) for c, s in zip(rng.uniform(1, 11, count), rng.normal(0, 1, count), strict=True)]


def _growth(points: Sequence[Point], point: Point) -> float:
    return hypervolume([*points, point], REFERENCE) - hypervolume(points, REFERENCE)


# -- the acquisition -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 6])
def test_what_is_expected_is_the_mean_growth_of_the_area_over_draws(count: int) -> None:
    rng = np.random.default_rng(count)
    points = _points(rng, count)
    costs, mean, deviation = rng.uniform(0, 11, 8), rng.normal(0, 1.5, 8), rng.uniform(0.2, 2.0, 8)
    costs[:count] = [cost for cost, _ in points][:8]  # as much as a record does
    expected = DominatedArea.of(costs, points, REFERENCE).expected(mean, deviation**2)
    # Monte Carlo without its luck: a draw from each of 500 equally likely strata.
    strata = [NormalDist().inv_cdf((k + 0.5) / 500) for k in range(500)]
    for cost, mu, sigma, told in zip(costs.tolist(), mean, deviation, expected, strict=True):
        grown = [_growth(points, (cost, float(mu + sigma * each))) for each in strata]
        assert told == pytest.approx(sum(grown) / len(grown), rel=0.01, abs=0.01)


def test_where_scores_are_certain_it_is_the_growth_itself() -> None:
    rng = np.random.default_rng(3)
    points = _points(rng, 8)
    costs, scores = rng.uniform(0, 11, 30), rng.normal(0, 1.5, 30)
    expected = DominatedArea.of(costs, points, REFERENCE).expected(scores, np.full(30, 1e-12))
    grown = [_growth(points, (float(cost), float(score))) for cost, score in zip(costs, scores, strict=True)]
    assert expected == pytest.approx(grown, abs=1e-4)
    assert sum(growth > 0 for growth in grown) > 2


def test_a_candidate_that_was_found_is_on_the_front_and_one_of_unknown_cost_is_worth_nothing() -> None:
    points = [(2.0, 0.0), (5.0, 1.0)]
    area = DominatedArea.of(np.array([3.0, 4.0, np.inf]), points, REFERENCE)
    assert area.found(0, 0.5) == DominatedArea.of(area.costs, [*points, (3.0, 0.5)], REFERENCE)
    assert area.found(1, -0.5).front == area.found(2, 9.0).front == tuple(points)
    before, after = (each.expected(np.full(3, 0.5), np.full(3, 0.1)) for each in (area, area.found(0, 0.5)))
    assert before[1] > after[1] > 0
    assert before[2] == after[2] == 0


def test_beyond_a_cost_it_is_the_growth_of_that_part_of_the_area() -> None:
    rng = np.random.default_rng(5)
    points, beyond = _points(rng, 8), 4.0
    costs, scores = rng.uniform(0, 11, 30), rng.normal(0, 1.5, 30)
    expected = DominatedArea.of(costs, points, REFERENCE).expected(scores, np.full(30, 1e-12), (beyond,))
    # Whatever costs less counts as if it cost so much.
    moved = [(max(cost, beyond), score) for cost, score in points]
    grown = [_growth(moved, (max(float(c), beyond), float(s))) for c, s in zip(costs, scores, strict=True)]
    assert expected == pytest.approx(grown, abs=1e-4)


# -- the front of records ------------------------------------------------------------------------------------------


def _ranking(records: Sequence[tuple[str, float, Status]], direction: Direction) -> Ranking:
    ranking = Ranking(direction)
    for name, fitness, status in records:
        ranking.put(name, Evaluation(name, status, fitness))
    return ranking


@pytest.mark.parametrize("direction", list(Direction))
def test_the_front_comes_first_spread_over_its_costs_and_then_the_best_records(direction: Direction) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        costs = {f"c{i}": float(rng.integers(1, 12)) for i in range(20)}
        records: list[tuple[str, float, Status]] = [(name, float(rng.integers(12)), "complete") for name in costs]
        records[3] = ("c3", direction.score(-math.inf), "failed")
        aim, ranking = Hypervolume(costs.__getitem__), _ranking(records, direction)
        points = {name: (costs[name], direction.score(fitness)) for name, fitness, status in records if name != "c3"}
        front = undominated(points.values())
        ranked = aim.ranked(ranking)
        assert sorted(points[name] for name in ranked[: len(front)]) == front
        assert ranked[len(front) :] == [name for name in ranking.best() if name not in ranked[: len(front)]]
        assert ranked[-1] == "c3"
        for count in range(2, 8):
            assert aim.ranked(ranking, count) == ranked[:count]
        if len(front) > 2:
            # The two ends, and then whichever is farthest from those before it.
            assert {points[name] for name in ranked[:2]} == {front[0], front[-1]}
            apart = {point: min(point[0] - front[0][0], front[-1][0] - point[0]) for point in front[1:-1]}
            assert apart[points[ranked[2]]] == max(apart.values())


@pytest.mark.parametrize("direction", list(Direction))
def test_the_front_of_several_costs_comes_first_with_the_best_and_then_whoever_is_farthest(
    direction: Direction,
) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        figures = {f"c{i}": (float(rng.integers(1, 9)), 100.0 * float(rng.integers(1, 9))) for i in range(30)}
        records: list[tuple[str, float, Status]] = [(name, float(rng.integers(9)), "complete") for name in figures]
        records[3] = ("c3", direction.score(-math.inf), "failed")
        aim = Hypervolume(*({name: each[i] for name, each in figures.items()}.__getitem__ for i in (0, 1)))
        ranking = _ranking(records, direction)
        points = {name: (*figures[name], direction.score(fitness)) for name, fitness, _ in records if name != "c3"}
        front, ranked = undominated(points.values()), aim.ranked(ranking)
        told = ranked[: len(front)]
        assert sorted(points[name] for name in told) == front
        assert ranked[len(front) :] == [name for name in ranking.best() if name not in told]
        assert points[told[0]][-1] == max(point[-1] for point in front)
        if len(told) < 3:
            continue
        places = np.array([points[name][:-1] for name in told])
        places = places / (np.ptp(places, axis=0) + (np.ptp(places, axis=0) == 0))
        apart = [np.sqrt(((places[:number, None] - places[None, number:]) ** 2).sum(-1)).min(0) for number in (1, 2)]
        assert [float(each[0]) for each in apart] == pytest.approx([float(each.max()) for each in apart])


def test_a_source_is_bettered_by_what_is_better_and_on_the_front() -> None:
    costs, fitness = {"a": 5.0, "b": 2.0, "c": 5.0, "d": 5.0}, {"a": 0.5, "b": 0.3, "c": 0.4, "d": 0.5}
    records: list[tuple[str, float, Status]] = [(name, each, "complete") for name, each in fitness.items()]
    aim, ranking = Hypervolume(costs.__getitem__), _ranking(records, Direction.MAXIMIZE)
    a, b, c, d = (Evaluation(name, "complete", each) for name, each in fitness.items())
    assert aim.is_bettered(b, a, ranking)
    assert not aim.is_bettered(a, b, ranking)  # it is on the front, and another place of it
    assert not aim.is_bettered(b, c, ranking)  # another one is as small and better
    assert not aim.is_bettered(b, d, ranking)  # it equals what was there before it


# -- the colony ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS[2::3]], ids=[r[0] for r in RUNS[2::3]])
def test_with_a_cost_it_keeps_the_contract(make: Make, config: ColonyConfig, momentum: int) -> None:
    contract = WeighingContract(PARAMS)
    contract.check_that_it_goes_on(make, config, momentum)
    contract.test_proposals_are_numbered_in_order_and_keep_the_budget(make, config, momentum)


def test_with_two_costs_it_goes_on_where_it_was() -> None:
    class Two(TinyObjective):
        def costs(self, arch: str) -> dict[str, float]:
            return super().costs(arch) | {"macs": float(len(set(arch)))}

    contract, config = WeighingContract(PARAMS, COSTS["macs"]), ColonyConfig(size=5, iterations=3)
    contract.check_that_it_goes_on(Two, config, 2)


def _flown(make: Callable[[np.random.Generator], Any], seed: int, *, weighs: bool) -> tuple[Any, list[Evaluation]]:
    rng = np.random.default_rng(seed)
    objective = make(rng)
    colony = GuidedBeeColony(objective, ColonyConfig(iterations=6), rng)
    if weighs:
        colony.weigh(PARAMS)
    return objective, evaluations_of(fly(objective, colony))


def _area(objective: ArchitectureObjective, told: Sequence[Evaluation]) -> float:
    points = [(objective.costs(str(e.candidate))["params"], e.fitness) for e in told if e.status == "complete"]
    return hypervolume(points, (39.0, 50.0))


@pytest.mark.slow
def test_a_front_is_found_that_a_search_for_fitness_alone_leaves_out(tmp_path: Path) -> None:
    file = write_table(tmp_path / "t.csv", layers=5, costs=True)
    alone, weighed = (
        np.array([_area(*_flown(lambda rng: TableObjective(file, rng=rng), seed, weighs=weighs)) for seed in range(8)])
        for weighs in (False, True)
    )
    whole = TableObjective(file, rng=np.random.default_rng(0))
    most = _area(whole, [Evaluation(arch, "complete", whole.true_fitness(arch)) for arch in whole.table.architectures])
    gains = weighed - alone
    assert gains.mean() > 3 * gains.std(ddof=1) / len(gains) ** 0.5 > 0
    assert weighed.mean() > 0.95 * most


def test_what_failed_is_no_member_of_a_front(tmp_path: Path) -> None:
    class Watched(Hypervolume):
        def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
            seen.update(studied)
            return super().gain(studied, scores, candidates)

    seen: set[str] = set()
    objective = TinyObjective(np.random.default_rng(0), status=fails_now_and_then)
    colony = GuidedBeeColony(objective, ColonyConfig(size=6, iterations=4), objective.rng)
    colony._aim = Watched(KnownCost(objective, PARAMS))
    told = evaluations_of(fly(objective, colony))
    failed = {str(each.candidate) for each in told if each.status == "failed"}
    assert failed
    assert seen
    assert not failed & seen


def test_where_nothing_has_a_known_cost_it_searches_on() -> None:
    class Unknown(TinyObjective):
        def costs(self, arch: str) -> dict[str, float]:
            return {}

    _, told = _flown(lambda rng: Unknown(rng, status=fails_now_and_then), 1, weighs=True)
    assert len({e.candidate for e in told}) == len(told) == 42
