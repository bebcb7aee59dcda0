"""The fixed operations around and between those of an architecture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hivenas.config import SpaceConfig, from_mapping
from hivenas.config.presets import PRESETS
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.outline import Outliner
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes
from hivenas.errors import ConfigError

STAGED = [name for name, preset in PRESETS.items() if preset.stages > 1]


@pytest.mark.parametrize(
    ("stages", "depth", "starts"),
    [
        (1, 5, {}),
        (3, 6, {3: 2, 5: 3}),
        (3, 7, {3: 2, 5: 3}),
        (3, 8, {3: 2, 6: 3}),
        (2, 2, {2: 2}),
        (3, 2, {2: 2}),
        (3, 1, {}),
        (4, 4, {2: 2, 3: 3, 4: 4}),
    ],
)
def test_stages_are_equal_parts_of_an_architecture(stages: int, depth: int, starts: dict[int, int]) -> None:
    assert Frame(stages=stages, stage_stem=("down",)).starts(depth) == starts


@pytest.mark.parametrize("preset", STAGED)
@pytest.mark.parametrize(
    ("shape", "last"),
    [
        ((28, 28, 1), (4, 4)),
        ((32, 32, 3), (4, 4)),
        ((8, 8, 1), (4, 4)),
        ((7, 9, 1), (4, 5)),
        ((3, 3, 1), (3, 3)),
        ((1, 1, 1), (1, 1)),
        ((64, 48, 3), (8, 6)),
        ((224, 224, 3), (4, 4)),
        ((224, 100, 3), (7, 4)),
    ],
)
def test_every_architecture_comes_to_a_size_that_fits_the_images(
    preset: str, shape: tuple[int, int, int], last: tuple[int, int]
) -> None:
    space = NASSearchSpace(SpaceConfig(preset=preset, skip_rate=0.3), np.random.default_rng(1))
    outliner = Outliner(space.reference, shape=shape, classes=10, frame=space.frame)
    sizes = NetworkSizes(space.reference, shape=shape, classes=10, frame=space.frame)
    for _ in range(20):
        chain = space.parse(space.sample())
        outline = outliner.of(chain)
        end = next(layer.shape for layer in outline.layers if layer.name == "bn_relu")
        assert end is not None
        assert end[:2] == last
        assert outline.params == sizes.of(chain).params
        shapes = [layer.shape for layer in outline.layers if layer.part == "operation"]
        assert all(after is not None and before is not None for before, after in pairwise(shapes))


@pytest.mark.parametrize("preset", STAGED)
def test_identity_costs_nothing_but_the_frame(preset: str) -> None:
    space = NASSearchSpace(SpaceConfig(preset=preset), np.random.default_rng(1))
    sizes = NetworkSizes(space.reference, shape=(28, 28, 1), classes=10, frame=space.frame)
    empty = sizes.of(space.parse("|".join(("input", *["identity"] * space.depth, "output"))))
    one = sizes.of(space.parse("|".join(("input", "identity", space.operations[0], *["identity"] * 4, "output"))))
    # 3×3 kernels: the stem of 32 filters at 14×14, then twice half the sides and twice the channels.
    assert empty.macs == 9 * (32 * 14 * 14 + 32 * 64 * 7 * 7 + 64 * 128 * 4 * 4) + 1280
    assert one.macs > empty.macs


def test_what_is_left_out_is_as_the_preset_has_it_and_what_is_given_stays() -> None:
    config = from_mapping({"space": {"preset": "mobile", "depth": 9, "stages": 1}}).space
    assert config.depth == 9
    assert config.stages == 1
    assert config.stage_stem == ("down",)
    assert config.input_stem == ("stem",)
    assert Frame.of(config).between == ()
    assert from_mapping({"space": {"preset": "mobile"}}, ["space.preset=cells"]).space == SpaceConfig(preset="cells")
    assert from_mapping(from_mapping({"space": {"preset": "mobile"}}).to_mapping()).space == SpaceConfig(
        preset="mobile"
    )


def test_operations_of_ones_own_have_no_stages_unless_a_preset_is_named() -> None:
    own = {"operations": ["conv3x3_16", "identity"]}
    assert from_mapping({"space": own}).space.input_stem == ("conv3x3_32bnrelu",)
    assert from_mapping({"space": own}).space.stages == 1
    assert from_mapping({"space": {**own, "preset": "residual"}}).space.stages == 3
    assert from_mapping({"space": {**own, "preset": None}}).space.input_stem == ("conv3x3_32bnrelu",)


def test_a_preset_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"space\.preset must be one of .*got 'residal'; did you mean 'residual'\?"):
        from_mapping({"space": {"preset": "residal"}})


def test_a_stem_between_stages_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"space\.stage_stem\[0\].*did you mean 'down'\?"):
        NASSearchSpace(SpaceConfig(preset="residual", stage_stem=("dwn",)), np.random.default_rng(1))
