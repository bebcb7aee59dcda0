"""The full training for which there is room, by measured epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hivenas.config import FullTrainConfig, from_mapping
from hivenas.run.full_plan import (
    Timing,
    Timings,
    as_settled,
    fitted,
    is_settled,
    settled_as,
    wall_seconds,
    worker_seconds,
)
from hivenas.storage import SearchState
from tests.trials import trial

PLAN = FullTrainConfig(finalists=3, epochs=50)
FAST, SLOW = Timing(2.0, 1.0), Timing(2.0, 2.0)


@pytest.mark.parametrize(
    ("plan", "workers", "seconds"),
    [
        ({}, 1, 52 + 52 + 102),
        ({}, 2, 52 + 102),
        ({}, 3, 102),
        ({"finalists": 1}, 2, 52),
        ({"finalists": 2, "seeds": 2}, 2, 52 * 2),
        ({"finalists": 2, "refit": True}, 1, 52 * 3),
        ({"finalists": 2, "refit": True, "ensemble": 2}, 2, 52 * 2),
    ],
)
def test_full_trainings_begin_when_a_worker_is_free(plan: Mapping[str, Any], workers: int, seconds: float) -> None:
    timings = [FAST, FAST, SLOW]
    assert wall_seconds(PLAN.model_copy(update=dict(plan)), timings, workers) == seconds


@pytest.mark.parametrize(
    ("room", "finalists", "epochs"),
    [
        (206, 3, 50),
        (205, 2, 50),
        (104, 2, 50),
        (103, 1, 50),
        (52, 1, 50),
        (51.5, 1, 49),
        (12, 1, 10),
        (3, 1, 8),
        (-9, 1, 8),
    ],
)
def test_first_there_are_fewer_finalists_then_fewer_epochs(room: float, finalists: int, epochs: int) -> None:
    plan = fitted(PLAN, room, lambda plan: worker_seconds(plan, [FAST, FAST, SLOW]), 8)
    assert (plan.finalists, plan.epochs) == (finalists, epochs)


def test_an_ensemble_of_more_than_there_are_is_smaller_and_a_short_plan_stays() -> None:
    plan = PLAN.model_copy(update={"ensemble": 3, "epochs": 2})
    short = fitted(plan, 0.0, lambda plan: worker_seconds(plan, [FAST] * 3), 8)
    assert (short.finalists, short.ensemble, short.epochs) == (1, 1, 2)


def test_an_epoch_is_measured_without_the_start_and_a_continuation_has_none() -> None:
    timings = Timings()
    curve = {1: 0.5, 2: 0.6, 3: 0.7, 4: 0.8}
    timings.take(trial(0, candidate="a", curve=curve, seconds=10.0, epoch_s=2.0))
    timings.take(trial(1, candidate="b", curve=curve, seconds=10.0))
    timings.take(trial(2, candidate="a", curve={5: 0.9}, seconds=3.1, epoch_s=3.0, phase="momentum"))
    timings.take(trial(3, candidate="c", status="failed", seconds=1.0))
    assert timings.of_best("cba", 2) == [Timing(0.0, 2.5), Timing(2.0, 3.0)]
    assert timings.of_best("b", 2) == [Timing(0.0, 2.5)] * 2
    assert timings.of_best("c", 2) == []


def test_a_full_training_sees_more_images_than_candidates_did_and_takes_so_much_longer() -> None:
    timings, curve = Timings(), {1: 0.5, 2: 0.6}
    timings.take(trial(0, candidate="a", curve=curve, seconds=6.0, epoch_s=0.5, extra={"image_share": 0.1}))
    (found,) = timings.of_best("a", 1)
    assert found == Timing(5.0, 0.5, 0.1)
    assert found.full_training(10) == 5.0 + 10 * 5.0
    assert timings.continued(10, 0) == 10 * 0.5  # a candidate's own epochs are those that it had
    assert wall_seconds(PLAN.model_copy(update={"finalists": 1, "epochs": 10}), [found], 1) == 55.0


def test_continuations_take_epochs_as_measured_and_the_starts_that_continuations_had() -> None:
    timings = Timings()
    assert timings.continued(10, 2) == 0.0
    curve = {1: 0.5, 2: 0.6}
    timings.take(trial(0, candidate="a", curve=curve, seconds=6.0, epoch_s=0.5))
    timings.take(trial(1, candidate="b", curve=curve, seconds=10.0, epoch_s=1.5))
    assert timings.continued(10, 2) == 10 * 1.0 + 2 * 6.0
    timings.take(trial(2, candidate="b", curve={3: 0.7}, seconds=2.0, epoch_s=1.5, phase="momentum"))
    assert timings.continued(10, 2) == 10 * 1.0 + 2 * 0.5


@pytest.mark.parametrize(
    ("overrides", "finalists", "epochs"),
    [
        (("budget.minutes=10",), 1, 8),
        (("budget.minutes=5",), 1, 8),
        (("budget.minutes=10", "budget.cpu_hours=1"), 1, 8),
        (("budget.minutes=11",), 3, 50),
        (("budget.cpu_hours=1",), 3, 50),
        ((), 3, 50),
    ],
)
def test_a_full_training_that_was_shortened_stays_so_while_its_budget_is_no_larger(
    overrides: tuple[str, ...], finalists: int, epochs: int
) -> None:
    plan = FullTrainConfig(finalists=1, epochs=8)
    state = SearchState(settled=settled_as(from_mapping({"budget": {"minutes": 10}}), plan))
    config = from_mapping({}, overrides)
    trained = as_settled(config, state).full_train
    assert (trained.finalists, trained.epochs) == (finalists, epochs)
    assert is_settled(config, state) is (epochs == 8)
    assert is_settled(from_mapping({}), SearchState())


def test_an_ensemble_or_a_small_model_that_is_asked_for_later_is_settled_anew() -> None:
    given = {"budget": {"minutes": 10}, "full_train": {"refit": True, "ensemble": 1}}
    config = from_mapping(given)
    state = SearchState(settled=settled_as(config, PLAN))
    assert is_settled(config, state)
    assert not is_settled(from_mapping(given, ["full_train.ensemble=3"]), state)
    assert not is_settled(from_mapping(given, ["objectives.params=min", "registry.small=s"]), state)
    assert state.settled
    earlier = replace(state, settled=replace(state.settled, wanted=state.settled.wanted[:4]))
    assert is_settled(config, earlier)
