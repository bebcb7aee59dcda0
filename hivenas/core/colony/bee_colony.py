"""The common part of bee colonies: employees, onlookers, scouts and food sources, over the machine of phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Role
from hivenas.core.strategies.phased import PhasedStrategy


class BeeColony(PhasedStrategy):
    """A colony of employees, onlookers and scouts over an objective; subclasses say who flies where.

    An iteration has the phases employees, onlookers, momentum (where it is on) and scouts, who fly with the employees
    of the next iteration.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.

    Attributes:
        iteration: the current iteration, from 0.
        reused: flights that found a record and were not evaluated.
        sources: the employees' food sources.
    """

    phases: ClassVar[tuple[str, ...]] = ("employees", "onlookers")
    continues_as: ClassVar[Role] = "employee"

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
    ) -> None:
        super().__init__(objective, config, rng, momentum_epochs=momentum_epochs)
        self.sources: list[FoodSource] = []

    def _own_state(self) -> dict[str, Any]:
        # The best is written as a food source too.
        found = self._memory.best
        best = FoodSource(found.candidate, found.fitness).to_json() if found else None
        return {"best": best, "sources": [source.to_json() for source in self.sources]}

    def _take_state(self, state: Mapping[str, Any]) -> None:
        self.sources = [FoodSource.from_json(source) for source in state["sources"]]

    def _refresh(self, evaluation: Evaluation) -> None:
        for index, source in enumerate(self.sources):
            if source.candidate == evaluation.candidate:
                self.sources[index] = replace(source, fitness=evaluation.fitness)
        super()._refresh(evaluation)
