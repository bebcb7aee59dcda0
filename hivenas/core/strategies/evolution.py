"""Regularized evolution, the peer that searches of architectures are measured by."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Role
from hivenas.core.strategies.flight import Flight, Found
from hivenas.core.strategies.phased import PhasedStrategy

POPULATION, SAMPLE = 20, 10


class RegularizedEvolution(PhasedStrategy):
    """Regularized evolution over any `ObjectiveInterface`: the best of a sample has a child, the oldest dies.

    - A batch has `colony.size` proposals, and there are `colony.iterations` batches.
    - Until 20 candidates are known, a batch is of random samples.
    - Then it is of **children**: for each, 10 of the population are drawn without replacement, and a random neighbour
      of the fittest of them is proposed. All parents of a batch come from the population **as it was when the batch
      was planned**, so that the batch can be trained side by side; the textbook's, a child at a time, is
      `colony.size: 1`.
    - Whatever was proposed joins the population in the order of the proposals, be it good or bad, and the oldest leaves
      it. A failed evaluation joins too, as worse than any other.
    - Encoded architectures are never proposed twice: a known child is drawn again from its parent's neighbours, and
      where every draw is known its record joins the population anew and is counted in `reused`.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration; those of its keys that are about bees mean nothing here.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.

    Attributes:
        population: the latest candidates, oldest first, at the most 20.

    Source: Real et al. (2019), "Regularized evolution for image classifier architecture search".
    """

    kind: ClassVar[str] = "evolution"
    phases: ClassVar[tuple[str, ...]] = ("children",)
    continues_as: ClassVar[Role] = "child"
    overlaps: ClassVar[bool] = True

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
    ) -> None:
        super().__init__(objective, config, rng, momentum_epochs=momentum_epochs)
        self.population: list[Found] = []

    def _own_state(self) -> dict[str, Any]:
        return {"population": [found.to_json() for found in self.population]}

    def _take_state(self, state: Mapping[str, Any]) -> None:
        self.population = [Found.from_json(found) for found in state["population"]]

    def _plan(self) -> list[Flight]:
        flights: list[Flight] = []
        while len(flights) < self._config.size:
            if len(self.population) < POPULATION:
                flights.append(self._seek(flights, "sample", self._objective.sample))
            else:
                flights.append(self._child(flights))
        return flights

    def _child(self, before: Sequence[Flight]) -> Flight:
        drawn = self._rng.choice(POPULATION, SAMPLE, replace=False)
        parent = max((self.population[int(i)] for i in drawn), key=self._worth)
        neighbor = functools.partial(self._objective.get_neighbor, parent.candidate)
        return self._seek(before, "child", neighbor, origin=parent)

    def _worth(self, found: Found) -> float:
        """Fitness, larger being better; the worst there is where it failed."""
        if found.fitness is None or math.isnan(found.fitness):
            return -math.inf
        return self._direction.score(found.fitness)

    def _learn(self, flight: Flight, evaluation: Evaluation) -> None:
        """The latest joins the population, and the oldest of more than it holds leaves."""
        fitness = None if evaluation.status == "failed" else evaluation.fitness
        self.population = [*self.population, Found(evaluation.candidate, fitness)][-POPULATION:]

    def _refresh(self, evaluation: Evaluation) -> None:
        latest = Found(evaluation.candidate, evaluation.fitness)
        self.population = [latest if f.candidate == evaluation.candidate else f for f in self.population]
        super()._refresh(evaluation)
