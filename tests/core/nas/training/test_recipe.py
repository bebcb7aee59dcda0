"""The recipe of a training: optimizers, schedules, labels, averages; all of it goes on from a saved state exactly."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.config import EvaluationConfig, from_mapping
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.core.nas.data.datasets import load_dataset
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.checkpoints import Checkpoint, Saved, save_state
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.nas.training.losses import cross_entropy
from hivenas.core.records import EpochFigures

pytestmark = pytest.mark.keras

PLANNED = 3


@cache
def arrays() -> Arrays:
    """A hundred digits."""
    return Arrays.of(load_dataset(from_mapping({"dataset": {"train_limit": 100}}).dataset, 1))


def network() -> keras.Model:
    """The smallest that has weights of every rank."""
    keras.utils.set_random_seed(3)
    inputs = x = keras.layers.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(3, 3, strides=3, use_bias=False, name="conv")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    outputs = keras.layers.Dense(10, activation="softmax", dtype="float32", name="classes")(x)
    return keras.Model(inputs, outputs, name="candidate")


def loop_of(settings: dict[str, Any]) -> TrainingLoop:
    config = EvaluationConfig.model_validate({"epochs": PLANNED, "batch_size": 32} | settings)
    return TrainingLoop(network(), arrays(), config, planned_epochs=PLANNED, seed=5)


def state(loop: TrainingLoop) -> list[Any]:
    """Every number of a network and its optimizer."""
    return [variable.numpy() for variable in (*loop.network.variables, *loop.network.optimizer.variables)]


def weights(model: keras.Model) -> list[Any]:
    return [weight.numpy() for weight in model.trainable_variables]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


RECIPES: list[dict[str, Any]] = [
    *({"optimizer": {"op": op}} for op in OPTIMIZERS),
    {"schedule": "cosine", "warmup_epochs": 1.5},
    {"schedule": "constant", "warmup_epochs": 0.5, "optimizer": {"op": "AdamW", "weight_decay": 0.1}},
    {"warmup_epochs": 1.0, "label_smoothing": 0.1, "optimizer": {"op": "Nadam", "global_clipnorm": 0.5}},
    {"ema": 0.9, "optimizer": {"op": "Lion", "weight_decay": 0.01, "clipnorm": 0.1}},
    {"ema": 0.99, "mixed_precision": True, "schedule": "cosine", "optimizer": {"op": "Adam", "clipvalue": 0.01}},
]


@pytest.mark.parametrize("settings", RECIPES, ids=str)
def test_going_on_from_a_saved_state_equals_never_having_stopped_and_the_model_can_be_loaded(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    whole, file = loop_of(settings), tmp_path / "kept.weights.h5"
    checkpoint = Checkpoint(tmp_path / "unfinished.weights.h5", lambda: "this one", every_s=0.0)
    first, _ = whole.run(1, 2)
    saved = Saved("a", 2, 0, tuple(first))
    save_state(whole.network, file, saved)
    checkpoint.keep(whole.network, saved)
    then = state(whole)
    rest, _ = whole.run(3, 4)  # the last one is beyond those that were planned

    other = loop_of(settings)
    other.network.load_weights(file)
    assert same(state(other), then)
    other.run(3, 3)  # other weights than those that were kept
    assert checkpoint.take_up(other.network) == saved
    further, _ = other.run(3, 4)
    assert further == rest
    assert same(state(other), state(whole))
    assert not same(weights(whole.network), weights(network()))

    with whole.averaged():
        whole.network.save(tmp_path / "served.keras")
        assert same(weights(keras.saving.load_model(tmp_path / "served.keras")), weights(whole.network))


def test_the_records_of_optimizers_say_what_keras_says() -> None:
    for name, kind in OPTIMIZERS.items():
        parameters = inspect.signature(getattr(keras.optimizers, name)).parameters
        assert dict(kind.own) == {argument: parameters[argument].default for argument in kind.own}
        assert set(kind.arguments) <= set(parameters)


def trained(settings: dict[str, Any], epochs: int = 1) -> tuple[TrainingLoop, list[EpochFigures]]:
    loop = loop_of(settings)
    return loop, loop.run(1, epochs)[0]


PLAIN = {"optimizer": {"op": "SGD"}, "initial_lr": 0.5, "final_lr": 0.5, "batch_size": 1000}
CLIPPED: list[dict[str, float]] = [{"clipnorm": 0.01}, {"clipvalue": 0.001}, {"global_clipnorm": 0.02}]


@pytest.mark.parametrize("clipping", CLIPPED, ids=str)
@pytest.mark.parametrize("mixed", [False, True])
def test_gradients_are_clipped_as_they_are_before_the_loss_is_scaled(clipping: dict[str, float], mixed: bool) -> None:
    optimizer = {"op": "SGD", **clipping}
    loop, _ = trained(PLAIN | {"optimizer": optimizer, "mixed_precision": mixed})
    ((kind, limit),) = clipping.items()
    steps = [
        (after.numpy() - before.numpy()) / 0.5
        for after, before in zip(loop.network.trainable_variables, network().trainable_variables, strict=True)
    ]
    norms = [float(np.linalg.norm(step)) for step in steps]
    reached = {
        "clipnorm": max(norms),
        "clipvalue": max(float(np.abs(step).max()) for step in steps),
        "global_clipnorm": float(np.linalg.norm(norms)),
    }
    assert reached[kind] == pytest.approx(limit, rel=1e-3)


def test_weight_decay_takes_its_share_of_the_weights_at_every_step() -> None:
    plain, _ = trained(PLAIN)
    decayed, _ = trained(PLAIN | {"optimizer": {"op": "SGD", "weight_decay": 0.1}})
    for one, other, start in zip(
        *(each.trainable_variables for each in (plain.network, decayed.network, network())), strict=True
    ):
        np.testing.assert_allclose(one.numpy() - other.numpy(), 0.5 * 0.1 * start.numpy(), atol=1e-6)


def test_labels_are_smoothed_in_training_alone() -> None:
    still = {"initial_lr": 1e-30, "final_lr": 1e-30, "optimizer": {"op": "SGD"}}
    (plain,), (smoothed,) = (trained(still | {"label_smoothing": share})[1] for share in (0.0, 0.3))
    assert smoothed.val_loss == plain.val_loss
    assert smoothed.loss != plain.loss
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    expected = -np.log(probabilities) @ np.full(3, 0.1) - 0.7 * np.log(probabilities[[0, 1], [0, 2]])
    np.testing.assert_allclose(cross_entropy(tf.constant([0, 2]), probabilities, 0.3), expected, rtol=1e-5)


def served(loop: TrainingLoop) -> list[Any]:
    with loop.averaged():
        return weights(loop.network)


@pytest.mark.parametrize(("decay", "kept"), [(0.9, (0.1, 2 / 11)), (0.12, (0.1, 0.12))])
def test_the_average_begins_at_the_first_steps_weights_and_warms_up(decay: float, kept: tuple[float, float]) -> None:
    loop, _ = trained({"batch_size": 1000, "initial_lr": 0.1, "final_lr": 0.1, "ema": decay})  # a step an epoch
    expected = weights(loop.network)
    assert same(served(loop), expected)
    assert loop.network.optimizer is loop._optimizer
    for epoch, share in enumerate(kept, start=2):
        loop.run(epoch, epoch)
        now = weights(loop.network)
        expected = [share * mean + (1 - share) * weight for mean, weight in zip(expected, now, strict=True)]
        for one, other in zip(served(loop), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert same(weights(loop.network), now)


def test_averages_are_validated_and_the_weights_train_on_as_without() -> None:
    settings = {"batch_size": 20, "initial_lr": 0.1, "final_lr": 0.1}
    loop, history = trained(settings | {"ema": 0.95}, 2)
    plain, figures = trained(settings, 2)
    assert [epoch.loss for epoch in history] == [epoch.loss for epoch in figures]
    assert [epoch.val_loss for epoch in history] != [epoch.val_loss for epoch in figures]
    assert same(weights(loop.network), weights(plain.network))
    assert not same(served(loop), weights(loop.network))
    data = arrays()
    with loop.averaged():
        answers = loop.network(data.x_val, training=False)
    assert float(np.mean(cross_entropy(data.y_val, answers))) == pytest.approx(history[-1].val_loss, rel=1e-5)
