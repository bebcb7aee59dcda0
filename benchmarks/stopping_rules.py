"""Rules that say how many epochs each network of a search gets, played on recorded learning curves.

A rule is one record with one method, `play`; `RULES` has them by name, and whatever else is compared is added there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig
from hivenas.core.history import Curves
from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.core.nas.training.rules import StoppingRule, median_thresholds
from hivenas.core.records import EpochFigures, Evaluation, Status
from hivenas.core.strategies.ladder import Ladder, Rungs
from hivenas.core.strategies.orders import Order, by_score

PHASES = (3, 4)  # networks, of an iteration: those of employees and of onlookers
CLASSES = 10

# Validation accuracies (networks, epochs); the networks in the order in which a search proposes them.
Accuracies = NDArray[np.float64]
# The numbers of the networks by iteration and phase.
Plan = Sequence[Sequence[range]]


@dataclass(frozen=True, slots=True)
class Played:
    """The outcome of a rule for a sequence of networks.

    Args:
        ages: epochs that each network was trained for.
        told: the accuracies by which the search proposes its last iteration: of each network of those before.
        best: the number of the network that is handed out.
    """

    ages: NDArray[np.int64]
    told: NDArray[np.float64]
    best: int


class Rule(Protocol):
    """Says how long networks are trained."""

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Lets the rule decide over networks that are proposed in this order."""


def planned(networks: int) -> Plan:
    """So many networks in iterations of two phases, the last of them cut short."""
    starts = itertools.accumulate(itertools.cycle(PHASES), initial=0)
    bounds = itertools.pairwise([*itertools.takewhile(lambda start: start < networks, starts), networks])
    phases = [range(start, end) for start, end in bounds]
    return [phases[first : first + len(PHASES)] for first in range(0, len(phases), len(PHASES))]


def guiding(plan: Plan) -> int:
    """So many networks, the first ones, are known when the last iteration is proposed."""
    return plan[-1][0].start


