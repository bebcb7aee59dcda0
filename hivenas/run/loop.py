"""The one loop of a search: ask → submit → record → tell."""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from hivenas.core.history import History, standing
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.core.strategy import Strategy
from hivenas.errors import (
    ArchitectureError,
    ClusterError,
    DiskFullError,
    InputError,
    MissingResultsError,
    SearchFailedError,
    WorkerDiedError,
    innermost,
)
from hivenas.execution import TaskExecutor, tasks
from hivenas.reports.findings import alike
from hivenas.run.callbacks import Callback, CallbackList
from hivenas.storage import Ledger

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
        max_consecutive_failures: so many failed evaluations in a row end the search; None for no limit.
    """

    def __init__(
        self,
        strategy: Strategy,
        objective: ObjectiveInterface,
        executor: TaskExecutor,
        ledger: Ledger,
        callbacks: Sequence[Callback] = (),
        *,
        max_consecutive_failures: int | None = None,
    ) -> None:
        self._strategy = strategy
        self._objective = objective
        self._executor = executor
        self._ledger = ledger
        self._each = tuple(callbacks)
        self._callbacks = CallbackList(callbacks)
        self._most_failures = max_consecutive_failures
        self._direction = objective.describe().direction
        self._history = History()
        self._failures: list[str] = []
        self._untold: _Pending | None = None  # the last that was recorded, of which callbacks have not heard
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

    def stop(self, reason: str = "") -> None:
        """Ends the search after the trial at hand; see `callbacks.RunningSearch`."""
        logger.info("the search is stopped%s", f": {reason}" if reason else "")
        self._stopped = True

    def run(self) -> None:
        """Runs every iteration that is still to be run."""
        self._restore()
        self._callbacks.on_start(self)
        pending: deque[_Pending] = deque()
        while not self._stopped and (proposals := self._strategy.ask()):
            if fresh := proposals[len(pending) :]:
                pending += self._submit(fresh)
            self._announce()
            if not self._stopped:
                self._collect(pending.popleft())
        self._announce()
        for each in pending:
            if each.future:
                each.future.cancel()
        self._ledger.save(strategy=self._strategy.state())

    def _restore(self) -> None:
        """Takes the strategy to where an earlier process has left it."""
        saved = self._ledger.state.strategy
        if saved is None:
            self._ledger.save(strategy=self._strategy.state())
            return
        told = self._ledger.trials[: saved["evaluations"]]
        self._strategy.restore(saved, [trial.evaluation for trial in told])
        for trial in self._ledger.trials:
            self._keep_best(trial)
        if self._ledger.trials:  # a kill may have come between its record and this
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
        return self._executor.submit(tasks.evaluate(self._objective, proposal))

    def _collect(self, pending: _Pending) -> None:
        """Waits for what comes of a proposal; it is recorded as soon as everything before it is."""
        if pending.trial:
            self._strategy.tell([pending.trial.evaluation])
            return
        evaluation = self._result(pending.proposal, pending.future or self._begin(pending.proposal))
        trial = pending.trial = Trial(pending.proposal, evaluation)
        self._strategy.tell([evaluation])
        self._keep_best(trial)
        with self._ledger.transaction():
            self._ledger.record(trial, self._strategy.state())
            self._callbacks.on_record(trial)
        self._ledger.folder.drop_checkpoints(trial.encoded)
        self._untold = pending
        self._count_failures(evaluation)

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
        worst = self._direction.worst
        try:
            return future.result()
        except WorkerDiedError as error:
            return Evaluation.failure(proposal.candidate, str(error), traceback=error.last_words, worst=worst)
        except (MissingResultsError, ArchitectureError) as error:
            if not proposal.momentum_epochs:
                raise
            return Evaluation.failure(proposal.candidate, str(error), worst=worst)
        except (InputError, DiskFullError, ClusterError):
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
        common = alike(self._failures)[0]
        raise SearchFailedError(
            f"{' '.join(common[0].split())}: so ended {len(common)} of {len(self._failures)} candidates "
            "that failed in a row, and with them the search "
            f"(execution.max_consecutive_failures={self._most_failures}); their runs have the tracebacks"
        )
