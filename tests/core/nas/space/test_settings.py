"""Settings as a part of a space's candidates: drawn, stepped through, told apart, and searched by every strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.config import Choice, ColonyConfig, Log, SpaceConfig
from hivenas.config.choices import Varied
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.feasibility import Feasibility
from hivenas.core.nas.space.outline import changes
from hivenas.core.nas.space.parameters import run_parameters, space_parameters
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes
from hivenas.core.strategies.kinds import make_strategy
from hivenas.core.tracker import NullTracker
from hivenas.errors import ArchitectureError
from tests.colonies import evaluations_of, fly
from tests.contracts import ArchitectureObjectiveContract
from tests.toy_objectives import TinyObjective

RATES = Log(0.001, 0.1, 5)
CHOICES: Mapping[str, Varied] = {
    "evaluation.batch_size": Choice([64, 32, 128]),
    "evaluation.initial_lr": RATES,
    "evaluation.schedule": Choice(["cosine", "constant", "exponential"]),
}
SPACE = SpaceConfig(depth=2, operations=("identity", "dropout", "batch_norm"))
SKIPS = SPACE.model_copy(update={"skip_rate": 0.4})
SUFFIX = ";batch_size=32;initial_lr=0.01;schedule=cosine"
ARCH = f"input|identity|dropout|output{SUFFIX}"


def space_of(config: SpaceConfig = SPACE, choices: Mapping[str, Varied] = CHOICES, **more: Any) -> NASSearchSpace:
    return NASSearchSpace(config, np.random.default_rng(1), choices=choices, **more)


class VariedObjective(TinyObjective):
    """A tiny objective with settings, of which one rate in the middle is the best."""

    def __init__(self, rng: np.random.Generator, config: SpaceConfig = SKIPS) -> None:
        super().__init__(rng)
        self.space = NASSearchSpace(config, rng, choices=CHOICES)

    def ranks(self) -> tuple[tuple[int, ...], ...]:
        return self.space.ranks()

    def _trained(self, arch: str, epochs: int) -> dict[str, Any]:
        found = super()._trained(arch, epochs)
        chosen = dict(self.space.parse(arch).settings)
        apart = abs(np.log10(float(chosen["initial_lr"])) + 2)
        return {**found, "fitness": found["fitness"] - 0.2 * float(apart) - 0.001 * int(chosen["batch_size"])}


class TestContract(ArchitectureObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> VariedObjective:
        return VariedObjective(rng)


class TestContractOfOneOperation(ArchitectureObjectiveContract):
    """Settings alone are neighbours enough."""

    def make_objective(self, rng: np.random.Generator) -> VariedObjective:
        return VariedObjective(rng, SPACE.model_copy(update={"operations": ("identity",)}))


@st.composite
def candidates(draw: st.DrawFn) -> tuple[NASSearchSpace, Chain]:
    space = space_of(draw(st.sampled_from([SPACE, SKIPS])))
    return space, space.parse(str(space.compose([draw(st.sampled_from(each)) for each in space.entries()])))


@settings(deadline=None, max_examples=50)
@given(drawn=candidates())
def test_a_candidate_is_its_string_and_every_neighbour_sees_it_as_one(drawn: tuple[NASSearchSpace, Chain]) -> None:
    space, chain = drawn
    candidate = chain.encode()
    assert decode(candidate, SPACE.choices) == space.parse(candidate) == chain
    assert space.compose(space.components(candidate)) == candidate
    bare = Chain(chain.operations, chain.skips)
    around = space.neighbors(candidate)
    without = NASSearchSpace(SKIPS if space.skip_rate else SPACE, np.random.default_rng(1)).neighbors(bare.encode())
    suffix = candidate.removeprefix(bare.encode())
    assert around[: len(without)] == [f"{neighbor}{suffix}" for neighbor in without]
    assert all(candidate in space.neighbors(neighbor) for neighbor in around)


def test_numbers_have_the_next_ones_as_neighbours_and_names_all_others() -> None:
    values = [dict(decode(each, SPACE.choices).settings) for each in space_of().neighbors(ARCH)[4:]]
    found = [(key, value[key]) for value in values for key in value if f";{key}={value[key]}" not in SUFFIX]
    assert found == [
        ("batch_size", "64"),
        ("initial_lr", "0.003162"),
        ("initial_lr", "0.03162"),
        ("schedule", "constant"),
        ("schedule", "exponential"),
    ]


def test_a_space_without_choices_draws_and_lists_what_it_always_did() -> None:
    for config in (SPACE, SKIPS):
        plain, same = NASSearchSpace(config, np.random.default_rng(3)), NASSearchSpace(config, np.random.default_rng(3))
        same.settings.draw(same.rng)
        assert [plain.sample() for _ in range(20)] == [same.sample() for _ in range(20)]
        assert not any(";" in each for each in plain.enumerate())
        assert not any(plain.ranks())


def test_the_size_counts_settings_and_enumerate_gives_every_candidate_once() -> None:
    space = space_of(SKIPS)
    assert (space.architectures, space.size) == (9 * 6, 9 * 6 * 45)
    assert len(set(space.enumerate())) == space.size
    assert all(space.parse(each).encode() == each for each in list(space.enumerate())[::97])


def test_settings_are_drawn_uniformly() -> None:
    space = space_of()
    drawn = Counter(dict(space.parse(space.sample()).settings)["initial_lr"] for _ in range(1000))
    assert set(drawn) == {"0.001", "0.003162", "0.01", "0.03162", "0.1"}
    assert min(drawn.values()) > 150


def test_limits_and_the_share_that_builds_are_of_architectures_whatever_their_settings() -> None:
    image = ((8, 8, 1), 10)
    config = SPACE.model_copy(update={"operations": ("identity", "conv3x3_8"), "max_params": 25_000})
    varied, plain = space_of(config, image=image), NASSearchSpace(config, np.random.default_rng(1), image=image)
    assert {each.partition(";")[0] for each in varied.enumerate()} == set(plain.enumerate())
    assert varied.share_within(200, np.random.default_rng(2)) == plain.share_within(200, np.random.default_rng(2))
    assert varied.sizes(f"input|identity|conv3x3_8|output{SUFFIX}") == plain.sizes("input|identity|conv3x3_8|output")
    space = space_of()
    sizes = NetworkSizes(space.reference, shape=image[0], classes=image[1], frame=space.frame)
    found = Feasibility.of(space, sizes, image[0])
    assert (found.size, found.share, found.counted) == (9, 1.0, True)


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ("input|identity|dropout|output", "ends in ;batch_size=…;initial_lr=…;schedule=…"),
        ("input|identity|dropout|output;batch_size=32", "ends in ;batch_size=…;initial_lr=…;schedule=…"),
        (
            "input|identity|dropout|output;initial_lr=0.01;batch_size=32;schedule=cosine",
            "ends in ;batch_size=…;initial_lr=…;schedule=…",
        ),
        (f"{ARCH};ema=0.9", "ends in ;batch_size=…;initial_lr=…;schedule=…"),
        (ARCH.replace("0.01", "0.02"), "must be one of 0.001, 0.003162, 0.01, 0.03162, 0.1 (evaluation.initial_lr)"),
        (ARCH.replace("0.01", "1e-2"), "got 1e-2"),
        (ARCH.replace("cosine", "Cosine"), "must be one of cosine, constant, exponential"),
        (f"{ARCH};", "must read ;key=value"),
        (f"input{SUFFIX}", "must read input|operation|…|output"),
    ],
)
def test_what_is_no_candidate_of_the_space_is_refused_in_a_line(arch: str, says: str) -> None:
    with pytest.raises(ArchitectureError) as error:
        space_of().parse(arch)
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_settings_are_refused_where_nothing_varies() -> None:
    with pytest.raises(ArchitectureError, match="has no settings"):
        NASSearchSpace(SPACE, np.random.default_rng(1)).parse(ARCH)


def test_every_setting_is_a_parameter_by_its_dotted_key() -> None:
    parameters = space_parameters(SPACE, CHOICES)
    assert parameters.choices["evaluation.batch_size"] == ("64", "32", "128")
    assert parameters.values(ARCH) == {
        "op_00": "identity",
        "op_01": "dropout",
        "evaluation.batch_size": "32",
        "evaluation.initial_lr": "0.01",
        "evaluation.schedule": "cosine",
    }
    chain = decode(ARCH, SPACE.choices)
    assert run_parameters(chain.operations, chain.skips, 3, chain.settings)["evaluation.initial_lr"] == "0.01"


def test_a_change_of_a_setting_is_named() -> None:
    one, other = (
        decode(each, SPACE.choices) for each in (ARCH, ARCH.replace("0.01", "0.1").replace("dropout", "identity"))
    )
    assert changes(one, other) == ["layer 2: dropout → identity", "initial_lr: 0.01 → 0.1"]


@pytest.mark.parametrize("kind", STRATEGY_KINDS)
def test_every_strategy_searches_settings_with_architectures(kind: str) -> None:
    rng = np.random.default_rng(4)
    objective = VariedObjective(rng)
    strategy = make_strategy(objective, ColonyConfig(kind=kind, size=6, iterations=12), rng)
    told = evaluations_of(fly(objective, strategy))
    rates = Counter(dict(objective.space.parse(str(each.candidate)).settings)["initial_lr"] for each in told)
    assert len(rates) == len(RATES.values)
    if kind != "random":
        later = Counter(dict(objective.space.parse(str(e.candidate)).settings)["initial_lr"] for e in told[-24:])
        assert later["0.01"] >= 6  # where a fifth of random ones have it


def test_the_interface_knows_of_settings_what_its_space_knows() -> None:
    interface = NASInterface(
        {"depth": 2, "operations": ["identity", "dropout"]},
        {"batch_size": Choice([32, 64]), "initial_lr": "!Log [0.001, 0.01, 3]", "seed": 3},
        tracker=NullTracker(),
    )
    sampled, info = interface.sample(), interface.describe()
    assert (info.size, info.parameters and list(info.parameters.choices)[2:]) == (
        24,
        ["evaluation.batch_size", "evaluation.initial_lr"],
    )
    assert interface.get_neighbor(sampled) in interface.neighbors(sampled)
    assert interface.ranks() == ((), (), (0, 1), (0, 1, 2))
    assert interface.run_params(sampled)["evaluation.batch_size"] in ("32", "64")
    assert interface.compose(interface.components(sampled)) == sampled
