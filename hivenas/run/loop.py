"""The one loop of a search: ask → submit → record → tell."""

from __future__ import annotations

import functools
import logging
import math
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from hivenas.core.history import History, standing
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.core.strategy import Concluding, Strategy
from hivenas.errors import (
    ArchitectureError,
    InfrastructureError,
    InputError,
    MissingResultsError,
    SearchFailedError,
    WorkerDiedError,
    innermost,
)
from hivenas.execution import TaskExecutor, tasks
from hivenas.reports.findings import alike
from hivenas.run.budget import Limits
from hivenas.run.callbacks import Callback, CallbackList
from hivenas.run.waiting import Waiting
from hivenas.storage import Ending, Ledger

CONCLUDED = "iterations"  # the key of a strategy's state with which it is one that was concluded

logger = logging.getLogger("hivenas")


@dataclass(slots=True)
class _Pending:
    """A proposal in flight: what an earlier process has recorded of it, or what will come of it, if it is begun."""

    proposal: Proposal
    ends_phase: bool
    trial: Trial | None = None
    future: Future[Evaluation] | None = None


class Search:
    """Runs a strategy to its end, evaluation by evaluation.

    The trials come in the order of the proposals whatever the executor. Each is written in one transaction with the
    state of the strategy that was told of it, and with what callbacks have to say of it there; so a search that is
    started again asks for what was not recorded. Callbacks hear of a trial once what it lets the strategy propose is on
    its way to the workers.

    Args:
        strategy: proposes and is told.
        objective: says how proposals are carried out.
        executor: where that is done.
        ledger: the search's record.
        callbacks: are called at the moments of the search, in their order.
        limits: what ends it before the last iteration, if anything.
        most_failures: it ends where so many candidates in a row have failed; None for never.
    """

    def __init__(
        self,
        strategy: Strategy,
        objective: ObjectiveInterface,
        executor: TaskExecutor,
        ledger: Ledger,
        callbacks: Sequence[Callback] = (),
        *,
        limits: Limits,
        most_failures: int | None = None,
    ) -> None:
        self._strategy = strategy
        self._objective = objective
        self._executor = executor
        self._ledger = ledger
        self._each = tuple(callbacks)
        self._callbacks = CallbackList(callbacks)
        self._waiting = Waiting(executor, self._callbacks)
        self._limits = limits
        self._most_failures = most_failures
        info = objective.describe()
        self._direction, self._worst = info.direction, info.worst
        self._history = History()
        self._failures: list[str] = []
        self._untold: _Pending | None = None  # the last that was recorded, of which callbacks have not heard
        self._told = 0  # evaluations that the strategy was told of
        self._before_end: dict[str, Any] | None = None  # the strategy's state, where it has nothing to do after the end
        self._stopped = False
        self.best: Trial | None = None

    @property
    def name(self) -> str:
        """The search's name."""
        return self._ledger.folder.name

    @property
    def planned(self) -> int:
        """Evaluations at the most, without continuations."""
        return self._ledger.state.planned

    @property
    def direction(self) -> Direction:
        """The side on which a better fitness lies."""
        return self._direction

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial so far, those of earlier processes included."""
        return self._ledger.trials

    @property
    def time_limit(self) -> tuple[float, float] | None:
        """Seconds spent by now, and allowed, of wall time or else of processors; None without such a budget."""
        limits = self._limits.limits
        key = next((key for key in ("wall", "cpu") if key in limits), None)
        return (getattr(self._limits.spent, key), limits[key]) if key else None

    @property
    def stopped(self) -> bool:
        """True once a callback has stopped the search."""
        return self._stopped

    def stop(self, reason: str = "") -> None:
        """Ends the search after what is in training; see `callbacks.RunningSearch`."""
        if not self._stopped:
            logger.info("the search is stopped%s", f": {reason}" if reason else "")
        self._stopped = True

    def run(self) -> None:
        """Runs every iteration that is still to be run, or as many as the limits leave room for."""
        self._restore()
        self._callbacks.on_start(self)
        pending: deque[_Pending] = deque()
        first = self._first()
        self._drop_checkpoints(first)
        if self._limits.ending is None and self._is_ending(pending, _reached(self._strategy.state(), first)):
            self._ledger.save(**self._spent())  # its budget is a smaller one now
        while not self._stopped and (proposals := self._proposals()):
            if fresh := proposals[len(pending) :]:
                if self._is_at_its_patience(pending, proposals):
                    continue
                pending += self._submit(fresh)
            self._announce()
            if not self._stopped:
                self._collect(pending)
        self._announce()
        _drop(pending)
        while self._stopped and pending:
            self._collect(pending)
            self._announce()
        self._waiting.end()
        self._ledger.save(strategy=self._before_end or self._strategy.state(), **self._spent())

    def _first(self) -> list[Proposal]:
        """The proposals that this process begins with; none where the strategy is to be told first that it ends."""
        return [] if self._is_past_end and CONCLUDED not in self._strategy.state() else self._strategy.ask()

    def _proposals(self) -> list[Proposal]:
        """All that is to be evaluated and not told yet; nothing once the search is over."""
        if not self._is_past_end:
            return self._limits.within(self._strategy.ask())
        return [] if self._limits.ending and self._limits.ending.is_final else self._concluded()

    @property
    def _is_past_end(self) -> bool:
        """True once all is told that a search was to carry out after its end was decided."""
        ending = self._limits.ending
        return ending is not None and self._told > ending.after

    def _concluded(self) -> list[Proposal]:
        """The proposals that the strategy still has where the search has ended before its last iteration.

        Where that is nothing, its state is kept as it was: with a larger budget the search goes on from it as if it had
        never ended.
        """
        if not isinstance(self._strategy, Concluding):
            return []
        before = self._strategy.state()
        self._strategy.conclude()
        if proposals := self._strategy.ask():
            return proposals
        self._before_end = before
        return []

    def _restore(self) -> None:
        """Takes the strategy to where an earlier process has left it."""
        saved = self._ledger.state.strategy
        if saved is None:
            self._ledger.save(strategy=self._strategy.state())
            return
        if self._limits.ending is None:
            saved = {key: value for key, value in saved.items() if key != CONCLUDED}
        told = self._ledger.trials[: saved["evaluations"]]
        self._strategy.restore(saved, [trial.evaluation for trial in told])
        self._told = len(told)
        for trial in self._ledger.trials:
            self._keep_best(trial)
            self._limits.take(trial, is_new=False)

    def _drop_checkpoints(self, proposals: Sequence[Proposal]) -> None:
        """Removes what was kept of the last trial's training, where a kill has come before that.

        Args:
            proposals: the next ones; where they continue its candidate, what is there may be of that.
        """
        if self._ledger.trials and self._ledger.trials[-1].candidate not in {each.candidate for each in proposals}:
            self._ledger.folder.drop_checkpoints(self._ledger.trials[-1].encoded)

    def _submit(self, proposals: Sequence[Proposal]) -> list[_Pending]:
        """Has what was proposed evaluated, and writes down what was proposed before anything comes of it.

        Another machine's arithmetic might propose otherwise. What an earlier process has recorded is not done again.
        """
        pending = [_Pending(proposal, ends_phase=proposal is proposals[-1]) for proposal in proposals]
        for each in pending:
            number = each.proposal.index
            recorded = self._ledger.trials[number] if number < len(self._ledger.trials) else None
            if recorded and recorded.candidate == each.proposal.candidate:
                each.trial = recorded
                continue
            if len(self._history) > each.proposal.known:  # of a phase that is submitted again, after a later one
                self._history = History()
            self._history.extend(self._ledger.trials[len(self._history) : each.proposal.known])
            each.proposal = self._objective.with_context(each.proposal, self._history)
        begun = [each for each in pending if each.trial is None]
        if begun:
            self._callbacks.on_submit([each.proposal for each in begun])
        if not self._executor.runs_at_once:
            for each in begun:
                each.future = self._begin(each.proposal)
        self._ledger.save(strategy=self._strategy.state())
        return pending

    def _begin(self, proposal: Proposal) -> Future[Evaluation]:
        heard = functools.partial(self._callbacks.on_progress, proposal)
        return self._waiting.submit(tasks.evaluate(self._objective, proposal), heard)

    def _collect(self, pending: deque[_Pending]) -> None:
        """Waits for what comes of the first proposal; it is recorded as soon as everything before it is.

        Whether the search ends is decided then, and recorded with it.
        """
        first = pending.popleft()
        self._told = first.proposal.index + 1
        if first.trial:
            self._strategy.tell([first.trial.evaluation])
            return
        future = first.future or self._begin(first.proposal)
        self._waiting.until(future)
        evaluation = self._result(first.proposal, future)
        if evaluation.status != "failed" and not math.isfinite(evaluation.fitness):
            reason = f"the fitness must be a finite number, got {evaluation.fitness}"
            evaluation = Evaluation.failure(first.proposal.candidate, reason, worst=self._worst)
        trial = first.trial = Trial(first.proposal, evaluation)
        self._strategy.tell([evaluation])
        self._keep_best(trial)
        self._limits.take(trial)
        state = self._strategy.state()
        self._is_ending(pending, _reached(state, [each.proposal for each in pending]))
        with self._ledger.transaction():
            self._ledger.record(trial, state, **self._spent())
            self._callbacks.on_record(trial)
        self._ledger.folder.drop_checkpoints(trial.encoded)
        self._untold = first
        self._count_failures(evaluation)

    def _is_ending(self, pending: deque[_Pending], iteration: int) -> bool:
        """Decides whether the search ends now, but for what is being carried out; what is not begun is dropped then.

        When that has ended the decision is taken back if it has left time for another evaluation, or was better than
        what patience had seen.

        Args:
            pending: what is not told yet.
            iteration: before which all is told.
        """
        limits = self._limits
        if not limits.limits:
            return False
        before = limits.ending
        if before and (before.is_final or self._told <= before.after + 1):
            is_told = self._told == before.after + 1 and not before.is_final
            if is_told and limits.is_early(self.best, iteration):
                if not limits.is_last(iteration):
                    found = "something better" if before.key == "patience" else "time for another evaluation"
                    logger.info("the search goes on: there is %s after all", found)
                limits.ending = None
            return False
        begun = sum(each.trial is not None or bool(each.future and _has_begun(each.future)) for each in pending)
        key = limits.due(self.best, iteration, begun, at_end=before is not None)
        if not key:
            return False
        if key != "patience":  # which the records decide, however many workers there are
            _drop(pending)
        after = pending[-1].proposal.index if pending else self._told - 1
        self._end(key, after, is_final=before is not None)
        return True

    def _is_at_its_patience(self, pending: deque[_Pending], proposals: Sequence[Proposal]) -> bool:
        """Decides whether the search ends where the strategy, by being asked, has begun an iteration.

        That a phase chooses nobody is known only then; a resumption asks at the same place.

        Args:
            pending: what this process has begun of that which is not told yet.
            proposals: all of that; an earlier process may have begun some.
        """
        limits = self._limits
        if limits.ending or "patience" not in limits.limits:
            return False
        state = self._strategy.state()
        if not limits.has_waited(self.best, _reached(state, proposals)):
            return False
        self._end("patience", pending[-1].proposal.index if pending else self._told - 1)
        self._ledger.save(strategy=state, **self._spent())
        return True

    def _end(self, key: str, after: int, *, is_final: bool = False) -> None:
        """Has a limit end the search after an evaluation; what ends what is left after that is not said again."""
        limits = self._limits
        limits.ending = ending = Ending(key=key, limit=limits.limits[key], after=after, is_final=is_final)
        if not is_final:
            logger.info("the search ends after evaluation %d: %s", after, ending.told)

    def _spent(self) -> dict[str, Any]:
        """The fields of the state that go with every trial."""
        return {"spent": self._limits.spent, "ending": self._limits.ending}

    def _announce(self) -> None:
        """Lets callbacks hear of the last trial."""
        pending, self._untold = self._untold, None
        if pending and pending.trial:
            for callback in self._each:  # once it is tracked, those that come after see its run
                callback.on_trial(self._ledger.trials[pending.trial.index])
            self._ledger.export_table()
            if pending.ends_phase:
                self._callbacks.on_phase_end()

    def _result(self, proposal: Proposal, future: Future[Evaluation]) -> Evaluation:
        """The evaluation of a proposal; whatever went wrong is a failed one, unless the input is to blame."""
        worst = self._worst
        try:
            return future.result()
        except WorkerDiedError as error:
            return Evaluation.failure(proposal.candidate, str(error), traceback=error.last_words, worst=worst)
        except (MissingResultsError, ArchitectureError) as error:
            if not proposal.momentum_epochs:
                raise
            return Evaluation.failure(proposal.candidate, str(error), worst=worst)
        except (InputError, InfrastructureError):
            raise
        except Exception as error:
            said, trace = innermost(error), traceback.format_exc()
            return Evaluation.failure(proposal.candidate, said, traceback=trace, worst=worst)

    def _keep_best(self, trial: Trial) -> None:
        """Keeps the best so far; the search's last word is `history.ranking`."""
        if trial.failed:
            return
        if self.best is None or standing(trial, self._direction) > standing(self.best, self._direction):
            self.best = trial

    def _count_failures(self, evaluation: Evaluation) -> None:
        """Ends a search in which everything fails; those before a resumption do not count."""
        self._failures = [*self._failures, evaluation.reason] if evaluation.status == "failed" else []
        if self._most_failures is None or len(self._failures) < self._most_failures:
            return
        self._announce()
        common = alike(self._failures, str)[0]
        raise SearchFailedError(
            f"{' '.join(common[0].split())}: so ended {len(common)} of {len(self._failures)} candidates "
            "that failed in a row, and with them the search "
            f"(execution.max_consecutive_failures={self._most_failures}); their runs have the tracebacks"
        )


def _reached(state: Mapping[str, Any], untold: Sequence[Proposal]) -> int:
    """The iteration before which all is told: with an overlap the strategy may be further by one."""
    iteration: int = state["iteration"]
    return min(iteration, untold[0].iteration) if untold else iteration


def _has_begun(future: Future[Evaluation]) -> bool:
    return future.running() or future.done()


def _drop(pending: deque[_Pending]) -> None:
    """Takes the proposals away that were not begun; those before one that was are begun, too."""
    while pending and pending[-1].trial is None:
        last = pending[-1].future
        if last is not None and not last.cancel():
            return
        pending.pop()
