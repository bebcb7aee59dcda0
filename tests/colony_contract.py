"""The contract of every colony, whoever flies where in it, on top of that of every strategy."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig
from hivenas.config.costs import Cost
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.records import Candidate
from tests.colonies import fly, proposals_of
from tests.strategy_contract import PLAIN, PhasedContract
from tests.toy_objectives import SMALL_SPACE, TinyObjective


class ColonyContract(PhasedContract):
    """Every `BeeColony` over encoded architectures: inherit it in a class `Test…` and give `make_strategy`."""

    @abstractmethod
    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> BeeColony:
        """The colony that is held to the contract."""

    @pytest.mark.parametrize(
        "config",
        [
            ColonyConfig(size=7, iterations=4),
            ColonyConfig(size=10, employee_ratio=0.25, iterations=3, abandonment_limit=1),
            ColonyConfig(size=4, employee_ratio=0.0, iterations=4),
        ],
        ids=str,
    )
    def test_a_phase_is_proposed_at_once_with_a_proposal_for_each_of_its_bees(self, config: ColonyConfig) -> None:
        objective, colony = self.pair(TinyObjective, config)
        told = fly(objective, colony)
        assert [phase.phase for phase in told] == ["employees", "onlookers"] * config.iterations
        assert [len(phase.proposals) for phase in told] == [config.employees, config.onlookers] * config.iterations
        planned = config.size * config.iterations
        proposals = proposals_of(told)
        assert [p.index for p in proposals] == list(range(planned))
        assert [p.iteration for p in proposals] == [i // config.size for i in range(planned)]
        assert [p.role_id for phase in told for p in phase.proposals] == [
            bee for phase in told for bee in range(len(phase.proposals))
        ]
        assert (colony.evaluations, colony.reused, colony.iteration) == (planned, 0, config.iterations)
        assert colony.is_done
        assert colony.ask() == []

    @pytest.mark.parametrize("size", [1, 3])
    def test_a_colony_of_employees_alone_flies_all_its_iterations(self, size: int) -> None:
        objective, colony = self.pair(TinyObjective, ColonyConfig(size=size, employee_ratio=1.0, iterations=12))
        told = fly(objective, colony)
        assert [(phase.phase, len(phase.proposals)) for phase in told] == [("employees", size)] * 12

    @pytest.mark.parametrize("seed", range(4))
    def test_continued_candidates_are_refreshed_wherever_the_hive_holds_them(self, seed: int) -> None:
        # Without skip connections a TinyObjective overfits: every continuation takes from the fitness.
        space = PLAIN if seed % 2 else SMALL_SPACE
        config = ColonyConfig(iterations=6)
        objective, colony = self.pair(lambda rng: TinyObjective(rng, space), config, seed, momentum=8)
        latest: dict[Candidate, float] = {}
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
        assert fell > 0 or space is SMALL_SPACE


class WeighingContract(ColonyContract):
    """The contract for the guided colony with costs: whoever changes what it weighs goes through all of it.

    Args:
        costs: what it weighs against the fitness.
    """

    def __init__(self, *costs: Cost) -> None:
        self._costs = costs

    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> GuidedBeeColony:
        colony = GuidedBeeColony(objective, config, rng, momentum_epochs=momentum_epochs)
        colony.weigh(*self._costs)
        return colony
