"""The reference space: the keys that must exist, what they stand for, and the two presets."""

from __future__ import annotations

import inspect
import re
from typing import Any

import keras
import pytest

from hivenas.config_text import nearest
from hivenas.core.nas.operations import (
    CELLS,
    LAYER_ARGUMENTS,
    LAYERS,
    PRESETS,
    REFERENCE_SPACE,
    OpSpec,
    check_keys,
    reference_space,
)
from hivenas.errors import ConfigError

PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "max_pool3x3": ("MaxPooling2D", {"pool_size": (3, 3), "strides": (1, 1), "padding": "same"}),
    "avg_pool3x3": ("AveragePooling2D", {"pool_size": (3, 3), "strides": (1, 1), "padding": "same"}),
    "global_avg_pool": ("GlobalAveragePooling2D", {}),
    "batch_norm": ("BatchNormalization", {}),
    "dropout": ("Dropout", {"rate": 0.15}),
    "identity": ("Identity", {}),
    "conv5x5_16": ("Conv2D", {"filters": 16, "kernel_size": (5, 5), "activation": "relu"}),
    "conv3x3_16": ("Conv2D", {"filters": 16, "kernel_size": (3, 3), "activation": "relu"}),
    "conv5x5_8": ("Conv2D", {"filters": 8, "kernel_size": (5, 5), "activation": "relu"}),
    "conv3x3_8": ("Conv2D", {"filters": 8, "kernel_size": (3, 3), "activation": "relu"}),
}
for _size in (5, 3):
    for _filters in (128, 64, 32):
        PUBLISHED[f"sep{_size}x{_size}_{_filters}"] = (
            "SeparableConv2D",
            {"filters": _filters, "kernel_size": (_size, _size), "padding": "same", "activation": "relu"},
        )
for _filters in (32, 16):
    PUBLISHED[f"conv3x3_{_filters}bnrelu"] = ("ConvBnReLU", {"filters": _filters, "kernel_size": (3, 3)})
for _filters in (256, 128, 64):
    PUBLISHED[f"conv3x3_{_filters}bnreluavgpool"] = (
        "ConvBnReLUAvgPool",
        {"filters": _filters, "kernel_size": (3, 3)},
    )
    for _blocks in (1, 2):
        for _reg in (128, 64, 32):
            PUBLISHED[f"resx{_blocks}reg_{_reg}_conv3x3_{_filters}bnrelu"] = (
                "ResidualConvBnReLU",
                {"filters": _filters, "kernel_size": (3, 3), "reg_filters": _reg, "block_count": _blocks},
            )


def test_the_reference_space_has_every_published_key_and_no_other() -> None:
    assert set(REFERENCE_SPACE) == set(PUBLISHED)
    assert len(PUBLISHED) == 39


@pytest.mark.parametrize("key", PUBLISHED)
def test_a_published_key_stands_for_its_layer_and_arguments(key: str) -> None:
    op, arguments = PUBLISHED[key]
    spec = REFERENCE_SPACE[key]
    assert spec.op == op
    assert {name: spec.arguments.get(name) for name in arguments} == arguments


@pytest.mark.parametrize("key", [key for key in PUBLISHED if "pool" not in key and re.search(r"\d", key)])
def test_sizes_and_filters_follow_from_the_name(key: str) -> None:
    found = re.search(r"(\d)x(\d)_(\d+)", key)
    assert found
    rows, columns, filters = map(int, found.groups())
    assert REFERENCE_SPACE[key].arguments["kernel_size"] == (rows, columns)
    assert REFERENCE_SPACE[key].arguments["filters"] == filters


LAYERWISE = "sep5x5_128 sep3x3_128 sep5x5_64 sep3x3_64 sep5x5_32 sep3x3_32 max_pool3x3 avg_pool3x3 dropout identity"
CELL_BASED = (
    "conv3x3_64bnreluavgpool resx2reg_32_conv3x3_64bnrelu conv3x3_128bnreluavgpool conv3x3_256bnreluavgpool "
    "resx1reg_128_conv3x3_256bnrelu resx1reg_128_conv3x3_128bnrelu"
)


