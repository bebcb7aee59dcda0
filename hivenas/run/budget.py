"""The budget of a search: what is spent of it, when the search is to end, what is then left for the full training."""

from __future__ import annotations

import heapq
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import fmean

from hivenas.config import Config, FullTrainConfig
from hivenas.core.front import front
from hivenas.core.history import standing
from hivenas.core.measured import CPU_SECONDS, spent_of
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Proposal, Trial
from hivenas.core.strategies.ladder import rungs_of
from hivenas.execution import TaskExecutor
from hivenas.reports.text import duration
from hivenas.run.full_plan import (
    SHARE,
    Timing,
    Timings,
    alone,
    fitted,
    settled_as,
    shortest,
    times,
    wall_seconds,
    worker_seconds,
)
from hivenas.storage import SearchState, Settled, Spent
from hivenas.storage.limits import limit_told, spent_told

_LATEST = 10  # evaluations, by which those to come are judged: networks of a search grow

logger = logging.getLogger("hivenas")
Clock = Callable[[], float]


def own_cpu() -> float:
    """Seconds of processors of this process and of those of its children that have ended."""
    return sum(os.times()[:4])


class Meter:
    """Counts the time that a search takes, from this on, beside what earlier processes of it took.

    Args:
        before: what earlier processes have spent.
        executor: says what its workers have used of processors; None for one that has none.
        clock: wall time in seconds.
        cpu_clock: processor time of this process, and of children that have ended, in seconds.
    """

    def __init__(
        self,
        before: Spent,
        executor: TaskExecutor | None = None,
        *,
        clock: Clock = time.monotonic,
        cpu_clock: Clock = own_cpu,
    ) -> None:
        self.before = before
        self._executor = executor
        self._clock, self._cpu_clock = clock, cpu_clock
        self._since = clock(), cpu_clock()

    @property
    def spent(self) -> Spent:
        """All of it, by now. A worker's processor time is known when a task of it has ended."""
        wall, cpu = self._clock() - self._since[0], self._cpu_clock() - self._since[1]
        cpu += self._executor.cpu_seconds() if self._executor else 0.0
        return Spent(wall=self.before.wall + wall, cpu=self.before.cpu + max(0.0, cpu))


