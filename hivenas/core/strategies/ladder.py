"""The ladder: candidates are paused after a first look, and the most promising go on, rung by rung, within a budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from hivenas.config import EvaluationConfig
from hivenas.core.records import Candidate, Direction, Evaluation
from hivenas.core.strategies.continuations import Continuations
from hivenas.core.strategies.orders import Order, Take, by_score
from hivenas.errors import ConfigError

# Its phases: a climb to every rung, and, after the last iteration, complete trainings with what is left.
CLIMB, FINISH = "climb ", "finish"
# A rung is worth its start where it is at least so many times as long as the first look.
_LEAST_CLIMB = 1.5


@dataclass(frozen=True, slots=True)
class Rungs:
    """The ages, in epochs, at which candidates of a search with a ladder are paused and compared.

    Args:
        ages: ascending; the first is that of the first look, the last that of a complete training.
        share: of the epochs that complete trainings of all candidates would take, so much is spent.
        hold: of that, so much before the last iteration is over.
    """

    ages: tuple[int, ...]
    share: float
    hold: float

    @classmethod
    def of(cls, config: EvaluationConfig) -> Rungs:
        """Those of a configuration: the first look, then halvings of `evaluation.epochs` that are long enough."""
        ladder, epochs = config.ladder, config.epochs
        first = ladder.first_look or max(2, round(0.7 * math.sqrt(epochs)))
        halves = (-(-epochs // 2**number) for number in itertools.count())
        climbs = itertools.takewhile(lambda age: age >= _LEAST_CLIMB * first, halves)
        return cls((min(first, epochs), *sorted(climbs)), ladder.share, ladder.hold)

    @property
    def first(self) -> int:
        """Epochs of the first look."""
        return self.ages[0]

    @property
    def last(self) -> int:
        """Epochs of a complete training."""
        return self.ages[-1]

    @property
    def climbs(self) -> int:
        """Rungs that are reached by a continuation."""
        return len(self.ages) - 1

    @property
    def climb(self) -> float:
        """Epochs of a continuation, in the mean over the rungs."""
        return max(1.0, (self.last - self.first) / max(1, self.climbs))

    def at(self, age: int) -> int:
        """The number, from 0, of the highest rung that a candidate of this age has reached; −1 for none."""
        return sum(rung <= age for rung in self.ages) - 1

    def budget(self, candidates: int, *, over: bool) -> float:
        """Epochs that may have been spent on so many candidates; `over` once the last iteration is."""
        return (1.0 if over else self.hold) * self.share * self.last * candidates

    def epochs(self, candidates: int) -> int:
        """Epochs that so many candidates are trained in all: never less than first looks and one complete training."""
        least = candidates * self.first + self.last - self.first
        return max(math.ceil(self.budget(candidates, over=True)), least)

    def most_epochs(self, candidates: int) -> int:
        """The same at the most: in the end one candidate climbs every rung, whatever the budget has left for it."""
        spent = max(math.ceil(self.budget(candidates, over=True)), candidates * self.first)
        return spent + self.last - self.first


def rungs_of(config: EvaluationConfig) -> Rungs | None:
    """The rungs of a configuration; None where its stopping rule pauses nobody."""
    return Rungs.of(config) if config.pauses else None


class Ladder(Continuations):
    """Knows the curves of a search's candidates, says who goes on, and what figure each will probably end with.

    Candidates of one rung are compared at equal age, by the best figure that they have had by then: at the same cost
    that ranks them better than their last epoch, which may be an unlucky one. What is told of a paused candidate is
    that figure and what others have gained, in the mean, on the rungs that it has not climbed yet.

    All of it follows from the evaluations alone, in the order in which they are taken.

    Args:
        rungs: the ages at which candidates are compared, and the budget.
        direction: where a better figure lies.
        order: which of those that wait on a rung go on first, by their scores; the best, or those that add most to a
            front.
        hears: hears of every evaluation, for the order; None for nobody.

    Source: successive halving, Jamieson and Talwalkar (2016), and freezing and thawing, Swersky, Snoek and Adams
    (2014), with counts that follow from a share of the epochs instead of a fixed fraction of the candidates.
    """

    waits: ClassVar[bool] = True
    concludes: ClassVar[bool] = True

    def __init__(
        self,
        rungs: Rungs,
        direction: Direction = Direction.MAXIMIZE,
        order: Order = by_score,
        hears: Take | None = None,
    ) -> None:
        self.rungs = rungs
        self._direction = direction
        self._order = order
        self._hears = hears
        self.until = rungs.first
        self.reset()

    def reset(self) -> None:
        """Forgets every curve."""
        # Figures by epoch, by candidate, the earlier candidate first; all here have the sign with which more is better.
        self._curves: dict[str, list[float]] = {}
        self._finals: dict[str, float] = {}  # of complete trainings
        self._measured: dict[str, float] = {}  # the fitness on record, by candidate
        self._lost: set[str] = set()  # whose continuation failed
        self._gains: list[float] | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """The climbs, lowest first, and the finish."""
        return (*(f"{CLIMB}{number}" for number in range(1, self.rungs.climbs + 1)), FINISH)

    def chosen(
        self, phase: str, known: Mapping[str, Evaluation], away: Collection[Candidate], *, over: bool
    ) -> list[tuple[str, int]]:
        """Those who climb, or who finish; nobody finishes before the last iteration is over."""
        if phase == FINISH:
            return self.finishers() if over else []
        return self.climbers(int(phase.removeprefix(CLIMB)), over=over)

    def is_again(self, phase: str, *, over: bool) -> bool:
        """True for the finish, where those who were to be complete have failed, and others wait."""
        return phase == FINISH and over and not self._finals and bool(self.paused())

    def take(self, evaluation: Evaluation) -> Evaluation:
        """Takes the next evaluation; a paused one gets the figure that it will probably end with.

        Raises:
            ConfigError: the figures of its epochs are not on record.
        """
        name = str(evaluation.candidate)
        if self._hears:
            self._hears(evaluation)
        if evaluation.status == "failed":
            self._lost.add(name)
            return evaluation
        self._measured[name] = evaluation.fitness
        curve = self._curves.setdefault(name, [])
        curve += [self._direction.score(figures.figure) for figures in evaluation.history]
        if len(curve) != evaluation.age:
            raise ConfigError(
                f"evaluation.stopping: ladder needs the accuracy of every epoch on record, got {len(curve)} of "
                f"{evaluation.age} of {name}; go on with the record that the search has written itself"
            )
        if len(curve) > self.rungs.first:
            self._gains = None
        if evaluation.status != "paused":
            self._finals[name] = self._direction.score(evaluation.fitness)
            return evaluation
        return replace(evaluation, fitness=self.predicted(name))

    def measured(self, evaluation: Evaluation) -> float:
        """The fitness on record of a candidate's latest evaluation that did not fail."""
        return self._measured[str(evaluation.candidate)]

    def revised(self) -> Iterable[tuple[str, float]]:
        """The figures that incomplete candidates will probably end with, by what climbs have shown since.

        Those whose continuation has failed are among them: a strategy that is restored makes up for all at once.
        """
        return [(name, self.predicted(name)) for name in self._curves if name not in self._finals]

    def predicted(self, candidate: str) -> float:
        """The figure that a candidate has ended with, or will probably end with."""
        if candidate in self._finals:
            return self._direction.score(self._finals[candidate])
        rung = self.rungs.at(len(self._curves[candidate]))
        if rung < 0:
            return self._direction.score(self._score(candidate, len(self._curves[candidate])))
        return self._direction.score(
            self._score(candidate, self.rungs.ages[rung]) + math.fsum(self._mean_gains()[rung:])
        )

    def paused(self) -> list[str]:
        """The candidates that may go on, the earlier first."""
        return [name for name in self._curves if name not in self._finals and name not in self._lost]

    def climbers(self, climb: int, *, over: bool) -> list[tuple[str, int]]:
        """Those who go on to a rung, in their order, and by how many epochs.

        What is left of the budget is divided evenly among this rung and those above; the first that wait on the rung
        below go on, as many as the share of this one pays for.

        Args:
            climb: number of the rung, from 1.
            over: whether the last iteration is over; then at least one reaches every rung.
        """
        below, age = self.rungs.ages[climb - 1 : climb + 1]
        pool = self._pool(over)
        count = max(0, int(pool / (self.rungs.climbs - climb + 1) / (age - below)))
        if over and not any(len(curve) >= age for curve in self._curves.values()):
            count = max(count, 1)
        waiting = [name for name in self.paused() if len(self._curves[name]) == below]
        return [(name, age - below) for name in itertools.islice(self._ranked(waiting), count)]

    def finishers(self) -> list[tuple[str, int]]:
        """Those who are trained to their end with what the climbs of the last iteration have left of the budget.

        Those of the highest rung come first, of these the best. Where nobody is complete, as the continuation of the
        one that was to be has failed, the first goes on whatever is left.
        """
        pool = self._pool(over=True)
        chosen: list[tuple[str, int]] = []
        paused = self.paused()
        least = min((self.rungs.last - len(self._curves[name]) for name in paused), default=0)
        for name in self._by_rung(paused):
            is_needed = not self._finals and not chosen
            if pool < least and not is_needed:  # nobody can be trained to the end, and their order takes time to find
                break
            left = self.rungs.last - len(self._curves[name])
            if left <= pool or is_needed:
                pool -= left
                chosen.append((name, left))
        return chosen

    def _by_rung(self, names: Sequence[str]) -> Iterator[str]:
        """Those of the highest rung first; within a rung in their order, whatever their ages are."""
        rungs = {name: self.rungs.at(len(self._curves[name])) for name in names}
        for rung in sorted(set(rungs.values()), reverse=True):
            yield from self._ranked([name for name in names if rungs[name] == rung])

    def _pool(self, over: bool) -> float:
        spent = sum(len(curve) for curve in self._curves.values())
        return self.rungs.budget(len(self._curves), over=over) - spent

    def _score(self, name: str, age: int) -> float:
        """The best figure that a candidate has had by an age."""
        return max(self._curves[name][:age])

    def _ranked(self, names: Sequence[str]) -> Iterable[str]:
        """Those first that are to go on first, by their scores at their age."""
        return self._order({name: self._score(name, len(self._curves[name])) for name in names})

    def _mean_gains(self) -> list[float]:
        """The gain of the candidates that have climbed from a rung to the next, a rung each; 0 where nobody has."""
        if self._gains is None:
            steps = itertools.pairwise(self.rungs.ages)
            self._gains = [self._mean_gain(below, age) for below, age in steps]
        return self._gains

    def _mean_gain(self, below: int, age: int) -> float:
        gained = [
            (self._finals[name] if age == self.rungs.last and name in self._finals else self._score(name, age))
            - self._score(name, below)
            for name, curve in self._curves.items()
            if len(curve) >= age
        ]
        return math.fsum(gained) / len(gained) if gained else 0.0
