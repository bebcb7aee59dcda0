"""The full training for which there is room: what it will take, by measured epochs, and what is left out to fit it."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hivenas.config import Config, FullTrainConfig
from hivenas.core.measured import IMAGE_SHARE
from hivenas.core.records import Trial
from hivenas.storage import SearchState, Settled

SHARE = 0.5  # of a budget, at the most, that is kept for the full training while the search goes on


@dataclass(frozen=True, slots=True)
class Timing:
    """The seconds that a training of one candidate takes.

    Args:
        start: before its first epoch.
        epoch: in each epoch.
        share: of the images that full trainings have a candidate sees so many.
    """

    start: float
    epoch: float
    share: float = 1.0

    @classmethod
    def of(cls, trial: Trial) -> Timing | None:
        """As a trial has measured them; None where nothing was trained. A start that was not measured is in the epochs.

        A worker's own start is in neither.
        """
        epochs = len(trial.evaluation.history)
        if not epochs or trial.failed:
            return None
        epoch, share = trial.evaluation.epoch_s, float(trial.evaluation.extra.get(IMAGE_SHARE, 1.0))
        if not epoch:
            return cls(0.0, trial.seconds / epochs, share)
        return cls(max(0.0, trial.seconds - epochs * epoch), epoch, share)

    def full_training(self, epochs: int) -> float:
        """Seconds of a full training of so many epochs."""
        return self.start + epochs * self.epoch / self.share


class Timings:
    """The timings of the candidates of a search, as they come."""

    def __init__(self) -> None:
        self._of: dict[str, Timing] = {}
        self._restarts: list[float] = []

    def take(self, trial: Trial) -> None:
        """Takes the next trial: the epochs of the latest count, and the longest start, which continuations may lack."""
        if timing := Timing.of(trial):
            before = self._of.get(trial.encoded, timing)
            self._of[trial.encoded] = replace(timing, start=max(before.start, timing.start))
            if trial.phase != "evaluate":
                self._restarts.append(timing.start)

    def continued(self, epochs: int, times: float) -> float:
        """Seconds of continuations of candidates as they are in the mean.

        Args:
            epochs: of all of them together.
            times: so many continuations. Each begins as those before have, and as a new candidate before there are any.
        """
        if not self._of:
            return 0.0
        starts = self._restarts or [timing.start for timing in self._of.values()]
        return epochs * fmean(timing.epoch for timing in self._of.values()) + times * fmean(starts)

    def of_best(self, candidates: Iterable[str], count: int) -> list[Timing]:
        """Those of the best candidates, so many; where fewer are known the longest of these stands for the others."""
        found = [timing for name in candidates if (timing := self._of.get(name))][:count]
        longest = max(found, key=lambda timing: timing.full_training(1), default=None)
        return found + [longest] * (count - len(found)) if longest else []


def trainings(plan: FullTrainConfig, timings: Sequence[Timing]) -> tuple[list[float], list[float]]:
    """The seconds of each full training, and of those after the choice among them: the refits.

    Args:
        plan: how many there are to be, for how many epochs; none ends early by its patience.
        timings: of the finalists, the best first.
    """
    first = [timing.full_training(plan.epochs) for timing in timings[: plan.finalists] for _ in range(plan.seeds)]
    return first, heapq.nlargest(_refits(plan, len(first)), first)


def _refits(plan: FullTrainConfig, trained: int) -> int:
    """So many of those that were trained are refitted."""
    return min(plan.ensemble, trained) if plan.refit else 0


def alone(plan: FullTrainConfig) -> FullTrainConfig:
    """The plan of one full training of one candidate, such as that of the small model."""
    return plan.model_copy(update={"finalists": 1, "seeds": 1, "ensemble": 1})


def wall_seconds(plan: FullTrainConfig, timings: Sequence[Timing], workers: int) -> float:
    """The seconds from the first full training's beginning to the last one's end; each begins when a worker is free."""
    return sum(_side_by_side(part, workers) for part in trainings(plan, timings))


def full_seconds(config: Config, timing: Timing) -> float:
    """The seconds of all full trainings of a configuration, that of the small model after the others, of equal ones."""
    plan, workers = config.full_train, config.execution.at_a_time
    if not plan.enabled:
        return 0.0
    small = wall_seconds(alone(plan), [timing], workers) if config.has_small_model else 0.0
    return wall_seconds(plan, [timing] * plan.finalists, workers) + small


def number_of_trainings(config: Config) -> int:
    """All full trainings of a configuration: of finalists and seeds, refits, and those of the small model."""
    plan = config.full_train
    plans = [plan, alone(plan)] if config.has_small_model else [plan]
    trained = [each.finalists * each.seeds for each in plans]
    return sum(trained) + sum(map(_refits, plans, trained))


def worker_seconds(plan: FullTrainConfig, timings: Sequence[Timing]) -> float:
    """The seconds of all full trainings together."""
    return sum(sum(part) for part in trainings(plan, timings))


def _side_by_side(seconds: Iterable[float], workers: int) -> float:
    ends = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def fitted(
    plan: FullTrainConfig, room: float, seconds: Callable[[FullTrainConfig], float], least_epochs: int
) -> FullTrainConfig:
    """A plan of full training that takes no more than there is room for, as far as that can be had.

    Args:
        plan: as configured.
        room: seconds.
        seconds: what a plan takes; no less with more epochs.
        least_epochs: it is not shortened to fewer.

    Returns:
        The plan with fewer finalists where it is too long, the best ones; where one alone is, with fewer epochs.
    """
    for finalists in range(plan.finalists, 0, -1):
        if seconds(fewer := _with(plan, finalists, plan.epochs)) <= room:
            return fewer
    least = min(least_epochs, plan.epochs)
    possible = range(least, plan.epochs)
    fit = bisect_right(possible, room, key=lambda epochs: seconds(_with(plan, 1, epochs)))
    return _with(plan, 1, possible[max(0, fit - 1)] if possible else plan.epochs)


def _with(plan: FullTrainConfig, finalists: int, epochs: int) -> FullTrainConfig:
    ensemble = min(plan.ensemble, finalists * plan.seeds)
    return plan.model_copy(update={"finalists": finalists, "epochs": epochs, "ensemble": ensemble})


def shortest(plan: FullTrainConfig, least_epochs: int) -> FullTrainConfig:
    """The shortest plan that one is shortened to."""
    return _with(plan, 1, min(least_epochs, plan.epochs))


def settled_as(config: Config, plan: FullTrainConfig) -> Settled:
    """The record of the plan that a configuration's is shortened to."""
    return Settled(finalists=plan.finalists, epochs=plan.epochs, wanted=_wanted(config), limits=times(config.limits))


def as_settled(config: Config, state: SearchState) -> Config:
    """The configuration with the full training that a budget has left of it."""
    settled = state.settled
    if settled is None or not is_settled(config, state):
        return config
    return config.model_copy(update={"full_train": _with(config.full_train, settled.finalists, settled.epochs)})


def is_settled(config: Config, state: SearchState) -> bool:
    """True where the full training of this configuration is decided on, or nothing limits it."""
    allowed, settled = times(config.limits), state.settled
    if settled is None or not allowed:
        return settled is None and not allowed
    holds = all(allowed.get(key, math.inf) <= limit for key, limit in settled.limits.items())
    wanted = _wanted(config)
    return holds and settled.wanted == wanted[: len(settled.wanted)]  # earlier versions have recorded the first four


def times(limits: Mapping[str, float]) -> dict[str, float]:
    """The limits that are of time, in seconds."""
    return {key: limit for key, limit in limits.items() if key in ("wall", "cpu")}


def _wanted(config: Config) -> tuple[int | bool, ...]:
    plan = config.full_train
    return plan.finalists, plan.seeds, plan.epochs, plan.refit, plan.ensemble, config.has_small_model
