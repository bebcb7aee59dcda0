"""The loop against `model.fit`: what is added up, and what an optimizer is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.config import OptimizerConfig, registry
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.operations import register_operation
from hivenas.core.nas.training.added_losses import total_of
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.loop import cause_of, make_optimizer
from hivenas.core.tracker import NullTracker

pytestmark = pytest.mark.keras

ARCH = "input|mine|output"
WHOLE = {"batch_size": 1000, "initial_lr": 0.05, "final_lr": 0.05, "optimizer": {"op": "SGD"}}
LOSSES: dict[str, Callable[[Any], Any]] = {
    "one an image": lambda each: each,
    "several an image": lambda each: each[:, None] * tf.ones((1, 3)),
    "a whole number": lambda each: tf.constant(2),
    "a truth": lambda each: tf.reduce_all(each >= 0),
    "none": lambda each: each[:0],
    "two": lambda each: [each, tf.reduce_sum(each)],
    "half": lambda each: tf.cast(each, tf.float16),
    "double": lambda each: tf.cast(tf.reduce_sum(each), tf.float64),
    "bfloat": lambda each: tf.cast(each, tf.bfloat16),
}


class Adds(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer of one's own with losses of every kind."""

    def __init__(self, kinds: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kinds = kinds

    def call(self, x: Any) -> Any:
        each = 1e-2 * tf.reduce_mean(tf.abs(tf.cast(x, tf.float32)), axis=(1, 2, 3))
        for kind in self.kinds.split(", "):
            self.add_loss(LOSSES[kind](each))
        return x


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("Adds", Adds)


def evaluator(tiny: dict[str, Any], operation: dict[str, Any], **changes: Any) -> NASEval:
    space = {"depth": 1, "operations": ["mine", "identity"], "reference": {"mine": operation}, "input_stem": []}
    return NASInterface(space, tiny | WHOLE | changes, tracker=NullTracker()).eval_strategy


CONV = {"op": "Conv2D", "filters": 4, "kernel_size": 3}
TAKEN_BY_FIT = [
    {"op": "Adds", "kinds": "one an image, several an image, a whole number, a truth, two"},
    CONV | {"activity_regularizer": "l1", "kernel_regularizer": "l2"},
]


@pytest.mark.parametrize("operation", TAKEN_BY_FIT, ids=str)
def test_an_epoch_is_that_of_fit_whatever_losses_layers_add(tiny: dict[str, Any], operation: dict[str, Any]) -> None:
    own = evaluator(tiny, operation)
    ours, theirs = own.instantiate_network(ARCH), own.instantiate_network(ARCH)
    (figures,), _ = own._loop(ours, ARCH, "train", 1).run(1, 1)
    theirs.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    data = own.training_data.arrays
    told = theirs.fit(
        data.x_train,
        data.y_train,
        batch_size=1000,
        shuffle=False,
        verbose=0,
        validation_data=(data.x_val, data.y_val),
        validation_batch_size=1000,
    ).history
    assert figures.loss == pytest.approx(told["loss"][0], rel=1e-6)
    assert figures.val_loss == pytest.approx(told["val_loss"][0], rel=1e-6)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"loss": "focal", "label_smoothing": 0.1}], ids=str)
def test_the_loss_of_validation_is_the_log_loss_and_what_regularisation_adds(
    tiny: dict[str, Any], settings: dict[str, Any]
) -> None:
    own = evaluator(tiny, CONV | {"kernel_regularizer": "l2"}, **settings)
    evaluation = own.evaluate(ARCH)
    network = own.instantiate_network(ARCH)
    network.load_weights(own.weights_path(evaluation.filename))
    (penalty,) = (float(each) for each in network.losses)
    assert penalty > 0.01
    log_loss = evaluation.extra["metrics"]["log_loss"]
    assert evaluation.history[-1].val_loss - log_loss == pytest.approx(penalty, rel=1e-4)


