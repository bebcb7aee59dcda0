"""Sizes computed without building, held against what Keras builds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from hivenas.config import SpaceConfig
from hivenas.config.presets import PRESETS
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.cells import CELLS
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.layer_sizes import LAYER_SIZES, DoesNotBuildError, Shape, Size
from hivenas.core.nas.space.operations import LAYERS, REFERENCE_SPACE, OpSpec
from hivenas.core.nas.space.sizes import Measure, NetworkSizes, SizeGuards, operation_size
from hivenas.core.nas.training.network import apply_operation, build_network, count_macs, measure_operation
from hivenas.errors import ArchitectureError, ConfigError

pytestmark = pytest.mark.keras

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (7, 5, 3)]
INPUT = Frame(input_stem=("conv3x3_32bnrelu",))
STEMS = Frame(input_stem=("conv3x3_32bnrelu",), output_stem=("global_avg_pool",))


def parameters_of(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def macs_of(model: keras.Model) -> int:
    """Multiply-adds by the definition of every kind of layer, from its settings."""
    macs = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            macs += math.prod(layer.input.shape[1:]) * layer.units
        elif isinstance(layer, layers.SeparableConv2D | layers.DepthwiseConv2D | layers.Conv2D):
            _, rows, columns, filters = layer.output.shape
            window, channels = math.prod(layer.kernel_size), layer.input.shape[-1]
            if isinstance(layer, layers.Conv2D):
                each = window * channels * filters // layer.groups
            else:
                each = window * channels * layer.depth_multiplier
            if isinstance(layer, layers.SeparableConv2D):
                each += channels * layer.depth_multiplier * filters
            macs += rows * columns * each
    return macs


def sized(spec: OpSpec, shape: Shape, measure: Measure) -> Size | None:
    """None where it does not build."""
    try:
        return operation_size(spec, shape, measure)
    except DoesNotBuildError:
        return None


def never(spec: OpSpec, shape: Shape) -> Size:
    raise AssertionError(f"{spec} on {shape} should be known without building")


def built(spec: OpSpec, shape: Shape) -> Size | None:
    """The same figures from Keras; None where it refuses."""
    inputs = layers.Input(shape)
    try:
        outputs = apply_operation(spec, inputs, "op")
    except (ValueError, ZeroDivisionError):
        return None
    model = keras.Model(inputs, outputs)
    return Size(tuple(outputs.shape[1:]), parameters_of(model), macs_of(model))


@pytest.mark.parametrize("key", REFERENCE_SPACE)
def test_every_reference_operation_has_the_size_that_it_is_built_with(key: str) -> None:
    for shape in SHAPES:
        assert operation_size(REFERENCE_SPACE[key], shape, never) == built(REFERENCE_SPACE[key], shape)


OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("Activation", {"activation": "tanh"}),
    ("AveragePooling2D", {"pool_size": [2, 3], "strides": (1, 3)}),
    ("AveragePooling2D", {"pool_size": 6}),
    ("BatchNormalization", {"momentum": 0.9, "epsilon": 1e-5, "beta_initializer": "ones"}),
    ("BatchNormalization", {"scale": False}),
    ("BatchNormalization", {"scale": False, "center": False}),
    ("Conv2D", {"filters": 6, "kernel_size": 3}),
    ("Conv2D", {"filters": 6, "kernel_size": (1, 4), "use_bias": False, "strides": (2, 1), "activation": "elu"}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 3, "padding": "same", "strides": 2}),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "dilation_rate": (2, 3), "kernel_regularizer": "l2"}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": (4, 1)}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "strides": 2}),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 3}),
    ("Conv2D", {"filters": 6, "kernel_size": 8}),
    ("Dense", {"units": 6}),
    ("Dense", {"units": 6, "use_bias": False, "activation": "relu"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}),
    ("DepthwiseConv2D", {"kernel_size": (3, 2), "padding": "same", "strides": 2, "use_bias": False}),
    ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 3}),
    ("Dropout", {"rate": 0.5, "seed": 1}),
    ("Flatten", {}),
    ("GaussianDropout", {"rate": 0.5}),
    ("GaussianNoise", {"stddev": 0.5}),
    ("GlobalAveragePooling2D", {}),
    ("GlobalMaxPooling2D", {"keepdims": True}),
    ("GroupNormalization", {}),
    ("GroupNormalization", {"groups": 3, "scale": False}),
    ("GroupNormalization", {"groups": -1}),
    ("GroupNormalization", {"groups": 2}),
    ("Identity", {}),
    ("LayerNormalization", {}),
    ("LayerNormalization", {"center": False}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("MaxPooling2D", {}),
    ("MaxPooling2D", {"pool_size": 2, "strides": 3, "padding": "same"}),
    ("ReLU", {"max_value": 6.0, "threshold": 0.1}),
    ("SeparableConv2D", {"filters": 6, "kernel_size": 3}),
    ("SeparableConv2D", {"filters": 6, "kernel_size": (2, 3), "depth_multiplier": 2, "use_bias": False, "strides": 2}),
    ("BnReLU", {}),
    ("ConvStem", {"filters": 6}),
    ("ConvStem", {"filters": 6, "largest": 3, "l2": 1e-4}),
    ("ConvStem", {"filters": 6, "largest": 1}),
    ("DownSampling", {"ratio": 1.5, "kernel_size": 2}),
    ("ResidualBlock", {}),
    ("ResidualBlock", {"kernel_size": 5, "ratio": 0.4, "convolutions": 3}),
    ("ResidualBlock", {"convolutions": 1, "squeeze": True, "l2": 1e-4}),
    ("BottleneckBlock", {"kernel_size": 2, "ratio": 0.7}),
    ("InvertedResidual", {}),
    ("InvertedResidual", {"kernel_size": 5, "expansion": 3, "activation": "hard_swish", "squeeze": True, "l2": 1e-4}),
    ("SeparableConv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    ("SpatialDropout2D", {"rate": 0.5}),
    ("ConvBnReLU", {"filters": 6, "kernel_size": [3, 2]}),
    ("ConvBnReLUAvgPool", {"filters": 6, "kernel_size": [3, 3]}),
    ("ConvBnReLUAvgPool", {"filters": 6, "kernel_size": [3, 3], "pool_size": 3, "pool_strides": (1, 3)}),
    ("ResidualConvBnReLU", {"filters": 6, "kernel_size": [3, 3], "block_count": 3}),
    ("ResidualConvBnReLU", {"filters": 6, "kernel_size": [3, 3], "block_count": 0, "reg_filters": 2}),
]


@pytest.mark.parametrize(("op", "arguments"), OPERATIONS, ids=str)
def test_layers_and_cells_have_the_size_that_they_are_built_with(op: str, arguments: Mapping[str, Any]) -> None:
    assert sized(OpSpec(op, arguments), (7, 5, 3), never) == built(OpSpec(op, arguments), (7, 5, 3))


def test_every_layer_and_cell_is_in_the_tables_and_tried() -> None:
    assert set(LAYERS) <= set(LAYER_SIZES)
    assert {op for op, _ in OPERATIONS} == set(LAYER_SIZES) | set(CELLS)


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("BatchNormalization", {}),
        ("Dense", {"units": 4}),
        ("Dropout", {"rate": 0.1}),
        ("Flatten", {}),
        ("GroupNormalization", {"groups": 4}),
        ("LayerNormalization", {}),
        ("ReLU", {}),
    ],
    ids=str,
)
def test_what_takes_features_without_an_image_is_counted_so(op: str, arguments: Mapping[str, Any]) -> None:
    assert sized(OpSpec(op, arguments), (12,), never) == built(OpSpec(op, arguments), (12,))


_WINDOW = st.integers(1, 4) | st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(deadline=None, max_examples=60)
@given(
    op=st.sampled_from(["Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D"]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6)),
    window=_WINDOW,
    strides=_WINDOW,
    dilation=st.just(1) | _WINDOW,
    padding=st.sampled_from(["same", "valid"]),
    filters=st.integers(1, 6),
    groups=st.integers(1, 3),
)
def test_any_window_has_the_size_that_it_is_built_with(
    op: str, shape: Shape, window: Any, strides: Any, dilation: Any, padding: str, filters: int, groups: int
) -> None:
    arguments: dict[str, Any] = {"strides": strides, "padding": padding}
    if op == "MaxPooling2D":
        arguments |= {"pool_size": window}
    else:
        arguments |= {"kernel_size": window, "dilation_rate": dilation}
    if op in ("Conv2D", "SeparableConv2D"):
        arguments |= {"filters": filters}
    arguments |= {"groups": groups} if op == "Conv2D" else {}
    assert sized(OpSpec(op, arguments), shape, never) == built(OpSpec(op, arguments), shape)


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 3, "trainable": False}),
        ("Conv2D", {"filters": 6, "kernel_size": 3, "padding": "SAME"}),
        ("Conv2D", {"filters": 6, "kernel_size": 0}),
        ("Conv2D", {"filters": "6", "kernel_size": 3}),
        ("Conv2D", {"kernel_size": 3}),
        ("BatchNormalization", {"axis": 1}),
        ("Activation", {"activation": {"class_name": "LeakyReLU", "config": {}}}),
        ("ConvBnReLU", {"filters": 6, "kernel_size": [3, 3], "activation": "relu"}),
        ("Registered", {"filters": 6}),
    ],
    ids=str,
)
def test_what_the_tables_do_not_know_is_measured(op: str, arguments: Mapping[str, Any]) -> None:
    asked: list[tuple[OpSpec, Shape]] = []

    def measure(spec: OpSpec, shape: Shape) -> Size:
        asked.append((spec, shape))
        return Size((1, 2, 3), 4, 5)

    assert sized(OpSpec(op, arguments), (7, 5, 3), measure) == Size((1, 2, 3), 4, 5)
    assert asked == [(OpSpec(op, arguments), (7, 5, 3))]


@st.composite
def chains(draw: st.DrawFn, operations: tuple[str, ...]) -> Chain:
    depth = draw(st.integers(1, 4))
    return Chain(
        tuple(draw(st.lists(st.sampled_from(operations), min_size=depth, max_size=depth))),
        tuple(draw(st.integers(0, depth - layer)) for layer in range(depth)),
    )


@pytest.mark.parametrize("preset", PRESETS)
@settings(deadline=None, max_examples=15)
@given(data=st.data(), shape=st.tuples(st.integers(1, 33), st.integers(1, 33), st.integers(1, 4)))
def test_a_network_has_the_size_that_it_is_built_with(
    preset: str, data: st.DataObject, shape: tuple[int, int, int]
) -> None:
    chain = data.draw(chains(PRESETS[preset].operations))
    frame = Frame.of(SpaceConfig(preset=preset))
    size = NetworkSizes(REFERENCE_SPACE, shape=shape, classes=7, frame=frame).of(chain)
    network = build_network(chain, REFERENCE_SPACE, shape=shape, classes=7, frame=frame, seed=1)
    assert size == Size((7,), parameters_of(network), macs_of(network))
    assert count_macs(network) == macs_of(network)


OWN = dict(REFERENCE_SPACE) | {
    "valid5": OpSpec("Conv2D", {"filters": 4, "kernel_size": 5}),
    "strided": OpSpec("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 3}),
    "flat": OpSpec("Flatten", {}),
    "dense": OpSpec("Dense", {"units": 12}),
    "own": OpSpec("Registered", {}),
}


@pytest.mark.parametrize(
    "arch",
    [
        "input|valid5|output",
        "input|sc_2|valid5|strided|output",
        "input|sc_1|sep3x3_32|sc_2|strided|conv3x3_8|flat|dense|output",
        "input|flat|dense|batch_norm|dense|output",
    ],
)
def test_networks_of_operations_of_ones_own_have_the_size_that_they_are_built_with(arch: str) -> None:
    chain = decode(arch, OWN)
    network = build_network(chain, OWN, shape=(8, 9, 3), classes=3, frame=INPUT, seed=1)
    sizes = NetworkSizes(OWN, shape=(8, 9, 3), classes=3, frame=INPUT)
    assert sizes.of(chain) == Size((3,), parameters_of(network), macs_of(network))


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ("input|valid5|valid5|output", "'valid5' does not fit an input of 4×4×4"),
        ("input|sc_2|conv3x3_8|flat|dense|output", "a skip connection does not fit an input of 8×8×32"),
        ("input|flat|sep3x3_32|output", "'sep3x3_32' does not fit an input of 2048"),
    ],
)
def test_what_does_not_build_has_no_size(arch: str, says: str) -> None:
    chain = decode(arch, OWN)
    sizes = NetworkSizes(OWN, shape=(8, 8, 1), classes=10, frame=STEMS, measure=measure_operation)
    guards = SizeGuards(sizes, 10**9, None)
    assert not guards.admits(chain)
    for refuse in (sizes.of, guards.check):
        with pytest.raises(ArchitectureError, match=says):
            refuse(chain)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever Keras says of it
        build_network(chain, OWN, shape=(8, 8, 1), classes=10, frame=STEMS, seed=1)


def test_an_argument_that_divides_by_nothing_does_not_build() -> None:
    with pytest.raises(DoesNotBuildError, match="ZeroDivisionError"):
        operation_size(OpSpec("ConvStem", {"filters": 8, "largest": 0}), (8, 8, 1), measure_operation)


def test_a_registered_operation_is_measured_once_for_a_shape() -> None:
    asked = []

    def measure(spec: OpSpec, shape: Shape) -> Size:
        asked.append(shape)
        return Size((4, 4, 8), 100, 1000)

    sizes = NetworkSizes(OWN, shape=(8, 8, 1), classes=10, measure=measure)
    for _ in range(3):
        assert sizes.of(decode("input|own|own|own|output", OWN)) == Size((10,), 300 + 1290, 3000 + 1280)
    assert asked == [(8, 8, 1), (4, 4, 8)]
    with pytest.raises(ConfigError, match=r"the size of Registered with \{\} is known only by building it"):
        NetworkSizes(OWN, shape=(8, 8, 1), classes=10).of(decode("input|own|output", OWN))


def test_guards_name_count_limit_and_key() -> None:
    sizes = NetworkSizes(REFERENCE_SPACE, shape=(8, 8, 1), classes=10)
    chain = decode("input|identity|output", REFERENCE_SPACE)
    assert sizes.of(chain) == Size((10,), 650, 640)
    SizeGuards(sizes, 650, 640).check(chain)
    for guards, says in (
        (SizeGuards(sizes, 649, None), r"at most 649 trainable parameters \(space.max_params\), got 650 in"),
        (SizeGuards(sizes, None, 639), r"at most 639 multiply-adds \(space.max_macs\), got 640 in"),
    ):
        assert not guards.admits(chain)
        with pytest.raises(ArchitectureError, match=says):
            guards.check(chain)
