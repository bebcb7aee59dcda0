"""The rules that end a training early, and the state from which a neighbour inherits: all from records alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hivenas.config import EvaluationConfig, from_mapping, registry
from hivenas.config.metrics import register_metric
from hivenas.core.folder import weights_name
from hivenas.core.history import History
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.core.nas.training.inheritance import inherited_state
from hivenas.core.nas.training.rules import (
    StoppingRule,
    first_look_thresholds,
    median_thresholds,
    stopping_rule,
)
from hivenas.core.records import Direction, EpochFigures, Evaluation, Phase, Proposal, Status, StopThreshold, Trial
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from tests.trials import trial

ARCH = "input|dropout|output"


def record(
    *accuracies: float, first: int = 1, status: Status = "complete", phase: Phase = "evaluate", inherited: float = 0.0
) -> Trial:
    history = tuple(EpochFigures(first + i, 1.0, 0.5, 1.0, accuracy) for i, accuracy in enumerate(accuracies))
    evaluation = Evaluation(ARCH, status, accuracies[-1], inherited=inherited, history=history)
    return Trial(Proposal(0, 0, "scout", 0, ARCH, momentum_epochs=int(phase == "momentum")), evaluation)


def settings(**evaluation: Any) -> EvaluationConfig:
    return from_mapping({"evaluation": {"stopping": "median", "median": {"from_epoch": 2}} | evaluation}).evaluation


EARLIER = [record(0.1 * i, 0.1 * i + 0.01, 0.1 * i + 0.02) for i in range(5)]


@pytest.mark.parametrize(
    ("told", "changes", "thresholds"),
    [
        (EARLIER, {"epochs": 3}, {2: 0.21}),
        (EARLIER, {"epochs": 4}, {2: 0.21, 3: 0.22}),
        (EARLIER, {"epochs": 4, "median": {"from_epoch": 1}}, {1: 0.2, 2: 0.21, 3: 0.22}),
        (EARLIER, {"epochs": 4, "median": {"from_epoch": 3}}, {3: 0.22}),
        (EARLIER, {"epochs": 2}, {}),
        (EARLIER[:4], {"epochs": 4}, {}),
        (EARLIER[:4], {"epochs": 3, "median": {"candidates": 4, "from_epoch": 2}}, {2: 0.16}),
        ([*EARLIER[:4], record(0.9, 0.9, status="failed")], {"epochs": 3}, {}),
        ([*EARLIER[:4], record(0.9, 0.9, phase="momentum")], {"epochs": 3}, {}),
        ([*EARLIER, record(0.9, status="stopped")], {"epochs": 3}, {2: 0.21}),
        ([*EARLIER, record(0.9, 0.9, status="stopped")], {"epochs": 3}, {2: 0.26}),
        ([*EARLIER, record(0.9, 0.9, first=2, inherited=0.8)], {"epochs": 3}, {2: 0.26}),
    ],
)
def test_the_median_rule_judges_by_what_earlier_candidates_had_at_that_epoch(
    told: list[Trial], changes: dict[str, Any], thresholds: dict[int, float]
) -> None:
    found = median_thresholds(History(told).curves, settings(**changes))
    assert {bar.epoch: bar.accuracy for bar in found} == pytest.approx(thresholds)


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"epochs": 5}, [2, 3, 4]),
        ({"epochs": 2}, []),
        ({"epochs": 4, "stopping": "act"}, [1, 2, 3]),
        ({"epochs": 4, "stopping": "act", "act": {"beta": 0.0}}, []),
        ({"epochs": 4, "stopping": "none"}, []),
    ],
)
def test_every_epoch_but_the_last_may_be_judged(changes: dict[str, Any], epochs: list[int]) -> None:
    assert list(settings(**changes).judged_epochs) == epochs


def test_at_most_half_of_equal_candidates_lie_below_the_median() -> None:
    rng = np.random.default_rng(5)
    told = [record(*rng.random(3)) for _ in range(31)]
    (bar,) = median_thresholds(History(told).curves, settings(epochs=3))
    assert sum(row.accuracies()[2] < bar.accuracy for row in told) == 15


@pytest.mark.parametrize(
    ("parent", "look", "thresholds"),
    [
        (record(0.5, 0.6, 0.7), 2, [(2, 0.6)]),
        (record(0.5, 0.6, 0.7), None, []),
        (record(0.5, status="stopped"), 2, []),
        (record(0.6, 0.7, first=3, inherited=0.7), 2, []),
        (None, 2, []),
    ],
)
def test_a_first_look_compares_with_the_food_source_at_the_same_age(
    parent: Trial | None, look: int | None, thresholds: list[tuple[int, float]]
) -> None:
    assert [(bar.epoch, bar.accuracy) for bar in first_look_thresholds(parent, settings(first_look=look))] == thresholds


@pytest.mark.parametrize(
    ("parent", "changes", "inherits"),
    [
        (record(0.5, 0.6, 0.7), {"inherit": True, "epochs": 5}, True),
        (record(0.5, 0.6, 0.7), {"inherit": True, "epochs": 5, "inherit_epochs": 1}, False),
        (record(0.5, 0.6, 0.7), {"inherit": False, "epochs": 5}, False),
        (record(0.5, 0.6), {"inherit": True, "epochs": 5}, False),
        (record(0.6, 0.7, first=4, inherited=0.7), {"inherit": True, "epochs": 5}, False),
        (None, {"inherit": True, "epochs": 5}, False),
    ],
)
def test_a_neighbour_inherits_from_a_source_that_was_trained_from_scratch_to_that_age(
    parent: Trial | None, changes: dict[str, Any], inherits: bool
) -> None:
    assert inherited_state(parent, settings(**changes)) == (weights_name(ARCH, 3) if inherits else "")


def test_the_judge_says_which_rule_ended_a_training() -> None:
    rule = StoppingRule(
        TerminateOnThreshold(n_classes=10), [StopThreshold(3, 0.9, "the median of 7 earlier candidates")]
    )
    assert rule.stop_reason(1, 0.5) == ""
    assert rule.stop_reason(1, 0.3) == "below the threshold 0.3250 after epoch 1"
    assert rule.stop_reason(3, 0.8) == "below the median of 7 earlier candidates, 0.9000, after epoch 3"
    assert rule.stop_reason(3, 0.9) == ""
    assert rule.stop_reason(4, 0.8) == ""
    assert StoppingRule().stop_reason(1, 0.0) == ""


def test_the_context_of_a_proposal_depends_on_what_was_told_alone() -> None:
    rules = {"stopping": "median", "median": {"from_epoch": 2}, "first_look": 3}
    evaluation = {"epochs": 4, "inherit": True, "inherit_epochs": 2, "seed": 1}
    interface = NASInterface({"depth": 1}, evaluation | rules, tracker=NullTracker())
    proposal = Proposal(5, 1, "employee", 0, "input|identity|output", 0.4, parent=ARCH)
    told = interface.with_context(proposal, History(EARLIER))
    assert told == interface.with_context(proposal, History(EARLIER))
    assert [(bar.epoch, round(bar.accuracy, 6)) for bar in told.thresholds] == [(2, 0.21), (3, 0.22), (3, 0.42)]
    assert told.inherits == weights_name(ARCH, 2)
    continuation = Proposal(5, 1, "employee", 0, ARCH, 0.4, momentum_epochs=1, weights_filename="x")
    assert interface.with_context(continuation, History(EARLIER)) == continuation


def test_where_a_cost_is_weighed_a_candidate_is_compared_with_those_that_are_not_larger() -> None:
    rules = {"epochs": 4, "stopping": "median", "median": {"from_epoch": 2, "candidates": 3}, "first_look": 3}
    objectives = {"objectives": {"params": "min"}}
    operations = ["conv3x3_8", "conv3x3_16", "conv5x5_16"]
    space = {"space": {"depth": 1, "operations": operations}}
    interface, alone = (
        NASInterface.from_config(from_mapping(space | {"evaluation": rules} | more), tracker=NullTracker())
        for more in (objectives, {})
    )
    small, middle, large = (f"input|{key}|output" for key in operations)
    params = [int(interface.costs(arch)["params"]) for arch in (small, middle, large)]
    assert params == sorted(set(params))
    assert alone.costs(small) == {}

    def told(index: int, arch: str, count: int, accuracy: float) -> Trial:
        curve = dict.fromkeys((1, 2, 3), accuracy)
        return trial(index, accuracy, f"{arch}{index}", params=count, curve=curve)

    # Of every size three; the larger, the better.
    trials = [told(i, "x", params[i % 3], 0.5 + 0.1 * (i % 3)) for i in range(9)]
    history = History([*trials, trial(9, 0.9, large, params=params[2], curve={3: 0.9})])

    def bars(interface: NASInterface, arch: str) -> list[tuple[int, float]]:
        proposal = Proposal(10, 1, "employee", 0, arch, 0.9, parent=large)
        return [(bar.epoch, round(bar.accuracy, 6)) for bar in interface.with_context(proposal, history).thresholds]

    both = from_mapping(space | {"evaluation": rules, "objectives": {"params": "min", "latency_ms": "min"}})
    further = NASInterface.from_config(both, tracker=NullTracker())
    macs = [int(interface.costs(arch)["macs"]) for arch in (small, middle, large)]
    counted = [replace(t, evaluation=replace(t.evaluation, macs=macs[t.index % 3])) for t in trials]
    # As small, and slower than all of them, so that no one is compared with it.
    slow = [replace(t, evaluation=replace(t.evaluation, macs=10 * macs[2])) for t in trials]
    proposal = Proposal(10, 1, "employee", 0, middle, 0.9, parent=large)
    found = [further.with_context(proposal, History(each)).thresholds for each in (counted, slow)]
    assert [[(bar.epoch, round(bar.accuracy, 6)) for bar in each] for each in found] == [[(2, 0.55), (3, 0.55)], []]
    assert bars(interface, small) == [(2, 0.5), (3, 0.5)]
    assert bars(interface, middle) == [(2, 0.55), (3, 0.55)]
    # Its food source is no larger than it is, so that the first look is compared with that too.
    assert bars(interface, large) == bars(alone, large) == [(2, 0.6), (3, 0.6), (3, 0.9)]
    assert bars(alone, small) == bars(alone, large)


@pytest.mark.parametrize(("figure", "stops"), [(0.6, True), (0.5, False), (0.4, False), (math.nan, False)])
def test_where_less_is_better_a_candidate_ends_above_its_bar(figure: float, stops: bool) -> None:
    bars = [StopThreshold(2, 0.5, "the median of 5 earlier candidates")]
    rule = stopping_rule(settings(fitness="log_loss"), bars, classes=10)
    assert rule.direction is Direction.MINIMIZE
    said = rule.stop_reason(2, figure)
    assert said == ("above the median of 5 earlier candidates, 0.5, after epoch 2" if stops else "")
    assert (StoppingRule(None, bars).stop_reason(2, 1 - figure) != "") is stops


def test_bars_are_of_the_figure_that_is_looked_for() -> None:
    told = [replace_metric(row, 1 - 0.1 * number) for number, row in enumerate(EARLIER)]
    config = settings(epochs=3, fitness="log_loss")
    assert [bar.accuracy for bar in median_thresholds(History(told).curves, config)] == [0.8]
    assert [bar.accuracy for bar in first_look_thresholds(told[1], settings(first_look=2))] == [0.9]


def replace_metric(row: Trial, metric: float) -> Trial:
    history = tuple(replace(figures, metric=metric) for figures in row.evaluation.history)
    return replace(row, evaluation=replace(row.evaluation, history=history))


@pytest.mark.parametrize(("fitness", "base"), [("accuracy", 0.1), ("f1_macro", 0.1), ("auc", 0.5), ("top_5", 0.5)])
def test_the_threshold_rises_from_what_guessing_is_worth(fitness: str, base: float) -> None:
    rule = stopping_rule(settings(stopping="act", fitness=fitness), (), classes=10)
    assert rule.cutoff
    assert rule.cutoff.threshold(1) == pytest.approx(base + 0.25 * (1 - base))


def test_of_a_loss_the_threshold_falls_from_what_guessing_comes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.METRICS, "_entries", {})
    # The shares of the way from guessing to the best are those of an accuracy among very many classes.
    rule = stopping_rule(settings(stopping="act", fitness="log_loss"), (), classes=10)
    assert rule.cutoff
    shares = TerminateOnThreshold(n_classes=1e12)
    for epoch in (1, 2, 8):
        bar = math.log(10) * (1 - shares.threshold(epoch))
        assert rule.cutoff.threshold(epoch) == pytest.approx(bar)
        assert rule.stop_reason(epoch, bar - 0.01) == ""
        assert rule.stop_reason(epoch, bar + 0.01) == f"above the threshold {bar:.6g} after epoch {epoch}"
    register_metric("own", lambda labels, scores: 0.0)
    with pytest.raises(ConfigError, match=r"must not be act with fitness: own, as .* not known of it"):
        settings(stopping="act", fitness="own")
