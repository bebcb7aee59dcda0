"""The ladder: its rungs, who climbs, what is told; and a second, plain account of the same rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hivenas.config import EvaluationConfig
from hivenas.core.records import Direction, EpochFigures, Evaluation, Status
from hivenas.core.strategies.ladder import Ladder, Rungs
from hivenas.errors import ConfigError

Curves = dict[str, list[float]]


def config(epochs: int, **ladder: object) -> EvaluationConfig:
    return EvaluationConfig.model_validate({"epochs": epochs, "stopping": "ladder", "ladder": ladder})


def ladder(epochs: int, **keys: object) -> Ladder:
    return Ladder(Rungs.of(config(epochs, **keys)))


def trained(curves: Curves, name: str, first: int, before: int, age: int) -> Evaluation:
    """The evaluation of a candidate that has gone from one age to another."""
    curve, total = curves[name], len(curves[name])
    figures = tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, curve[epoch - 1]) for epoch in range(before + 1, age + 1))
    status: Status = "complete" if age == total else "paused"
    return Evaluation(name, status, curve[age - 1], epochs=first, momentum_epochs=age - first, history=figures)


@pytest.mark.parametrize(
    ("epochs", "keys", "ages"),
    [
        (3, {}, (2, 3)),
        (5, {}, (2, 3, 5)),
        (8, {}, (2, 4, 8)),
        (10, {}, (2, 3, 5, 10)),
        (20, {}, (3, 5, 10, 20)),
        (50, {}, (5, 13, 25, 50)),
        (50, {"first_look": 10}, (10, 25, 50)),
        (200, {}, (10, 25, 50, 100, 200)),
    ],
)
def test_rungs_are_halvings_down_to_the_first_look(epochs: int, keys: dict[str, int], ages: tuple[int, ...]) -> None:
    assert Rungs.of(config(epochs, **keys)).ages == ages


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 2, "warmup_epochs": 0}, "evaluation.epochs must be at least 3"),
        ({"epochs": 8, "ladder": {"first_look": 6}}, "evaluation.epochs must be at least 9"),
        ({"epochs": 8, "inherit": True}, "evaluation.inherit must be false"),
        ({"epochs": 8, "first_look": 2}, "evaluation.first_look must be null"),
        ({"epochs": 8, "ladder": {"share": 0.0}}, "greater than 0"),
    ],
)
def test_what_does_not_fit_a_ladder_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EvaluationConfig.model_validate({"stopping": "ladder", **given})


def drawn(seed: int, count: int, epochs: int) -> Curves:
    rng = np.random.default_rng(seed)
    ends, rates = rng.uniform(0.5, 0.9, count), rng.uniform(0.1, 0.6, count)
    ages = np.arange(1, epochs + 1)
    accuracies = ends[:, None] * (1 - np.exp(-rates[:, None] * ages)) + rng.normal(0, 0.01, (count, epochs))
    return {f"c{number}": curve.tolist() for number, curve in enumerate(accuracies)}


def ages_by_the_book(curves: Curves, phases: list[int], epochs: int, share: float, hold: float) -> dict[str, int]:
    """The ages at which candidates end, written down once more from the rule's description, without its code."""
    first = max(2, round(0.7 * epochs**0.5))
    rungs = [first]
    divisor = 2 ** math.floor(math.log2(epochs))
    while divisor >= 1:
        if math.ceil(epochs / divisor) >= 1.5 * first:
            rungs.append(math.ceil(epochs / divisor))
        divisor //= 2
    ages: dict[str, int] = {}
    names = iter(curves)
    for number, size in enumerate(phases):
        ages |= {next(names): first for _ in range(size)}
        last = number == len(phases) - 1
        for step in range(1, len(rungs)):
            pool = (1 if last else hold) * share * epochs * len(ages) - sum(ages.values())
            count = max(0, math.floor(pool / (len(rungs) - step) / (rungs[step] - rungs[step - 1])))
            if last and max(ages.values()) < rungs[step]:
                count = max(count, 1)
            waiting = [name for name, age in ages.items() if age == rungs[step - 1]]
            waiting.sort(key=lambda name: max(curves[name][: ages[name]]), reverse=True)
            ages |= dict.fromkeys(waiting[:count], rungs[step])
    pool = share * epochs * len(ages) - sum(ages.values())
    for rung in reversed(rungs[:-1]):
        waiting = [name for name, age in ages.items() if age == rung]
        for name in sorted(waiting, key=lambda name: max(curves[name][: ages[name]]), reverse=True):
            if epochs - rung <= pool:
                pool -= epochs - rung
                ages[name] = epochs
    return ages


def climbed_by(rule: Ladder, curves: Curves, phases: Sequence[int]) -> dict[str, Evaluation]:
    """The latest evaluations of candidates that climb, an iteration for each number of new ones."""
    names, known = iter(curves), dict[str, Evaluation]()
    for number, size in enumerate(phases):
        for _ in range(size):
            name = next(names)
            known[name] = rule.take(trained(curves, name, rule.until, 0, rule.until))
        for phase in rule.phases:
            for name, more in rule.chosen(phase, known, (), over=number == len(phases) - 1):
                age = known[name].age
                known[name] = rule.take(trained(curves, name, rule.until, age, age + more))
    return known


