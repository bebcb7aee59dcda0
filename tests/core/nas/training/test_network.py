from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hivenas.config import SpaceConfig
from hivenas.config.presets import PRESETS
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.layer_sizes import DoesNotBuildError, Size
from hivenas.core.nas.space.operations import REFERENCE_SPACE, OpSpec
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.training.network import (
    apply_operation,
    build_network,
    count_macs,
    measure_operation,
    serving_model,
)

pytestmark = pytest.mark.keras

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3)]


def network_of(arch: str, shape: tuple[int, int, int] = (8, 8, 1), *, seed: int = 1) -> keras.Model:
    return build_network(
        decode(arch, REFERENCE_SPACE),
        REFERENCE_SPACE,
        shape=shape,
        classes=10,
        frame=Frame(input_stem=("conv3x3_32bnrelu",), output_stem=("global_avg_pool",)),
        seed=seed,
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("preset", ["everything", *PRESETS])
def test_every_sampled_architecture_builds(preset: str, shape: tuple[int, int, int]) -> None:
    operations = tuple(REFERENCE_SPACE) if preset == "everything" else None
    config = SpaceConfig(
        preset=None if operations else preset,
        operations=operations,
        depth=5,
        skip_rate=0.5,
    )
    space = NASSearchSpace(config, np.random.default_rng([len(preset), *shape]))  # other samples for each shape
    for seed in range(10 if preset == "everything" else 4):
        network = build_network(
            space.parse(space.sample()),
            space.reference,
            shape=shape,
            classes=10,
            frame=space.frame,
            seed=seed,
        )
        assert network.output_shape == (None, 10)


def test_every_operation_keeps_four_axes_and_survives_saving(tmp_path: Path) -> None:
    """All in one model, side by side, which is saved and loaded once."""
    inputs = keras.layers.Input((8, 8, 4))
    model = keras.Model(inputs, {key: apply_operation(spec, inputs, key) for key, spec in REFERENCE_SPACE.items()})
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype(np.float32)
    before = model(images, training=False)
    assert {key for key, values in before.items() if values.ndim != 4} == set()
    model.save(tmp_path / "operations.keras")
    after = keras.saving.load_model(tmp_path / "operations.keras")(images, training=False)
    assert after.keys() == before.keys() == REFERENCE_SPACE.keys()
    assert [key for key in before if not np.array_equal(after[key], before[key])] == []


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("conv3x3_8", 9 * 4 * 8 + 8),
        ("sep3x3_32", 9 * 4 + 4 * 32 + 32),
        ("conv3x3_16bnrelu", 9 * 4 * 16 + 16 + 2 * 16),
        ("resx1reg_32_conv3x3_64bnrelu", (4 * 32 + 32) + (9 * 32 * 64 + 64 + 2 * 64)),
        ("resx2reg_32_conv3x3_64bnrelu", (4 * 32 + 32) + (9 * 32 * 64 + 64 + 2 * 64) + (9 * 64 * 64 + 64 + 2 * 64)),
        ("max_pool3x3", 0),
        ("identity", 0),
    ],
)
def test_operations_have_the_parameters_of_their_definition(key: str, parameters: int) -> None:
    inputs = keras.layers.Input((8, 8, 4))
    model = keras.Model(inputs, apply_operation(REFERENCE_SPACE[key], inputs, "op"))
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == parameters


def test_a_residual_cell_is_concatenated_with_its_input() -> None:
    inputs = keras.layers.Input((8, 8, 4))
    outputs = apply_operation(REFERENCE_SPACE["resx1reg_32_conv3x3_64bnrelu"], inputs, "op")
    assert outputs.shape == (None, 8, 8, 64 + 4)


def test_a_skip_connection_adds_its_start_to_its_end() -> None:
    plain = network_of("input|sep3x3_32|max_pool3x3|output")
    skipping = network_of("input|sc_2|sep3x3_32|max_pool3x3|output")
    added = skipping.get_layer("skip1_add")
    assert {tensor.name for tensor in added.input} == {
        skipping.get_layer("layer2").output.name,
        skipping.get_layer("skip1_projection").output.name,
    }
    assert skipping.get_layer("skip1_projection").input.name == skipping.get_layer("input1_relu").output.name
    assert skipping.count_params() - plain.count_params() == 32 * 32 + 32


def test_a_skip_connection_strides_where_its_span_pools() -> None:
    network = network_of("input|sc_2|conv3x3_64bnreluavgpool|conv3x3_64bnreluavgpool|output", (28, 28, 1))
    assert network.get_layer("skip1_projection").strides == (4, 4)


def test_the_seed_decides_the_initial_weights() -> None:
    arch = "input|sep3x3_32|dropout|output"
    first, same, other = (network_of(arch, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_serving_model_standardises_raw_images(dtype: str) -> None:
    network = network_of("input|sep3x3_32|output")
    mean, variance = np.array([4.0], np.float32), np.array([36.0], np.float32)
    raw = np.random.default_rng(0).integers(0, 16, (5, 8, 8, 1)).astype(dtype)
    served = serving_model(network, mean, variance, dtype)(raw).numpy()
    by_hand = network((raw.astype(np.float32) - 4.0) / 6.0, training=False).numpy()
    assert np.allclose(served, by_hand, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "arguments", "size"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 3}, Size((5, 3, 6), 27 * 6 + 6, 15 * 27 * 6)),
        ("Conv2D", {"filters": 6, "kernel_size": 3, "trainable": False}, Size((5, 3, 6), 0, 15 * 27 * 6)),
        ("Dense", {"units": 2}, Size((7, 5, 2), 8, 35 * 6)),
        ("BatchNormalization", {"renorm": True}, Size((7, 5, 3), 6, 0)),
        ("LayerNormalization", {"axis": [1, 2, 3]}, Size((7, 5, 3), 2 * 105, 0)),
        ("UpSampling2D", {}, Size((14, 10, 3), 0, 0)),
    ],
    ids=str,
)
def test_an_operation_is_measured_alone(op: str, arguments: dict[str, Any], size: Size | None) -> None:
    assert measure_operation(OpSpec(op, arguments), (7, 5, 3)) == size


@pytest.mark.parametrize(
    ("op", "arguments", "says"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 8}, "ValueError: Computed output size would be"),
        ("Conv2D", {"filters": 6}, "TypeError: .*missing 1 required positional argument: 'kernel_size'"),
        ("Conv3D", {}, "TypeError: .*missing 2 required"),
        ("NoSuchLayer", {}, "AttributeError: .*NoSuchLayer"),
    ],
    ids=str,
)
def test_an_operation_that_does_not_build_says_why(op: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(DoesNotBuildError, match=f"^{says}"):
        measure_operation(OpSpec(op, arguments), (7, 5, 3))


def test_multiply_adds_are_counted_within_models_and_layers_of_ones_own() -> None:
    class Mixer(keras.layers.Layer):  # type: ignore[misc]
        """A layer that keeps its kernel in another one."""

        def build(self, shape: tuple[int, ...]) -> None:
            self.inner = keras.layers.Dense(5)
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return self.inner(x)

    inputs = keras.layers.Input((8, 6, 4))
    part = keras.Sequential([keras.layers.Conv2D(3, 3, strides=2, padding="same"), keras.layers.Conv2D(2, 1)])
    x = Mixer()(part(inputs))
    network = keras.Model(inputs, keras.Model(inputs, x)(inputs))
    positions = 4 * 3
    assert count_macs(network) == positions * (9 * 4 * 3 + 3 * 2 + 2 * 5)
