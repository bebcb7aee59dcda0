"""The table of strategies, and those that users register."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas import register_strategy
from hivenas.config import STRATEGY_KINDS, ColonyConfig, EvaluationConfig, StrategyKind, from_mapping, registry
from hivenas.config.costs import COSTS, Cost
from hivenas.core.colony.canonical import ArtificialBeeColony
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.strategies.evolution import RegularizedEvolution
from hivenas.core.strategies.kinds import make_strategy, refuse_weighing
from hivenas.core.strategies.phased import PhasedStrategy
from hivenas.core.strategies.random_search import RandomSearch
from hivenas.core.strategy import Strategy, StrategyClass
from hivenas.errors import ConfigError
from hivenas.objectives.numerical import Sphere
from tests.colonies import fly, proposals_of
from tests.strategy_contract import PointsContract
from tests.toy_objectives import CurvedObjective, TinyObjective

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.STRATEGIES, "_entries", {})


class Walk:
    """A strategy of somebody's own: one step at a time from the latest candidate."""

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
    ) -> None:
        self._objective, self._rng = objective, rng
        self._size, self._budget = config.size, config.size * config.iterations
        self._known: set[str] = set()
        self._count = self._reused = 0
        self._next: Any = None

    def ask(self) -> list[Proposal]:
        if self._count + self._reused >= self._budget:
            return []
        if self._next is None:
            self._next = self._objective.sample()
        iteration = (self._count + self._reused) // self._size
        return [Proposal(self._count, iteration, "step", 0, self._next, known=self._count)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        for evaluation in evaluations:
            asked = self.ask()
            if [evaluation.candidate] != [proposal.candidate for proposal in asked] or len(evaluations) > 1:
                raise ValueError(f"these are no evaluations of the first of the {len(asked)} proposals")
            self._count += 1
            self._known.add(str(evaluation.candidate))
            self._next = self._objective.get_neighbor(evaluation.candidate)
            while str(self._next) in self._known and self._count + self._reused < self._budget:
                self._next = self._objective.get_neighbor(self._next)
                self._reused += 1

    def state(self) -> dict[str, Any]:
        iteration = (self._count + self._reused) // self._size
        counts = {"evaluations": self._count, "iteration": iteration, "reused": self._reused}
        return {**counts, "next": self._next, "rng": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, Any], evaluations: Iterable[Evaluation]) -> None:
        self._known = {str(evaluation.candidate) for evaluation in evaluations}
        self._count, self._reused = state["evaluations"], state["reused"]
        self._next = tuple(state["next"]) if isinstance(state["next"], list) else state["next"]
        self._rng.bit_generator.state = state["rng"]


@pytest.mark.parametrize("kind", STRATEGY_KINDS)
def test_a_kind_is_what_its_record_says(kind: str) -> None:
    record = STRATEGY_KINDS[kind]
    assert record.name == kind
    assert re.fullmatch(r"[^A-Z.][^.]*", record.description)
    rng = np.random.default_rng(1)
    objective = TinyObjective(rng)
    strategy = make_strategy(objective, ColonyConfig(kind=kind, iterations=2), rng, EvaluationConfig(momentum_epochs=4))
    assert isinstance(strategy, Strategy)
    assert isinstance(strategy, PhasedStrategy)
    assert f"{type(strategy).__module__}:{type(strategy).__name__}" == record.path
    assert strategy.kind == strategy.state()["kind"] == kind
    assert strategy.overlaps == record.overlaps
    assert [phase.phase for phase in fly(objective, strategy)] == [*strategy.phases, "momentum"] * 2


@pytest.mark.parametrize(
    ("kind", "over_architectures", "over_points"),
    [
        ("guided", GuidedBeeColony, ArtificialBeeColony),
        ("canonical", ArtificialBeeColony, ArtificialBeeColony),
        ("random", RandomSearch, RandomSearch),
        ("evolution", RegularizedEvolution, RegularizedEvolution),
    ],
)
def test_where_components_are_needed_and_missing_the_fallback_searches(
    kind: str, over_architectures: type, over_points: type
) -> None:
    rng = np.random.default_rng(1)
    config = ColonyConfig(kind=kind)
    assert type(make_strategy(TinyObjective(rng), config, rng)) is over_architectures
    assert type(make_strategy(Sphere(2, rng=rng), config, rng)) is over_points
    assert STRATEGY_KINDS[kind].needs_components == (over_architectures is not over_points)


