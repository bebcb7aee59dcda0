"""The canonical Artificial Bee Colony."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.candidates import plain_candidate
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.colony.selection import Selection, onlooker_probabilities, spread
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Candidate, Evaluation
from hivenas.core.strategies.flight import Flight, Found
from hivenas.errors import ConfigError


class ArtificialBeeColony(BeeColony):
    """The canonical Artificial Bee Colony over any `ObjectiveInterface`.

    An iteration has the phases employees, onlookers, momentum (where it is on) and scouts. `ask` gives the
    proposals of a phase, all at once, so that they can be evaluated in any order and place; `tell` takes what
    came of them. Within a phase the bees therefore see the hive as it was at the phase's start, where the
    textbook's loop updates after every flight; spreading the onlookers makes up for it (`benchmarks/numerical.py`).

    - An employee evaluates its food source where it is new, else a neighbour of it, and the better one stays.
    - An onlooker follows an employee, preferably one with a good source, and does the same.
    - A flight that does not improve its source adds a trial, one that does resets them.
    - A scout replaces a source whose trials have reached the abandonment limit by a new sample, which its
      employee evaluates in the next iteration. A source whose own candidate was stopped in its first epoch is
      abandoned at once.
    - Encoded architectures are never proposed twice: a bee looks for an unknown neighbour, and where it finds
      none the record is reused and counted in `reused`.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.
        selection: how onlookers choose, see `onlooker_probabilities`; by default `rank` for encoded
            architectures and `proportional` for numerical points.

    Source: Karaboga (2005), "An idea based on honey bee swarm for numerical optimization", TR-06; Shahawy and
    Benkhelifa (2022), "HiveNAS: Neural Architecture Search using Artificial Bee Colony Optimization".

    Examples:
        >>> from hivenas.objectives.numerical import Sphere
        >>> rng = np.random.default_rng(0)
        >>> sphere = Sphere(dimensions=2, rng=rng)
        >>> colony = ArtificialBeeColony(sphere, ColonyConfig(size=6, iterations=2), rng)
        >>> while proposals := colony.ask():
        ...     colony.tell([sphere.run(proposal) for proposal in proposals])
        >>> colony.evaluations
        12
    """

    kind: ClassVar[str] = "canonical"

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
        selection: Selection | None = None,
    ) -> None:
        super().__init__(objective, config, rng, momentum_epochs=momentum_epochs)
        self.sources = [FoodSource(plain_candidate(objective.sample())) for _ in range(config.employees)]
        numerical = not isinstance(self.sources[0].candidate, str)
        self._selection: Selection = selection or ("proportional" if numerical else "rank")

    # -- state -------------------------------------------------------------------------------------------------

    def _take_state(self, state: Mapping[str, Any]) -> None:
        if len(state["sources"]) != self._config.employees:
            raise ConfigError(
                f"the saved search has {len(state['sources'])} employees, the configuration {self._config.employees}; "
                "resume with the configuration that it was started with"
            )
        super()._take_state(state)

    # -- a phase: who flies where ------------------------------------------------------------------------------

    def _plan(self) -> list[Flight]:
        flights: list[Flight] = []
        for index in self._followed() if self._phase == "onlookers" else range(len(self.sources)):
            flights.append(self._fly(flights, index))
        return flights

    def _followed(self) -> list[int]:
        fitness = [source.fitness for source in self.sources if source.fitness is not None]
        probabilities = onlooker_probabilities(fitness, self._objective.is_minimize, self._selection)
        return spread(self._config.onlookers, probabilities, self._rng)

    def _fly(self, before: Sequence[Flight], index: int) -> Flight:
        source = self.sources[index]
        if self._phase == "employees" and source.fitness is None:
            return self._seek(before, "scout", self._objective.sample, first=source.candidate, source=index)
        role = "onlooker" if self._phase == "onlookers" else "employee"
        origin = Found(source.candidate, source.fitness)
        return self._seek(before, role, self._neighbor_of(index), source=index, origin=origin)

    def _neighbor_of(self, index: int) -> Callable[[], Candidate]:
        """Draws neighbours of a source, towards one other source where there is one."""
        source = self.sources[index].candidate
        if len(self.sources) == 1:
            return lambda: self._objective.get_neighbor(source)
        other = int(self._rng.integers(len(self.sources) - 1))
        partner = self.sources[other + (other >= index)].candidate
        return lambda: self._objective.get_neighbor_toward(source, partner)

    def _learn(self, flight: Flight, evaluation: Evaluation) -> None:
        """The greedy choice between a source and the candidate that a bee has visited."""
        source = self.sources[flight.source]
        if flight.role == "scout":
            cut_at_once = evaluation.status == "stopped" and evaluation.epochs == 1
            trials = self._config.abandonment_limit if cut_at_once else 0
            # One that failed is worse than all others, also where these are below 0.
            failed = evaluation.status == "failed"
            fitness = self._direction.score(-math.inf) if failed else evaluation.fitness
            self.sources[flight.source] = FoodSource(evaluation.candidate, fitness, trials)
        elif evaluation.status != "failed" and self._direction.is_better(evaluation.fitness, source.fitness):
            self.sources[flight.source] = FoodSource(evaluation.candidate, evaluation.fitness)
        else:
            self.sources[flight.source] = replace(source, trials=source.trials + 1)

    def _end_iteration(self) -> None:
        """Replaces abandoned sources; all of them, as their employees have nothing else to do."""
        for index, source in enumerate(self.sources):
            if source.trials >= self._config.abandonment_limit:
                self.sources[index] = FoodSource(plain_candidate(self._objective.sample()))
