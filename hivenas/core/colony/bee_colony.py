"""What every bee colony does: it is asked for proposals and told what came of them, and its state is plain data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.colony.momentum import allocate_epochs
from hivenas.core.colony.ranking import Ranking
from hivenas.core.evaluation import Bee, Candidate, Evaluation, Proposal
from hivenas.core.objective_interface import ObjectiveInterface
from hivenas.errors import ConfigError

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Flight:
    """A bee on its way.

    Args:
        bee: its role.
        source: number of the food source that it left from; −1 for none.
        candidate: what it visits.
        proposal: what is to be evaluated; None where a record is reused.
    """

    bee: Bee
    source: int
    candidate: Candidate
    proposal: Proposal | None

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Flight:
        """The inverse of `to_json`; JSON knows no tuples."""
        candidate = tuple(data["candidate"]) if isinstance(data["candidate"], list) else data["candidate"]
        proposal = data["proposal"] and Proposal(**{**data["proposal"], "candidate": candidate, "bars": ()})
        return cls(data["bee"], data["source"], candidate, proposal)


class BeeColony(ABC):
    """A colony of employees, onlookers and scouts over an objective; subclasses say who flies where.

    An iteration has the phases employees, onlookers, momentum (where it is on) and scouts. `ask` gives the
    proposals of a phase, all at once, so that they can be evaluated in any order and place; `tell` takes what
    came of them.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.

    Attributes:
        iteration: the current iteration, from 0.
        evaluations: proposals told so far.
        reused: flights that found a record and were not evaluated.
        best: the best candidate that was told, None before the first.
        sources: the employees' food sources.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
    ) -> None:
        self._objective = objective
        self._config = config
        self._rng = rng
        self._momentum_epochs = momentum_epochs
        self.iteration = 0
        self.evaluations = 0
        self.reused = 0
        self.best: FoodSource | None = None
        self.sources: list[FoodSource] = []
        self._memory: dict[str, Evaluation] = {}
        self._ranking = Ranking(minimize=objective.is_minimize)
        self._pending: list[Flight] = []
        self._phase: Literal["employees", "onlookers", "momentum"] = "employees"

    # -- what a kind of colony decides -------------------------------------------------------------------------

    @abstractmethod
    def _plan(self) -> list[Flight]:
        """Who flies where in the current phase, employees or onlookers."""

    @abstractmethod
    def _learn(self, flight: Flight, evaluation: Evaluation) -> None:
        """What a flight says of its food source; the colony's best is kept already."""

    @abstractmethod
    def _end_iteration(self) -> None:
        """The phase of the scouts."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """What a saved state has beside that of every colony, as small JSON data."""

    @abstractmethod
    def _take_state(self, state: Mapping[str, Any]) -> None:
        """Takes its own part of a saved state.

        Raises:
            ConfigError: it does not fit the configuration.
        """

    # -- the machine -------------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether every iteration has been flown."""
        return self.iteration >= self._config.iterations

    def ask(self) -> list[Proposal]:
        """The proposals of the current phase; the same ones until they are told, none once the search is done."""
        while not self._pending and not self.is_done:
            flights = self._plan_momentum() if self._phase == "momentum" else self._plan()
            if any(flight.proposal for flight in flights):
                self._pending = flights
            else:
                self._settle(flights, {})
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
        flights, self._pending = self._pending, []
        self.evaluations += len(proposals)
        for evaluation in evaluations:
            self._remember(evaluation)
        self._settle(flights, outcomes)

    def state(self) -> dict[str, Any]:
        """The hive as small JSON data: restored, it asks for the same proposals again.

        Proposals that were asked for and not told yet are part of it. The records of evaluated candidates are not:
        `restore` takes them.
        """
        return {
            "version": STATE_VERSION,
            "kind": self.kind,
            "iteration": self.iteration,
            "phase": self._phase,
            "evaluations": self.evaluations,
            "reused": self.reused,
            "best": self.best.to_json() if self.best else None,
            "sources": [source.to_json() for source in self.sources],
            "flights": [flight.to_json() for flight in self._pending],
            "rng": self._rng.bit_generator.state,
            **self._own_state(),
        }

    def restore(self, state: Mapping[str, Any], evaluations: Iterable[Evaluation]) -> None:
        """Puts the hive back to a saved state.

        Args:
            state: what `state` gave.
            evaluations: everything told until then, in that order; the latest of a candidate counts.

        Raises:
            ConfigError: a state of another version, of another kind of colony or of one with other employees.
        """
        self._check_state(state)
        self._take_state(state)
        self.iteration = state["iteration"]
        self.evaluations = state["evaluations"]
        self.reused = state["reused"]
        self._phase = state["phase"]
        self.best = FoodSource.from_json(state["best"]) if state["best"] else None
        self.sources = [FoodSource.from_json(source) for source in state["sources"]]
        # Searches of older versions planned a phase anew when they were resumed.
        self._pending = [Flight.from_json(flight) for flight in state.get("flights", ())]
        self._rng.bit_generator.state = state["rng"]
        self._memory = {}
        self._ranking = Ranking(minimize=self._objective.is_minimize)
        for evaluation in evaluations:
            self._remember(evaluation)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        if state.get("version") != STATE_VERSION:
            raise ConfigError(
                f"the saved state has version {state.get('version')}, this hivenas reads {STATE_VERSION}; "
                "finish the search with the version that began it"
            )
        kind = state.get("kind", "canonical")  # older searches knew no other
        if kind != self.kind:
            raise ConfigError(
                f"the saved search was flown by a {kind} colony, the configuration asks for a {self.kind} one; resume "
                f"with colony.kind: {kind}"
            )

    # -- momentum ----------------------------------------------------------------------------------------------

    def _plan_momentum(self) -> list[Flight]:
        known = [e for e in self._memory.values() if e.status != "failed" and e.filename]
        given = allocate_epochs(self._momentum_epochs, [e.momentum for e in known], [e.age for e in known], self._rng)
        flights: list[Flight] = []
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
                flights.append(Flight("employee", -1, evaluation.candidate, proposal))
        return flights

    # -- what came of a phase ----------------------------------------------------------------------------------

    def _settle(self, flights: Sequence[Flight], outcomes: Mapping[int, Evaluation]) -> None:
        for flight in flights:
            if flight.proposal:
                evaluation = outcomes[flight.proposal.index]
            else:
                self.reused += 1
                evaluation = self._memory[str(flight.candidate)]
            if self._phase == "momentum":
                self._refresh(evaluation)
                continue
            self._learn(flight, evaluation)
            if evaluation.status != "failed" and self._is_better(
                evaluation.fitness, self.best.fitness if self.best else None
            ):
                self.best = FoodSource(evaluation.candidate, evaluation.fitness)
        self._advance()

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
            self._ranking.put(evaluation.candidate, evaluation)

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
            self._end_iteration()
            self._phase = "employees"
            self.iteration += 1
