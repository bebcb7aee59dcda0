"""The space of encoded architectures: sampling, neighbours, counting, and what is said of a foreign string."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.config import SpaceConfig, registry
from hivenas.config.presets import PRESETS
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.layer_sizes import DoesNotBuildError, Shape, Size
from hivenas.core.nas.space.operations import OpSpec, register_operation
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes, SizeGuards
from hivenas.errors import ArchitectureError, ConfigError, InputError

TINY = ("identity", "dropout", "batch_norm")

# Each of these is meant with and without skip connections, up to the published default.
CONFIGS = [
    SpaceConfig(depth=1, operations=TINY),
    SpaceConfig(depth=3, operations=TINY[:2]),
    SpaceConfig(depth=1, operations=TINY[:1], skip_rate=0.5),
    SpaceConfig(depth=3, operations=TINY[:1], skip_rate=0.5),
    SpaceConfig(depth=3, operations=TINY, skip_rate=0.3),
    SpaceConfig(depth=2, operations=TINY, skip_rate=1.0),
    SpaceConfig(),
    SpaceConfig(preset="layerwise"),
    SpaceConfig(preset="layerwise", skip_rate=0.25),
    SpaceConfig(preset="cells", depth=4, skip_rate=0.5),
]
SMALL = [config for config in CONFIGS if config.operations is not None]
ODD_KEYS = ("a.b", "c-d", "-", ".", "output.1", "sc", "3x3_")
ODD = SpaceConfig(depth=2, operations=ODD_KEYS, reference={key: {"op": "Identity"} for key in ODD_KEYS}, skip_rate=0.4)

IMAGE = ((7, 5, 3), 10)
# Of all pairs of these only five fit: those of two groups, and wide|groups_of_5, which has no neighbour that does.
LONELY = SpaceConfig(
    depth=2,
    operations=("wide", "groups_of_5", "groups_of_4", "groups_of_8"),
    reference={
        "wide": {"op": "Conv2D", "filters": 5, "kernel_size": [7, 7], "padding": "same"},
        **{f"groups_of_{n}": {"op": "GroupNormalization", "groups": n} for n in (4, 5, 8)},
    },
    max_params=8875,
)
LONELY_ONE = "input|wide|groups_of_5|output"
# Limits to parameters, to multiply-adds, to both, and by operations that do not build.
GUARDED = [
    SpaceConfig(depth=3, operations=(*TINY, "conv3x3_8"), max_params=3700),
    SpaceConfig(
        depth=3,
        operations=("identity", "conv1x1", "sep3x3_32"),
        max_macs=150_000,
        reference={"conv1x1": {"op": "Conv2D", "filters": 3, "kernel_size": 1}},
        skip_rate=0.3,
    ),
    SpaceConfig(depth=2, operations=(*TINY, "conv3x3_8"), max_params=4000, max_macs=120_000, skip_rate=0.5),
    SpaceConfig(
        depth=3,
        operations=("identity", "valid"),
        max_params=10**9,
        reference={"valid": {"op": "Conv2D", "filters": 3, "kernel_size": 3}},
        skip_rate=0.5,
    ),
    LONELY,
    LONELY.model_copy(update={"skip_rate": 0.2}),
]
_SEEDS = st.integers(0, 2**32 - 1)


def _space(config: SpaceConfig, seed: int = 1) -> NASSearchSpace:
    return NASSearchSpace(config, np.random.default_rng(seed), image=IMAGE)


def _without_limits(config: SpaceConfig) -> SpaceConfig:
    return config.model_copy(update={"max_params": None, "max_macs": None})


def _unguarded(config: SpaceConfig) -> NASSearchSpace:
    return _space(_without_limits(config))


def _within(config: SpaceConfig) -> dict[str, Chain]:
    """Every architecture of a small space and its chain, filtered one by one."""
    space = _unguarded(config)
    chains = {arch: space.parse(arch) for arch in space.enumerate()}
    if config.max_params is None and config.max_macs is None:
        return chains
    shape, classes = IMAGE
    sizes = NetworkSizes(
        space.reference,
        shape=shape,
        classes=classes,
        frame=Frame.of(config),
    )
    guards = SizeGuards(sizes, config.max_params, config.max_macs)
    return {arch: chain for arch, chain in chains.items() if guards.admits(chain)}


@st.composite
def chains(draw: st.DrawFn, config: SpaceConfig) -> Chain:
    """Any chain of a space without guards, not only what `sample` gives."""
    operations = config.choices
    drawn = draw(st.lists(st.sampled_from(operations), min_size=config.depth, max_size=config.depth))
    spans = [draw(st.integers(0, config.depth - layer)) if config.skip_rate else 0 for layer in range(config.depth)]
    return Chain(tuple(drawn), tuple(spans))


def _components_changed(one: Chain, other: Chain) -> int:
    operations = sum(a != b for a, b in zip(one.operations, other.operations, strict=True))
    return operations + sum(a != b for a, b in zip(one.skips, other.skips, strict=True))


@settings(deadline=None, max_examples=100)
@given(config=st.sampled_from([*CONFIGS, ODD, *GUARDED]), seed=_SEEDS)
def test_a_sample_decodes_and_encodes_to_itself(config: SpaceConfig, seed: int) -> None:
    space = _space(config, seed)
    arch = space.sample()
    chain = space.parse(arch)
    assert chain.encode() == arch
    assert "|".join(["input", *space.eval_format(arch), "output"]) == arch
    assert len(chain.operations) == len(chain.skips) == config.depth
    assert set(chain.operations) <= set(space.operations)
    assert all(0 <= span <= config.depth - layer for layer, span in enumerate(chain.skips))


@settings(deadline=None, max_examples=150)
@given(data=st.data(), config=st.sampled_from([*CONFIGS, ODD]))
def test_every_chain_encodes_to_an_architecture_that_decodes_to_it(data: st.DataObject, config: SpaceConfig) -> None:
    chain = data.draw(chains(config))
    space = _space(config)
    assert space.parse(chain.encode()) == decode(chain.encode(), space.reference) == chain
    components = space.eval_format(chain.encode())
    assert [part for part in components if not part.startswith("sc_")] == list(chain.operations)
    assert len(components) == config.depth + sum(span > 0 for span in chain.skips)


@settings(deadline=None, max_examples=80)
@given(data=st.data(), config=st.sampled_from([*CONFIGS, ODD]))
def test_every_neighbor_differs_in_exactly_one_component_and_sees_its_origin_as_a_neighbor(
    data: st.DataObject, config: SpaceConfig
) -> None:
    space = _space(config)
    arch = data.draw(chains(config)).encode()
    neighbors = space.neighbors(arch)
    assert arch not in neighbors
    assert len(set(neighbors)) == len(neighbors)
    for neighbor in neighbors:
        assert _components_changed(space.parse(arch), space.parse(neighbor)) == 1
        assert arch in space.neighbors(neighbor)


@settings(deadline=None, max_examples=100)
@given(config=st.sampled_from([*CONFIGS, ODD, *GUARDED]), seed=_SEEDS)
def test_get_neighbor_gives_one_of_the_neighbors(config: SpaceConfig, seed: int) -> None:
    space = _space(config, seed)
    arch = space.sample()
    for _ in range(5):
        neighbor = space.get_neighbor(arch)
        assert neighbor in space.neighbors(arch)
        assert arch in space.neighbors(neighbor)
        arch = neighbor


@pytest.mark.parametrize("config", [*SMALL, ODD], ids=str)
def test_enumerate_gives_every_architecture_once(config: SpaceConfig) -> None:
    space = _space(config)
    architectures = list(space.enumerate())
    assert len(architectures) == len(set(architectures)) == space.size
    assert all(space.parse(arch).encode() == arch for arch in architectures)


@pytest.mark.parametrize("config", [*SMALL, ODD], ids=str)
def test_every_architecture_can_be_reached_through_neighbors(config: SpaceConfig) -> None:
    space = _space(config)
    start = next(space.enumerate())
    reached, border = {start}, [start]
    while border:
        border = [n for arch in border for n in space.neighbors(arch) if n not in reached]
        border = list(dict.fromkeys(border))
        reached.update(border)
    assert reached == set(space.enumerate())


@pytest.mark.parametrize("config", [*SMALL, ODD, *GUARDED], ids=str)
def test_neighbors_are_all_the_architectures_one_component_away(config: SpaceConfig) -> None:
    space = _space(config)
    within = _within(config)
    for arch, chain in within.items():
        expected = [other for other, its in within.items() if _components_changed(chain, its) == 1]
        assert sorted(space.neighbors(arch)) == sorted(expected)


@pytest.mark.parametrize("config", GUARDED, ids=str)
def test_a_guarded_space_is_what_a_filter_leaves(config: SpaceConfig) -> None:
    space, within = _space(config), _within(config)
    assert list(space.enumerate()) == list(within)
    assert 0 < len(within) < space.size == _unguarded(config).size
    assert space.bounded
    assert not _unguarded(config).bounded
    for arch in _unguarded(config).enumerate():
        if arch not in within:
            with pytest.raises(ArchitectureError, match=r"space\.max_(params|macs)"):
                space.parse(arch)


@pytest.mark.slow
@pytest.mark.parametrize("config", GUARDED, ids=str)
def test_samples_cover_a_guarded_space_but_for_what_has_no_neighbor(config: SpaceConfig) -> None:
    space, within = _space(config), _within(config)
    expected = {arch for arch in within if space.neighbors(arch)}
    assert {space.sample() for _ in range(150 * len(within))} == expected


def test_an_architecture_within_the_guards_without_a_neighbor_within_is_never_come_to() -> None:
    space = _space(LONELY)
    assert LONELY_ONE in set(space.enumerate())
    assert space.neighbors(LONELY_ONE) == []
    assert LONELY_ONE not in {space.sample() for _ in range(300)}
    with pytest.raises(ArchitectureError, match=r"needs a neighbour within space.max_params=8,875, got .*; raise"):
        space.get_neighbor(LONELY_ONE)


@pytest.mark.parametrize("config", GUARDED, ids=str)
def test_the_share_within_is_that_of_the_whole_space(config: SpaceConfig) -> None:
    share, draws = len(_within(config)) / _unguarded(config).size, 4000
    estimate = _space(config).share_within(draws, np.random.default_rng(1))
    # Five standard deviations of a binomial share.
    assert abs(estimate - share) < 5 * (share * (1 - share) / draws) ** 0.5


def test_guards_that_admit_everything_change_nothing_but_what_is_asked_of_them() -> None:
    config = SpaceConfig(depth=3, skip_rate=0.3)
    free, guarded = _space(config), _space(config.model_copy(update={"max_macs": 10**12}))
    for _ in range(20):
        arch = free.sample()
        assert guarded.sample() == arch
        assert guarded.neighbors(arch) == free.neighbors(arch)
        assert guarded.get_neighbor(arch) == free.get_neighbor(arch)
    assert guarded.share_within(100, np.random.default_rng(1)) == free.share_within(1, np.random.default_rng(1)) == 1


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        ({"max_params": 1000}, r"space\.max_params=1,000 .* none among 10,000 .* smallest has 1,290 trainable param"),
        ({"max_macs": 10}, r"space\.max_macs=10 .* smallest has 30,560 multiply-adds\); raise the limit"),
        ({"max_params": 10, "max_macs": 20}, r"max_params=10 and space\.max_macs=20 .*parameters and .* multiply-adds"),
        (
            {"max_params": 10, "input_stem": ("huge",)},
            r"'huge', which builds on none \(it does not fit, on 7×5×3\)",
        ),
        # Each fits the images and none what the other leaves of them.
        ({"max_params": 10, "operations": ("large", "larger")}, r"none of them builds\); raise"),
        # What fits has no neighbour that fits.
        ({"depth": 1, "operations": ("identity",), "skip_rate": 0.5, "max_params": 1290}, r"smallest has 1,290"),
    ],
    ids=str,
)
def test_guards_that_leave_next_to_nothing_are_refused_at_once(settings_: dict[str, object], says: str) -> None:
    sizes = {"large": 4, "larger": 5, "huge": 9}
    own = {key: {"op": "Conv2D", "filters": 4, "kernel_size": size} for key, size in sizes.items()}
    config = SpaceConfig(depth=2, operations=TINY, reference=own)
    with pytest.raises(ConfigError, match=says):
        _space(config.model_copy(update=settings_))


def test_guards_need_to_know_the_images() -> None:
    with pytest.raises(ConfigError, match="need the shape of the images and the number of classes"):
        NASSearchSpace(SpaceConfig(max_params=10**6), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (SpaceConfig(), 9**6),
        (SpaceConfig(preset="layerwise", skip_rate=0.1), 10**5 * 720),
        (SpaceConfig(preset="cells", depth=3), 6**3),
        (SpaceConfig(depth=1, operations=TINY[:1], skip_rate=0.5), 2),
        (SpaceConfig(preset="layerwise", depth=30), 10**30),
    ],
    ids=str,
)
def test_the_size_is_exact(config: SpaceConfig, size: int) -> None:
    assert _space(config).size == size


@pytest.mark.parametrize("config", [*CONFIGS, *GUARDED], ids=str)
def test_the_same_seed_gives_the_same_sequence(config: SpaceConfig) -> None:
    def walk(seed: int) -> list[str]:
        space = _space(config, seed)
        samples = [space.sample() for _ in range(20)]
        return samples + [space.get_neighbor(arch) for arch in samples]

    assert walk(7) == walk(7)
    assert walk(7) != walk(8)


def test_skip_rate_zero_gives_no_skip_connection_and_one_gives_one_at_every_layer() -> None:
    never, always = _space(SpaceConfig(depth=4)), _space(SpaceConfig(depth=4, skip_rate=1.0))
    for _ in range(50):
        assert not any(never.parse(never.sample()).skips)
        assert all(always.parse(always.sample()).skips)


def test_skip_connections_start_at_the_configured_rate_with_every_legal_span_alike() -> None:
    space = _space(SpaceConfig(depth=3, skip_rate=0.3), seed=3)
    draws = 6000
    by_layer: list[Counter[int]] = [Counter(), Counter(), Counter()]
    for _ in range(draws):
        for layer, span in enumerate(space.parse(space.sample()).skips):
            by_layer[layer][span] += 1
    for layer, counts in enumerate(by_layer):
        spans = 3 - layer
        assert set(counts) == set(range(spans + 1))
        for span in range(1, spans + 1):
            # Five standard deviations of a binomial count.
            expected = draws * 0.3 / spans
            assert abs(counts[span] - expected) < 5 * expected**0.5


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_sampled_operations_are_uniform_at_every_layer(rate: float) -> None:
    space = _space(SpaceConfig(depth=3, skip_rate=rate), seed=5)
    draws = 5000
    counts = Counter(
        (layer, operation)
        for _ in range(draws)
        for layer, operation in enumerate(space.parse(space.sample()).operations)
    )
    expected = draws / len(space.operations)
    assert len(counts) == 3 * len(space.operations)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_neighbors_are_drawn_uniformly() -> None:
    space = _space(SpaceConfig(depth=2, operations=TINY, skip_rate=0.5), seed=9)
    arch = "input|sc_2|identity|dropout|output"
    draws = 4000
    counts = Counter(space.get_neighbor(arch) for _ in range(draws))
    expected = draws / len(space.neighbors(arch))
    assert set(counts) == set(space.neighbors(arch))
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_a_skip_connection_can_be_removed_added_and_respanned() -> None:
    space = _space(SpaceConfig(depth=2, operations=TINY[:2], skip_rate=0.5))
    assert sorted(space.neighbors("input|sc_1|identity|dropout|output")) == [
        "input|identity|dropout|output",
        "input|sc_1|dropout|dropout|output",
        "input|sc_1|identity|identity|output",
        "input|sc_1|identity|sc_1|dropout|output",
        "input|sc_2|identity|dropout|output",
    ]


# Depth 3 with skip connections; the string, and what the message must say of it.
MALFORMED = [
    ("", ["input|operation|…|output", "got ''"]),
    ("input|output", ["at least one operation", "'input|output'"]),
    ("identity|dropout|identity", ["input|operation|…|output", "'identity|dropout|identity'"]),
    ("input|identity|dropout|identity", ["input|operation|…|output"]),
    ("identity|identity|dropout|output", ["input|operation|…|output"]),
    ("INPUT|identity|identity|identity|output", ["input|operation|…|output"]),
    ("input||identity|identity|output", ["component 1 ('')", "choose among identity, dropout, batch_norm; or sc_k"]),
    ("input|identity|dropuot|identity|output", ["component 2 ('dropuot')", "did you mean 'dropout'?", "choose among"]),
    ("input|identity|identity|sep3x3_64|output", ["component 3 ('sep3x3_64')", "choose among identity, dropout"]),
    ("input|identity|input|identity|output", ["component 2 ('input')"]),
    ("input| identity|identity|identity|output", ["component 1 (' identity')", "did you mean 'identity'?"]),
    ("input|sc_0|identity|identity|identity|output", ["component 1 ('sc_0')", "whole number k ≥ 1"]),
    ("input|sc_-1|identity|identity|identity|output", ["component 1 ('sc_-1')", "whole number k ≥ 1"]),
    ("input|sc_01|identity|identity|identity|output", ["component 1 ('sc_01')", "whole number k ≥ 1"]),
    ("input|sc_|identity|identity|identity|output", ["component 1 ('sc_')", "whole number k ≥ 1"]),
    ("input|identity|sc_x|identity|identity|output", ["component 2 ('sc_x')", "whole number k ≥ 1"]),
    ("input|identity|sc_²|identity|identity|output", ["component 2 ('sc_²')", "whole number k ≥ 1"]),
    ("input|identity|sc_٢|identity|identity|output", ["component 2 ('sc_٢')", "whole number k ≥ 1"]),
    ("input|sc_4|identity|identity|identity|output", ["component 1 ('sc_4')", "3 follow", "sc_1 … sc_3"]),
    ("input|identity|identity|sc_2|identity|output", ["component 3 ('sc_2')", "1 follow", "sc_1 … sc_1"]),
    ("input|identity|identity|identity|sc_1|output", ["component 4 ('sc_1')", "no skip connection"]),
    ("input|sc_1|sc_2|identity|identity|identity|output", ["component 2 ('sc_2')", "at most one skip connection"]),
    ("input|identity|identity|output", ["has 3 operations (space.depth), got 2"]),
    ("input|identity|identity|identity|identity|output", ["has 3 operations (space.depth), got 4"]),
]


@pytest.mark.parametrize(("arch", "says"), MALFORMED, ids=[arch for arch, _ in MALFORMED])
def test_a_malformed_architecture_is_refused_with_component_position_and_choices(arch: str, says: list[str]) -> None:
    space = _space(SpaceConfig(depth=3, operations=TINY, skip_rate=0.5))
    for refuse in (space.parse, space.eval_format, space.neighbors, space.get_neighbor):
        with pytest.raises(ArchitectureError) as caught:
            refuse(arch)
        assert all(text in str(caught.value) for text in says)
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)


def test_a_skip_connection_is_refused_in_a_space_without_them() -> None:
    space = _space(SpaceConfig(depth=2, operations=TINY))
    with pytest.raises(ArchitectureError, match=r"skip connections are off in this space \(space.skip_rate: 0\)"):
        space.parse("input|sc_1|identity|identity|output")


@settings(deadline=None, max_examples=200)
@given(parts=st.lists(st.sampled_from(["input", "output", "sc_1", "sc_2", "sc_", "identity", "dropout", "x", ""])))
def test_a_string_is_decoded_exactly_or_refused_on_purpose(parts: list[str]) -> None:
    arch = "|".join(["input", *parts, "output"])
    try:
        chain = decode(arch, TINY)
    except ArchitectureError as refused:
        message = str(refused)
    else:
        message = repr(chain.encode())
    assert repr(arch) in message


def test_decode_takes_any_depth() -> None:
    assert decode("input|identity|sc_2|dropout|identity|output", TINY) == Chain(
        ("identity", "dropout", "identity"), (0, 2, 0)
    )


def test_a_space_without_neighbors_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"space\.operations=\['identity'\] with skip_rate=0; add an operation or set"
    ):
        _space(SpaceConfig(operations=("identity",)))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            SpaceConfig(operations=("identity", "dropuot")),
            r"space\.operations\[1\].*'dropuot'; did you mean 'dropout'\?",
        ),
        (SpaceConfig(input_stem=("conv3x3_32bnrel",)), r"space\.input_stem\[0\].*did you mean 'conv3x3_32bnrelu'\?"),
        (
            SpaceConfig(output_stem=("identity", "max")),
            r"space\.output_stem\[1\] must name a known operation, got 'max'",
        ),
        (
            SpaceConfig(reference={"mine": {"op": "Conv2d"}}),
            r"space\.reference\.mine\.op.*'Conv2d'; did you mean 'Conv2D'",
        ),
    ],
    ids=["operations", "input stem", "output stem", "reference"],
)
def test_an_unknown_operation_is_refused_where_it_stands(config: SpaceConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _space(config)


def test_operations_replace_the_preset_and_may_be_defined_by_the_user() -> None:
    assert _space(SpaceConfig()).operations == PRESETS["residual"].operations
    assert _space(SpaceConfig(preset="cells")).operations == PRESETS["cells"].operations
    own = SpaceConfig(operations=("mine", "identity"), reference={"mine": {"op": "Dense", "units": 4}})
    assert _space(own).operations == ("mine", "identity")
    assert _space(own).parse("input|mine|mine|mine|mine|mine|output").operations == ("mine",) * 5


def test_operations_are_defined_as_a_configuration_writes_them() -> None:
    own = {"op": "Conv2D", "filters": 4, "kernel_size": [3, 3]}
    space = NASSearchSpace(
        SpaceConfig(operations=("own", "identity"), reference={"own": own}), np.random.default_rng(1)
    )
    assert space.definitions() == {"own": own, "identity": {"op": "Identity"}}


def test_an_operation_that_builds_nowhere_is_refused_with_what_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("Broken", print)
    register_operation("Sound", print)

    def measure(spec: OpSpec, shape: Shape) -> Size:
        if spec.op == "Broken" or shape[2] > 3:
            raise DoesNotBuildError("TypeError: broken() takes no filters")
        return Size((*shape[:2], 3), 1, 1)

    def space(operations: tuple[str, ...], *input_stem: str) -> NASSearchSpace:
        own: dict[str, dict[str, Any]] = {
            "a": {"op": "Broken"},
            "b": {"op": "Sound"},
            "large": {"op": "DepthwiseConv2D", "kernel_size": 9},
        }
        config = SpaceConfig(depth=3, operations=operations, input_stem=input_stem, reference=own, max_params=10**6)
        return NASSearchSpace(config, np.random.default_rng(1), image=((8, 8, 1), 10), measure=measure)

    reason = r"got 'a', which builds on none \(TypeError: broken\(\) takes no filters, on 8×8×"
    for operations, stem in ((("identity", "a", "b"), ()), (("a", "identity"), ()), (("identity", "b"), ("a",))):
        with pytest.raises(ConfigError, match=reason):
            space(operations, *stem)
    with pytest.raises(ConfigError, match=r"'large', which builds on none \(it does not fit, on 8×8×1\)"):
        space(("identity", "large"))
    assert space(("identity", "b")).bounded
    assert space(("conv3x3_8", "b")).bounded  # b builds at the front and not behind


@pytest.mark.parametrize("config", [SpaceConfig(depth=3, operations=TINY, skip_rate=0.5), SpaceConfig(depth=3)])
def test_components_are_the_operations_and_where_they_are_on_the_skip_connections(config: SpaceConfig) -> None:
    space = _space(config)
    for _ in range(30):
        arch = space.sample()
        components, chain = space.components(arch), space.parse(arch)
        assert components[:3] == chain.operations
        spans = [int(entry.removeprefix("sc_") or 0) for entry in components[3:]]
        assert spans == (list(chain.skips) if config.skip_rate else [])
        assert all(f"|{entry}|" in arch for entry in components if entry)


@pytest.mark.parametrize("config", GUARDED[:3])
def test_sizes_are_what_limits_compare_with_and_unknown_without_any(config: SpaceConfig) -> None:
    space = _space(config)
    arch = space.sample()
    bare = NASSearchSpace(_without_limits(config), np.random.default_rng(1))
    assert bare.sizes(arch) == ()
    bare.set_image(IMAGE)
    assert bare.sizes(arch) == space.sizes(arch)
    costs = _unguarded(config).costs(arch)
    assert costs == space.costs(arch) == dict(zip(("params", "macs"), space.sizes(arch), strict=True))
    assert bare.costs(arch) == {}
    for key, figure in zip(("max_params", "max_macs"), space.sizes(arch), strict=True):
        limits = {"max_params": None, "max_macs": None, key: int(figure)}
        _space(config.model_copy(update=limits)).parse(arch)
        with pytest.raises(ArchitectureError, match=f"got {int(figure):,} in"):
            _space(config.model_copy(update=limits | {key: int(figure) - 1})).parse(arch)
