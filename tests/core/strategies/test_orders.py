"""The order in which candidates that wait are continued, against the area that the first of them dominate."""

from __future__ import annotations

import math

import numpy as np

from hivenas.config import EvaluationConfig
from hivenas.config.costs import COSTS
from hivenas.core.front import hypervolume, undominated
from hivenas.core.records import EpochFigures, Evaluation, Status
from hivenas.core.strategies.known_cost import RecordedCost
from hivenas.core.strategies.ladder import Ladder, Rungs
from hivenas.core.strategies.orders import ByFront, by_score


def test_by_score_the_earlier_of_equals_is_first() -> None:
    assert by_score({"a": 0.2, "b": 0.5, "c": 0.2, "d": 0.5}) == ["b", "d", "a", "c"]


def test_one_front_follows_the_other_and_in_a_front_the_best_and_whatever_adds_most() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = {f"c{i}": float(rng.integers(12)) for i in range(25)}
        costs = {name: float(rng.integers(1, 12)) for name in scores}
        points = {name: (costs[name], score) for name, score in scores.items()}
        span = max(costs.values()) - min(costs.values()), max(scores.values()) - min(scores.values())
        reference = max(costs.values()) + 0.1 * span[0], min(scores.values()) - 0.1 * span[1]
        left = list(ByFront(costs.__getitem__)(scores))
        assert sorted(left) == sorted(scores)
        while left:
            front = undominated(points[name] for name in left)
            count = sum(points[name] in front for name in left)
            first, left = left[:count], left[count:]
            assert sorted({points[name] for name in first}) == front
            before: list[tuple[float, float]] = []
            assert points[first[0]][1] == max(points[name][1] for name in first)
            for number, name in enumerate(first):
                areas = [hypervolume([*before, points[each]], reference) for each in first[number:]]
                assert number == 0 or areas[0] == max(areas)
                before.append(points[name])


def test_of_several_costs_the_front_of_all_is_first_and_a_cost_that_is_unknown_is_last() -> None:
    costs = {"a": (3.0, 3.0), "b": (1.0, 4.0), "c": (4.0, 1.0), "d": (4.0, 4.0), "lost": (1.0, math.inf)}
    scores = {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.4, "lost": 0.9}
    order = ByFront(lambda name: costs[name][0], lambda name: costs[name][1])
    assert list(order(scores)) == ["a", "b", "c", "d", "lost"]
    assert list(order({"lost": 0.1})) == ["lost"]


def test_of_equals_the_better_and_then_the_earlier_is_first_and_unknown_costs_are_last() -> None:
    costs = {"a": 3.0, "b": 3.0, "c": 1.0, "lost": math.inf, "d": 2.0, "e": 4.0}
    scores = {"a": 0.5, "b": 0.5, "c": 0.1, "lost": 0.9, "d": 0.3, "e": 0.5}
    # Beside its twin the second of two equals adds nothing; what costs more and is no better waits for the next front.
    assert list(ByFront(costs.__getitem__)(scores)) == ["a", "d", "c", "b", "e", "lost"]
    assert list(ByFront(costs.__getitem__)({"lost": 0.1})) == ["lost"]
    assert list(ByFront(costs.__getitem__)({})) == []


def climbed(order: ByFront | None) -> dict[str, int]:
    """The ages at which ten candidates end: the larger, the better, but for two that are small and not bad."""
    rungs = Rungs.of(EvaluationConfig.model_validate({"epochs": 20, "stopping": "ladder", "ladder": {"share": 0.4}}))
    ladder = Ladder(rungs, order=order) if order else Ladder(rungs)
    ends = {f"c{i}": 0.80 + 0.01 * i for i in range(8)} | {"small": 0.75, "tiny": 0.6}

    def trained(name: str, before: int, age: int) -> Evaluation:
        figures = tuple(EpochFigures(e, 1.0, 0.5, 1.0, ends[name] * (1 - 0.8**e)) for e in range(before + 1, age + 1))
        status: Status = "complete" if age == rungs.last else "paused"
        later = age - rungs.first
        return Evaluation(name, status, ends[name], epochs=rungs.first, momentum_epochs=later, history=figures)

    known = {name: ladder.take(trained(name, 0, rungs.first)) for name in ends}
    for phase in ladder.phases:
        for name, epochs in ladder.chosen(phase, known, (), over=True):
            known[name] = ladder.take(trained(name, known[name].age, known[name].age + epochs))
    return {name: evaluation.age for name, evaluation in known.items()}


def test_on_a_ladder_those_climb_that_add_to_the_front_for_as_many_epochs() -> None:
    costs = {f"c{i}": 100.0 + i for i in range(8)} | {"small": 20.0, "tiny": 5.0}
    plain, weighed = climbed(None), climbed(ByFront(costs.__getitem__))
    assert sum(weighed.values()) == sum(plain.values())
    assert (plain["small"], plain["tiny"], plain["c7"]) == (3, 3, 20)
    assert (weighed["small"], weighed["tiny"], weighed["c7"]) == (10, 10, 20)


def test_costs_that_evaluations_tell_are_those_of_the_ladder() -> None:
    recorded = RecordedCost(COSTS["latency_ms"])
    told = Evaluation("a", "paused", 0.5, extra={"latency_ms": 2.5})
    for evaluation in (told, Evaluation("a", "failed", 0.0), Evaluation("b", "failed", 0.0)):
        recorded.take(evaluation)
    assert (recorded("a"), recorded("b"), recorded("c")) == (2.5, math.inf, math.inf)
    heard: list[Evaluation] = []
    rungs = Rungs.of(EvaluationConfig.model_validate({"epochs": 20, "stopping": "ladder"}))
    Ladder(rungs, hears=heard.append).take(Evaluation("a", "failed", 0.0))
    assert [each.candidate for each in heard] == ["a"]
