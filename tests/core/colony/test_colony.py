"""The Artificial Bee Colony, driven as a machine: asked for proposals and told what came of them.

The golden run in `tests/golden/colony_run.json` changes only where the algorithm or the order of its draws does. Where
that is meant, write it anew and review the difference:

    python -c "from tests.core.colony.test_colony import write_golden; write_golden()"
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.benchmarks.numerical import Rosenbrock, Sphere
from hivenas.config import ColonyConfig, SpaceConfig
from hivenas.core.colony.colony import ArtificialBeeColony
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.evaluation import Evaluation, Proposal, Status
from hivenas.core.objective_interface import ObjectiveInterface
from hivenas.core.records import Row
from hivenas.core.seeds import arch_hash
from hivenas.errors import ConfigError
from tests.contracts import ArchitectureObjectiveContract
from tests.objectives import EPOCHS, SMALL_SPACE, TinyObjective

GOLDEN = Path(__file__).parents[2] / "golden" / "colony_run.json"

Make = Callable[[np.random.Generator], ObjectiveInterface]


class TestTinyObjectiveContract(ArchitectureObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> TinyObjective:
        return TinyObjective(rng)


@dataclass
class Told:
    """A phase of a run: what was asked, and what was told."""

    phase: str
    proposals: list[Proposal]
    evaluations: list[Evaluation]


def _colony(make: Make, config: ColonyConfig, seed: int = 1, *, momentum: int = 0) -> tuple[Any, ArtificialBeeColony]:
    rng = np.random.default_rng(seed)
    objective = make(rng)
    return objective, ArtificialBeeColony(objective, config, rng, momentum_epochs=momentum)


def _fly(objective: ObjectiveInterface, colony: ArtificialBeeColony) -> list[Told]:
    """Flies the colony to its end."""
    told = []
    while proposals := colony.ask():
        phase = str(colony.state()["phase"])
        evaluations = [objective.run(proposal) for proposal in proposals]
        colony.tell(evaluations)
        told.append(Told(phase, proposals, evaluations))
    return told


def _evaluations(told: Sequence[Told]) -> list[Evaluation]:
    return [evaluation for phase in told for evaluation in phase.evaluations]


def _answer(
    colony: ArtificialBeeColony, *fitness: float, status: Status = "complete", **details: Any
) -> list[Proposal]:
    """Tells the colony these values for the proposals of its phase."""
    proposals = colony.ask()
    evaluations = [Evaluation(p.candidate, status, f, **details) for p, f in zip(proposals, fitness, strict=True)]
    colony.tell(evaluations)
    return proposals


def _trials(colony: ArtificialBeeColony) -> list[int]:
    return [source.trials for source in colony.sources]


# -- food sources -------------------------------------------------------------------------------------------------


def test_the_first_phase_evaluates_a_scouts_source_for_every_employee() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=7))
    sources = [source.candidate for source in colony.sources]
    proposals = colony.ask()
    assert [p.candidate for p in proposals] == sources
    assert [(p.index, p.iteration, p.bee, p.bee_id, p.center_fitness) for p in proposals] == [
        (0, 0, "scout", 0, None),
        (1, 0, "scout", 1, None),
        (2, 0, "scout", 2, None),
    ]


def test_onlookers_fly_after_the_employees_around_sources_of_known_fitness() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(size=7))
    _answer(colony, 0.1, 0.2, 0.3)
    sources = {source.fitness: source.candidate for source in colony.sources}
    proposals = colony.ask()
    assert [(p.index, p.bee, p.bee_id) for p in proposals] == [(i + 3, "onlooker", i) for i in range(4)]
    for proposal in proposals:
        assert proposal.candidate in objective.space.neighbors(sources[proposal.center_fitness])


def test_a_success_moves_the_source_and_resets_its_trials_and_a_failure_adds_one() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=2, employee_ratio=1.0, abandonment_limit=9, iterations=9))
    first = _answer(colony, 0.5, 0.5)
    assert _trials(colony) == [0, 0]
    _answer(colony, 0.4, 0.5)
    assert _trials(colony) == [1, 1]
    assert [s.candidate for s in colony.sources] == [p.candidate for p in first]
    third = _answer(colony, 0.6, 0.3)
    assert _trials(colony) == [0, 2]
    assert [(s.candidate, s.fitness) for s in colony.sources] == [
        (third[0].candidate, 0.6),
        (first[1].candidate, 0.5),
    ]


def test_a_minimising_colony_moves_to_smaller_values() -> None:
    _, colony = _colony(
        lambda rng: TinyObjective(rng, minimize=True), ColonyConfig(size=1, employee_ratio=1.0, iterations=9)
    )
    for fitness, trials in ((0.5, 0), (0.6, 1), (0.4, 0), (0.4, 1)):
        _answer(colony, fitness)
        assert _trials(colony) == [trials]
    assert colony.best is not None
    assert colony.best.fitness == 0.4


@pytest.mark.parametrize("limit", [1, 3])
def test_a_source_is_abandoned_at_the_limit_and_a_scouts_sample_evaluated_in_the_next_iteration(limit: int) -> None:
    _, colony = _colony(
        TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=limit, iterations=limit + 3)
    )
    first = _answer(colony, 0.5)[0]
    for trial in range(1, limit):
        _answer(colony, 0.5)
        assert _trials(colony) == [trial]
        assert colony.sources[0].candidate == first.candidate
    _answer(colony, 0.5)
    (proposal,) = colony.ask()
    sample = colony.sources[0].candidate
    assert sample != first.candidate
    assert colony.sources == [FoodSource(sample)]
    assert (proposal.bee, proposal.candidate, proposal.iteration) == ("scout", sample, limit + 1)
    assert proposal.center_fitness is None
    _answer(colony, 0.1)
    assert colony.sources == [FoodSource(sample, 0.1, 0)]
    assert colony.best == FoodSource(first.candidate, 0.5)


def test_a_source_whose_own_candidate_is_stopped_in_its_first_epoch_is_abandoned_at_once() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = _answer(colony, 0.2, status="stopped", epochs=1)
    (second,) = colony.ask()
    assert second.bee == "scout"
    assert second.candidate != first.candidate
    assert colony.sources == [FoodSource(second.candidate)]
    assert colony.best == FoodSource(first.candidate, 0.2)


def test_a_source_stopped_later_is_kept() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = _answer(colony, 0.2, status="stopped", epochs=2)
    assert colony.sources == [FoodSource(first.candidate, 0.2, 0)]


def test_a_neighbor_stopped_in_its_first_epoch_is_one_failed_trial() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = _answer(colony, 0.5)
    _answer(colony, 0.2, status="stopped", epochs=1)
    assert colony.sources == [FoodSource(first.candidate, 0.5, 1)]


@pytest.mark.parametrize(("minimize", "told"), [(False, 0.9), (True, 0.1)])
def test_a_failed_evaluation_never_replaces_a_source_nor_becomes_the_best(minimize: bool, told: float) -> None:
    _, colony = _colony(
        lambda rng: TinyObjective(rng, minimize=minimize),
        ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5),
    )
    (first,) = _answer(colony, 0.5)
    # A fitness that would win, so that only the status can keep it out.
    _answer(colony, told, status="failed")
    assert colony.sources == [FoodSource(first.candidate, 0.5, 1)]
    assert colony.best == FoodSource(first.candidate, 0.5)


def test_a_new_source_that_fails_is_not_the_best_and_the_next_success_takes_its_place() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, iterations=5))
    _answer(colony, 0.0, status="failed")
    assert colony.best is None
    (second,) = _answer(colony, 0.1)
    assert colony.sources == [FoodSource(second.candidate, 0.1, 0)]
    assert colony.best == FoodSource(second.candidate, 0.1)


def _fails_now_and_then(arch: str) -> Status:
    return "failed" if int(arch_hash(arch)[:4], 16) % 3 == 0 else "complete"


def _ends_in_every_way(arch: str) -> Status:
    ways: tuple[Status, ...] = ("complete", "complete", "stopped", "failed")
    return ways[int(arch_hash(arch)[:4], 16) % 4]


@pytest.mark.parametrize("minimize", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_is_the_best_of_everything_told_that_did_not_fail(minimize: bool, seed: int) -> None:
    objective, colony = _colony(
        lambda rng: TinyObjective(rng, minimize=minimize, status=_fails_now_and_then), ColonyConfig(iterations=6), seed
    )
    evaluations = _evaluations(_fly(objective, colony))
    assert "failed" in {e.status for e in evaluations}
    succeeded = [e.fitness for e in evaluations if e.status != "failed"]
    assert colony.best is not None
    assert colony.best.fitness == (min(succeeded) if minimize else max(succeeded))


# -- a whole run --------------------------------------------------------------------------------------------------


def test_the_planned_number_of_evaluations_is_flown_with_running_indices() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(size=7, iterations=4))
    told = _fly(objective, colony)
    proposals = [proposal for phase in told for proposal in phase.proposals]
    assert [p.index for p in proposals] == list(range(28))
    assert [p.iteration for p in proposals] == [i // 7 for i in range(28)]
    assert (colony.evaluations, colony.reused, colony.iteration, colony.is_done) == (28, 0, 4, True)
    assert colony.ask() == []


def test_no_architecture_is_proposed_twice() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(size=10, iterations=20))
    candidates = [e.candidate for e in _evaluations(_fly(objective, colony))]
    assert len(candidates) == len(set(candidates)) == colony.evaluations
    assert colony.evaluations + colony.reused == 200


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_in_a_space_smaller_than_the_search_records_are_reused_and_the_search_ends(seed: int, rate: float) -> None:
    config = SpaceConfig(depth=2, operations=("identity", "dropout"), skip_rate=rate)
    objective, colony = _colony(
        lambda rng: TinyObjective(rng, config), ColonyConfig(size=5, employee_ratio=0.6, iterations=20), seed
    )
    candidates = [e.candidate for e in _evaluations(_fly(objective, colony))]
    assert len(candidates) == len(set(candidates)) <= objective.space.size
    assert colony.reused > 0
    assert colony.evaluations == len(candidates)
    assert colony.evaluations + colony.reused == 5 * 20
    assert colony.is_done
    assert colony.best is not None
    assert colony.best.fitness == max(objective.evaluate(arch)["fitness"] for arch in candidates)


def test_a_reused_record_counts_like_an_evaluation_for_the_trials_of_its_source() -> None:
    config = SpaceConfig(depth=1, operations=("identity", "dropout"))
    _, colony = _colony(
        lambda rng: TinyObjective(rng, config),
        ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=9, iterations=4),
    )
    _answer(colony, 0.5)
    _answer(colony, 0.4)
    assert _trials(colony) == [1]
    assert colony.ask() == []
    assert _trials(colony) == [3]
    assert (colony.evaluations, colony.reused) == (2, 2)


def test_ask_gives_the_same_proposals_until_they_are_told() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=2))
    while proposals := colony.ask():
        assert colony.ask() == proposals
        assert colony.ask() == proposals
        colony.tell([objective.run(proposal) for proposal in proposals])
    asked_once, once = _colony(TinyObjective, ColonyConfig(iterations=2))
    _fly(asked_once, once)
    assert once.state() == colony.state()


def test_tell_refuses_evaluations_that_do_not_match_the_proposals() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig())
    proposals = colony.ask()
    evaluations = [objective.run(proposal) for proposal in proposals]
    foreign = replace(evaluations[0], candidate="input|identity|identity|identity|output")
    before = json.dumps(colony.state())
    for wrong in (
        [],
        evaluations[:-1],
        [*evaluations, evaluations[0]],
        evaluations[::-1],
        [foreign, *evaluations[1:]],
    ):
        with pytest.raises(ValueError, match="one evaluation for each of the 3 proposals"):
            colony.tell(wrong)
    assert json.dumps(colony.state()) == before
    assert colony.ask() == proposals
    colony.tell(evaluations)
    assert colony.evaluations == 3


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    def candidates(seed: int) -> list[Any]:
        objective, colony = _colony(TinyObjective, ColonyConfig(iterations=3), seed, momentum=4)
        return [e.candidate for e in _evaluations(_fly(objective, colony))]

    assert candidates(5) == candidates(5)
    assert candidates(5) != candidates(6)


@pytest.mark.parametrize("minimize", [True, False])
def test_the_colony_goes_the_way_that_the_objective_asks_for(minimize: bool) -> None:
    objective, colony = _colony(
        lambda rng: Sphere(5, rng=rng, minimize=minimize),
        ColonyConfig(size=20, employee_ratio=0.5, iterations=60, abandonment_limit=50),
    )
    told = _fly(objective, colony)
    values = [e.fitness for e in _evaluations(told)]
    assert colony.best is not None
    assert colony.best.fitness == (min(values) if minimize else max(values))
    at_first = np.mean([e.fitness for e in told[0].evaluations])
    at_last = np.mean([s.fitness for s in colony.sources if s.fitness is not None])
    assert at_last < at_first / 10 if minimize else at_last > at_first * 1.5


@pytest.mark.parametrize("make", [lambda rng: Sphere(rng=rng, shift=20.0), lambda rng: Rosenbrock(rng=rng)])
def test_the_colony_beats_random_sampling(make: Make) -> None:
    wins = 0
    for seed in range(10):
        # The textbook's limit, sources times variables: the default is for searches of a hundred trainings.
        config = ColonyConfig(size=20, employee_ratio=0.5, iterations=25, abandonment_limit=100)
        objective, colony = _colony(make, config, seed)
        _fly(objective, colony)
        sampler = make(np.random.default_rng(1000 + seed))
        at_random = min(sampler.evaluate(sampler.sample())["fitness"] for _ in range(colony.evaluations))
        assert colony.best is not None
        assert colony.best.fitness is not None
        wins += colony.best.fitness < at_random
    # By chance, nine of ten would come about once in a hundred times.
    assert wins >= 9


def test_the_colony_finds_better_architectures_than_random_sampling() -> None:
    space = SMALL_SPACE.model_copy(update={"depth": 6})
    gain = []
    for seed in range(12):
        objective, colony = _colony(
            lambda rng: TinyObjective(rng, space), ColonyConfig(size=8, iterations=25, abandonment_limit=10), seed
        )
        _fly(objective, colony)
        sampler = TinyObjective(np.random.default_rng(1000 + seed), space)
        at_random = max(sampler.evaluate(sampler.sample())["fitness"] for _ in range(colony.evaluations))
        assert colony.best is not None
        assert colony.best.fitness is not None
        gain.append(colony.best.fitness - at_random)
    assert sum(g > 0 for g in gain) >= 10


@pytest.mark.parametrize("config", [ColonyConfig(size=1), ColonyConfig(size=4, employee_ratio=0.0)], ids=str)
@pytest.mark.parametrize("make", [TinyObjective, lambda rng: Sphere(2, rng=rng)], ids=["architectures", "sphere"])
def test_a_single_employee_searches_on_without_a_partner(make: Make, config: ColonyConfig) -> None:
    objective, colony = _colony(make, config)
    evaluations = _evaluations(_fly(objective, colony))
    assert len(evaluations) == config.size * config.iterations
    # Points that are cut off at the bounds may coincide.
    assert len({e.candidate for e in evaluations}) > 0.9 * len(evaluations)


# -- momentum -----------------------------------------------------------------------------------------------------


def test_the_momentum_phase_hands_out_its_pool_to_recorded_candidates() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=4), momentum=6)
    told = _fly(objective, colony)
    assert [phase.phase for phase in told] == ["employees", "onlookers", "momentum"] * 4
    latest: dict[Any, Evaluation] = {}
    for iteration, phase in enumerate(told):
        if phase.phase == "momentum":
            assert sum(p.momentum_epochs for p in phase.proposals) == 6
            for proposal in phase.proposals:
                assert proposal.phase == "momentum"
                assert proposal.iteration == iteration // 3
                assert proposal.center_fitness == latest[proposal.candidate].fitness
                assert proposal.weights_filename == latest[proposal.candidate].filename
        latest |= {evaluation.candidate: evaluation for evaluation in phase.evaluations}
    assert sum(e.momentum_epochs for e in latest.values()) == 4 * 6
    assert [p.index for phase in told for p in phase.proposals] == list(range(colony.evaluations))


@pytest.mark.parametrize("seed", range(4))
def test_continued_candidates_are_refreshed_wherever_the_hive_holds_them(seed: int) -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=6), seed, momentum=8)
    latest: dict[Any, float] = {}
    refreshed = fell = 0
    while proposals := colony.ask():
        evaluations = [objective.run(proposal) for proposal in proposals]
        colony.tell(evaluations)
        held = {source.candidate for source in colony.sources}
        for proposal, evaluation in zip(proposals, evaluations, strict=True):
            if proposal.momentum_epochs:
                refreshed += proposal.candidate in held
                fell += evaluation.fitness < latest[proposal.candidate]
            latest[evaluation.candidate] = evaluation.fitness
        for source in colony.sources:
            assert source.fitness is None or source.fitness == latest[source.candidate]
        assert colony.best is not None
        assert colony.best.fitness == latest[colony.best.candidate] == max(latest.values())
    assert refreshed > 0
    assert fell > 0


def test_trials_are_not_touched_by_momentum() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=3, abandonment_limit=50), momentum=5)
    while proposals := colony.ask():
        before = _trials(colony)
        colony.tell([objective.run(proposal) for proposal in proposals])
        if proposals[0].momentum_epochs:
            assert _trials(colony) == before


def test_a_failed_continuation_leaves_the_record_as_it_was() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, iterations=3), momentum=2)
    (first,) = _answer(colony, 0.5, momentum=0.5, epochs=EPOCHS, filename="first.h5")
    (continued,) = _answer(colony, 0.0, status="failed")
    assert (continued.candidate, continued.momentum_epochs) == (first.candidate, 2)
    assert colony.sources == [FoodSource(first.candidate, 0.5, 0)]
    assert colony.best == FoodSource(first.candidate, 0.5)
    _answer(colony, 0.4)
    (again,) = colony.ask()
    assert (again.candidate, again.center_fitness, again.weights_filename) == (first.candidate, 0.5, "first.h5")


@pytest.mark.parametrize(
    "record",
    [
        {"momentum": 0.0, "filename": "a.h5"},
        {"momentum": -0.5, "filename": "a.h5"},
        {"momentum": float("nan"), "filename": "a.h5"},
        {"momentum": 0.5, "filename": ""},
        {"momentum": 0.5, "filename": "a.h5", "status": "failed"},
    ],
    ids=["no momentum", "negative", "not a number", "nothing saved", "failed"],
)
def test_where_nobody_has_momentum_the_phase_is_skipped(record: dict[str, Any]) -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, iterations=3), momentum=4)
    _answer(colony, 0.5, epochs=EPOCHS, **record)
    assert colony.iteration == 0
    (following,) = colony.ask()
    assert (following.momentum_epochs, following.iteration) == (0, 1)
    assert colony.reused == 0


# -- the saved state ----------------------------------------------------------------------------------------------


RUNS: list[tuple[str, Make, ColonyConfig, int]] = [
    ("architectures", TinyObjective, ColonyConfig(iterations=5, abandonment_limit=2), 0),
    ("momentum", TinyObjective, ColonyConfig(iterations=5, abandonment_limit=2), 5),
    ("no onlookers", TinyObjective, ColonyConfig(size=3, employee_ratio=1.0, iterations=5), 3),
    (
        "minimising",
        lambda rng: TinyObjective(rng, minimize=True),
        ColonyConfig(iterations=5, abandonment_limit=1),
        3,
    ),
    (
        "failures and stops",
        lambda rng: TinyObjective(rng, status=_ends_in_every_way),
        ColonyConfig(iterations=6, abandonment_limit=2),
        0,
    ),
    (
        "failing continuations",
        lambda rng: TinyObjective(rng, fails_to_continue=True),
        ColonyConfig(iterations=6),
        5,
    ),
    (
        "small space",
        lambda rng: TinyObjective(rng, SpaceConfig(depth=2, operations=("identity", "dropout", "batch_norm"))),
        ColonyConfig(size=4, employee_ratio=0.5, iterations=10, abandonment_limit=2),
        2,
    ),
    ("sphere", lambda rng: Sphere(3, rng=rng), ColonyConfig(size=6, employee_ratio=0.5, iterations=6), 0),
    (
        "sphere max",
        lambda rng: Sphere(3, rng=rng, minimize=False),
        ColonyConfig(size=6, employee_ratio=0.5, iterations=6, abandonment_limit=1),
        0,
    ),
]


@pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
@pytest.mark.parametrize("asked", [False, True], ids=["after tell", "between ask and tell"])
def test_a_restored_run_goes_on_like_an_uninterrupted_one_from_every_phase(
    make: Make, config: ColonyConfig, momentum: int, asked: bool
) -> None:
    objective, colony = _colony(make, config, momentum=momentum)
    texts, told = [], []
    while True:
        if asked:
            colony.ask()
        texts.append(json.dumps(colony.state()))
        proposals = colony.ask()
        if not proposals:
            break
        evaluations = [objective.run(proposal) for proposal in proposals]
        colony.tell(evaluations)
        told.append((proposals, evaluations))
    assert len(told) > 4
    ending = (colony.evaluations, colony.reused, colony.iteration, colony.best, colony.sources)

    for phase, text in enumerate(texts):
        # Another seed, so that only the state can bring the draws back; records as the table keeps them.
        again, restored = _colony(make, config, seed=99, momentum=momentum)
        rows = [
            Row.of(p, e) for proposals, evaluations in told[:phase] for p, e in zip(proposals, evaluations, strict=True)
        ]
        restored.restore(json.loads(text), [row.evaluation() for row in rows])
        if not asked:
            assert json.dumps(restored.state()) == text
        rest = _fly(again, restored)
        assert [t.proposals for t in rest] == [proposals for proposals, _ in told[phase:]]
        assert [t.evaluations for t in rest] == [evaluations for _, evaluations in told[phase:]]
        assert (restored.evaluations, restored.reused, restored.iteration, restored.best, restored.sources) == ending


def test_a_state_taken_between_ask_and_tell_restores_to_the_same_ask() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=2), momentum=4)
    known: list[Evaluation] = []
    while proposals := colony.ask():
        _, restored = _colony(TinyObjective, ColonyConfig(iterations=2), seed=99, momentum=4)
        restored.restore(json.loads(json.dumps(colony.state())), known)
        assert restored.ask() == proposals
        evaluations = [objective.run(proposal) for proposal in proposals]
        colony.tell(evaluations)
        known += evaluations


def test_more_iterations_than_were_begun_with_go_on_from_the_end() -> None:
    short, long = ColonyConfig(iterations=2), ColonyConfig(iterations=4)
    objective, colony = _colony(TinyObjective, short, momentum=3)
    told = _evaluations(_fly(objective, colony))
    again, restored = _colony(TinyObjective, long, seed=99, momentum=3)
    restored.restore(json.loads(json.dumps(colony.state())), told)
    rest = _evaluations(_fly(again, restored))
    in_one_go, whole = _colony(TinyObjective, long, momentum=3)
    assert told + rest == _evaluations(_fly(in_one_go, whole))


def test_a_saved_state_is_not_changed_by_flying_on() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=3))
    state = colony.state()
    text = json.dumps(state)
    _fly(objective, colony)
    assert json.dumps(state) == text
    assert json.dumps(colony.state()) != text


def test_a_state_of_another_version_or_colony_is_refused() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig())
    with pytest.raises(ConfigError, match="has version 0, this hivenas reads 1"):
        colony.restore(colony.state() | {"version": 0}, [])
    _, larger = _colony(TinyObjective, ColonyConfig(size=20))
    with pytest.raises(ConfigError, match="has 3 employees, the configuration 8"):
        larger.restore(colony.state(), [])


def test_a_food_source_comes_back_from_json_exactly() -> None:
    for source in (
        FoodSource("input|identity|output"),
        FoodSource("input|identity|output", 0.1 + 0.2, 2),
        FoodSource((0.1 + 0.2, -1e-300), float("inf"), 1),
    ):
        assert FoodSource.from_json(json.loads(json.dumps(source.to_json()))) == source


# -- the golden run -----------------------------------------------------------------------------------------------


def _golden_run() -> list[dict[str, Any]]:
    objective, colony = _colony(
        lambda rng: TinyObjective(rng, status=_ends_in_every_way),
        ColonyConfig(iterations=5, abandonment_limit=2),
        seed=2024,
        momentum=3,
    )
    # Rounded: what is golden is the sequence, not the last bit of a sum.
    return [
        {"label": proposal.label, "candidate": evaluation.candidate, "fitness": round(evaluation.fitness, 9)}
        for phase in _fly(objective, colony)
        for proposal, evaluation in zip(phase.proposals, phase.evaluations, strict=True)
    ]


def write_golden() -> None:
    lines = ",\n".join(" " + json.dumps(line) for line in _golden_run())
    GOLDEN.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def test_the_golden_run_is_flown_again() -> None:
    """Regenerated on purpose only, by the command at the top of this module."""
    assert _golden_run() == json.loads(GOLDEN.read_text(encoding="utf-8"))
