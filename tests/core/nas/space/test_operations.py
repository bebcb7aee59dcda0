"""The reference space: the keys that must exist, what they stand for, and the two presets."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from hivenas.config.presets import PRESETS, WITHOUT_L2, Preset
from hivenas.config.text import nearest
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.cells import CELLS
from hivenas.core.nas.space.operations import (
    LAYER_ARGUMENTS,
    LAYERS,
    REFERENCE_SPACE,
    OpSpec,
    check_keys,
    reference_space,
)
from hivenas.errors import ConfigError, InputError
from tests.processes import ROOT

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


BLOCKS = {"ConvStem", "DownSampling", "BnReLU", "ResidualBlock", "BottleneckBlock", "InvertedResidual"}


def test_the_reference_space_has_every_published_key_and_the_blocks() -> None:
    assert {key for key, spec in REFERENCE_SPACE.items() if spec.op not in BLOCKS} == set(PUBLISHED)
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


def test_the_ancestors_presets_are_the_published_ones() -> None:
    for name, keys in (("layerwise", LAYERWISE), ("cells", CELL_BASED)):
        assert PRESETS[name] == Preset(operations=tuple(keys.split()))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_operations_that_there_are(name: str) -> None:
    preset = PRESETS[name]
    assert {*preset.operations, *preset.input_stem, *preset.stage_stem, *preset.output_stem} <= set(REFERENCE_SPACE)
    assert "identity" in preset.operations or name == "cells"


def test_width_and_l2_are_those_of_the_configuration() -> None:
    space = reference_space({"mine": {"op": "ResidualBlock"}}, width=12, l2=1e-3)
    assert space["stem"].arguments["filters"] == 12
    assert REFERENCE_SPACE["stem"].arguments["filters"] == 32
    regular = {key for key, spec in space.items() if spec.arguments.get("l2") == 1e-3}
    assert {"stem", "down", "res3x3", "mobile5x5_4_se", "conv3x3_16bnrelu"} <= regular
    assert not {"mine", "bn_relu", "sep3x3_32"} & regular


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
            r"space\.reference\.mine\.op .* got 'Conv2d'; did you mean 'Conv2D'\?; docs/spaces.md lists",
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


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        (
            {"op": "Conv2D", "filter": 24, "kernel_size": 3},
            r"space\.reference\.mine has no argument 'filter' for Conv2D; did you mean 'filters'\?; choose",
        ),
        ({"op": "ReLU", "max": 6}, r"no argument 'max' for ReLU; .*choose among max_value, negative_slope, threshold"),
        ({"op": "Conv2D", "filters": 24}, r"space\.reference\.mine\.kernel_size must be given for Conv2D; add it"),
        ({"op": "SpatialDropout2D", "rate": 0.1, "trainable": True}, "no argument 'trainable' for SpatialDropout2D"),
        ({"op": "Dropout", "rate": 0.5, "seed": 1}, "mine.seed must not be given, got 1: what Dropout draws follows"),
        ({"op": "GaussianNoise", "stddev": 0.5, "seed": 1}, "mine.seed must not be given"),
        ({"op": "LeakyReLU", "alpha": 0.1, "negative_slope": 0.2}, "is alpha by another name, got both; remove alpha"),
    ],
)
def test_arguments_that_a_layer_does_not_have_or_needs_are_refused(mapping: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OpSpec.from_mapping("mine", mapping)


# What has no sense in a search: names, which are given, fine-tuning, quantization, and what is no plain number.
LEFT_OUT = {"name", "lora_rank", "lora_alpha", "quantization_config", "renorm_clipping"}
# Arguments that some releases of Keras have and others do not.
OF_SOME_RELEASES = {"renorm", "renorm_momentum", "alpha"}


@pytest.mark.keras
@pytest.mark.parametrize("op", LAYERS)
def test_the_arguments_of_layers_are_those_of_keras(op: str) -> None:
    import keras

    needed, optional = LAYER_ARGUMENTS[op]
    parameters = inspect.signature(getattr(keras.layers, op)).parameters.values()
    given = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - LEFT_OUT
    inherited = (
        {"activity_regularizer", "dtype", "trainable"} if any(p.kind is p.VAR_KEYWORD for p in parameters) else set()
    )
    assert set(needed) == {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    assert {*needed, *optional} - OF_SOME_RELEASES == (given | inherited) - OF_SOME_RELEASES
    assert len(needed + optional) == len({*needed, *optional})


@pytest.mark.keras
@pytest.mark.parametrize("op", [op for op in LAYERS if "trainable" in LAYER_ARGUMENTS[op][1]])
def test_every_layer_takes_what_it_inherits(op: str) -> None:
    import keras

    sizes: dict[str, Any] = {"activation": "relu", "rate": 0.5, "stddev": 0.5}
    needed = {name: sizes.get(name, 2) for name in LAYER_ARGUMENTS[op][0]}
    layer = getattr(keras.layers, op)(**needed, trainable=False, dtype="float16", activity_regularizer="l2")
    assert (layer.trainable, layer.compute_dtype) == (False, "float16")


def test_an_unknown_key_is_refused_with_its_place_and_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        check_keys("space.operations", ["identity", "sep3x3_65"], REFERENCE_SPACE)
    assert str(caught.value).startswith(
        "space.operations[1] must name a known operation, got 'sep3x3_65'; did you mean"
    )
    assert str(caught.value).endswith("docs/spaces.md lists those built in; or define it under space.reference")


def test_nothing_is_suggested_for_a_word_that_is_near_to_none() -> None:
    assert nearest("xyzzy", REFERENCE_SPACE) == ""
    assert nearest("dropuot", REFERENCE_SPACE) == "; did you mean 'dropout'?"


def test_the_page_of_the_spaces_names_every_operation_layer_and_cell() -> None:
    page = (ROOT / "docs" / "spaces.md").read_text(encoding="utf-8").partition("## Every name")[2]
    operations, ops = page.split("\n## ")[0].split("And what `op` may be")
    assert sorted(_named(operations)) == sorted(REFERENCE_SPACE)
    assert set(_named(ops.partition("Layers take")[0])) - {"op", "space.reference"} == {*LAYERS, *CELLS}


def _named(page: str) -> list[str]:
    """The names in the code of a table, with one of `{a,b}` in every combination."""
    cells = re.findall(r"`([^`]+)`", page.partition("| --- |")[2])
    choices = [[part.split(",") for part in re.split(r"[{}]", cell)] for cell in cells]
    return ["".join(chosen) for parts in choices for chosen in itertools.product(*parts)]


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (
            lambda: check_keys("space.operations", ["sepp3x3_32"], REFERENCE_SPACE),
            "space.operations[0] must name a known operation, got 'sepp3x3_32'; did you mean 'sep3x3_32'?; near it are "
            "sep3x3_128, sep5x5_32, sep3x3_64; docs/spaces.md lists those built in; or define it under space.reference",
        ),
        (
            lambda: check_keys("space.operations", ["zzz"], REFERENCE_SPACE),
            "space.operations[0] must name a known operation, got 'zzz'; docs/spaces.md lists those built in; or "
            "define it under space.reference",
        ),
        (
            lambda: decode("input|sep3x3_23|output", REFERENCE_SPACE),
            "component 1 ('sep3x3_23') of 'input|sep3x3_23|output' is not an operation of this space; did you mean "
            "'sep3x3_32'?; near it are sep3x3_128, sep3x3_64, sep5x5_32; docs/spaces.md lists those built in; or sc_k, "
            "a skip connection",
        ),
        (
            lambda: OpSpec.from_mapping("mine", {"op": "zzz"}),
            "space.reference.mine.op must be a built-in or registered layer or cell, got 'zzz'; docs/spaces.md lists "
            "those built in; import the module that registers it (--import MODULE)",
        ),
    ],
)
def test_an_unknown_name_among_many_is_refused_with_those_near_it(refused: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError) as caught:
        refused()
    assert str(caught.value) == says


def test_the_operations_without_a_factor_of_regularisation_are_those_that_it_does_not_change() -> None:
    changed = reference_space({}, l2=0.5)
    assert {key for key, spec in REFERENCE_SPACE.items() if changed[key] == spec} == WITHOUT_L2
