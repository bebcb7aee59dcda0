"""The Pareto front, against a definition that looks at every pair; its area, against squares that are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hivenas.config.costs import COSTS
from hivenas.core.front import front, hypervolume, undominated
from hivenas.core.records import Direction, Evaluation, Proposal, Status, Trial

PARAMS, MACS = COSTS["params"], COSTS["macs"]


def trial(index: int, fitness: float, params: int, status: Status = "complete", name: str = "") -> Trial:
    candidate = name or f"input|{index}|output"
    proposal = Proposal(index, 0, "scout", index, candidate)
    return Trial(proposal, Evaluation(candidate, status, fitness, params=params))


@pytest.mark.parametrize("direction", list(Direction))
def test_the_front_is_what_no_other_candidate_beats(direction: Direction) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        trials = [trial(i, float(rng.integers(8)), int(rng.integers(8))) for i in range(25)]

        def beaten(one: Trial, trials: list[Trial] = trials) -> bool:
            mine = (direction.score(one.fitness), -one.params)
            others = [((direction.score(each.fitness), -each.params), each.index) for each in trials]
            better = any(o != mine and o[0] >= mine[0] and o[1] >= mine[1] for o, _ in others)
            return better or any(o == mine and index < one.index for o, index in others)

        expected = sorted((each for each in trials if not beaten(each)), key=lambda each: each.params)
        assert front(trials, direction, PARAMS) == expected


@pytest.mark.parametrize("direction", list(Direction))
def test_the_front_of_several_costs_is_what_no_other_candidate_beats_in_all_the_worst_first(
    direction: Direction,
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        made = [trial(i, float(rng.integers(6)), int(rng.integers(6))) for i in range(40)]
        trials = [replace(t, evaluation=replace(t.evaluation, macs=int(rng.integers(6)))) for t in made]
        figures = [(direction.score(t.fitness), -t.params, -t.macs) for t in trials]
        kept = [
            each
            for each, mine in zip(trials, figures, strict=True)
            if not any(
                all(a >= b for a, b in zip(its, mine, strict=True)) and (its != mine or number < each.index)
                for number, its in enumerate(figures)
                if number != each.index
            )
        ]
        found = front(trials, direction, PARAMS, MACS)
        assert sorted(t.index for t in found) == [t.index for t in kept]
        scores = [direction.score(t.fitness) for t in found]
        assert scores == sorted(scores)
        assert {t.index for t in front(trials, direction, PARAMS)} <= {t.index for t in kept} | _equals(trials)


def _equals(trials: list[Trial]) -> set[int]:
    """Those that another one equals in fitness and parameters, of which the front of these has the first."""
    seen = [(t.fitness, t.params) for t in trials]
    return {t.index for t in trials if seen.count((t.fitness, t.params)) > 1}


def test_only_complete_candidates_have_a_place_with_their_latest_record() -> None:
    trials = [
        trial(0, 0.9, 10, "stopped"),
        trial(1, 0.9, 10, "paused"),
        trial(2, 0.0, 1, "failed"),
        trial(3, 0.5, 20, name="input|a|output"),
        trial(4, 0.7, 20, name="input|a|output"),
    ]
    assert front(trials, Direction.MAXIMIZE, PARAMS) == trials[4:]


def test_whose_cost_is_not_on_record_has_no_place() -> None:
    latency = COSTS["latency_ms"]
    trials = [trial(i, fitness, 10) for i, fitness in enumerate((0.5, 0.7, 0.9))]
    measured = [replace(t, evaluation=replace(t.evaluation, extra={"latency_ms": 2.0 - t.index})) for t in trials[:2]]
    assert front([*measured, trials[2]], Direction.MAXIMIZE, latency) == measured[1:]
    assert front(trials, Direction.MAXIMIZE, latency) == []


def test_the_area_is_that_of_squares() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        points = [(float(c), float(s)) for c, s in rng.integers(0, 12, (6, 2))]
        squares = {(c, s) for c in range(10) for s in range(2, 12) if any(a <= c and b > s for a, b in points)}
        assert hypervolume(points, (10.0, 2.0)) == len(squares)
    assert undominated([(1.0, 2.0), (1.0, 2.0), (1.0, 1.0), (2.0, 2.0)]) == [(1.0, 2.0)]


@pytest.mark.parametrize("costs", [2, 3])
def test_the_volume_is_that_of_cubes(costs: int) -> None:
    rng = np.random.default_rng(costs)
    grid = np.stack(np.meshgrid(*[np.arange(6)] * (costs + 1), indexing="ij"), axis=-1).reshape(-1, costs + 1)
    for _ in range(10):
        drawn = rng.integers(0, 8, (6, costs + 1))
        dominated = ((drawn[:, None, :-1] <= grid[:, :-1]) & (drawn[:, None, -1:] > grid[:, -1:] + 1)).all(axis=2)
        points = [tuple(map(float, each)) for each in drawn]
        # A cube of scores from s + 1 to s + 2, so that the reference is 1.
        assert hypervolume([(*p[:-1], min(p[-1], 7.0)) for p in points], (6.0,) * costs + (1.0,)) == pytest.approx(
            dominated.any(axis=0).sum()
        )
    kept = undominated([(1.0, 2.0, 3.0), (1.0, 2.0, 3.0), (2.0, 1.0, 3.0), (2.0, 2.0, 3.0), (3.0, 3.0, 4.0)])
    assert kept == [(1.0, 2.0, 3.0), (2.0, 1.0, 3.0), (3.0, 3.0, 4.0)]