@pytest.mark.parametrize("epochs", [5, 10, 20, 50])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("share", "hold"), [(0.35, 0.6), (0.5, 1.0), (0.3, 0.0), (0.05, 0.6)])
def test_it_is_the_rule_that_was_measured(epochs: int, seed: int, share: float, hold: float) -> None:
    curves, phases = drawn(seed, 42, epochs), [7] * 6
    climbed = ladder(epochs, share=share, hold=hold)
    known = climbed_by(climbed, curves, phases)
    assert {name: e.age for name, e in known.items()} == ages_by_the_book(curves, phases, epochs, share, hold)
    assert any(e.status == "complete" for e in known.values())
    assert sum(e.age for e in known.values()) <= climbed.rungs.epochs(len(curves))


@pytest.mark.parametrize(
    ("epochs", "share", "hold"), [(100, 0.25, 0.6), (100, 0.2, 1.0), (20, 0.35, 0.6), (10, 0.35, 0.6)]
)
@pytest.mark.parametrize("phases", [[3], [5], [5] * 3, [1] * 4])
def test_of_few_candidates_no_more_epochs_are_trained_than_the_plan_says(
    epochs: int, share: float, hold: float, phases: list[int]
) -> None:
    curves = drawn(0, sum(phases), epochs)
    known = climbed_by(ladder(epochs, share=share, hold=hold), curves, phases)
    assert sum(e.age for e in known.values()) <= ladder(epochs, share=share, hold=hold).rungs.most_epochs(len(curves))


def test_the_epochs_of_a_search_are_its_share_or_first_looks_and_one_training() -> None:
    assert Rungs.of(config(20)).epochs(42) == 294
    assert Rungs.of(config(20)).most_epochs(42) == 294 + 17
    assert Rungs.of(config(5)).epochs(42) == 42 * 2 + 3  # the share would be 74


def test_what_is_told_of_a_paused_candidate_is_its_best_accuracy_and_what_others_gained_above_it() -> None:
    rule = ladder(10)  # rungs 2, 3, 5, 10
    curves = {
        "a": [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.6, 0.55],
        "b": [0.3, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
        "c": [0.5, 0.1] + [0.0] * 8,
    }
    assert [rule.take(trained(curves, name, 2, 0, 2)).fitness for name in curves] == [0.2, 0.3, 0.5]
    rule.take(trained(curves, "a", 2, 2, 3))
    rule.take(trained(curves, "b", 2, 2, 3))
    gain = (0.1 + 0.1) / 2
    assert dict(rule.revised()) == pytest.approx({"a": 0.3, "b": 0.4, "c": 0.5 + gain})
    rule.take(trained(curves, "a", 2, 3, 5))
    assert dict(rule.revised()) == pytest.approx({"a": 0.5, "b": 0.4 + 0.2, "c": 0.5 + gain + 0.2})
    assert rule.take(trained(curves, "a", 2, 5, 10)).fitness == 0.55  # its last epoch, as the score says
    assert dict(rule.revised()) == pytest.approx({"b": 0.4 + 0.2 + 0.05, "c": 0.5 + gain + 0.2 + 0.05})


def test_one_that_failed_does_not_climb() -> None:
    rule = ladder(10, share=1.0, hold=1.0)
    curves = drawn(0, 3, 10)
    for name in curves:
        rule.take(trained(curves, name, 2, 0, 2))
    chosen = [name for name, _ in rule.chosen("climb 1", {}, (), over=False)]
    assert sorted(chosen) == ["c0", "c1", "c2"]
    rule.take(Evaluation.failure(chosen[0], "out of memory"))
    rule.take(Evaluation.failure("another", "it does not build"))
    assert [name for name, _ in rule.chosen("climb 1", {}, (), over=False)] == chosen[1:]
    assert rule.paused() == sorted(chosen[1:])


def test_records_without_their_curves_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the accuracy of every epoch on record, got 0 of 2 of a"):
        ladder(10).take(Evaluation("a", "paused", 0.5, epochs=2))


def test_where_less_is_better_the_same_go_on_as_where_more_is() -> None:
    curves = drawn(3, 8, 20)
    up = Ladder(Rungs.of(config(20)))
    down = Ladder(Rungs.of(config(20)), Direction.MINIMIZE)
    for name in curves:
        seen = trained(curves, name, 3, 0, 3)
        costs = tuple(replace(each, metric=-each.val_accuracy) for each in seen.history)
        told = down.take(replace(seen, fitness=-seen.fitness, history=costs))
        assert told.fitness == -up.take(seen).fitness
    for rung in range(1, up.rungs.climbs + 1):
        assert up.climbers(rung, over=True) == down.climbers(rung, over=True)
    assert up.climbers(1, over=True) != []
    assert up.finishers() == down.finishers()
    assert [(name, -figure) for name, figure in down.revised()] == list(up.revised())
