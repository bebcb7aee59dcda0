"""The spaces that have a name: their operations, and the fixed operations around them. Keys only; no Keras here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A space by name, as the default of the keys of `space`.

    Args:
        operations: keys of the operations to choose from at every position.
        depth: operations in an architecture.
        input_stem: operation keys before every architecture.
        output_stem: operation keys after it.
        stages: equal parts of an architecture, in each of which images keep their size.
        stage_stem: operation keys before every stage but the first, which make images smaller.
    """

    operations: tuple[str, ...]
    depth: int = 5
    input_stem: tuple[str, ...] = ("conv3x3_32bnrelu",)
    output_stem: tuple[str, ...] = ("global_avg_pool",)
    stages: int = 1
    stage_stem: tuple[str, ...] = ()


# The keys of `space` that a preset decides where they are left out.
OF_PRESET = ("depth", "input_stem", "output_stem", "stages", "stage_stem")

# The frame of blocks that keep the shape of their input.
_STAGED = Preset(
    operations=(),
    depth=6,
    input_stem=("stem",),
    output_stem=("bn_relu", "global_avg_pool"),
    stages=3,
    stage_stem=("down",),
)
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "layerwise": Preset(
            operations=(
                "sep5x5_128",
                "sep3x3_128",
                "sep5x5_64",
                "sep3x3_64",
                "sep5x5_32",
                "sep3x3_32",
                "max_pool3x3",
                "avg_pool3x3",
                "dropout",
                "identity",
            )
        ),
        "cells": Preset(
            operations=(
                "conv3x3_64bnreluavgpool",
                "resx2reg_32_conv3x3_64bnrelu",
                "conv3x3_128bnreluavgpool",
                "conv3x3_256bnreluavgpool",
                "resx1reg_128_conv3x3_256bnrelu",
                "resx1reg_128_conv3x3_128bnrelu",
            )
        ),
        "residual": replace(
            _STAGED,
            operations=(
                "res3x3",
                "res3x3_half",
                "res3x3_double",
                "res3x3_single",
                "res5x5_half",
                "res3x3_se",
                "res3x3_bottleneck",
                "res5x5_bottleneck",
                "identity",
            ),
        ),
        "mobile": replace(
            _STAGED,
            operations=(
                "mobile3x3_2",
                "mobile3x3_4",
                "mobile5x5_2",
                "mobile5x5_4",
                "mobile3x3_2_se_hswish",
                "mobile3x3_4_se_hswish",
                "mobile5x5_2_se_hswish",
                "mobile5x5_4_se_hswish",
                "identity",
            ),
        ),
    }
)
DEFAULT_PRESET = "residual"
# Filters of the stem of pre-activation blocks; they double with every down-sampling.
WIDTH = 32
# The preset of operations of one's own, where none is named and where none is wanted.
PLAIN = "layerwise"
# Built-in operations without a factor of L2 regularisation.
WITHOUT_L2 = frozenset(
    (
        *("conv5x5_16", "conv5x5_8", "conv3x3_16", "conv3x3_8"),
        *("sep5x5_128", "sep5x5_64", "sep5x5_32", "sep3x3_128", "sep3x3_64", "sep3x3_32"),
        *("max_pool3x3", "avg_pool3x3", "global_avg_pool", "batch_norm", "bn_relu", "dropout", "identity"),
    )
)
