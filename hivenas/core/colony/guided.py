"""The guided colony: bees that learn from every record where to fly next."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from hivenas.config import ColonyConfig
from hivenas.config.costs import Cost
from hivenas.core.colony.aims import Aim, BestFitness
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.colony.encoding import Codes, Encoding, Vector
from hivenas.core.colony.food_source import FoodSource
from hivenas.core.colony.hypervolume import Hypervolume
from hivenas.core.colony.known_sizes import KnownSizes
from hivenas.core.colony.predicted_cost import PredictedCost
from hivenas.core.colony.surrogate import Acquisition, Guesses, Surrogate, known_guesses, normal_scores
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import Evaluation, Role
from hivenas.core.strategies.flight import Flight
from hivenas.core.strategies.known_cost import KnownCost

FIRST = 7  # records by scouts alone before a model is asked: fewer know too little, more are spent blindly
DANCED = 10  # best records around which onlookers look
SAMPLED = 200  # architectures that scouts draw at random
CROSSED = 100  # and those that they cross
DRAWN = 64  # samples among which a scout of the first iteration takes the most novel
STUDIED = 300  # records that the surrogate learns from, so that its cost stays bounded in a long search
LARGEST_AROUND = 200  # neighbours of a record that are looked at in a phase
REMEMBERED = 100  # best records that may be sources; records whose neighbours are kept at hand


@dataclass(frozen=True, slots=True)
class _Choice:
    """The choice that a bee has.

    Args:
        source: number of its own food source; −1 for none.
        visits: unvisited candidates, each with the role of a bee that flies there and the record it is near to.
    """

    source: int
    visits: Mapping[str, tuple[Role, str]]


class GuidedBeeColony(BeeColony):
    """An Artificial Bee Colony whose bees share a model of the space, for encoded architectures.

    An iteration has the phases of every colony, and its proposals are as many; what differs is how a bee chooses:

    - The **scouts** of the first iteration spread over the space: of some samples each takes the one whose
      components were seen least. Later, scouts compete with the onlookers by crossing two good architectures or
      sampling anew, so that the hive is not held where it looks already; and the employee of an abandoned source
      flies as one.
    - The **employees** keep the best records as their food sources, one each, and fly to the unvisited neighbour of
      their own source from which most is expected; where that is less than half of what the hive expects elsewhere,
      they leave it for this flight and join the onlookers. A flight that does not better its source adds a trial; a
      source with `abandonment_limit` trials, or without an unvisited neighbour, is abandoned for good.
    - The **onlookers** watch the dances of the ten best records and fly to whichever of all their unvisited neighbours
      the hive expects most of.

    What is expected is the expected improvement under `Surrogate`, the bees that are already on their way counted in;
    so a phase is proposed at once and is diverse. Nothing is proposed twice.

    Where it is to `weigh` costs, each known before anything is trained or predicted by `PredictedCost`, the front of
    fitness and costs takes the place of the best records, and the expected growth of the area that it dominates that
    of the improvement; see `Hypervolume`.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.
        without: roles whose job nobody does, to see what they are worth; their bees fly in the other roles.
        guesses: of how alike architectures are, for the same purpose.

    Source: Karaboga (2005), TR-06, for the roles; White, Neiswanger and Savani (2021), "BANANAS", and Ru et al.
    (2021), "NAS-BOWL", for surrogates of architectures and for looking at neighbours of the best.

    Examples:
        >>> from hivenas import NASInterface
        >>> rng = np.random.default_rng(0)
        >>> interface = NASInterface({"depth": 3}, {"seed": 0}, rng=rng)
        >>> colony = GuidedBeeColony(interface, ColonyConfig(size=7), rng)
        >>> [proposal.role for proposal in colony.ask()]
        ['scout', 'scout', 'scout']
    """

    kind: ClassVar[str] = "guided"
    overlaps: ClassVar[bool] = True

    def __init__(
        self,
        objective: ArchitectureObjective,
        config: ColonyConfig,
        rng: np.random.Generator,
        *,
        momentum_epochs: int = 0,
        without: frozenset[Role] = frozenset(),
        guesses: Guesses = known_guesses,
    ) -> None:
        super().__init__(objective, config, rng, momentum_epochs=momentum_epochs)
        self._space = objective
        self._without = without
        self._guesses = guesses
        self._encoding = Encoding(objective.entries(), objective.ranks(), objective.definitions())
        self._sizes = KnownSizes(objective)
        self._aim: Aim = BestFitness(self._direction)
        self._trials: dict[str, int] = {}
        self._scouting = 0  # employees whose sources were abandoned in the last iteration
        self._around: dict[str, Sequence[str]] = {}
        self._threads = ThreadpoolController()

    def weigh(self, *costs: Cost) -> None:
        """Has the hive look for a front of fitness and costs, at least one; call it before anything else."""
        unknown = self._space.describe().measures
        told: list[KnownCost | PredictedCost] = [
            PredictedCost(self._space, cost, lambda: self._memory)
            if cost.key in unknown
            else KnownCost(self._space, cost)
            for cost in costs
        ]
        self._aim = Hypervolume(*told, learn=[each.learn for each in told if isinstance(each, PredictedCost)])

    # -- state -------------------------------------------------------------------------------------------------

    def _own_state(self) -> dict[str, Any]:
        return {**super()._own_state(), "trials": dict(self._trials), "scouting": self._scouting}

    def _take_state(self, state: Mapping[str, Any]) -> None:
        super()._take_state(state)
        self._trials = dict(state["trials"])
        self._scouting = state["scouting"]

    # -- a phase: who flies where ------------------------------------------------------------------------------

    def _plan(self) -> list[Flight]:
        # Threads would wait for each other longer than they calculate, and other numbers of them round otherwise.
        with self._threads.limit(limits=1, user_api="blas"):
            self._aim.prepare()
            return self._plan_phase()

    def _plan_phase(self) -> list[Flight]:
        is_employees = self._phase == "employees"
        bees = self._config.employees if is_employees else self._config.onlookers
        if len(self._memory) + len(self._in_flight) < FIRST:
            return self._spread_out(bees)
        ranked = self._ranked(max(REMEMBERED, STUDIED // 2))
        if is_employees:
            self.sources = self._choose_sources(ranked, bees - self._scouting)
        open_to_all = self._shared(ranked)
        choices = [_Choice(-1, open_to_all)] * bees
        if is_employees and "employee" not in self._without:
            # An employee whose source was abandoned scouts, if anything.
            scouted = {name: visit for name, visit in open_to_all.items() if visit[0] == "scout"}
            choices = [*self._employees(), *[_Choice(-1, scouted or open_to_all)] * bees][:bees]
        return self._send(choices, open_to_all, ranked)

    def _employees(self) -> list[_Choice]:
        """Each employee's neighbourhood of its own source."""
        return [
            _Choice(i, {name: ("employee", str(source.candidate)) for name in self._unvisited(str(source.candidate))})
            for i, source in enumerate(self.sources)
        ]

    def _shared(self, ranked: Sequence[Evaluation]) -> dict[str, tuple[Role, str]]:
        """Visits open to every bee: the neighbours of what is danced for, and what scouts come across."""
        best = [str(evaluation.candidate) for evaluation in ranked[:DANCED]]
        role: Role = "onlooker"
        danced = best
        if "onlooker" in self._without:
            role, danced = "employee", [str(source.candidate) for source in self.sources]
        visits: dict[str, tuple[Role, str]] = {}
        for record in danced:
            visits |= {name: (role, record) for name in self._unvisited(record) if name not in visits}
        if "scout" not in self._without:
            found = [*(str(self._space.sample()) for _ in range(SAMPLED)), *self._crossed(best)]
            visits |= {name: ("scout", "") for name in found if self._is_new(name) and name not in visits}
        return visits

    def _send(
        self, choices: Sequence[_Choice], open_to_all: Mapping[str, tuple[Role, str]], ranked: Sequence[Evaluation]
    ) -> list[Flight]:
        """Sends the bees of a phase off one after the other, each to where most is expected of its own choice.

        Args:
            choices: one a bee.
            open_to_all: where a bee goes that is left without a choice, or whose source promises too little.
            ranked: the records that the hive stays near, the first ones first.
        """
        everywhere = dict(open_to_all)
        for choice in choices:
            everywhere |= {name: visit for name, visit in choice.visits.items() if name not in everywhere}
        names = list(everywhere)
        away = self._away()
        acquisition = self._acquisition(ranked, [*names, *away]) if names else None
        place = {name: i for i, name in enumerate(names)}  # of those that no bee of the phase flies to
        if acquisition:
            for number in range(len(names), len(names) + len(away)):
                acquisition.assume(number)
        flights: list[Flight] = []
        for choice in choices:
            if acquisition is None or not place:
                flights.append(self._reuse(flights))
                continue
            expected = acquisition.improvement()
            chosen = _most_expected(choice.visits, place, self._own(choice, expected, acquisition))
            stays = chosen >= 0
            if not stays or choice.source >= 0:
                others = _most_expected(open_to_all, place, expected)
                stays = stays and (others < 0 or self._aim.stays(expected[chosen], expected[others]))
                if not stays:
                    chosen = others if others >= 0 else _most_expected(everywhere, place, expected)
            source, visits = (choice.source, choice.visits) if stays else (-1, everywhere)
            acquisition.assume(chosen)
            name = names[chosen]
            del place[name]
            flights.append(self._flight(flights, source, name, *visits[name]))
        return flights

    def _own(self, choice: _Choice, expected: Vector, acquisition: Acquisition) -> Vector:
        """The expectation that a bee has of every candidate, an employee perhaps another one than all others."""
        if choice.source < 0:
            return expected
        return self._aim.of_source(str(self.sources[choice.source].candidate), expected, acquisition)

    def _flight(self, before: Sequence[Flight], source: int, name: str, role: Role, parent: str) -> Flight:
        center = self._memory[parent].fitness if parent else None
        return Flight(role, source, name, self._propose(before, role, candidate=name, center=center, parent=parent))

    def _spread_out(self, bees: int) -> list[Flight]:
        """Scouts of the first iteration: each takes, of some samples, the one whose components were seen least.

        Source: after Latin hypercubes, McKay, Beckman and Conover (1979); samples keep to the space's limits.
        """
        seen = self._encode([*self._memory, *self._away()])
        flights: list[Flight] = []
        for _ in range(bees):
            drawn = dict.fromkeys(str(self._space.sample()) for _ in range(DRAWN))
            names = [name for name in drawn if self._is_new(name) and all(name != f.candidate for f in flights)]
            if not names:
                flights.append(self._reuse(flights))
                continue
            codes = self._encode(names)
            alike = codes[:, None, :] == seen[None, :, :]
            # A component that was seen twice is worse than two that were seen once.
            crowd = (alike.sum(axis=1) ** 2).sum(axis=1)
            chosen = int(np.argmin(crowd))
            seen = np.concatenate([seen, codes[chosen : chosen + 1]])
            flights.append(self._flight(flights, -1, name=names[chosen], role="scout", parent=""))
        return flights

    def _reuse(self, before: Sequence[Flight]) -> Flight:
        """A flight to the best record, where nothing unvisited is left to fly to; in the first phase after another."""
        known = self._memory.ranking.best(1)[0] if self._memory else str(before[0].candidate)
        return Flight("scout", -1, known, None)

    # -- what the hive knows -----------------------------------------------------------------------------------

    def _away(self) -> list[str]:
        """The places that bees of the phase before are still on their way to."""
        return [str(flight.candidate) for flight in self._in_flight]

    def _ranked(self, count: int | None = None) -> list[Evaluation]:
        """The records to stay near, so many or all: the best, or the front; the earlier of two equals first."""
        return [self._memory[candidate] for candidate in self._aim.ranked(self._memory.ranking, count)]

    def _acquisition(self, ranked: Sequence[Evaluation], names: Sequence[str]) -> Acquisition:
        """The expectation of unvisited architectures."""
        studied = self._studied(ranked)
        surrogate = self._surrogate(studied)
        # Failed ones teach the model where not to go, but are nothing that was found.
        found = [i for i, e in enumerate(studied) if e.status != "failed"] or list(range(len(studied)))
        gain = self._aim.gain([str(studied[i].candidate) for i in found], surrogate.scores[found], names)
        return surrogate.acquisition(self._encode(names), gain, sizes=self._sizes(names))

    def _surrogate(self, studied: Sequence[Evaluation]) -> Surrogate:
        """The model of some records."""
        scores = normal_scores([self._memory.ranking.goodness(e) for e in studied])
        names = [str(evaluation.candidate) for evaluation in studied]
        return Surrogate(self._encoding, self._encode(names), scores, sizes=self._sizes(names), guesses=self._guesses)

    def _studied(self, ranked: Sequence[Evaluation]) -> list[Evaluation]:
        """The records that a model is made of; of very many, the best and the latest."""
        if len(self._memory) <= STUDIED:
            return list(self._memory.values())
        best = {str(e.candidate): e for e in ranked[: STUDIED // 2]}
        others = (e for e in reversed(self._memory.values()) if e.candidate not in best)
        latest = list(itertools.islice(others, STUDIED // 2))
        return [*(best[name] for name in sorted(best, key=self._memory.ranking.number)), *reversed(latest)]

    def _choose_sources(self, ranked: Sequence[Evaluation], count: int) -> list[FoodSource]:
        """The best records that are not abandoned and have an unvisited neighbour, so many at the most."""
        sources: list[FoodSource] = []
        for evaluation in ranked[:REMEMBERED] if count else ():
            candidate = str(evaluation.candidate)
            trials = self._trials.get(candidate, 0)
            if evaluation.status != "failed" and trials < self._config.abandonment_limit and self._unvisited(candidate):
                sources.append(FoodSource(candidate, evaluation.fitness, trials))
            if len(sources) == count:
                break
        return sources

    def _unvisited(self, candidate: str) -> list[str]:
        """The neighbours of a record that no bee has visited; of very many, some."""
        if candidate not in self._around:
            if len(self._around) >= REMEMBERED:
                self._around.clear()
            self._around[candidate] = self._space.neighbors(candidate)
        fresh = [name for name in self._around[candidate] if self._is_new(name)]
        if len(fresh) <= LARGEST_AROUND:
            return fresh
        return [fresh[i] for i in sorted(self._rng.choice(len(fresh), LARGEST_AROUND, replace=False).tolist())]

    def _is_new(self, name: str) -> bool:
        """True where no bee has visited it, nor is on its way there."""
        return name not in self._memory and all(flight.candidate != name for flight in self._in_flight)

    def _crossed(self, best: Sequence[str]) -> Iterator[str]:
        """Architectures crossed of two good ones, position by position; half of them with one more change.

        Source: uniform crossover, Syswerda (1989).
        """
        entries = self._space.entries()
        parents = [self._space.components(candidate) for candidate in best]
        for _ in range(CROSSED):
            one, other = (parents[int(i)] for i in self._rng.integers(len(parents), size=2))
            heads = self._rng.random(len(entries)) < 0.5
            child = [a if head else b for a, b, head in zip(one, other, heads, strict=True)]
            if self._rng.random() < 0.5:
                position = int(self._rng.integers(len(entries)))
                child[position] = entries[position][int(self._rng.integers(len(entries[position])))]
            arch = self._space.compose(child)
            if arch is not None:
                yield arch

    def _encode(self, names: Sequence[str]) -> Codes:
        return self._encoding.codes([self._space.components(name) for name in names])

    # -- a phase: what came of it ------------------------------------------------------------------------------

    def _learn(self, flight: Flight, evaluation: Evaluation) -> None:
        """An employee's flight that does not better its source adds a trial, one that does resets them."""
        if flight.source < 0 or flight.proposal is None:
            return
        # By its name: the employees may have other sources since, where a phase was planned before this flight landed.
        name, ranking = flight.proposal.parent, self._memory.ranking
        if evaluation.status != "failed" and self._aim.is_bettered(self._memory[name], evaluation, ranking):
            self._trials.pop(name, None)
        else:
            self._trials[name] = self._trials.get(name, 0) + 1

    def _end_iteration(self) -> None:
        """Counts the abandoned sources: their employees are the scouts of the next iteration."""
        limit = self._config.abandonment_limit
        self._scouting = sum(self._trials.get(str(source.candidate), 0) >= limit for source in self.sources)
        if len(self._trials) > REMEMBERED:
            # The others can be no sources: better records have come, and stay.
            best = self._aim.ranked(self._memory.ranking, REMEMBERED)
            self._trials = {name: self._trials[name] for name in best if name in self._trials}


def _most_expected(visits: Iterable[str], place: Mapping[str, int], expected: Vector) -> int:
    """The place of the visit from which most is expected, among those that have a place; −1 where none has."""
    return max((place[name] for name in visits if name in place), key=expected.__getitem__, default=-1)