@pytest.mark.parametrize(("kind", "said"), [("guided", True), ("random", False), ("evolution", False)])
def test_an_overlap_that_the_fallback_does_not_have_is_said(
    caplog: pytest.LogCaptureFixture, kind: str, said: bool
) -> None:
    rng = np.random.default_rng(1)
    make_strategy(TinyObjective(rng), ColonyConfig(kind=kind, overlap=2), rng)
    assert not caplog.text
    make_strategy(Sphere(2, rng=rng), ColonyConfig(kind=kind, overlap=2), rng)
    assert ("colony.overlap=2 is not used: over numbers colony.kind: guided is canonical" in caplog.text) is said


# -- a cost that is weighed ---------------------------------------------------------------------------------------


class Weighing(RandomSearch):
    """Is told of a cost."""

    cost: Cost | None = None

    def weigh(self, cost: Cost) -> None:
        self.cost = cost


def test_a_strategy_that_weighs_is_told_of_the_cost_and_others_search_as_they_do_without() -> None:
    register_strategy("weighing", Weighing)
    made = [_made("weighing", *costs)[1] for costs in ((COSTS["params"],), ())]
    assert [strategy.cost for strategy in made] == [COSTS["params"], None]
    for kind, record in STRATEGY_KINDS.items():
        weighed, alone = (fly(*_made(kind, *costs)) for costs in ((COSTS["params"],), ()))
        assert (proposals_of(weighed) != proposals_of(alone)) == record.weighs


def test_a_strategy_is_told_of_as_many_costs_as_it_takes_and_more_are_refused() -> None:
    class All(Weighing):
        def weigh(self, *costs: Cost) -> None:
            self.told = costs

    register_strategy("weighing", Weighing)
    register_strategy("all", All)
    both = (COSTS["params"], COSTS["macs"])
    for kind, costs in (("weighing", both[:1]), ("weighing", ()), ("all", both), ("random", both), ("guided", both)):
        refuse_weighing(kind, costs)
    with pytest.raises(ConfigError, match=r"^objectives must name as many costs as the method weigh of .*=weighing"):
        refuse_weighing("weighing", both)
    assert _made("all", *both)[1].told == both
    weighed = [proposals_of(fly(*_made("guided", *costs))) for costs in (both, both[:1])]
    assert weighed[0] != weighed[1]


def test_on_a_ladder_the_front_goes_on_first() -> None:
    ladder = EvaluationConfig(epochs=20, stopping="ladder")
    told = []
    for costs in ((COSTS["params"],), ()):
        rng = np.random.default_rng(1)
        objective = CurvedObjective(rng, 20)
        strategy = make_strategy(objective, ColonyConfig(kind="random", iterations=4), rng, ladder, costs=costs)
        told.append(proposals_of(fly(objective, strategy)))
    first, later = (
        [[p.candidate for p in each if bool(p.momentum_epochs) == more] for each in told] for more in (0, 1)
    )
    assert first[0] == first[1]
    assert later[0] != later[1]
    assert sum(map(len, later[0])) > 0


def _made(kind: str, *costs: Cost) -> tuple[TinyObjective, Any]:
    rng = np.random.default_rng(1)
    objective = TinyObjective(rng)
    return objective, make_strategy(objective, ColonyConfig(kind=kind, iterations=3), rng, costs=costs)


# -- of one's own -------------------------------------------------------------------------------------------------


def test_a_registered_strategy_is_what_the_configuration_asks_for() -> None:
    with pytest.raises(ConfigError, match=r"colony\.kind must be one of .*, evolution or registered, got 'walk'"):
        from_mapping({"colony": {"kind": "walk"}})
    assert register_strategy("walk")(Walk) is Walk
    config = from_mapping({"colony": {"kind": "walk", "overlap": 2, "iterations": 3}}).colony
    with pytest.raises(ConfigError, match=r"evolution, walk or registered, got 'wolk'; did you mean 'walk'\?"):
        from_mapping({"colony": {"kind": "wolk"}})
    rng = np.random.default_rng(1)
    objective = TinyObjective(rng)
    strategy = make_strategy(objective, config, rng)
    assert type(strategy) is Walk
    assert sum(len(phase.proposals) for phase in fly(objective, strategy)) + strategy.state()["reused"] == 21


