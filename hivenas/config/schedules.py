"""The schedules of the learning rate that `evaluation.schedule` may name, and what the keys about it come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.text import one_of


@dataclass(frozen=True, slots=True)
class Schedule:
    """A course of the learning rate, as a record that describes itself.

    Args:
        name: as `evaluation.schedule` names it.
        description: what it does, in a line.
        rate: the rate, of where it begins, where it ends and the progress in between, 0…1.
        end: `evaluation.final_lr` as a share of `initial_lr`, where that is left out.
        by_step: whether the rate changes at every step, rather than at every epoch.
        changes: whether it ends elsewhere than it begins.
    """

    name: str
    description: str
    rate: Callable[[float, float, float], float]
    end: float
    by_step: bool = False
    changes: bool = True

    def at(self, ends: tuple[float, float], progress: float) -> float:
        """The rate at a progress of 0…1 from the first of the ends to the second."""
        return self.rate(*ends, progress)


def _exponential(initial: float, final: float, progress: float) -> float:
    decay: float = (final / initial) ** progress
    return initial * decay


def _cosine(initial: float, final: float, progress: float) -> float:
    """I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts (2017), equation 5."""
    return final + (initial - final) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: Mapping[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule("exponential", "decays by the same factor at every epoch", _exponential, end=0.125),
        Schedule("cosine", "half a wave, a step at a time", _cosine, end=0.01, by_step=True),
        Schedule("constant", "the same all the time", lambda initial, final, progress: initial, end=1, changes=False),
    )
}


def check_schedule(name: object) -> str:
    """Refuses a name that is no schedule's.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(name, SCHEDULES)


@dataclass(frozen=True, slots=True)
class Rates:
    """The learning rates of a training: from `initial` to `final`, or, where these are 0, the optimizer's."""

    initial: float
    final: float
    own: float | None


@dataclass(frozen=True, slots=True)
class GivenRates:
    """The keys about the learning rate as they were given, each None where it was left out.

    Args:
        own: the optimizer's `learning_rate`. Alone, without a schedule either, it is the rate of every epoch.
        initial: `initial_lr`, 0 for the optimizer's own rate.
        final: `final_lr`, likewise.
        schedule: its name.
    """

    own: float | None = None
    initial: float | None = None
    final: float | None = None
    schedule: str | None = None

    def resolved(self, op: str, default_schedule: str) -> Rates:
        """The learning rates that the keys come to.

        A rate follows the schedule unless one that is constant is asked for. An end of it that is left out follows the
        other: the rate begins where the optimizer's record says, falls to the share of it that the schedule's says, and
        never rises.

        Args:
            op: the optimizer.
            default_schedule: the name of the schedule where none is given.

        Raises:
            ValueError: the keys say different things.
        """
        own, initial, final = self.own, self.initial, self.final
        kind, schedule = OPTIMIZERS[op], SCHEDULES[self.schedule or default_schedule]
        alone = own is not None and initial is None and final is None
        if 0 in (initial, final) or (alone and not (self.schedule and schedule.changes)):
            return Rates(0.0, 0.0, kind.keras_rate if own is None else own)
        if own is not None and initial not in (None, own):
            raise ValueError(
                f"evaluation.optimizer.learning_rate must be evaluation.initial_lr={initial:g}, from where the rate "
                f"decays, got {own:g}; leave learning_rate out, or set evaluation.initial_lr: 0 to train at it all the "
                "time"
            )
        if initial is None:
            initial = max(kind.initial_rate, final or 0.0) if own is None else own
        if final is None:
            final = initial * schedule.end or initial
        if final != initial and not schedule.changes:
            raise ValueError(
                f"evaluation.final_lr must be evaluation.initial_lr={initial:g} with evaluation.schedule: "
                f"{schedule.name}, got {final:g}; leave it out, or set schedule: cosine"
            )
        return Rates(initial, final, own)
