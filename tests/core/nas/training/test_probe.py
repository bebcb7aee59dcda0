"""Refusals before anything is trained: values that Keras cannot use, and layers that are not what is saved."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.config import registry
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.operations import register_cell, register_operation
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, InputError
from tests.trials import unspent

pytestmark = pytest.mark.keras

known = keras.saving.register_keras_serializable("test_probe")


def checked(operation: dict[str, Any], **evaluation: Any) -> Any:
    """A space with an operation of its own, looked at as a command does; no data are loaded."""
    space = {"depth": 2, "operations": ["mine", "identity"], "input_stem": [], "reference": {"mine": operation}}
    interface = NASInterface(space, {"seed": 1, **evaluation}, tracker=NullTracker())
    return interface.check_space(image=lambda: ((6, 6, 2), 3))


CONV = {"op": "Conv2D", "filters": 4, "kernel_size": 3, "padding": "same"}
BATCH_NORM = {"op": "BatchNormalization"}
WRONG_VALUES = [
    (CONV | {"activation": "rellu"}, "activation", "activation='rellu') on an input of 6×6×2"),
    (CONV | {"filters": 0}, "filters", "Received filters=0"),
    (CONV | {"filters": "32"}, "filters", "Conv2D(filters='32', "),
    (CONV | {"kernel_size": "3x3"}, "kernel_size", "kernel_size='3x3'"),
    (CONV | {"kernel_size": [3, 3, 3]}, "kernel_size", "tuple of 2 integers"),
    (CONV | {"kernel_initializer": "glorot"}, "kernel_initializer", "initializer identifier: glorot"),
    (CONV | {"dtype": "float99"}, "dtype", "float99"),
    (
        CONV | {"padding": "valid", "kernel_size": 9},
        "padding",
        "kernel_size=9, padding='valid') on an input of 6×6×2 (ValueError: Computed",
    ),
    (CONV | {"strides": 2, "dilation_rate": 2}, "", "strides=2, dilation_rate=2)"),
    ({"op": "Dropout", "rate": 1.5}, "rate", "between 0 and 1"),
    ({"op": "Dropout", "rate": "much"}, "rate", "Dropout(rate='much')"),
    ({"op": "Dropout", "rate": 0.5, "noise_shape": [3]}, "noise_shape", "must be broadcastable"),
    ({"op": "MaxPooling2D", "pool_size": 9}, "pool_size", "negative"),
    ({"op": "LeakyReLU", "negative_slope": -1}, "negative_slope", "LeakyReLU(negative_slope=-1)"),
    (BATCH_NORM | {"axis": 7}, "axis", "(axis=7)"),
    (
        {"op": "ResidualConvBnReLU", "filters": 4, "kernel_size": 3, "block_count": "two"},
        "block_count",
        "'two'",
    ),
    (BATCH_NORM | {"momentum": 5}, "momentum", "must be a number from 0 to 1, got 5"),
    (BATCH_NORM | {"epsilon": -1}, "epsilon", "got -1"),
    (CONV | {"use_bias": "no"}, "use_bias", "must be true or false, got 'no'"),
]


@pytest.mark.parametrize(("operation", "argument", "says"), WRONG_VALUES, ids=[str(each[0]) for each in WRONG_VALUES])
def test_a_value_that_no_network_can_be_built_with_is_refused_in_one_line(
    operation: dict[str, Any], argument: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(operation)
    assert str(refused.value).startswith(f"space.reference.mine{'.' if argument else ''}{argument} must be ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        ({"op": "SGD", "momentum": 5}, "optimizer.momentum must be a number from 0 to 1, got 5"),
        ({"op": "Adam", "beta_1": 1}, "optimizer.beta_1 must be a number from 0 to less than 1, got 1"),
        ({"op": "RMSprop", "rho": -0.1}, "optimizer.rho must be a number from 0 to 1, got -0.1"),
        ({"op": "SGD", "nesterov": 3}, "optimizer.nesterov must be true or false, got 3"),
        (
            {"op": "Adam", "clipnorm": 1, "clipvalue": 1},
            "optimizer.clipnorm must be the only one of clipnorm, clipvalue, global_clipnorm, got clipvalue",
        ),
    ],
)
def test_an_optimizer_that_cannot_be_used_is_refused(optimizer: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked({"op": "ReLU"}, optimizer=optimizer)
    assert f"evaluation.{says}" in str(refused.value)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_sound_values_are_accepted(precision: str) -> None:
    optimizer = {"op": "SGD", "momentum": 0, "nesterov": False}
    for operation in (CONV | {"activation": "gelu", "trainable": False}, BATCH_NORM | {"momentum": 1}):
        assert checked(operation, precision=precision, optimizer=optimizer).share == 1


# -- layers of one's own -------------------------------------------------------------------------------------------


@known
class TfVariable(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def build(self, shape: Any) -> None:
        self.kernel = tf.Variable(tf.random.normal((shape[-1], 4)))

    def call(self, x: Any) -> Any:
        return tf.einsum("bhwc,cd->bhwd", x, self.kernel)


@known
class RandomConstant(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def build(self, shape: Any) -> None:
        self.kernel = np.random.normal(size=shape[-1:]).astype("float32")

    def call(self, x: Any) -> Any:
        return x * self.kernel


@known
class Counts(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its state changes in training alone, and Keras does not know of it."""

    def build(self, shape: Any) -> None:
        self.steps = tf.Variable(1.0, trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.steps.assign_add(1.0)
        return x / self.steps


class _Box:
    """Keras does not look into it."""


@known
class Hidden(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.box = _Box()
        self.box.inner = keras.layers.Conv2D(4, 1)  # type: ignore[attr-defined]

    def call(self, x: Any) -> Any:
        return self.box.inner(x)  # type: ignore[attr-defined]


@known
class Forgets(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return self.factor * x

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "factor"}


@known
class Noisy(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def __init__(self, always: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.always = always
        self.generator = keras.random.SeedGenerator(7)

    def call(self, x: Any, training: bool = False) -> Any:
        noise = keras.random.normal(keras.ops.shape(x), seed=self.generator)
        return x + noise if training or self.always else x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "always": self.always}


@known
class Draws(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """It draws in training alone, from what is saved nowhere."""

    def __init__(self, source: str = "keras", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.box = _Box()
        self.box.generator = keras.random.SeedGenerator(7)  # type: ignore[attr-defined]

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        draw = {
            "keras": lambda: 0.1 * keras.random.normal(keras.ops.shape(x)),
            "tensorflow": lambda: 0.1 * tf.random.normal(tf.shape(x)),
            "numpy": lambda: np.random.normal(size=x.shape[-1]).astype("float32"),
            "hidden": lambda: 0.1 * keras.random.normal(keras.ops.shape(x), seed=self.box.generator),  # type: ignore[attr-defined]
        }
        return x + draw[self.source]()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "source": self.source}


@known
class Warms(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its strength in training grows by a count that is saved nowhere."""

    def build(self, shape: Any) -> None:
        self.steps = tf.Variable(1.0, trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.steps.assign_add(1.0)
        return x + self.steps * tf.roll(x, 1, axis=1) if training else x


class Unregistered(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def call(self, x: Any) -> Any:
        return 2 * x


@known
class Sound(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Weights, a count that is one, and sublayers in a list."""

    def build(self, shape: Any) -> None:
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="count")
        self.scale = self.add_weight(shape=shape[-1:], initializer="random_normal", name="scale")
        self.inner = [keras.layers.Conv2D(int(shape[-1]), 1, name="first")]
        self.inner[0].build(shape)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.count.assign_add(1)
        return self.inner[0](x) * self.scale


def twice(x: Any) -> Any:
    return 2 * x


def closure(name: str) -> keras.layers.Layer:
    return keras.layers.Lambda(lambda x: 2 * x, name=name)


def own_activation(x: Any, name: str) -> Any:
    return keras.layers.Conv2D(4, 1, activation=twice, name=f"{name}_conv")(x)


def altered(name: str) -> keras.layers.Layer:
    layer = Forgets(name=name)
    layer.factor = 3.0
    return layer


def noisy_cell(x: Any, name: str) -> Any:
    return Noisy(name=f"{name}_noise")(keras.layers.ReLU(name=f"{name}_relu")(x))


def turned(name: str) -> keras.layers.Layer:
    return keras.layers.RandomRotation(0.2, name=name)


def blurred(x: Any, name: str) -> Any:
    """Of Keras' layers that draw, and that keep a state which grows in training."""
    x = keras.layers.SpectralNormalization(keras.layers.Conv2D(4, 1), name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    return keras.layers.GaussianNoise(0.3, name=f"{name}_noise")(keras.layers.Dropout(0.5, name=f"{name}_drop")(x))


ALIKE = "must answer the same image alike at every call"
KEEPS = "must keep all that decides its answers among its weights"
EXACT = "must draw from a keras.random.SeedGenerator of its own, so that a training goes on exactly"
FOUND = "must be found again in a saved model"
UNFAITHFUL = [
    ("TfVariable", {}, f"the layer TfVariable {KEEPS}"),
    ("RandomConstant", {}, f"the layer RandomConstant {KEEPS}"),
    ("Counts", {}, f"the layer Counts {KEEPS}"),
    ("Hidden", {}, f"the layer Hidden {KEEPS}"),
    ("Forgets", {"factor": 3.0}, f"the layer Forgets {FOUND}, got other answers"),
    ("altered", {}, f"the layer Forgets {FOUND}, got other answers"),
    ("Unregistered", {}, f"the layer Unregistered {FOUND}, got TypeError: Could not locate class 'Unregistered'"),
    ("closure", {}, f"the layer Lambda {FOUND}, got ValueError: Requested the deserialization of a `Lambda`"),
    ("own_activation", {}, f"own_activation {FOUND}, got TypeError: Could not locate function 'twice'"),
    ("Noisy", {}, f"the layer Noisy {ALIKE}"),
    ("noisy_cell", {}, f"the layer Noisy {ALIKE}"),
    *(("Draws", {"source": each}, f"the layer Draws {EXACT}") for each in ("keras", "tensorflow", "numpy", "hidden")),
    ("Warms", {}, f"the layer Warms {EXACT}"),
]


DRAWING: list[dict[str, Any]] = [{"op": "blurred"}, {"op": "turned"}]


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    monkeypatch.setattr(registry.CELLS, "_entries", {})
    for layer in (
        TfVariable,
        RandomConstant,
        Counts,
        Hidden,
        Forgets,
        Noisy,
        Draws,
        Warms,
        Unregistered,
        Sound,
        closure,
        altered,
        turned,
    ):
        register_operation(layer.__name__, layer)
    for cell in (own_activation, noisy_cell, blurred):
        register_cell(cell.__name__, cell)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(("op", "arguments", "says"), UNFAITHFUL, ids=[str(each[:2]) for each in UNFAITHFUL])
def test_a_layer_that_is_not_what_is_saved_is_refused_with_its_name(
    op: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=r"space\.reference\.mine: ") as refused:
        checked({"op": op, **arguments})
    assert says in str(refused.value)
    assert "; " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    "op", [{"op": "Sound"}, {"op": "Noisy", "always": False}, {"op": "Forgets", "factor": 1.0}, *DRAWING]
)
def test_a_layer_that_is_what_is_saved_is_accepted(op: dict[str, Any]) -> None:
    assert checked(op, precision="float16" if op["op"] == "Sound" else "float32").share == 1


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("augmentation", [{}, {"affine": True, "shift": 0.2, "mixup": 0.2}])
def test_a_layer_is_tried_on_what_it_gets_and_none_of_that_is_augmented(augmentation: dict[str, Any]) -> None:
    space = {
        "depth": 1,
        "operations": ["mine", "identity"],
        "input_stem": ["flat"],
        "output_stem": [],
        "reference": {"mine": {"op": "Forgets", "factor": 1.0}, "flat": {"op": "Flatten"}},
    }
    interface = NASInterface(space, {"seed": 1, "augmentation": augmentation}, tracker=NullTracker())
    assert interface.check_space(image=lambda: ((6, 6, 2), 3)).share == 1


@pytest.mark.usefixtures("_registered")
def test_calls_from_python_are_refused_before_they_train(tiny: dict[str, Any]) -> None:
    space = {"depth": 1, "operations": ["mine", "identity"], "reference": {"mine": {"op": "TfVariable"}}}
    interface = NASInterface(space, tiny, tracker=NullTracker())
    for call in (interface.evaluate, interface.train_custom_arch):
        with pytest.raises(ConfigError, match="the layer TfVariable must keep"):
            call("input|mine|output")
    assert not list(interface.eval_strategy.results.path.parent.rglob("*"))


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    ("op", "says"),
    [
        ("TfVariable", "must answer as the network that was tested, got an accuracy of"),
        ("closure", "must load from its"),
    ],
)
def test_a_model_that_is_not_the_tested_one_is_a_failed_full_training(tiny: dict[str, Any], op: str, says: str) -> None:
    space = {"depth": 1, "operations": ["mine", "identity"], "reference": {"mine": {"op": op}}}
    interface = NASInterface(space, tiny, tracker=NullTracker())
    failed = interface.fully_train("input|mine|output")
    assert failed.status == "failed"
    assert unspent(failed.extra) == {"cause": "program"}
    assert says in failed.reason
    assert "@keras.saving.register_keras_serializable" in failed.reason
    assert failed.traceback.startswith("Traceback")


def test_an_architecture_that_does_not_build_is_refused_before_it_is_trained(tiny: dict[str, Any]) -> None:
    interface = NASInterface({"reference": {"mine": {"op": "Flatten"}}}, tiny, tracker=NullTracker())
    with pytest.raises(InputError, match=r"must build on images of 8×8×1, got 'input\|mine\|output'"):
        interface.train_custom_arch("input|mine|output")
