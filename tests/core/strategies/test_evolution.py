"""Regularized evolution: its contract, who has children, who dies, and that it finds what is good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig, SpaceConfig
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Proposal, Status
from hivenas.core.strategies.evolution import POPULATION, RegularizedEvolution
from hivenas.core.strategies.flight import Found
from hivenas.objectives.numerical import Sphere
from tests.colonies import answer, ends_in_every_way, fly, proposals_of
from tests.strategy_contract import PhasedContract, PointsContract
from tests.toy_objectives import SMALL_SPACE, TinyObjective

DEEP = SMALL_SPACE.model_copy(update={"depth": 6})


@pytest.mark.slow  # the colony goes through the same contract in the fast lane
class TestRegularizedEvolutionContract(PhasedContract, PointsContract):
    visits_all = False  # what is far from the fittest may never be visited

    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> RegularizedEvolution:
        return RegularizedEvolution(objective, config, rng, momentum_epochs=momentum_epochs)


def _evolution(
    config: ColonyConfig,
    make: Callable[[np.random.Generator], ObjectiveInterface] = lambda rng: TinyObjective(rng, DEEP),
    seed: int = 1,
    *,
    momentum: int = 0,
) -> tuple[Any, RegularizedEvolution]:
    rng = np.random.default_rng(seed)
    objective = make(rng)
    return objective, RegularizedEvolution(objective, config, rng, momentum_epochs=momentum)


@pytest.mark.parametrize(("size", "samples"), [(1, 20), (7, 21), (10, 20), (20, 20), (30, 30)])
def test_batches_are_samples_until_the_population_is_known_and_children_of_it_after(size: int, samples: int) -> None:
    objective, evolution = _evolution(ColonyConfig(size=size, iterations=-(-60 // size)))
    proposals = proposals_of(fly(objective, evolution))
    assert [p.role for p in proposals] == ["sample"] * samples + ["child"] * (len(proposals) - samples)
    assert all(p.parent == "" and p.center_fitness is None for p in proposals[:samples])
    for child in proposals[samples:]:
        assert child.candidate in objective.neighbors(child.parent)


@pytest.mark.parametrize("overlap", [0, 3])
def test_parents_come_from_the_population_as_it_was_when_the_batch_was_planned(overlap: int) -> None:
    config = ColonyConfig(size=8, iterations=12, overlap=overlap)
    objective, evolution = _evolution(config, lambda rng: TinyObjective(rng, DEEP, status=ends_in_every_way))
    told: list[tuple[Proposal, Evaluation]] = []
    children = 0
    while proposals := evolution.ask():
        asked = proposals[0]
        if asked.role == "child":
            known = [evaluation for _, evaluation in told[: asked.known]]
            fitness = {e.candidate: e.fitness for e in known[-POPULATION:]}
            assert asked.center_fitness == (fitness[asked.parent] or None)  # a failed parent has none
            children += 1
        evaluation = objective.run(asked)
        told.append((asked, evaluation))
        evolution.tell([evaluation])
    assert evolution.reused == 0
    assert children == 96 - 24
    learned = told[: evolution.state()["evaluations"]]
    assert [found.candidate for found in evolution.population] == [e.candidate for _, e in learned[-POPULATION:]]


@pytest.mark.parametrize("minimize", [False, True])
def test_the_fittest_of_a_sample_is_the_parent(minimize: bool) -> None:
    _, evolution = _evolution(
        ColonyConfig(size=20, iterations=40), lambda rng: TinyObjective(rng, DEEP, minimize=minimize)
    )
    answer(evolution, *range(20))
    ranks = {found.candidate: rank for rank, found in enumerate(evolution.population)}
    parents = [ranks[proposal.parent] for proposal in evolution.ask()]
    # Ten of twenty are drawn, so that the best ten have every child.
    assert all(rank <= 10 if minimize else rank >= 9 for rank in parents)
    best = 0 if minimize else 19
    assert 4 <= parents.count(best) <= 16  # half of twenty expected


@pytest.mark.parametrize(("minimize", "tempting"), [(False, 99.0), (True, -99.0)])
@pytest.mark.parametrize("wrong", [("failed", None), ("complete", float("nan"))])
def test_a_failed_evaluation_joins_as_the_worst(
    minimize: bool, tempting: float, wrong: tuple[Status, float | None]
) -> None:
    _, evolution = _evolution(
        ColonyConfig(size=20, iterations=40), lambda rng: TinyObjective(rng, DEEP, minimize=minimize)
    )
    status, fitness = wrong
    proposals = evolution.ask()
    bad = Evaluation(proposals[0].candidate, status, tempting if fitness is None else fitness)
    evolution.tell([bad, *(Evaluation(p.candidate, "complete", 0.5) for p in proposals[1:])])
    assert len(evolution.population) == POPULATION
    assert all(proposal.parent != proposals[0].candidate for proposal in evolution.ask())


def test_where_all_have_failed_children_are_had_all_the_same() -> None:
    _, evolution = _evolution(ColonyConfig(size=20, iterations=3))
    answer(evolution, *[0.0] * 20, status="failed")
    proposals = evolution.ask()
    assert {(p.role, p.center_fitness) for p in proposals} == {("child", None)}
    assert len({p.parent for p in proposals}) > 1


def test_the_oldest_dies_however_good_it_is() -> None:
    _, evolution = _evolution(ColonyConfig(size=1, iterations=60))
    (first,) = answer(evolution, 9.0)
    for _ in range(POPULATION - 1):
        answer(evolution, 0.5)
    assert evolution.population[0] == Found(first.candidate, 9.0)
    (child,) = answer(evolution, 0.1)
    assert first.candidate not in [found.candidate for found in evolution.population]
    assert evolution.population[-1] == Found(child.candidate, 0.1)
    assert len(evolution.population) == POPULATION
    assert evolution.best == Found(first.candidate, 9.0)


def test_a_record_that_is_reused_joins_the_population_anew() -> None:
    space = SpaceConfig(depth=1, operations=("identity", "dropout"))
    objective, evolution = _evolution(ColonyConfig(size=4, iterations=10), lambda rng: TinyObjective(rng, space))
    fly(objective, evolution)
    assert (evolution.evaluations, evolution.reused) == (2, 38)
    assert len(evolution.population) == POPULATION
    assert {found.candidate for found in evolution.population} <= set(objective.space.enumerate())


def test_continued_candidates_are_refreshed_in_the_population() -> None:
    objective, evolution = _evolution(ColonyConfig(iterations=6), momentum=8)
    latest: dict[Any, float] = {}
    refreshed = 0
    while proposals := evolution.ask():
        evaluations = [objective.run(proposal) for proposal in proposals]
        evolution.tell(evaluations)
        latest |= {evaluation.candidate: evaluation.fitness for evaluation in evaluations}
        held = [found.candidate for found in evolution.population]
        refreshed += sum(p.candidate in held for p in proposals if p.momentum_epochs)
        assert all(found.fitness == latest[found.candidate] for found in evolution.population)
    assert refreshed > 0


@pytest.mark.parametrize("size", [1, 7])
def test_it_finds_better_architectures_than_random_sampling(size: int) -> None:
    gain = []
    for seed in range(12):
        objective, evolution = _evolution(ColonyConfig(size=size, iterations=210 // size), seed=seed)
        fly(objective, evolution)
        sampler = TinyObjective(np.random.default_rng(1000 + seed), DEEP)
        at_random = max(sampler.evaluate(sampler.sample())["fitness"] for _ in range(evolution.evaluations))
        assert evolution.best is not None
        assert evolution.best.fitness is not None
        gain.append(evolution.best.fitness - at_random)
    assert sum(g > 0 for g in gain) >= 10


def test_it_evolves_points() -> None:
    objective, evolution = _evolution(ColonyConfig(size=10, iterations=60), lambda rng: Sphere(4, rng=rng))
    told = fly(objective, evolution)
    first = min(e.fitness for e in told[0].evaluations)
    assert evolution.best is not None
    assert evolution.best.fitness is not None
    assert evolution.best.fitness < first / 3