@dataclass(frozen=True, slots=True)
class Bars:
    """Ends trainings for good below a bar: none, the adaptive cutoff threshold or the median rule.

    Whoever has the largest last accuracy is handed out, also one that was ended, as hivenas does it.

    Args:
        settings: of the section `evaluation`.
    """

    settings: Mapping[str, Any]

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Trains every network until it ends or is below the bar of its phase."""
        config = EvaluationConfig.model_validate({"epochs": curves.shape[1], **self.settings})
        cutoff = TerminateOnThreshold(
            threshold_multiplier=config.act.beta, diminishing_factor=config.act.zeta, n_classes=CLASSES
        )
        ages, known = np.zeros(len(curves), np.int64), Curves()
        for phase in itertools.chain.from_iterable(plan):
            thresholds = median_thresholds(known, config) if config.stopping == "median" else []
            rule = StoppingRule(cutoff if config.stopping == "act" else None, thresholds)
            for number in phase:
                ages[number] = _ended(curves[number], rule)
            for number in phase:
                known.add({epoch: float(curves[number, epoch - 1]) for epoch in range(1, ages[number] + 1)})
        last = _last(curves, ages)
        return Played(ages, last[: guiding(plan)], int(last.argmax()))


@dataclass(frozen=True, slots=True)
class Climb:
    """The ladder of hivenas; the best of those that have reached its end is handed out.

    Args:
        keys: of the section `evaluation.ladder`.
        order: which of those that wait on a rung go on first.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    order: Order = by_score

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Has networks pause after their first look, and climb after every iteration."""
        ladder = Ladder(Rungs.of(_climbing(curves.shape[1], self.keys)), order=self.order)
        ages = np.zeros(len(curves), np.int64)

        def train(number: int, epochs: int) -> None:
            ladder.take(_trained(curves, number, int(ages[number]), epochs))
            ages[number] += epochs

        told: list[float] = []
        for iteration in plan:
            told = [ladder.predicted(str(number)) for number in range(iteration[0].start)]
            for number in itertools.chain.from_iterable(iteration):
                train(number, ladder.until)
            for phase in ladder.phases:
                for name, epochs in ladder.chosen(phase, {}, (), over=iteration is plan[-1]):
                    train(int(name), epochs)
        return Played(ages, np.array(told), _best_complete(curves, ages))


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving once all networks are known: the better half goes on to the next rung of the ladder.

    The search is told of first looks alone.

    Source: Jamieson and Talwalkar (2016), with η = 2.
    """

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Halves all networks."""
        ages, rungs = np.zeros(len(curves), np.int64), _rungs(curves.shape[1])
        _halve(curves, ages, range(len(curves)), rungs)
        return Played(ages, curves[: guiding(plan), rungs[0] - 1], _best_complete(curves, ages))


@dataclass(frozen=True, slots=True)
class Asha:
    """Asynchronous successive halving: whoever is in the better half of all that have reached a rung goes on.

    Source: Li et al. (2020), "A system for massively parallel hyperparameter tuning", with η = 2.
    """

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Promotes after every phase until nobody is to be."""
        ages, rungs = np.zeros(len(curves), np.int64), _rungs(curves.shape[1])
        told = curves[:0, 0]
        for phase in itertools.chain.from_iterable(plan):
            if phase.start == guiding(plan):
                told = _last(curves, ages)[: phase.start]
            ages[phase.start : phase.stop] = rungs[0]
            while promoted := list(self._promoted(curves, ages, rungs)):
                for number, rung in promoted:
                    ages[number] = rung
        return Played(ages, told, _best_complete(curves, ages))

    def _promoted(self, curves: Accuracies, ages: NDArray[np.int64], rungs: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The networks that go on, each with the rung that it goes to."""
        for rung, above in itertools.pairwise(rungs):
            reached = np.flatnonzero(ages >= rung)
            for number in _ranked(curves[:, rung - 1], reached)[: len(reached) // 2]:
                if ages[number] == rung:
                    yield number, above


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Brackets of successive halving that begin at every rung of the ladder, one after another, again and again.

    Source: Li et al. (2018), "Hyperband: A novel bandit-based approach to hyperparameter optimization", with η = 2.
    """

    def play(self, curves: Accuracies, plan: Plan) -> Played:
        """Halves a bracket once all of its networks are known; the last may be smaller."""
        ages, rungs = np.zeros(len(curves), np.int64), _rungs(curves.shape[1])
        seen = ages.copy()  # when the last iteration is proposed
        for bracket, first in self._brackets(len(curves), len(rungs)):
            _halve(curves, ages, bracket, rungs[first:])
            is_over = bracket.stop <= guiding(plan)
            seen[bracket.start : bracket.stop] = ages[bracket.start : bracket.stop] if is_over else rungs[first]
        return Played(ages, _last(curves, seen)[: guiding(plan)], _best_complete(curves, ages))

    def _brackets(self, networks: int, rungs: int) -> Iterator[tuple[range, int]]:
        """The networks of every bracket, with the number of the rung at which it begins."""
        start = 0
        for first in itertools.cycle(range(rungs)):
            if start >= networks:
                return
            halvings = rungs - 1 - first
            size = math.ceil(rungs / (halvings + 1) * 2**halvings)
            yield range(start, min(start + size, networks)), first
            start += size


RULES: Mapping[str, Rule] = {
    "none": Bars({"stopping": "none"}),
    "ACT": Bars({"stopping": "act"}),
    "median from 2": Bars({"stopping": "median", "median": {"from_epoch": 2}}),
    "median": Bars({"stopping": "median"}),
    "median, of 3": Bars({"stopping": "median", "median": {"candidates": 3}}),
    "successive halving at the end": Halving(),
    "ASHA": Asha(),
    "Hyperband": Hyperband(),
    "ladder, share .25": Climb({"share": 0.25}),
    "ladder, share .35": Climb(),
    "ladder, share .35, hold 1": Climb({"hold": 1.0}),
    "ladder, share .45": Climb({"share": 0.45}),
    "ladder, share .55": Climb({"share": 0.55}),
}


def _climbing(epochs: int, keys: Mapping[str, Any]) -> EvaluationConfig:
    return EvaluationConfig.model_validate({"epochs": epochs, "stopping": "ladder", "ladder": keys})


def _rungs(epochs: int) -> Sequence[int]:
    """Those of the ladder, so that rules differ in who climbs alone."""
    return Rungs.of(_climbing(epochs, {})).ages


def _ended(curve: NDArray[np.float64], rule: StoppingRule) -> int:
    """The epoch after which a training ends."""
    judged = enumerate(curve[:-1], start=1)
    return next((epoch for epoch, accuracy in judged if rule.stop_reason(epoch, float(accuracy))), len(curve))


def _trained(curves: Accuracies, number: int, before: int, epochs: int) -> Evaluation:
    """The evaluation of a network that has gone on from one age to another; its figures are those of the last epoch."""
    age = before + epochs
    figures = (
        EpochFigures(epoch, 0.0, 0.0, 0.0, float(curves[number, epoch - 1])) for epoch in range(before + 1, age + 1)
    )
    status: Status = "complete" if age == curves.shape[1] else "paused"
    return Evaluation(str(number), status, float(curves[number, age - 1]), epochs=age, history=tuple(figures))


def _last(curves: Accuracies, ages: NDArray[np.int64]) -> NDArray[np.float64]:
    """The last accuracy of every network."""
    return curves[np.arange(len(curves)), ages - 1]


def _best_complete(curves: Accuracies, ages: NDArray[np.int64]) -> int:
    """The best of those that were trained longest."""
    return _ranked(curves[:, -1], np.flatnonzero(ages == ages.max()).tolist())[0]


def _ranked(accuracies: NDArray[np.float64], numbers: Iterable[int]) -> list[int]:
    """Best first; the earlier of two equals first."""
    return sorted((int(number) for number in numbers), key=lambda number: -accuracies[number])


def _halve(curves: Accuracies, ages: NDArray[np.int64], members: Iterable[int], rungs: Sequence[int]) -> None:
    """Trains to every rung the better half of those that have reached the one below, at least one of them."""
    alive = list(members)
    for rung in rungs:
        ages[alive] = rung
        alive = _ranked(curves[:, rung - 1], alive)[: max(1, len(alive) // 2)]
