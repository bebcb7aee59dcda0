from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from hivenas.config import EvaluationConfig
from hivenas.config.schedules import SCHEDULES
from hivenas.core.nas.training.rates import learning_rates


def rates(epochs: int = 3, steps: int = 4, beyond: int = 0, **settings: Any) -> list[float]:
    """The rate of every step of a whole training without a warm-up by default, and of epochs after it."""
    config = EvaluationConfig.model_validate({"warmup_epochs": 0.0, **settings})
    every = (learning_rates(config, epoch, epochs=epochs, steps=steps) for epoch in range(epochs + beyond))
    return [rate for epoch in every for rate in epoch]


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.08), (1, 0.08 * 0.125 ** (1 / 3)), (2, 0.08 * 0.125 ** (2 / 3)), (3, 0.01), (9, 0.01)]
)
def test_the_learning_rate_decays_exponentially_in_steps_of_an_epoch(epoch: int, rate: float) -> None:
    config = EvaluationConfig(schedule="exponential", initial_lr=0.08, warmup_epochs=0.0)
    assert learning_rates(config, epoch, epochs=3, steps=2) == [pytest.approx(rate)] * 2


@pytest.mark.parametrize(
    "settings", [{"initial_lr": 0.0}, {"final_lr": 0.0}, {"initial_lr": 0.0, "schedule": "cosine"}]
)
def test_either_rate_zero_leaves_the_optimizers_own(settings: dict[str, Any]) -> None:
    assert rates(**settings, optimizer={"op": "Adam"}) == [0.001] * 12


def test_a_cosine_falls_at_every_step_to_its_end_and_stays_there() -> None:
    found = rates(schedule="cosine", initial_lr=0.1, final_lr=0.02, beyond=2)
    wave = [0.02 + 0.04 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert found == pytest.approx([*wave, *[0.02] * 8])
    assert all(before > after for before, after in pairwise(found[:13]))


def test_a_constant_rate_is_the_first_one() -> None:
    assert rates(schedule="constant", initial_lr=0.3, beyond=1) == [0.3] * 16


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.5, 1.0, 1.6])
def test_a_warm_up_rises_to_the_schedule_and_changes_nothing_after_it(schedule: str, warmup: float) -> None:
    settings: dict[str, Any] = {"schedule": schedule, "initial_lr": 0.1}
    cold, warmed = rates(steps=10, **settings), rates(steps=10, warmup_epochs=warmup, **settings)
    last = round(warmup * 10)  # the step that is the first at the whole rate
    assert warmed[:2] == pytest.approx([0.1 / last, 0.2 / last])
    if SCHEDULES[schedule].by_step:
        assert warmed[last - 1] == warmed[last] == pytest.approx(0.1)
        assert warmed[-1] < warmed[last]
    else:
        assert warmed[: last + 1] == pytest.approx(
            [rate * min(1, (step + 1) / last) for step, rate in enumerate(cold[: last + 1])]
        )
        assert warmed[last:] == cold[last:]


def test_a_warm_up_without_a_schedule_rises_to_the_optimizers_own_rate() -> None:
    found = rates(optimizer={"op": "SGD", "learning_rate": 0.2}, warmup_epochs=1.0)
    assert found == pytest.approx([0.05, 0.1, 0.15, *[0.2] * 9])


def test_a_training_shorter_than_its_warm_up_warms_up_all_the_time() -> None:
    config = EvaluationConfig(schedule="cosine", initial_lr=0.1, warmup_epochs=3.0)
    found = [rate for epoch in range(2) for rate in learning_rates(config, epoch, epochs=2, steps=5)]
    assert found == pytest.approx([0.01 * step for step in range(1, 11)])
