"""The Artificial Bee Colony, driven as a machine: asked for proposals and told what came of them.

The golden run in `tests/golden/colony_run.json` changes only where the algorithm or the order of its draws does. Where
that is meant, write it anew and review the difference:

    python -c "from tests.core.colony.test_canonical import write_golden; write_golden()"
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig, SpaceConfig
from hivenas.core.colony.canonical import ArtificialBeeColony
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.strategies.flight import Found
from hivenas.errors import ConfigError
from hivenas.objectives.numerical import Rosenbrock, Sphere
from tests.colonies import Make, answer, ends_in_every_way, evaluations_of, fly
from tests.colony_contract import ColonyContract
from tests.contracts import ArchitectureObjectiveContract
from tests.strategy_contract import PointsContract
from tests.toy_objectives import EPOCHS, SMALL_SPACE, TinyObjective

GOLDEN = Path(__file__).parents[2] / "golden" / "colony_run.json"


class TestTinyObjectiveContract(ArchitectureObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> TinyObjective:
        return TinyObjective(rng)


class TestArtificialBeeColonyContract(ColonyContract, PointsContract):
    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> ArtificialBeeColony:
        return ArtificialBeeColony(objective, config, rng, momentum_epochs=momentum_epochs)


def _colony(make: Make, config: ColonyConfig, seed: int = 1, *, momentum: int = 0) -> tuple[Any, ArtificialBeeColony]:
    rng = np.random.default_rng(seed)
    objective = make(rng)
    return objective, ArtificialBeeColony(objective, config, rng, momentum_epochs=momentum)


def _trials(colony: ArtificialBeeColony) -> list[int]:
    return [source.trials for source in colony.sources]


# -- food sources -------------------------------------------------------------------------------------------------


def test_the_first_phase_evaluates_a_scouts_source_for_every_employee() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=7))
    sources = [source.candidate for source in colony.sources]
    proposals = colony.ask()
    assert [p.candidate for p in proposals] == sources
    assert [(p.index, p.iteration, p.role, p.role_id, p.center_fitness) for p in proposals] == [
        (0, 0, "scout", 0, None),
        (1, 0, "scout", 1, None),
        (2, 0, "scout", 2, None),
    ]


def test_onlookers_fly_after_the_employees_around_sources_of_known_fitness() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(size=7))
    answer(colony, 0.1, 0.2, 0.3)
    sources = {source.fitness: source.candidate for source in colony.sources}
    proposals = colony.ask()
    assert [(p.index, p.role, p.role_id) for p in proposals] == [(i + 3, "onlooker", i) for i in range(4)]
    for proposal in proposals:
        assert proposal.candidate in objective.space.neighbors(sources[proposal.center_fitness])


def test_a_success_moves_the_source_and_resets_its_trials_and_a_failure_adds_one() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=2, employee_ratio=1.0, abandonment_limit=9, iterations=9))
    first = answer(colony, 0.5, 0.5)
    assert _trials(colony) == [0, 0]
    answer(colony, 0.4, 0.5)
    assert _trials(colony) == [1, 1]
    assert [s.candidate for s in colony.sources] == [p.candidate for p in first]
    third = answer(colony, 0.6, 0.3)
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
        answer(colony, fitness)
        assert _trials(colony) == [trials]
    assert colony.best is not None
    assert colony.best.fitness == 0.4


@pytest.mark.parametrize("limit", [1, 3])
def test_a_source_is_abandoned_at_the_limit_and_a_scouts_sample_evaluated_in_the_next_iteration(limit: int) -> None:
    _, colony = _colony(
        TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=limit, iterations=limit + 3)
    )
    first = answer(colony, 0.5)[0]
    for trial in range(1, limit):
        answer(colony, 0.5)
        assert _trials(colony) == [trial]
        assert colony.sources[0].candidate == first.candidate
    answer(colony, 0.5)
    (proposal,) = colony.ask()
    sample = colony.sources[0].candidate
    assert sample != first.candidate
    assert colony.sources == [FoodSource(sample)]
    assert (proposal.role, proposal.candidate, proposal.iteration) == ("scout", sample, limit + 1)
    assert proposal.center_fitness is None
    answer(colony, 0.1)
    assert colony.sources == [FoodSource(sample, 0.1, 0)]
    assert colony.best == Found(first.candidate, 0.5)


def test_a_source_whose_own_candidate_is_stopped_in_its_first_epoch_is_abandoned_at_once() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = answer(colony, 0.2, status="stopped", epochs=1)
    (second,) = colony.ask()
    assert second.role == "scout"
    assert second.candidate != first.candidate
    assert colony.sources == [FoodSource(second.candidate)]
    assert colony.best == Found(first.candidate, 0.2)


def test_a_source_stopped_later_is_kept() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = answer(colony, 0.2, status="stopped", epochs=2)
    assert colony.sources == [FoodSource(first.candidate, 0.2, 0)]


def test_a_neighbor_stopped_in_its_first_epoch_is_one_failed_trial() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5))
    (first,) = answer(colony, 0.5)
    answer(colony, 0.2, status="stopped", epochs=1)
    assert colony.sources == [FoodSource(first.candidate, 0.5, 1)]


@pytest.mark.parametrize(("minimize", "told"), [(False, 0.9), (True, 0.1)])
def test_a_failed_evaluation_never_replaces_a_source_nor_becomes_the_best(minimize: bool, told: float) -> None:
    _, colony = _colony(
        lambda rng: TinyObjective(rng, minimize=minimize),
        ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=5, iterations=5),
    )
    (first,) = answer(colony, 0.5)
    # A fitness that would win, so that only the status can keep it out.
    answer(colony, told, status="failed")
    assert colony.sources == [FoodSource(first.candidate, 0.5, 1)]
    assert colony.best == Found(first.candidate, 0.5)


def test_a_new_source_that_fails_is_not_the_best_and_the_next_success_takes_its_place() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, iterations=5))
    answer(colony, 0.0, status="failed")
    assert colony.best is None
    (second,) = answer(colony, 0.1)
    assert colony.sources == [FoodSource(second.candidate, 0.1, 0)]
    assert colony.best == Found(second.candidate, 0.1)


@pytest.mark.parametrize("minimize", [False, True])
def test_a_source_that_failed_is_worse_than_any_other(minimize: bool) -> None:
    _, colony = _colony(
        lambda rng: TinyObjective(rng, minimize=minimize),
        ColonyConfig(size=2, employee_ratio=0.5, abandonment_limit=5, iterations=5),
    )
    answer(colony, 0.0, status="failed")
    (second,) = answer(colony, 1e9 if minimize else -1e9)
    assert colony.sources == [FoodSource(second.candidate, 1e9 if minimize else -1e9, 0)]


# -- a whole run --------------------------------------------------------------------------------------------------


def test_a_reused_record_counts_like_an_evaluation_for_the_trials_of_its_source() -> None:
    config = SpaceConfig(depth=1, operations=("identity", "dropout"))
    _, colony = _colony(
        lambda rng: TinyObjective(rng, config),
        ColonyConfig(size=1, employee_ratio=1.0, abandonment_limit=9, iterations=4),
    )
    answer(colony, 0.5)
    answer(colony, 0.4)
    assert _trials(colony) == [1]
    assert colony.ask() == []
    assert _trials(colony) == [3]
    assert (colony.evaluations, colony.reused) == (2, 2)


@pytest.mark.parametrize("minimize", [True, False])
def test_the_colony_goes_the_way_that_the_objective_asks_for(minimize: bool) -> None:
    objective, colony = _colony(
        lambda rng: Sphere(5, rng=rng, minimize=minimize),
        ColonyConfig(size=20, employee_ratio=0.5, iterations=60, abandonment_limit=50),
    )
    told = fly(objective, colony)
    values = [e.fitness for e in evaluations_of(told)]
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
        fly(objective, colony)
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
        fly(objective, colony)
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
    evaluations = evaluations_of(fly(objective, colony))
    assert len(evaluations) == config.size * config.iterations
    # Points that are cut off at the bounds may coincide.
    assert len({e.candidate for e in evaluations}) > 0.9 * len(evaluations)


# -- momentum -----------------------------------------------------------------------------------------------------


def test_trials_are_not_touched_by_momentum() -> None:
    objective, colony = _colony(TinyObjective, ColonyConfig(iterations=3, abandonment_limit=50), momentum=5)
    while proposals := colony.ask():
        before = _trials(colony)
        colony.tell([objective.run(proposal) for proposal in proposals])
        if proposals[0].momentum_epochs:
            assert _trials(colony) == before


def test_a_failed_continuation_leaves_the_record_as_it_was() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig(size=1, employee_ratio=1.0, iterations=3), momentum=2)
    (first,) = answer(colony, 0.5, momentum=0.5, epochs=EPOCHS, filename="first.h5")
    (continued,) = answer(colony, 0.0, status="failed")
    assert (continued.candidate, continued.momentum_epochs) == (first.candidate, 2)
    assert colony.sources == [FoodSource(first.candidate, 0.5, 0)]
    assert colony.best == Found(first.candidate, 0.5)
    answer(colony, 0.4)
    (again,) = colony.ask()
    assert (again.candidate, again.center_fitness, again.weights_filename) == (first.candidate, 0.5, "first.h5")


# -- the saved state ----------------------------------------------------------------------------------------------


def test_a_state_of_a_colony_with_other_employees_is_refused() -> None:
    _, colony = _colony(TinyObjective, ColonyConfig())
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
        lambda rng: TinyObjective(rng, status=ends_in_every_way),
        ColonyConfig(iterations=5, abandonment_limit=2),
        seed=2024,
        momentum=3,
    )
    # Rounded: what is golden is the sequence, not the last bit of a sum.
    return [
        {"label": proposal.label, "candidate": evaluation.candidate, "fitness": round(evaluation.fitness, 9)}
        for phase in fly(objective, colony)
        for proposal, evaluation in zip(phase.proposals, phase.evaluations, strict=True)
    ]


def write_golden() -> None:
    lines = ",\n".join(" " + json.dumps(line) for line in _golden_run())
    GOLDEN.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def test_the_golden_run_is_flown_again() -> None:
    """Regenerated on purpose only, by the command at the top of this module."""
    assert _golden_run() == json.loads(GOLDEN.read_text(encoding="utf-8"))
