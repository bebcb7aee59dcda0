"""Random search: its contract, and that it is random."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig, SpaceConfig
from hivenas.core.records import Evaluation
from hivenas.core.strategies.random_search import RandomSearch
from tests.colonies import evaluations_of, fly, proposals_of
from tests.strategy_contract import PhasedContract, PointsContract
from tests.toy_objectives import TinyObjective

EIGHT = SpaceConfig(depth=3, operations=("identity", "dropout"))


@pytest.mark.slow  # the colony goes through the same contract in the fast lane
class TestRandomSearchContract(PhasedContract, PointsContract):
    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> RandomSearch:
        return RandomSearch(objective, config, rng, momentum_epochs=momentum_epochs)


def _search(config: ColonyConfig, space: SpaceConfig = EIGHT, seed: int = 1) -> tuple[TinyObjective, RandomSearch]:
    rng = np.random.default_rng(seed)
    objective = TinyObjective(rng, space)
    return objective, RandomSearch(objective, config, rng)


def test_a_batch_has_as_many_samples_as_the_colony_has_bees_and_nothing_to_start_from() -> None:
    objective, search = _search(ColonyConfig(size=3, iterations=2))
    told = fly(objective, search)
    assert [len(batch.proposals) for batch in told] == [3, 3]
    assert [p.label for p in proposals_of(told)] == [f"{number:04d}-sample" for number in range(6)]
    assert [(p.iteration, p.role_id) for p in proposals_of(told)] == [(i, j) for i in range(2) for j in range(3)]
    assert all(p.parent == "" and p.center_fitness is None for p in proposals_of(told))


@pytest.mark.parametrize("overlap", [1, 3])
def test_what_it_proposes_hangs_on_nothing_that_came_of_it_nor_on_an_overlap(overlap: int) -> None:
    plain = ColonyConfig(size=4, iterations=5)
    space = SpaceConfig(depth=5, operations=("identity", "dropout", "batch_norm", "conv3x3_8"))
    objective, search = _search(plain, space)
    candidates = [p.candidate for p in proposals_of(fly(objective, search))]
    _, other = _search(plain.model_copy(update={"overlap": overlap}), space)
    seen = []
    while proposals := other.ask():
        seen.append(proposals[0].candidate)
        other.tell([Evaluation.failure(proposals[0].candidate, "it does not build")])
    assert seen == candidates


def test_the_first_of_a_space_is_each_of_its_architectures_alike() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(800):
        _, search = _search(ColonyConfig(size=1), seed=seed)
        drawn[str(search.ask()[0].candidate)] += 1
    assert len(drawn) == 8
    # Of a hundred expected; 99.9 % of chi-squared with 7 degrees of freedom lies below 24.3.
    assert sum((count - 100) ** 2 / 100 for count in drawn.values()) < 24.3


def test_once_all_is_known_records_are_reused_to_the_end() -> None:
    objective, search = _search(ColonyConfig(size=5, iterations=40))
    told = evaluations_of(fly(objective, search))
    assert sorted(str(e.candidate) for e in told) == sorted(objective.space.enumerate())
    assert (search.evaluations, search.reused, search.iteration) == (8, 192, 40)
    assert search.is_done
