"""Everything recorded so far, ready for the questions of strategies, stopping rules and views."""

from __future__ import annotations

import math
from array import array
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence

from hivenas.core.records import Direction, Trial


class Curves:
    """The figures of many trainings, accuracies say, so that what they had at an epoch costs no walk over all of them.

    Args:
        curves: the first of them, figure by epoch.
    """

    def __init__(self, curves: Iterable[Mapping[int, float]] = ()) -> None:
        self._seen: dict[int, array[float]] = {}
        for curve in curves:
            self.add(curve)

    def add(self, curve: Mapping[int, float]) -> None:
        """Takes one more."""
        for epoch, figure in curve.items():
            insort(self._seen.setdefault(epoch, array("d")), figure)

    def at(self, epoch: int) -> Sequence[float]:
        """Their values at an epoch, of those that came so far, in ascending order."""
        return self._seen.get(epoch, array("d"))


class History:
    """The records of a search as of the beginning of a phase, ready for the questions that a phase has.

    Args:
        trials: the first of them, oldest first.
    """

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self.curves = Curves()  # of every training that did not fail; no continuations
        self._trained: dict[str, Trial] = {}
        self._count = 0
        self.extend(trials)

    def __len__(self) -> int:
        return self._count

    def extend(self, trials: Iterable[Trial]) -> None:
        """Takes those of another phase."""
        for trial in trials:
            self._count += 1
            if trial.phase == "evaluate":
                self._trained[trial.encoded] = trial
                if not trial.failed:
                    self.curves.add(trial.accuracies())

    def where(self, admits: Callable[[Trial], bool]) -> History:
        """The history of candidates of one kind alone.

        Args:
            admits: tells of the record of a training if it belongs to it.
        """
        return History(trial for trial in self._trained.values() if admits(trial))

    def trained(self, candidate: str) -> Trial | None:
        """The record of a candidate's training, without its continuations; None where there is none, or it failed."""
        trial = self._trained.get(candidate)
        return trial if trial and not trial.failed else None


def ranking(trials: Iterable[Trial], direction: Direction) -> list[Trial]:
    """The latest trial of every candidate that did not fail, best first; the earlier of two equals stands first.

    Those that are paused come after all others, those that were trained longer first: no figure of a training that is
    not over is compared with one of another age.
    """
    latest: dict[str, Trial] = {}
    for trial in trials:
        if not trial.failed:
            latest[trial.encoded] = trial
    return sorted(latest.values(), key=lambda trial: standing(trial, direction), reverse=True)


def standing(trial: Trial, direction: Direction) -> tuple[bool, int, float]:
    """The place of a trial that did not fail among others, the larger the better."""
    paused, score = trial.status == "paused", direction.score(trial.fitness)
    # Earlier versions have recorded what is no finite number.
    return not paused, trial.evaluation.age if paused else 0, score if math.isfinite(score) else -math.inf


def settled(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that are not paused, or all where every one is: paused ones have figures of another age."""
    given = list(trials)
    return [trial for trial in given if trial.status != "paused"] or given


def improvements(trials: Iterable[Trial], direction: Direction) -> list[Trial]:
    """The trials that were better than all before them, in their order: the course of the best so far.

    Trials that failed, or whose fitness is not finite, are never the best, and those that are paused only while there
    is no other.
    """
    course: list[Trial] = []
    for trial in settled(trial for trial in trials if not trial.failed and math.isfinite(trial.fitness)):
        if direction.is_better(trial.fitness, course[-1].fitness if course else None):
            course.append(trial)
    return course
