"""The Artificial Bee Colony, as a machine that is asked for proposals and told what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.bees import Selection, onlooker_probabilities, spread
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.colony.momentum import allocate_epochs
from hivenas.core.evaluation import Bee, Candidate, Evaluation, Proposal
from hivenas.core.objective_interface import ObjectiveInterface
from hivenas.errors import ConfigError

STATE_VERSION = 1
_REDRAWS = 50  # tries to find a candidate that the hive does not know yet before a record is reused


@dataclass(frozen=True, slots=True)
class _Flight:
    """A bee on its way: the source it left from and the candidate it visits; without a proposal it reuses a record."""

    bee: Bee
    source: int
    candidate: Candidate
    proposal: Proposal | None


class ArtificialBeeColony:
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

    Example:
        >>> from hivenas.benchmarks.numerical import Sphere
        >>> rng = np.random.default_rng(0)
        >>> sphere = Sphere(dimensions=2, rng=rng)
        >>> colony = ArtificialBeeColony(sphere, ColonyConfig(size=6, iterations=2), rng)
        >>> while proposals := colony.ask():
        ...     colony.tell([sphere.run(proposal) for proposal in proposals])
        >>> colony.evaluations
        12
    """

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
        selection: Selection | None = None,
    ) -> None:
        self._objective = objective
        self._config = config
        self._rng = rng
        self._momentum_epochs = momentum_epochs
        self.iteration = 0
        self.evaluations = 0
        self.reused = 0
        self.best: FoodSource | None = None
        self._memory: dict[str, Evaluation] = {}
        self._pending: list[_Flight] = []
        self._before_ask: dict[str, Any] | None = None
        self._phase: Literal["employees", "onlookers", "momentum"] = "employees"
        self.sources = [FoodSource(objective.sample()) for _ in range(config.employees)]
        numerical = not isinstance(self.sources[0].candidate, str)
        self._selection: Selection = selection or ("proportional" if numerical else "rank")

    @property
    def is_done(self) -> bool:
        """Whether every iteration has been flown."""
        return self.iteration >= self._config.iterations

    def ask(self) -> list[Proposal]:
        """The proposals of the current phase; the same ones until they are told, none once the search is done."""
        while not self._pending and not self.is_done:
            self._before_ask = self._snapshot()
            flights = self._plan()
            if any(flight.proposal for flight in flights):
                self._pending = flights
            else:
                self._settle(flights, {})
                self._before_ask = None
        return [flight.proposal for flight in self._pending if flight.proposal]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Takes the evaluations of all proposals that `ask` gave, in the same order.

        Raises:
            ValueError: evaluations that do not match the proposals.
        """
        proposals = self.ask()
        if [p.candidate for p in proposals] != [e.candidate for e in evaluations]:
            raise ValueError(
                f"tell takes one evaluation for each of the {len(proposals)} proposals that ask gave, in their "
                f"order, got {len(evaluations)} for {[e.candidate for e in evaluations]}"
            )
        outcomes = {proposal.index: evaluation for proposal, evaluation in zip(proposals, evaluations, strict=True)}
        flights, self._pending, self._before_ask = self._pending, [], None
        self.evaluations += len(proposals)
        for evaluation in evaluations:
            self._remember(evaluation)
        self._settle(flights, outcomes)

    def state(self) -> dict[str, Any]:
        """The hive as small JSON data: restored, it asks for the same proposals again.

        Proposals that were asked for and not told yet are not part of it; asking again gives them again. The
        records of evaluated candidates are not either: `restore` takes them.
        """
        return self._before_ask or self._snapshot()

    def restore(self, state: dict[str, Any], evaluations: Iterable[Evaluation]) -> None:
        """Puts the hive back to a saved state.

        Args:
            state: what `state` gave.
            evaluations: everything told until then, in that order; the latest of a candidate counts.

        Raises:
            ConfigError: a state of another version or of a colony with other employees.
        """
        if state.get("version") != STATE_VERSION:
            raise ConfigError(
                f"the saved state has version {state.get('version')}, this hivenas reads {STATE_VERSION}; "
                "finish the search with the version that began it"
            )
        if len(state["sources"]) != self._config.employees:
            raise ConfigError(
                f"the saved search has {len(state['sources'])} employees, the configuration {self._config.employees}; "
                "resume with the configuration that it was started with"
            )
        self.iteration = state["iteration"]
        self.evaluations = state["evaluations"]
        self.reused = state["reused"]
        self._phase = state["phase"]
        self.best = FoodSource.from_json(state["best"]) if state["best"] else None
        self.sources = [FoodSource.from_json(source) for source in state["sources"]]
        self._rng.bit_generator.state = state["rng"]
        self._pending, self._before_ask = [], None
        self._memory = {}
        for evaluation in evaluations:
            self._remember(evaluation)

    def _snapshot(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "iteration": self.iteration,
            "phase": self._phase,
            "evaluations": self.evaluations,
            "reused": self.reused,
            "best": self.best.to_json() if self.best else None,
            "sources": [source.to_json() for source in self.sources],
            "rng": self._rng.bit_generator.state,
        }

    # -- a phase: who flies where ------------------------------------------------------------------------------

    def _plan(self) -> list[_Flight]:
        if self._phase == "momentum":
            return self._plan_momentum()
        flights: list[_Flight] = []
        taken: set[Candidate] = set()
        for bee_id, source in enumerate(self._followed() if self._phase == "onlookers" else range(len(self.sources))):
            flight = self._fly(bee_id, source, taken, sum(f.proposal is not None for f in flights))
            taken.add(flight.candidate)
            flights.append(flight)
        return flights

    def _followed(self) -> list[int]:
        fitness = [source.fitness for source in self.sources if source.fitness is not None]
        probabilities = onlooker_probabilities(fitness, self._objective.is_minimize, self._selection)
        return spread(self._config.onlookers, probabilities, self._rng)

    def _fly(self, bee_id: int, index: int, taken: set[Candidate], offset: int) -> _Flight:
        source = self.sources[index]
        bee: Bee = "onlooker" if self._phase == "onlookers" else "employee" if source.fitness is not None else "scout"
        if bee == "scout":
            candidate = self._unknown(source.candidate, taken, self._objective.sample)
        else:
            candidate = self._unknown(None, taken, self._neighbor_of(index))
        if self._is_known(candidate, taken):
            return _Flight(bee, index, candidate, None)
        parent = str(source.candidate) if isinstance(candidate, str) and bee != "scout" else ""
        proposal = Proposal(
            self.evaluations + offset, self.iteration, bee, bee_id, candidate, source.fitness, parent=parent
        )
        return _Flight(bee, index, candidate, proposal)

    def _neighbor_of(self, index: int) -> Callable[[], Candidate]:
        """Draws neighbours of a source, towards one other source where there is one."""
        source = self.sources[index].candidate
        if len(self.sources) == 1:
            return lambda: self._objective.get_neighbor(source)
        other = int(self._rng.integers(len(self.sources) - 1))
        partner = self.sources[other + (other >= index)].candidate
        return lambda: self._objective.get_neighbor_toward(source, partner)

    def _unknown(self, first: Candidate | None, taken: set[Candidate], draw: Callable[[], Candidate]) -> Candidate:
        """The first draw that the hive has no record of; after many tries the last one all the same."""
        candidate = draw() if first is None else first
        for _ in range(_REDRAWS):
            if not self._is_known(candidate, taken):
                break
            candidate = draw()
        return candidate

    def _is_known(self, candidate: Candidate, taken: set[Candidate]) -> bool:
        """Whether evaluating it would repeat work; numerical points cost nothing and are not remembered."""
        return isinstance(candidate, str) and (candidate in self._memory or candidate in taken)

    def _plan_momentum(self) -> list[_Flight]:
        known = [e for e in self._memory.values() if e.status != "failed" and e.filename]
        given = allocate_epochs(self._momentum_epochs, [e.momentum for e in known], [e.age for e in known], self._rng)
        flights: list[_Flight] = []
        for evaluation, epochs in zip(known, given, strict=True):
            if epochs:
                proposal = Proposal(
                    self.evaluations + len(flights),
                    self.iteration,
                    "employee",
                    len(flights),
                    evaluation.candidate,
                    evaluation.fitness,
                    epochs,
                    evaluation.filename,
                )
                flights.append(_Flight("employee", -1, evaluation.candidate, proposal))
        return flights

    # -- a phase: what came of it ------------------------------------------------------------------------------

    def _settle(self, flights: Sequence[_Flight], outcomes: dict[int, Evaluation]) -> None:
        for flight in flights:
            if flight.proposal:
                evaluation = outcomes[flight.proposal.index]
            else:
                self.reused += 1
                evaluation = self._memory[str(flight.candidate)]
            if self._phase == "momentum":
                self._refresh(evaluation)
            else:
                self._choose(flight, evaluation)
        self._advance()

    def _choose(self, flight: _Flight, evaluation: Evaluation) -> None:
        """The greedy choice between a source and the candidate that a bee has visited."""
        source = self.sources[flight.source]
        if flight.bee == "scout":
            cut_at_once = evaluation.status == "stopped" and evaluation.epochs == 1
            trials = self._config.abandonment_limit if cut_at_once else 0
            self.sources[flight.source] = FoodSource(evaluation.candidate, evaluation.fitness, trials)
        elif evaluation.status != "failed" and self._is_better(evaluation.fitness, source.fitness):
            self.sources[flight.source] = FoodSource(evaluation.candidate, evaluation.fitness)
        else:
            self.sources[flight.source] = replace(source, trials=source.trials + 1)
        if evaluation.status != "failed" and self._is_better(
            evaluation.fitness, self.best.fitness if self.best else None
        ):
            self.best = FoodSource(evaluation.candidate, evaluation.fitness)

    def _refresh(self, evaluation: Evaluation) -> None:
        """Updates the fitness of a continued candidate wherever the hive holds it."""
        if evaluation.status == "failed":
            return
        for index, source in enumerate(self.sources):
            if source.candidate == evaluation.candidate:
                self.sources[index] = replace(source, fitness=evaluation.fitness)
        if self.best and self.best.candidate == evaluation.candidate:
            self.best = replace(self.best, fitness=evaluation.fitness)
            self._best_of_memory()
        elif self._is_better(evaluation.fitness, self.best.fitness if self.best else None):
            self.best = FoodSource(evaluation.candidate, evaluation.fitness)

    def _best_of_memory(self) -> None:
        """A continued best may have become worse than another record."""
        for record in self._memory.values():
            if self.best and record.status != "failed" and self._is_better(record.fitness, self.best.fitness):
                self.best = FoodSource(record.candidate, record.fitness)

    def _remember(self, evaluation: Evaluation) -> None:
        if not isinstance(evaluation.candidate, str):
            return
        known = self._memory.get(evaluation.candidate)
        if known is None or evaluation.status != "failed":
            self._memory[evaluation.candidate] = evaluation

    def _is_better(self, fitness: float, than: float | None) -> bool:
        if than is None:
            return True
        return fitness < than if self._objective.is_minimize else fitness > than

    def _advance(self) -> None:
        if self._phase == "employees":
            self._phase = "onlookers"
        elif self._phase == "onlookers" and self._momentum_epochs:
            self._phase = "momentum"
        else:
            self._scout()
            self._phase = "employees"
            self.iteration += 1

    def _scout(self) -> None:
        """Replaces abandoned sources; all of them, as their employees have nothing else to do."""
        for index, source in enumerate(self.sources):
            if source.trials >= self._config.abandonment_limit:
                self.sources[index] = FoodSource(self._objective.sample())
