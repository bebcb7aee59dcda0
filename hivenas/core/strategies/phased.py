"""The machine of strategies that propose a phase at a time: asking and telling, what is in flight, the saved state."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal, Role
from hivenas.core.strategies.continuations import Continuations
from hivenas.core.strategies.flight import Flight, Found, first_unknown, refuse_others
from hivenas.core.strategies.memory import Memory
from hivenas.core.strategies.momentum import Momentum
from hivenas.core.strategies.saved_state import STATE_VERSION, check_state
from hivenas.core.strategies.unfinished import Unfinished

# Iterations without a proposal after which it is taken that there is none left; one alone may have had unlucky draws.
_MOST_IDLE = 100


class PhasedStrategy(ABC):
    """A `Strategy` that proposes a phase at a time; subclasses say what a phase proposes.

    An iteration has the phases of its kind, then those of `Continuations`: a momentum phase, where that is on. `ask`
    gives the proposals of a phase, all at once, so that they can be evaluated in any order and place; `tell` takes what
    came of them, in the order of the proposals, one or several at a time.

    With an overlap a phase is planned while the last flights of the phase before it, so many, are still on their way.
    Whoever waits for nothing else keeps all workers busy; what is known when a phase is planned depends on the order
    of the proposals alone, never on which was evaluated first.

    Encoded architectures are remembered and never proposed twice but to be continued; numerical points are not.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.

    Attributes:
        iteration: the current iteration, from 0.
        reused: flights that found a record and were not evaluated.
    """

    kind: ClassVar[str]
    phases: ClassVar[tuple[str, ...]]  # of an iteration, without the one of continuations
    continues_as: ClassVar[Role]  # the role of continuations
    overlaps: ClassVar[bool] = False  # whether a phase may be planned before all of the phase before is told

    def __init__(
        self,
        objective: ObjectiveInterface,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
    ) -> None:
        self._objective = objective
        self._direction = Direction.of(objective.is_minimize)
        self._config = config
        self._rng = rng
        self._iterations = config.iterations
        self._concluded = False
        self._unfinished: Unfinished | None = None  # where it goes on once it is concluded no more
        self.iteration = 0
        self.reused = 0
        self._overlap = config.overlap if self.overlaps else 0
        self._continuations = Momentum(momentum_epochs, rng) if momentum_epochs else Continuations()
        self._memory = Memory(self._direction)
        self._learned = 0  # evaluations
        self._in_flight: list[Flight] = []  # in order
        self._told: list[Evaluation] = []  # of the first of them
        self._late = 0  # so many flights of the latest phase the next one does not wait for
        self._phase = self.phases[0]

    # -- what a kind of strategy decides -------------------------------------------------------------------------

    # The hooks below `_plan` may be left as they are.

    @abstractmethod
    def _plan(self) -> list[Flight]:
        """Chooses the flights of the current phase, which is one of `phases`."""

    def _learn(self, flight: Flight, evaluation: Evaluation) -> None:  # noqa: B027
        """Learns from a flight; the best and the records are kept already."""

    def _end_iteration(self) -> None:  # noqa: B027
        """Does what is due between two iterations."""

    def _own_state(self) -> dict[str, Any]:
        """The kind's own part of a saved state, as small JSON data."""
        return {}

    def _take_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Takes the kind's own part of a saved state.

        Raises:
            ConfigError: it does not fit the configuration.
        """

    def continue_by(self, continuations: Continuations) -> None:
        """Has candidates continued by another rule than momentum; call it before anything else."""
        self._continuations = continuations
        self._overlap = 0 if continuations.waits else self._overlap

    # -- asking and telling ------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """True once every iteration has been planned, and told."""
        return self.iteration >= self._iterations and not self._untold()

    @property
    def evaluations(self) -> int:
        """Proposals told so far."""
        return self._learned + len(self._told)

    @property
    def best(self) -> Found | None:
        """The best candidate that was told, None before the first; a paused one is none yet."""
        return self._memory.best_with(self._told)

    def ask(self) -> list[Proposal]:
        """The proposals that are not told yet, in order: the same until more is told, none once the search is done.

        Beside those of the current phase they are the ones of the phase before for which it did not wait. After a
        hundred iterations in which there was nothing to evaluate the last one is next: all that there is is known.
        """
        begun = self.iteration
        while self._is_due() and self.iteration < self._iterations:
            if self.iteration - begun >= _MOST_IDLE:
                self.iteration = self._iterations - 1
            flights = self._plan() if self._phase in self.phases else self._plan_continuations()
            proposed = sum(flight.proposal is not None for flight in flights)
            if not proposed:
                for flight in flights:
                    self._learn_of(flight, None)
                self._advance()
                continue
            self._late = min(self._overlap, proposed - 1)
            self._in_flight += flights
            self._settle()
        return self._untold()

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Takes the evaluations of the first so many proposals that `ask` gave, in their order.

        Raises:
            ValueError: evaluations that do not match the proposals.
        """
        refuse_others(self.ask(), evaluations)
        self._told += evaluations
        self._settle()

    def conclude(self) -> None:
        """Plans no further phase of the search, and lays proposals aside that are not told yet; see `Concluding`."""
        if self._concluded or self.is_done:
            return
        aside: list[Flight] = []
        while self._in_flight and self._untold():
            aside.insert(0, self._in_flight.pop())
        self._late = 0
        self._settle()
        self._learn_reused()
        self._concluded, self._iterations = True, self.iteration
        if self._continuations.concludes:
            place = (self.iteration, self._phase, self._learned)
            self._unfinished = Unfinished(*place, aside, self._rng.bit_generator.state, self._own_state())
            self._phase, self._iterations = self._continuations.phases[0], self.iteration + 1

    # -- the saved state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The strategy as small JSON data: restored, it asks for the same proposals again.

        Proposals that it has not learned from yet are part of it, told or not: they are asked for again. The records of
        evaluated candidates are not: `restore` takes them.
        """
        return {
            "version": STATE_VERSION,
            "kind": self.kind,
            "iteration": self.iteration,
            "phase": self._phase,
            "evaluations": self._learned,
            "reused": self.reused,
            "best": self._memory.best.to_json() if self._memory.best else None,
            "flights": [flight.to_json() for flight in self._in_flight],
            "late": self._late,
            "rng": self._rng.bit_generator.state,
            **({"iterations": self._iterations} if self._concluded else {}),
            **({"unfinished": self._unfinished.to_json()} if self._unfinished else {}),
            **self._own_state(),
        }

    def restore(self, state: Mapping[str, Any], evaluations: Iterable[Evaluation]) -> None:
        """Puts the strategy back to a saved state.

        Args:
            state: what `state` gave.
            evaluations: everything that it had learned from (`state["evaluations"]`), in that order; the latest of a
                candidate counts.

        Raises:
            ConfigError: a state of another version, of another kind of strategy or one that does not fit.
        """
        check_state(state, self.kind)
        self._unfinished = Unfinished.from_json(state["unfinished"]) if "unfinished" in state else None
        self._concluded = "iterations" in state
        left = None if self._concluded else self._unfinished
        self._take_state(left.own if left else state)
        self.iteration = state["iteration"]
        self._iterations = state.get("iterations", self._config.iterations)
        self._learned = state["evaluations"]
        self.reused = state["reused"]
        self._phase = state["phase"]
        self._in_flight = [Flight.from_json(flight) for flight in state["flights"]]
        self._told = []
        self._late = state["late"]
        self._rng.bit_generator.state = state["rng"]
        self._memory = Memory(self._direction, Found.from_json(state["best"]) if state["best"] else None)
        self._continuations.reset()
        for evaluation in evaluations:
            self._memory.put(self._continuations.take(evaluation))
        self._revise()
        if left:  # the search is not over after all
            self._unfinished = None
            self.iteration, self._phase = left.iteration, left.phase
            # Continuations are chosen anew: those whom the end has continued are older now.
            self._in_flight = left.renumbered(self._learned) if self._phase in self.phases else []
            self._rng.bit_generator.state = dict(left.rng)
            for evaluation in [each for each in self._memory.values() if each.status != "failed"]:
                self._refresh(evaluation)

    # -- choosing ------------------------------------------------------------------------------------------------

    def _seek(
        self,
        before: Sequence[Flight],
        role: Role,
        draw: Callable[[], Candidate],
        *,
        first: Candidate | None = None,
        source: int = -1,
        origin: Found | None = None,
    ) -> Flight:
        """A flight to an unknown candidate; where every draw is known, to a record, which is reused.

        Args:
            before: the flights of the phase so far.
            role: what the candidate is chosen as.
            draw: draws a candidate.
            first: what is tried before the first draw.
            source: see `Flight`.
            origin: what the candidate is made from; None where it is from nothing.
        """
        taken = {flight.candidate for flight in (*self._in_flight, *before)}
        is_known = functools.partial(self._is_known, taken=taken)
        candidate = first_unknown(draw, is_known, first)
        if is_known(candidate):
            return Flight(role, source, self._recorded(candidate, before), None)
        center = origin.fitness if origin else None
        parent = str(origin.candidate) if origin and isinstance(candidate, str) else ""
        return Flight(
            role, source, candidate, self._propose(before, role, candidate=candidate, center=center, parent=parent)
        )

    def _propose(
        self,
        before: Sequence[Flight],
        role: Role,
        candidate: Candidate,
        center: float | None = None,
        parent: str = "",
    ) -> Proposal:
        """The proposal of a candidate after the flights of the phase so far."""
        index = self._learned + sum(flight.proposal is not None for flight in (*self._in_flight, *before))
        # What is expected of a paused one is a fitness that nobody has measured.
        center = None if self._memory.is_paused(parent) else center
        return Proposal(
            index,
            self.iteration,
            role=role,
            role_id=len(before),
            candidate=candidate,
            center_fitness=center,
            parent=parent,
            known=self._learned,
            until=self._continuations.until,
        )

    def _is_known(self, candidate: Candidate, taken: Collection[Candidate]) -> bool:
        """True where evaluating it would repeat work; numerical points cost nothing and are not remembered."""
        return isinstance(candidate, str) and (candidate in self._memory or candidate in taken)

    def _recorded(self, candidate: Candidate, before: Iterable[Flight]) -> Candidate:
        """The candidate, or the best record where it would have none by the time that it is learned from."""
        there_in_time = candidate in self._memory or any(flight.candidate == candidate for flight in before)
        return candidate if there_in_time else self._memory.ranking.best(1)[0]

    def _plan_continuations(self) -> list[Flight]:
        over = self.iteration + 1 >= self._iterations
        away = {flight.candidate for flight in self._in_flight}
        flights: list[Flight] = []
        for name, epochs in self._continuations.chosen(self._phase, self._memory, away, over=over):
            of = self._memory[name]
            proposal = self._propose(flights, self.continues_as, of.candidate, self._continuations.measured(of))
            proposal = replace(proposal, momentum_epochs=epochs, weights_filename=of.filename, until=0)
            flights.append(Flight(self.continues_as, -1, of.candidate, proposal))
        return flights

    # -- what came of a flight ---------------------------------------------------------------------------------

    def _open(self) -> list[Proposal]:
        """The proposals that are not learned from yet."""
        return [flight.proposal for flight in self._in_flight if flight.proposal]

    def _untold(self) -> list[Proposal]:
        return self._open()[len(self._told) :]

    def _is_due(self) -> bool:
        """True once everything is known that the next phase waits for."""
        return len(self._open()) <= self._late

    def _settle(self) -> None:
        """Learns from what was told, but from nothing for which the next phase does not wait until that is planned."""
        while self._told and not self._is_due():
            self._learn_reused()
            self._learn_of(self._in_flight.pop(0), self._told.pop(0))
            self._learn_reused()
            if self._is_due():
                self._advance()

    def _learn_reused(self) -> None:
        """Learns from flights that found a record, in their turn."""
        while self._in_flight and self._in_flight[0].proposal is None:
            self._learn_of(self._in_flight.pop(0), None)

    def _learn_of(self, flight: Flight, evaluation: Evaluation | None) -> None:
        if evaluation is None:
            self.reused += 1
            evaluation = self._memory[str(flight.candidate)]
        else:
            self._learned += 1
            evaluation = self._continuations.take(evaluation)
            self._memory.put(evaluation)
        if flight.proposal and flight.proposal.momentum_epochs:
            if evaluation.status != "failed":
                self._refresh(evaluation)
                self._revise()
            return
        self._learn(flight, evaluation)
        self._memory.keep_best(evaluation)

    def _revise(self) -> None:
        """Brings what is expected of candidates up to what continuations have shown since."""
        for name, fitness in self._continuations.revised():
            known = self._memory[name]
            if known.fitness != fitness:
                self._memory.put(replace(known, fitness=fitness))
                self._refresh(self._memory[name])

    def _refresh(self, evaluation: Evaluation) -> None:
        """Updates the fitness of a continued candidate wherever it is held."""
        self._memory.refresh_best(evaluation)

    def _advance(self) -> None:
        """Goes on to the next phase, that of continuations where it is on, or to the next iteration."""
        order = (*self.phases, *self._continuations.phases)
        if self._continuations.is_again(self._phase, over=self.iteration + 1 >= self._iterations):
            return
        if self._phase in order[:-1]:
            self._phase = order[order.index(self._phase) + 1]
            return
        self._end_iteration()
        self._phase = self.phases[0]
        self.iteration += 1
