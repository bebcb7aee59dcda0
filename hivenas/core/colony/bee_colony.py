"""What every bee colony does: it is asked for proposals and told what came of them, and its state is plain data."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.colony.momentum import allocate_epochs
from hivenas.core.colony.ranking import Ranking
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Bee, Candidate, Evaluation, Proposal
from hivenas.errors import ConfigError

STATE_VERSION = 2
_READABLE = (1, 2)  # the first knew no flights that the next phase does not wait for


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
    def from_json(cls, data: Mapping[str, Any], *, known: int = 0) -> Flight:
        """The inverse of `to_json`; JSON knows no tuples.

        Args:
            data: what `to_json` gave.
            known: how much the hive knew when it proposed, where older data do not say.
        """
        candidate = tuple(data["candidate"]) if isinstance(data["candidate"], list) else data["candidate"]
        plain = data["proposal"]
        proposal = plain and Proposal(**{"known": known, **plain, "candidate": candidate, "thresholds": ()})
        return cls(data["bee"], data["source"], candidate, proposal)


class BeeColony(ABC):
    """A colony of employees, onlookers and scouts over an objective; subclasses say who flies where.

    An iteration has the phases employees, onlookers, momentum (where it is on) and scouts. `ask` gives the
    proposals of a phase, all at once, so that they can be evaluated in any order and place; `tell` takes what
    came of them, in the order of the proposals, one or several at a time.

    With an overlap a phase is planned while the last flights of the phase before it, so many, are still on their way.
    Whoever waits for nothing else keeps all workers busy; what the hive knows when it plans depends on the order
    of the proposals alone, never on which was evaluated first.

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

    kind: ClassVar[str]
    overlaps: ClassVar[bool] = False  # whether its phases may be planned before the phase before has landed

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
        self.reused = 0
        self.sources: list[FoodSource] = []
        self._overlap = config.overlap if self.overlaps else 0
        self._best: FoodSource | None = None
        self._memory: dict[str, Evaluation] = {}
        self._ranking = Ranking(minimize=objective.is_minimize)
        self._learned = 0  # evaluations
        self._air: list[Flight] = []  # what the hive has not learned from yet, in order
        self._told: list[Evaluation] = []  # of the first of them
        self._late = 0  # so many flights of the latest phase the next one does not wait for
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
        """Whether every iteration has been flown, and told."""
        return self.iteration >= self._config.iterations and not self._untold()

    @property
    def evaluations(self) -> int:
        """Proposals told so far."""
        return self._learned + len(self._told)

    @property
    def best(self) -> FoodSource | None:
        """The best candidate that was told, None before the first."""
        if not self._told:
            return self._best
        # History, but not learned from yet; a continuation takes the place of its candidate's record.
        late = {str(e.candidate): e for e in self._told if e.status != "failed" or str(e.candidate) not in self._memory}
        ranked = (self._memory[name] for name in self._ranking.best(len(late) + 1) if name not in late)
        best: FoodSource | None = None
        for evaluation in (*itertools.islice(ranked, 1), *late.values()):
            if evaluation.status != "failed" and self._is_better(evaluation.fitness, best.fitness if best else None):
                best = FoodSource(evaluation.candidate, evaluation.fitness)
        return best

    def ask(self) -> list[Proposal]:
        """The proposals that are not told yet, in order: the same until more is told, none once the search is done.

        Beside those of the current phase they are the ones of the phase before for which it did not wait.
        """
        while self._is_due() and self.iteration < self._config.iterations:
            flights = self._plan_momentum() if self._phase == "momentum" else self._plan()
            proposed = sum(flight.proposal is not None for flight in flights)
            if not proposed:
                for flight in flights:
                    self._learn_of(flight, None)
                self._advance()
                continue
            self._late = min(self._overlap, proposed - 1)
            self._air += flights
            self._settle()
        return self._untold()

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Takes the evaluations of the first so many proposals that `ask` gave, in their order.

        Raises:
            ValueError: evaluations that do not match the proposals.
        """
        proposals = self.ask()
        told = [evaluation.candidate for evaluation in evaluations]
        if told != [proposal.candidate for proposal in proposals[: len(told)]]:
            raise ValueError(
                f"tell takes evaluations of the first of the {len(proposals)} proposals that ask gave, in their "
                f"order, got {len(evaluations)} for {told}"
            )
        self._told += evaluations
        self._settle()

    def state(self) -> dict[str, Any]:
        """The hive as small JSON data: restored, it asks for the same proposals again.

        Proposals that the hive has not learned from yet are part of it, told or not: they are asked for again. The
        records of evaluated candidates are not: `restore` takes them.
        """
        return {
            "version": STATE_VERSION,
            "kind": self.kind,
            "iteration": self.iteration,
            "phase": self._phase,
            "evaluations": self._learned,
            "reused": self.reused,
            "best": self._best.to_json() if self._best else None,
            "sources": [source.to_json() for source in self.sources],
            "flights": [flight.to_json() for flight in self._air],
            "late": self._late,
            "rng": self._rng.bit_generator.state,
            **self._own_state(),
        }

    def restore(self, state: Mapping[str, Any], evaluations: Iterable[Evaluation]) -> None:
        """Puts the hive back to a saved state.

        Args:
            state: what `state` gave.
            evaluations: everything that the hive had learned from (`state["evaluations"]`), in that order; the latest
                of a candidate counts.

        Raises:
            ConfigError: a state of another version, of another kind of colony or of one with other employees.
        """
        self._check_state(state)
        self._take_state(state)
        self.iteration = state["iteration"]
        self._learned = state["evaluations"]
        self.reused = state["reused"]
        self._phase = state["phase"]
        self._best = FoodSource.from_json(state["best"]) if state["best"] else None
        self.sources = [FoodSource.from_json(source) for source in state["sources"]]
        # Searches of older versions planned a phase anew when they were resumed.
        self._air = [Flight.from_json(flight, known=self._learned) for flight in state.get("flights", ())]
        self._told = []
        self._late = state.get("late", 0)
        self._rng.bit_generator.state = state["rng"]
        self._memory = {}
        self._ranking = Ranking(minimize=self._objective.is_minimize)
        for evaluation in evaluations:
            self._remember(evaluation)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        if state.get("version") not in _READABLE:
            raise ConfigError(
                f"the saved state has version {state.get('version')}, this hivenas reads "
                f"{' and '.join(map(str, _READABLE))}; finish the search with the version that began it"
            )
        kind = state.get("kind", "canonical")  # older searches knew no other
        if kind != self.kind:
            raise ConfigError(
                f"the saved search was flown by a {kind} colony, the configuration asks for a {self.kind} one; resume "
                f"with colony.kind: {kind}"
            )

    # -- momentum ----------------------------------------------------------------------------------------------

    def _plan_momentum(self) -> list[Flight]:
        away = self._away()  # may be being continued already
        known = [e for e in self._memory.values() if e.status != "failed" and e.filename and e.candidate not in away]
        given = allocate_epochs(self._momentum_epochs, [e.momentum for e in known], [e.age for e in known], self._rng)
        flights: list[Flight] = []
        for evaluation, epochs in zip(known, given, strict=True):
            if epochs:
                proposal = Proposal(
                    self._next_index(flights),
                    self.iteration,
                    "employee",
                    len(flights),
                    evaluation.candidate,
                    evaluation.fitness,
                    epochs,
                    evaluation.filename,
                    known=self._learned,
                )
                flights.append(Flight("employee", -1, evaluation.candidate, proposal))
        return flights

    def _next_index(self, before: Iterable[Flight]) -> int:
        """The number of a phase's next evaluation, after those of the flights before it."""
        return self._learned + sum(flight.proposal is not None for flight in (*self._air, *before))

    # -- what came of a flight ---------------------------------------------------------------------------------

    def _away(self) -> list[str]:
        """Where bees of the phase before are still on their way to."""
        return [str(flight.candidate) for flight in self._air]

    def _open(self) -> list[Proposal]:
        """What the hive has not learned of yet."""
        return [flight.proposal for flight in self._air if flight.proposal]

    def _untold(self) -> list[Proposal]:
        return self._open()[len(self._told) :]

    def _is_due(self) -> bool:
        """Whether the hive knows what the next phase waits for."""
        return len(self._open()) <= self._late

    def _settle(self) -> None:
        """Learns from what was told, but from nothing for which the next phase does not wait until that is planned."""
        while self._told and not self._is_due():
            self._learn_reused()
            self._learn_of(self._air.pop(0), self._told.pop(0))
            self._learn_reused()
            if self._is_due():
                self._advance()

    def _learn_reused(self) -> None:
        """Learns from flights that found a record, in their turn."""
        while self._air and self._air[0].proposal is None:
            self._learn_of(self._air.pop(0), None)

    def _learn_of(self, flight: Flight, evaluation: Evaluation | None) -> None:
        if evaluation is None:
            self.reused += 1
            evaluation = self._memory[str(flight.candidate)]
        else:
            self._learned += 1
            self._remember(evaluation)
        if flight.proposal and flight.proposal.momentum_epochs:
            self._refresh(evaluation)
            return
        self._learn(flight, evaluation)
        if evaluation.status != "failed" and self._is_better(
            evaluation.fitness, self._best.fitness if self._best else None
        ):
            self._best = FoodSource(evaluation.candidate, evaluation.fitness)

    def _refresh(self, evaluation: Evaluation) -> None:
        """Updates the fitness of a continued candidate wherever the hive holds it."""
        if evaluation.status == "failed":
            return
        for index, source in enumerate(self.sources):
            if source.candidate == evaluation.candidate:
                self.sources[index] = replace(source, fitness=evaluation.fitness)
        if self._best and self._best.candidate == evaluation.candidate:
            self._best = replace(self._best, fitness=evaluation.fitness)
            self._best_of_memory()
        elif self._is_better(evaluation.fitness, self._best.fitness if self._best else None):
            self._best = FoodSource(evaluation.candidate, evaluation.fitness)

    def _best_of_memory(self) -> None:
        """A continued best may have become worse than another record."""
        for record in self._memory.values():
            if self._best and record.status != "failed" and self._is_better(record.fitness, self._best.fitness):
                self._best = FoodSource(record.candidate, record.fitness)

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