def test_the_same_name_may_be_registered_anew_by_its_module_and_a_built_in_one_by_nobody() -> None:
    register_strategy("walk", Walk)
    register_strategy("walk", RandomSearch)
    assert registry.STRATEGIES["walk"] is RandomSearch
    assert registry.registered_modules() == (__name__,)
    for name in STRATEGY_KINDS:
        with pytest.raises(ConfigError, match=f"'{name}' is built in, so a strategy cannot take the name"):
            register_strategy(name, Walk)


class Half:
    def __init__(self, objective: Any, config: Any, rng: Any, *, momentum_epochs: int = 0) -> None: ...
    def ask(self) -> list[Proposal]:
        return []

    def state(self) -> dict[str, Any]:
        return {}


class Careless(Walk):
    def __init__(self, objective: Any, config: Any, rng: Any) -> None: ...


class Demanding(Walk):
    def __init__(self, objective: Any, config: Any, rng: Any, depth: int, *, momentum_epochs: int = 0) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (print, "the strategy 'mine' must be a class, got <built-in function print>; pass the class itself"),
        (Half, "must have the methods ask, tell, state, restore, got Half without tell, restore; add them"),
        (Careless, r"must take (objective, config, rng, *, momentum_epochs=0), got (objective: .*momentum_epochs"),
        (Demanding, r"got (objective: .*depth"),
    ],
)
def test_what_is_no_strategy_is_refused_when_it_is_registered(wrong: Any, says: str) -> None:
    pattern = says.replace("(", r"\(").replace(")", r"\)").replace(" *,", r" \*,")
    with pytest.raises(ConfigError, match=pattern):
        register_strategy("mine", wrong)
    assert "mine" not in registry.STRATEGIES


def test_a_strategy_is_registered_by_name() -> None:
    with pytest.raises(ConfigError, match=r"registered by name, got .*Walk.*; write @register_strategy\('my_name'\)"):
        register_strategy(Walk)  # type: ignore[call-overload]


@pytest.mark.slow  # the colony goes through the same contract in the fast lane
class TestWalkContract(PointsContract):
    """The contract is anyone's: it asks for nothing but the protocol."""

    continues = False

    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> Strategy:
        made: StrategyClass = Walk
        return made(objective, config, rng, momentum_epochs=momentum_epochs)


@pytest.mark.parametrize("record", STRATEGY_KINDS.values(), ids=STRATEGY_KINDS)
def test_the_documentation_has_every_kind_with_its_description(record: StrategyKind) -> None:
    concepts = (ROOT / "docs/concepts/colony.md").read_text(encoding="utf-8")
    assert f"| `{record.name}` | {record.description} |" in concepts
    comment = (
        (ROOT / "conf/default.yaml").read_text(encoding="utf-8").partition("  kind: guided")[2].partition("  size:")[0]
    )
    assert f" {record.name}" in comment


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize(("kind", "overlap"), [("random", 2), ("evolution", 2), ("random", 0), ("canonical", 0)])
def test_the_best_point_is_the_best_of_all_that_were_told(kind: str, overlap: int, minimize: bool) -> None:
    rng = np.random.default_rng(1)
    objective = Sphere(2, rng=rng, minimize=minimize)
    strategy = make_strategy(objective, ColonyConfig(kind=kind, size=6, iterations=4, overlap=overlap), rng)
    assert isinstance(strategy, PhasedStrategy)
    told: list[float] = []
    while proposals := strategy.ask():
        evaluations = [objective.run(proposal) for proposal in proposals]
        strategy.tell(evaluations)
        told += [evaluation.fitness for evaluation in evaluations]
        assert strategy.best
        assert strategy.best.fitness == (min if minimize else max)(told)
