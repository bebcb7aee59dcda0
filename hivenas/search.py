"""The one loop of a search: ask → evaluate → record → tell → save."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Protocol

from hivenas.core.colony.colony import ArtificialBeeColony
from hivenas.core.evaluation import Evaluation, Proposal, decode_candidate
from hivenas.core.records import Row
from hivenas.core.tracker import Tracker, child_of
from hivenas.errors import ArchitectureError, InputError, MissingResultsError, WorkerDiedError
from hivenas.storage import SearchStore


class SearchListener(Protocol):
    """Is told of progress, in order."""

    def started(self, planned: int, done: int) -> None:
        """A search begins, with so many evaluations planned and so many recorded before."""
        ...

    def evaluated(self, row: Row, best: Row | None) -> None:
        """An evaluation was recorded; best is the best so far."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...


class Search:
    """Runs a colony to its end, evaluation by evaluation.

    The records come in the order of the proposals whatever the executor, and the state is saved after every phase:
    a search that is started again asks for the phase in which it ended and takes from the table what that phase has
    finished already.

    Args:
        colony: proposes and is told.
        evaluate: carries out a proposal; called through the executor.
        executor: where it is called.
        store: the search's record.
        tracker: where evaluations are tracked.
        listener: is told of progress.
        brief: adds to a proposal what the records before its phase say of it, see `ObjectiveInterface.brief`.
        params_of: a candidate as run parameters.
        minimize: whether a smaller fitness is better.
    """

    def __init__(
        self,
        colony: ArtificialBeeColony,
        evaluate: Callable[[Proposal], Evaluation],
        executor: Executor,
        store: SearchStore,
        tracker: Tracker,
        listener: SearchListener,
        *,
        brief: Callable[[Proposal, Sequence[Row]], Proposal],
        params_of: Callable[[str], Mapping[str, str]],
        minimize: bool,
    ) -> None:
        self._colony = colony
        self._evaluate = evaluate
        self._executor = executor
        self._store = store
        self._tracker = tracker
        self._listener = listener
        self._brief = brief
        self._params_of = params_of
        self._minimize = minimize
        good = [row for row in store.rows if row.status != "failed"]
        self._run_ids = {row.candidate: row.run_id for row in good}
        self._evaluated_in = {row.candidate: row.run_id for row in good if row.phase == "evaluate"}
        self.best: Row | None = None

    def run(self) -> None:
        """Flies every iteration that is still to be flown."""
        saved = self._store.state.colony
        if saved is not None:
            told = [row for row in self._store.rows if row.index < saved["evaluations"]]
            self._colony.restore(saved, [row.evaluation() for row in told])
        else:
            self._store.save(colony=self._colony.state())
        for row in self._store.rows:
            self._follow(row)
        while proposals := self._colony.ask():
            self._colony.tell(self._phase(proposals))
            self._store.save(colony=self._colony.state())

    def _phase(self, proposals: list[Proposal]) -> list[Evaluation]:
        """Evaluates a phase; what is finished is recorded as soon as everything before it is."""
        recorded = {row.index: row for row in self._store.rows[-len(proposals) :]}
        told = self._store.rows[: proposals[0].index]
        outcomes: list[Evaluation] = []
        waiting: deque[tuple[Proposal, Future[Evaluation]]] = deque()
        for proposal in proposals:
            row = recorded.get(proposal.index)
            if row is not None and decode_candidate(row.candidate) == proposal.candidate:
                outcomes.append(row.evaluation())
                continue
            briefed = self._brief(proposal, told)
            waiting.append((briefed, self._executor.submit(self._evaluate, briefed)))
            while waiting and waiting[0][1].done():
                outcomes.append(self._record(*waiting.popleft()))
        return outcomes + [self._record(*pair) for pair in waiting]

    def _result(self, proposal: Proposal, future: Future[Evaluation]) -> Evaluation:
        """What came of a proposal; whatever went wrong is a failed evaluation, unless the input is to blame."""
        worst = float("inf") if self._minimize else 0.0
        try:
            return future.result()
        except WorkerDiedError as error:
            return Evaluation.failure(proposal.candidate, str(error), worst=worst)
        except (MissingResultsError, ArchitectureError) as error:
            if not proposal.momentum_epochs:
                raise
            return Evaluation.failure(proposal.candidate, str(error), worst=worst)
        except InputError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            return Evaluation.failure(proposal.candidate, reason, traceback=traceback.format_exc(), worst=worst)

    def _record(self, proposal: Proposal, future: Future[Evaluation]) -> Evaluation:
        evaluation = self._result(proposal, future)
        candidate = Row.of(proposal, evaluation).candidate
        child = child_of(
            proposal,
            evaluation,
            search=self._store.folder.name,
            phase=proposal.phase,
            params=self._params_of(candidate),
            weights=self._store.folder.weights,
            continues=self._run_ids.get(candidate, "") if proposal.momentum_epochs else "",
            parent_run=self._evaluated_in.get(proposal.parent, ""),
        )
        run_id = self._tracker.log_child(child)
        row = Row.of(proposal, evaluation, run_id)
        self._store.append(row)
        if evaluation.status != "failed":
            self._run_ids[candidate] = run_id
            self._evaluated_in.setdefault(candidate, run_id)
        self._follow(row)
        if self.best:
            self._tracker.log_progress(row.index, row.fitness, self.best.fitness)
        self._listener.evaluated(row, self.best)
        return evaluation

    def _follow(self, row: Row) -> None:
        """Keeps the best so far; the search's last word is `records.ranking`."""
        if row.status == "failed":
            return
        better = self.best is None or (
            row.fitness < self.best.fitness if self._minimize else row.fitness > self.best.fitness
        )
        if better:
            self.best = row