def test_the_presets_are_the_published_ones() -> None:
    assert {name: " ".join(keys) for name, keys in PRESETS.items()} == {"layerwise": LAYERWISE, "cells": CELL_BASED}


def test_every_operation_of_the_reference_space_is_registered() -> None:
    assert {spec.op for spec in REFERENCE_SPACE.values()} <= {*LAYERS, *CELLS}


def test_own_operations_are_added_and_take_the_place_of_built_in_ones() -> None:
    space = reference_space({"mine": {"op": "Dense", "units": 4}, "dropout": {"op": "Dropout", "rate": 0.5}})
    assert space["mine"] == OpSpec("Dense", {"units": 4})
    assert space["dropout"].arguments == {"rate": 0.5}
    assert REFERENCE_SPACE["dropout"].arguments == {"rate": 0.15}
    assert set(space) == {*REFERENCE_SPACE, "mine"}


def test_the_built_in_operations_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REFERENCE_SPACE["dropout"] = OpSpec("Identity", {})  # type: ignore[index]
    with pytest.raises(TypeError):
        REFERENCE_SPACE["dropout"].arguments["rate"] = 1.0  # type: ignore[index]


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        (
            {"op": "Conv2d"},
            r"space\.reference\.mine\.op .* got 'Conv2d'; did you mean 'Conv2D'\?; choose among Activation",
        ),
        ({"op": "ConvBnRelu"}, r"did you mean 'ConvBnReLU'\?"),
        ({"op": "os.system"}, r"got 'os\.system'"),
        ({"op": "Lambda"}, r"got 'Lambda'"),
        ({"op": ["Conv2D"]}, r"got \['Conv2D'\]"),
        ({"op": None}, r"space\.reference\.mine needs an op"),
        ({"filters": 4}, r"space\.reference\.mine needs an op, got \{'filters': 4\}"),
    ],
    ids=["layer", "cell", "function", "code", "list", "null", "missing"],
)
def test_only_registered_names_may_be_built(mapping: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OpSpec.from_mapping("mine", mapping)


def test_an_unknown_key_is_refused_with_its_place_and_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        check_keys("space.operations", ["identity", "sep3x3_65"], REFERENCE_SPACE)
    assert str(caught.value).startswith(
        "space.operations[1] must name a known operation, got 'sep3x3_65'; did you mean"
    )
    assert str(caught.value).endswith(", ".join(REFERENCE_SPACE))


def test_nothing_is_suggested_for_a_word_that_is_near_to_none() -> None:
    assert nearest("xyzzy", REFERENCE_SPACE) == ""
    assert nearest("dropuot", REFERENCE_SPACE) == "; did you mean 'dropout'?"


@pytest.mark.parametrize("op", LAYERS)
def test_the_arguments_of_a_layer_are_those_of_keras(op: str) -> None:
    needed, optional = LAYER_ARGUMENTS[op]
    signature = inspect.signature(getattr(keras.layers, op).__init__).parameters
    given = {name: p for name, p in signature.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "self"}
    assert {name for name, p in given.items() if p.default is p.empty} == set(needed)
    # What is left out describes objects, is deprecated, or is meant for other uses than a search.
    left_out = {"name", "dtype", "activity_regularizer", "quantization_config"}
    left_out |= {"renorm", "renorm_clipping", "renorm_momentum", "lora_rank", "lora_alpha"}
    assert set(given) - set(needed) - set(optional) <= left_out
    assert set(optional) <= set(given)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"op": "Conv2D", "filter": 8, "kernel_size": 3}, "no argument 'filter' for Conv2D; did you mean 'filters'"),
        ({"op": "Conv2D", "filters": 8}, "kernel_size must be given for Conv2D"),
        ({"op": "Dropout", "rates": 0.1}, "no argument 'rates' for Dropout; did you mean 'rate'"),
    ],
)
def test_a_misspelt_argument_of_a_layer_is_refused(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OpSpec.from_mapping("mine", mapping)