# `model.fit` refuses these, as it stacks what it adds up; their sum in float32 is what it would come to.
NOT_TAKEN_BY_FIT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"op": "Adds", "kinds": "half, double, bfloat"}, {}),
    (CONV | {"dtype": "float64", "kernel_regularizer": "l2"}, {}),
    (CONV | {"dtype": "float16", "kernel_regularizer": "l1"}, {}),
    # A sum that float16 cannot hold.
    (CONV | {"filters": 64, "activity_regularizer": "l1"}, {"precision": "float16"}),
]


@pytest.mark.parametrize(("operation", "settings"), NOT_TAKEN_BY_FIT, ids=str)
def test_losses_of_other_types_are_added_up_in_single_precision(
    tiny: dict[str, Any], operation: dict[str, Any], settings: dict[str, Any]
) -> None:
    evaluation = evaluator(tiny, operation, **settings).evaluate(ARCH)
    assert (evaluation.status, evaluation.reason) == ("complete", "")
    assert evaluation.history[0].loss > 0


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_the_sum_of_its_entries(kind: str) -> None:
    each = tf.constant([0.5, 0.25, 1.0])
    for loss in tf.nest.flatten(LOSSES[kind](each)):
        total = total_of(loss)
        assert (total.dtype, total.shape.rank) == (tf.float32, 0)
        assert float(total) == float(np.sum(np.asarray(loss, dtype=np.float32)))
    assert (float(total_of(0.5)), float(total_of(np.float64(2)))) == (0.5, 2.0)
    scalar = tf.constant(0.5)
    assert total_of(scalar) is scalar


CHANGED: dict[str, Any] = {
    "learning_rate": 0.5,
    "momentum": 0.7,
    "nesterov": True,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "epsilon": 0.5,
    "amsgrad": True,
    "rho": 0.5,
    "centered": True,
    "weight_decay": 0.1,
    "clipnorm": 0.1,
    "clipvalue": 1,
    "global_clipnorm": 0.1,
}


def stepped(arguments: dict[str, Any], mixed: bool) -> list[float]:
    """A weight after two steps, the second one smaller."""
    weight = keras.Variable(np.array([1.0, -2.0], np.float32))
    optimizer = make_optimizer(OptimizerConfig.model_validate(arguments))
    if mixed:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build([weight])
    for gradient in ([3.0, 4.0], [0.1, 0.2], [1.0, -1.0]):
        optimizer.apply([optimizer.scale_loss(tf.constant(gradient))], [weight])
    return [float(value) for value in weight.numpy()]


NEEDS = {"nesterov": {"momentum": 0.5}, "amsgrad": {"beta_2": 0.1}}


@pytest.mark.parametrize(("op", "mixed"), [("SGD", False), ("SGD", True), ("Adam", False), ("RMSprop", True)])
def test_no_argument_of_an_optimizer_is_taken_and_not_used(op: str, mixed: bool) -> None:
    for argument in OPTIMIZERS[op].arguments:
        base = {"op": op, "learning_rate": 0.1, **NEEDS.get(argument, {})}
        assert stepped(base | {argument: CHANGED[argument]}, mixed) != stepped(base, mixed), argument


CAUSES: list[tuple[BaseException, str]] = [
    (MemoryError(), "machine"),
    (OSError("Input/output error"), "machine"),
    (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), "machine"),
    (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), "machine"),
    (KeyError("no such feature"), "program"),
    (ValueError("kernel larger than its input"), "program"),
]


@pytest.mark.parametrize(("error", "cause"), CAUSES, ids=[repr(error) for error, _ in CAUSES])
def test_a_cause_is_found_though_it_is_wrapped(error: BaseException, cause: str) -> None:
    wrapped = RuntimeError("Exception encountered when calling a layer")
    wrapped.__cause__ = error
    assert cause_of(error) == cause_of(wrapped) == cause