class Limits:
    """Says when a search is to end before its last iteration; it takes every trial of the search, in order.

    What the full training will take, by the epochs of the best candidates so far, is kept back from a budget of time,
    but for half of it at the most.

    Args:
        config: the configuration: its limits, its full training, its workers.
        info: what the objective says of itself.
        state: of the search: what was decided before.
        meter: counts the time.
    """

    def __init__(self, config: Config, info: ObjectiveInfo, state: SearchState, meter: Meter) -> None:
        self._config = config
        self._info = info
        self._meter = meter
        self.limits = config.limits
        self.ending = state.ending if state.ending and state.ending.holds(self.limits) else None
        self._workers = config.execution.at_a_time if info.in_workers else 1
        self._taken = self._evaluations = self._taken_here = 0
        planned, most = config.colony.size * config.colony.iterations, self.limits.get("evaluations", math.inf)
        self._most = int(most) if most < planned else None  # evaluations, where the iterations have more
        self._last: int | None = None  # the evaluation with which their number is reached
        self._leaves_out = False  # proposals, for which there is no room
        self._latest: dict[str, Trial] = {}
        self._members: set[str] = set()  # of the front
        self._weighed: dict[str, Trial] = {}  # the latest of every candidate, where patience waits for a front
        self._bettered = -1  # the iteration in which that gained its last member, or a first look was the best
        self._best_look: float | None = None
        self._timings = Timings()
        self._trained_s, self._epochs = 0.0, 0
        # CPU seconds, and those of training, when the first new trial was taken.
        self._counted_from: tuple[float, float] | None = None
        self._first_share = 1.0
        self._rungs = rungs_of(config.evaluation) if info.trains else None
        self._recent: deque[float] = deque(maxlen=_LATEST)
        self._began = meter.spent

    def say(self) -> None:
        """Says what the limits are, and what of them earlier processes have spent."""
        told = " or ".join(limit_told(key, limit) for key, limit in self.limits.items())
        told += " without anything better" if "patience" in self.limits else ""  # the last of them
        before = spent_told(self._meter.before, times(self.limits), 0) if self._meter.before.wall else ""
        if told:
            rest = f"; {before} is spent already" if before else ""
            logger.info("the search ends after %s, if not before%s", told, rest)

    @property
    def spent(self) -> Spent:
        """All that the search has spent by now."""
        return self._meter.spent

    def take(self, trial: Trial, *, is_new: bool = True) -> None:
        """Takes the next trial; `is_new` where it was evaluated by this process."""
        self._taken += 1
        self._taken_here += is_new
        if trial.phase == "evaluate":
            self._evaluations += 1
            if self._evaluations == self._most:
                self._last = trial.index
        self._weigh(trial)
        if not self._info.trains or not times(self.limits):
            return
        self._trained_s += trial.seconds
        if is_new and self._counted_from is None:
            self._counted_from = self._meter.spent.cpu, self._trained_s
            measured = spent_of(trial.evaluation.extra).get(CPU_SECONDS, trial.seconds)
            self._first_share = measured / trial.seconds if trial.seconds else 1.0
        self._epochs += len(trial.evaluation.history)
        self._timings.take(trial)
        if trial.phase == "evaluate":
            self._recent.append(trial.seconds)
        if not trial.failed:
            self._latest[trial.encoded] = trial

    def _weigh(self, trial: Trial) -> None:
        """Notes the iteration of a trial that is on the front, where there is one: that is something better, too.

        And of one that looks better than all before it, where candidates are paused after a first look.
        """
        costs = self._config.objectives.costs
        if "patience" not in self.limits or trial.failed:
            return
        if self._rungs is not None and trial.phase == "evaluate":
            look = self._info.direction.score(trial.fitness)
            if self._best_look is None or look > self._best_look:
                self._best_look, self._bettered = look, trial.iteration
        if not costs:
            return
        known = self._weighed.get(trial.encoded) if trial.encoded in self._members else None
        self._weighed[trial.encoded] = trial
        members = front(self._weighed.values(), self._info.direction, *costs)
        self._members = {member.encoded for member in members}
        # A member that was continued is nothing better for that alone.
        better = known is None or self._info.direction.is_better(trial.fitness, known.fitness)
        if better and trial.encoded in self._members:
            self._bettered = trial.iteration

    def within(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Those of the proposals that are not told yet which the number of evaluations, and the ending, leave room for.

        Args:
            proposals: in order; some of them may be recorded already.
        """
        last = self.ending.after if self.ending else self._last
        if last is None and self._most is not None:
            room = self._most - self._evaluations
            fresh = [each.index for each in proposals if each.index >= self._taken and not each.momentum_epochs]
            last = fresh[room - 1] if 0 < room <= len(fresh) else None
        kept = [each for each in proposals if last is None or each.index <= last]
        self._leaves_out = not self.ending and len(kept) < len(proposals)
        return kept

    def due(self, best: Trial | None, iteration: int, begun: int, *, at_end: bool = False) -> str:
        """The key of the limit for which the search is to end now; empty where it may go on.

        Args:
            best: the best trial so far; None without one.
            iteration: the strategy's.
            begun: evaluations that are being carried out, which are waited for in any case.
            at_end: whether the search has ended, but for what the strategy does after that.
        """
        if not self._taken or (self.is_last(iteration) and not at_end and not self._leaves_out):
            return ""
        if not at_end:
            if self._last is not None:
                return "evaluations"
            if self.has_waited(best, iteration):
                return "patience"
        if not at_end and self._has_nothing(best):
            return ""
        spent = self._meter.spent if times(self.limits) else Spent()
        for key, limit in times(self.limits).items():
            ahead = self._ahead(key, spent, begun)
            ahead += 0.0 if at_end else self._climbing(key, spent, begun + 1)
            if getattr(spent, key) + ahead > limit - self._kept_back(key, limit, at_end=at_end):
                return key
        return ""

    def _has_nothing(self, best: Trial | None) -> bool:
        """True where time is not to end the search yet: no candidate has succeeded, of which a model could be made."""
        is_bounded = self._config.execution.max_consecutive_failures is not None
        return is_bounded and not (self._latest if self._info.trains else best)

    def has_waited(self, best: Trial | None, iteration: int) -> bool:
        """True where as many iterations as patience allows have brought nothing better.

        Where candidates climb a ladder, that is no better first look: they complete their training long after.

        Args:
            best: the best trial so far; None without one.
            iteration: the strategy's.
        """
        bettered = max(best.iteration if best and self._rungs is None else -1, self._bettered)
        return not self.is_last(iteration) and iteration - 1 - bettered >= self.limits.get("patience", float("inf"))

    def is_last(self, iteration: int) -> bool:
        """True where every iteration before this one is all that there are."""
        return iteration >= self._config.colony.iterations

    def is_early(self, best: Trial | None, iteration: int) -> bool:
        """True where the search was ended too early, as what was waited for then has shown.

        Of a budget of time it took so little that there is more; or, with an overlap, it is something better than what
        patience had seen.

        Args:
            best: the best trial so far; None without one.
            iteration: the strategy's.
        """
        is_open = self.ending and (self.ending.key == "patience" or self.ending.key in times(self.limits))
        return bool(is_open and not self.due(best, iteration, 0))

    def _ahead(self, key: str, spent: Spent, begun: int) -> float:
        """Seconds until another evaluation, beyond those that are being carried out, would have ended."""
        if key == "cpu":
            return (begun + 1) * self._pace(key, spent)
        return self._pace(key, spent) * (1 + (1 / self._workers if begun else 0))

    def _climbing(self, key: str, spent: Spent, more: int) -> float:
        """Seconds of the climbs that are due at the end where candidates climb a ladder, with so many more of them."""
        if self._rungs is None:
            return 0.0
        left = max(0, self._rungs.epochs(len(self._latest) + more) - more * self._rungs.first - self._epochs)
        seconds = self._timings.continued(left, left / self._rungs.climb)
        return seconds * self._cpu_share(spent) if key == "cpu" else seconds / self._workers

    def _pace(self, key: str, spent: Spent) -> float:
        """Seconds of one evaluation: as trainings have measured it, else by the time that went by."""
        if self._recent:
            return fmean(self._recent) * (self._cpu_share(spent) if key == "cpu" else 1.0)
        taken = getattr(spent, key) - getattr(self._began, key)
        return float(taken / self._taken_here * (1 if key == "cpu" else self._workers)) if self._taken_here else 0.0

    def _cpu_share(self, spent: Spent) -> float:
        """Seconds of processors for each second of training, all that is around it included.

        The start of this process and of its workers, which comes once, is before its first trial: it is left out as
        soon as there is another. Of the first alone there is what its training has measured.
        """
        if self._counted_from is None:
            return spent.cpu / self._trained_s if self._trained_s else 1.0
        cpu, trained = self._counted_from
        return (spent.cpu - cpu) / (self._trained_s - trained) if self._trained_s > trained else self._first_share

    # -- the full training ---------------------------------------------------------------------------------------

    def _kept_back(self, key: str, limit: float, *, at_end: bool) -> float:
        """Seconds for the full training, of the best candidates so far."""
        if not self._info.trains or not self._config.full_train.enabled:
            return 0.0
        plan, seconds = self._config.full_train, self._seconds(key, self._best())
        least = self._config.evaluation.epochs
        plan = shortest(plan, least) if at_end else fitted(plan, SHARE * limit, seconds, least)
        return min(seconds(plan), SHARE * limit)

    def _best(self) -> list[Timing]:
        count, direction = self._config.full_train.finalists, self._info.direction
        best = heapq.nlargest(count, self._latest.values(), key=lambda trial: standing(trial, direction))
        return self._timings.of_best([trial.encoded for trial in best], count)

    def _seconds(self, key: str, timings: Sequence[Timing]) -> Callable[[FullTrainConfig], float]:
        small = timings[:1] if self._config.has_small_model else []  # it is trained after the others

        def in_workers(plan: FullTrainConfig) -> float:
            return share * (worker_seconds(plan, timings) + worker_seconds(alone(plan), small))

        def by_the_clock(plan: FullTrainConfig) -> float:
            return wall_seconds(plan, timings, self._workers) + wall_seconds(alone(plan), small, self._workers)

        share = self._cpu_share(self._meter.spent) if key == "cpu" else 1.0
        return in_workers if key == "cpu" else by_the_clock

    def settle(self, trials: Sequence[Trial]) -> Settled | None:
        """The full training for which there is room at the end; what is left out of the configured one is said.

        Args:
            trials: all of the search, of which none was taken.

        Returns:
            None where no budget of time limits it, and where there is no full training.
        """
        configured = plan = self._config.full_train
        if not times(self.limits) or not self._info.trains or not plan.enabled:
            return None
        for trial in trials:
            self.take(trial, is_new=False)
        timings = self._best()
        spent, least = self._meter.spent, self._config.evaluation.epochs
        tightest: tuple[Callable[[FullTrainConfig], float], float] | None = None
        for key, limit in times(self.limits).items():
            seconds, room = self._seconds(key, timings), limit - getattr(spent, key)
            before, plan = plan, fitted(plan, room, seconds, least)
            if plan != before or seconds(plan) > room:
                tightest = seconds, room
        if tightest:
            seconds, room = tightest
            logger.warning(
                "the full training of %d × %d epochs would take about %s, and %s of the budget are left: %d × %d "
                "epochs are trained, in about %s",
                configured.finalists * configured.seeds,
                configured.epochs,
                duration(seconds(configured)),
                duration(max(0.0, room)),
                plan.finalists * plan.seeds,
                plan.epochs,
                duration(seconds(plan)),
            )
        return settled_as(self._config, plan)
