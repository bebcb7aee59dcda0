"""Precisions: what of a network is in half precision, what is served, and what is said of it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from hivenas.config import EvaluationConfig
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.precision import PRECISIONS, Precision, in_single_precision
from hivenas.core.tracker import NullTracker

pytestmark = pytest.mark.keras

ARCH = "input|conv|sep3x3_32|output"
BFLOAT16, SINGLE = "mixed_bfloat16", "float32"


class Own(layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A layer of one's own that derives from one of the table."""


class Holds(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer of one's own that holds one of the table."""

    def build(self, shape: Any) -> None:
        self.inside = layers.Dense(3)
        self.inside.build(shape)

    def call(self, x: Any) -> Any:
        return self.inside(x)


def strategy(tiny: dict[str, Any], **changes: Any) -> NASEval:
    conv = {"op": "Conv2D", "filters": 4, "kernel_size": 3, "padding": "same"}
    space = {"depth": 2, "operations": ["conv", "sep3x3_32"], "reference": {"conv": conv}, "input_stem": []}
    return NASInterface(space, tiny | changes, tracker=NullTracker()).eval_strategy


def network() -> keras.Model:
    innermost = layers.Input((8, 8, 4))
    nested = keras.Model(innermost, layers.Conv2D(4, 1, name="innermost")(innermost), name="functional")
    inside = keras.Sequential([layers.Input((8, 8, 4)), layers.Conv2D(4, 1, name="inner")], name="nested")
    kinds = [
        layers.Conv2D(4, 3, padding="same", name="plain"),
        layers.Conv2D(4, 3, padding="same", dtype="float32", name="single"),
        layers.Conv2D(4, 3, padding="same", dtype="mixed_bfloat16", name="half"),
        Own(4, 3, padding="same", name="own"),
        layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
        layers.SeparableConv2D(4, 3, padding="same", name="separable"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        Holds(name="holds"),
        layers.Conv2D(4, 1, name="before_nested"),
        inside,
        nested,
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(3, name="dense"),
    ]
    inputs = x = layers.Input((8, 8, 1))
    for layer in kinds:
        x = layer(x)
    return keras.Model(inputs, x)


def policies(model: keras.Model) -> dict[str, str]:
    found = {layer.name: layer.dtype_policy.name for layer in model.layers}
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return found | {each.name: each.dtype_policy.name for model in inner for each in model.layers}


def test_bfloat16_is_for_the_classes_of_the_table_and_for_what_was_not_told_otherwise() -> None:
    built = PRECISIONS["bfloat16"].build(network)
    found = policies(built)
    assert {name for name, policy in found.items() if policy == BFLOAT16} == {
        "plain",
        "half",
        "before_nested",
        "inner",
        "innermost",
        "dense",
    }
    assert set(found.values()) == {BFLOAT16, SINGLE}
    assert built.get_layer("holds").inside.dtype_policy.name == SINGLE
    assert {str(weight.dtype) for weight in built.weights} == {SINGLE}
    with in_single_precision(built):
        assert {name for name, policy in policies(built).items() if policy == BFLOAT16} == {"half"}
    assert policies(built) == found


def test_float32_leaves_the_policy_that_there_is_and_float16_is_kerass_own() -> None:
    assert set(policies(PRECISIONS["float32"].build(network)).values()) == {SINGLE, BFLOAT16}
    assert policies(PRECISIONS["float16"].build(network))["norm"] == "mixed_float16"
    assert keras.config.dtype_policy().name == SINGLE
    with pytest.raises(ZeroDivisionError):
        PRECISIONS["float16"].build(lambda: 1 / 0)
    assert keras.config.dtype_policy().name == SINGLE


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_what_was_chosen_is_recorded_where_it_is_not_float32(tiny: dict[str, Any], name: str) -> None:
    said = Precision.of(EvaluationConfig.model_validate({"precision": name})).environment()
    assert set(said) == (set() if name == "float32" else {"precision"})
    evaluation = strategy(tiny, precision=name).evaluate(ARCH)
    assert {key: value for key, value in evaluation.environment.items() if key == "precision"} == said
    if name == "bfloat16":
        assert said == {"precision": "bfloat16 in Conv2D, Conv2DTranspose, Dense; float32 in other layers"}


def test_what_is_served_computes_in_float32_and_is_what_was_tested(tiny: dict[str, Any]) -> None:
    half = strategy(tiny | {"full_train": {"epochs": 3}, "initial_lr": 0.02}, precision="bfloat16")
    trained = half.fully_train(ARCH)
    served = keras.saving.load_model(trained.extra["model"])
    assert set(policies(served).values()) == {SINGLE}
    answers = served.predict(half.data.x_test, verbose=0)
    assert trained.extra["test_accuracy"] == (answers.argmax(axis=1) == half.data.y_test).mean()
    kept = np.load(trained.extra["answers"])["probabilities"]
    assert answers == pytest.approx(kept, abs=1e-5)


def test_networks_do_compute_in_bfloat16_where_they_train(tiny: dict[str, Any]) -> None:
    half = strategy(tiny, precision="bfloat16")
    network, images = half.instantiate_network(ARCH), half.training_data.arrays.x_val
    rounded = network(images, training=False).numpy()
    with in_single_precision(network):
        exact = network(images, training=False).numpy()
    assert np.array_equal(exact, strategy(tiny).instantiate_network(ARCH)(images, training=False).numpy())
    assert not np.array_equal(rounded, exact)
    assert rounded == pytest.approx(exact, abs=0.02)
