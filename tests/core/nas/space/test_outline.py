from __future__ import annotations

import numpy as np
import pytest

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.operations import OpSpec, reference_space
from hivenas.core.nas.space.outline import Outliner, Skip, changes
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes

REFERENCE = reference_space({})
STEMS = Frame(input_stem=("conv3x3_32bnrelu",), output_stem=("global_avg_pool",))


@pytest.mark.parametrize("preset", ["layerwise", "cells"])
def test_the_parts_of_an_outline_sum_up_to_the_network(preset: str) -> None:
    config = SpaceConfig.model_validate({"preset": preset, "skip_rate": 0.5})
    space = NASSearchSpace(config, np.random.default_rng(3))
    outliner = Outliner(REFERENCE, shape=(8, 8, 1), classes=10, frame=STEMS)
    sizes = NetworkSizes(REFERENCE, shape=(8, 8, 1), classes=10, frame=STEMS)
    for _ in range(20):
        chain = decode(space.sample(), REFERENCE)
        outline = outliner.of(chain)
        assert outline.params == sizes.of(chain).params
        assert [layer.name for layer in outline.layers if layer.part == "operation"] == list(chain.operations)


def test_a_skip_connection_leads_from_what_its_first_operation_gets_to_what_its_last_one_gives() -> None:
    outline = Outliner(REFERENCE, shape=(8, 8, 1), classes=10, frame=STEMS).of(Chain(("identity", "dropout"), (2, 0)))
    assert [layer.name for layer in outline.layers] == [
        "image",
        "conv3x3_32bnrelu",
        "identity",
        "dropout",
        "global_avg_pool",
        "softmax",
    ]
    assert outline.skips == (Skip(1, 3, 33 * 32),)


def test_behind_an_operation_that_only_keras_can_measure_no_size_is_known() -> None:
    reference = {**REFERENCE, "mine": OpSpec("Blur", {})}
    outline = Outliner(reference, shape=(8, 8, 1), classes=10).of(Chain(("identity", "mine", "dropout"), (0, 0, 1)))
    assert [layer.shape for layer in outline.layers] == [(8, 8, 1), (8, 8, 1), None, None, None]
    assert outline.params is None


def test_an_operation_that_does_not_fit_has_no_size() -> None:
    reference = {"wide": OpSpec("Conv2D", {"filters": 8, "kernel_size": 5})}
    outline = Outliner(reference, shape=(3, 3, 1), classes=10).of(Chain(("wide",), (0,)))
    assert outline.layers[1].shape is None


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (Chain(("a", "b"), (0, 0)), Chain(("a", "b"), (0, 0)), []),
        (Chain(("a", "b"), (0, 0)), Chain(("a", "c"), (0, 0)), ["layer 2: b → c"]),
        (Chain(("a", "b"), (0, 1)), Chain(("a", "b"), (0, 0)), ["skip connection from layer 2: sc_1 → none"]),
        (
            Chain(("a",), (1,)),
            Chain(("a", "b"), (2, 0)),
            ["layer 2: none → b", "skip connection from layer 1: sc_1 → sc_2"],
        ),
    ],
)
def test_what_makes_one_architecture_another_is_said(before: Chain, after: Chain, found: list[str]) -> None:
    assert changes(before, after) == found
