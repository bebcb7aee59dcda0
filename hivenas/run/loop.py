"""The one loop of a search: ask → evaluate → record → tell → save."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.history import History
from hivenas.core.records import Evaluation, Proposal, Row, decode_candidate
from hivenas.core.retention import Retention
from hivenas.core.tracker import Child, Page, child_of, link_to
from hivenas.errors import (
    ArchitectureError,
    ClusterError,
    DiskFullError,
    InputError,
    MissingResultsError,
    SearchFailedError,
    WorkerDiedError,
)
from hivenas.execution import SerialExecutor
from hivenas.reports.findings import alike
from hivenas.run.callbacks import SearchListener
from hivenas.storage import SearchStore
from hivenas.storage.outbox import Delivered, Letter, Outbox

_OVERVIEW_S = 10.0  # so far apart are the parent's descriptions at the least: making one walks over all records


@dataclass(slots=True)
class _Flying:
    """A proposal on its way: what an earlier process has recorded of it, or what will come of it, if it is begun."""

    proposal: Proposal
    ends_phase: bool
    row: Row | None = None
    future: Future[Evaluation] | None = None


class Search:
    """Runs a colony to its end, evaluation by evaluation.

    The records come in the order of the proposals whatever the executor, and the state is saved in every phase: a
    search that is started again asks for the phase in which it ended and takes from the table what that phase has
    finished already. An evaluation is on the disk, as a letter to MLflow, before anything else is done with it. MLflow
    is told while workers train: a letter is delivered once what the evaluation lets the colony propose is on its way.

    Args:
        colony: proposes and is told.
        evaluate: carries out a proposal; called through the executor.
        executor: where it is called.
        store: the search's record.
        outbox: takes what is tracked.
        listener: is told of progress.
        brief: adds to a proposal what the records before its phase say of it, see `ObjectiveInterface.brief`.
        params_of: a candidate as run parameters.
        states_of: names of an evaluation's files, see `ObjectiveInterface.saved_states`.
        recipe_of: text from which an evaluation can be done again; empty for none.
        minimize: whether a smaller fitness is better.
        fetch: makes sure that the saved states which a proposal starts from are on this machine.
        page_of: what is said of a candidate; asked with the proposal, what came of it and the name, with a link, of the
            run that it comes from.
        overview: the parent run's description by the records so far; asked for at the end of a phase, now and then.
        retention: whose saved states are kept.
        most_failures: so many failed evaluations in a row end the search; None for no limit.
    """

    def __init__(
        self,
        colony: BeeColony,
        evaluate: Callable[[Proposal], Evaluation],
        executor: Executor,
        store: SearchStore,
        outbox: Outbox,
        listener: SearchListener,
        *,
        brief: Callable[[Proposal, History], Proposal],
        params_of: Callable[[str], Mapping[str, str]],
        states_of: Callable[[Evaluation], Sequence[str]],
        minimize: bool,
        recipe_of: Callable[[Proposal, Evaluation], str] = lambda _, __: "",
        fetch: Callable[[Proposal], None] = lambda _: None,
        page_of: Callable[[Proposal, Evaluation, str], Page] = lambda _, __, ___: Page(),
        overview: Callable[[Sequence[Row]], str] = lambda _: "",
        retention: Retention | None = None,
        most_failures: int | None = None,
    ) -> None:
        self._colony = colony
        self._evaluate = evaluate
        self._executor = executor
        self._store = store
        self._outbox = outbox
        self._listener = listener
        self._brief = brief
        self._params_of = params_of
        self._states_of = states_of
        self._minimize = minimize
        self._recipe_of = recipe_of
        self._fetch = fetch
        self._page_of = page_of
        self._overview = overview
        self._overview_at = time.monotonic()
        self._retention = retention or Retention(None)
        self._fallen: list[Row] = []  # whose saved states go with the next letter
        self._most_failures = most_failures
        self._waits = isinstance(executor, SerialExecutor)  # with whatever else is to be done, until it has evaluated
        self._held: Row | None = None  # whose letter is on the disk, and nothing else
        self._landed: list[Row] = []  # what came of the proposals, in their order
        self._told = History()  # the first of them
        self._failures: list[str] = []
        self._latest: dict[str, str] = {}  # by candidate: the key of its latest evaluation, and of its first training
        self._trained: dict[str, str] = {}
        self.best: Row | None = None

    def run(self) -> None:
        """Flies every iteration that is still to be flown."""
        saved = self._store.state.colony
        if saved is not None:
            self._landed = [row for row in self._store.rows if row.index < saved["evaluations"]]
            self._colony.restore(saved, [row.evaluation() for row in self._landed])
        else:
            self._store.save(colony=self._colony.state())
        for row in self._store.rows:
            self._follow(row)
            self._note_key(row)
            # Those of an earlier process, or of another setting; its letters have dropped the rest.
            self._fallen += [fallen for fallen in self._retention.take(row) if self._has_states(fallen)]
        flying: deque[_Flying] = deque()
        while proposals := self._colony.ask():
            if fresh := proposals[len(flying) :]:
                self._listener.flying(proposals)
                flying += self._send_off(fresh)
            self.put_away()
            row = self._land(flying.popleft())
            self._landed.append(row)
            self._colony.tell([row.evaluation()])
        self.put_away()
        self._store.save(colony=self._colony.state())

    def _send_off(self, proposals: Sequence[Proposal]) -> list[_Flying]:
        """Has what was proposed evaluated, and keeps who flies where before anything comes of it.

        Another machine's arithmetic might find otherwise. What an earlier process has finished is not done again.
        """
        flying = [_Flying(proposal, ends_phase=proposal is proposals[-1]) for proposal in proposals]
        for each in flying:
            number = each.proposal.index
            row = self._store.rows[number] if number < len(self._store.rows) else None
            if row is not None and decode_candidate(row.candidate) == each.proposal.candidate:
                each.row = row
                continue
            self._told.extend(self._landed[len(self._told) : each.proposal.known])
            each.proposal = self._brief(each.proposal, self._told)
            if not self._waits:
                each.future = self._submit(each.proposal)
        self.put_away()
        self._store.save(colony=self._colony.state())
        return flying

    def _submit(self, proposal: Proposal) -> Future[Evaluation]:
        self._fetch(proposal)
        return self._executor.submit(self._evaluate, proposal)

    def _land(self, flying: _Flying) -> Row:
        """Waits for what comes of a proposal; it is recorded as soon as everything before it is."""
        if flying.row:
            return flying.row
        return self._record(
            flying.proposal, flying.future or self._submit(flying.proposal), ends_phase=flying.ends_phase
        )

    def _result(self, proposal: Proposal, future: Future[Evaluation]) -> Evaluation:
        """What came of a proposal; whatever went wrong is a failed evaluation, unless the input is to blame."""
        worst = float("inf") if self._minimize else 0.0
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
            reason = f"{type(error).__name__}: {error}"
            return Evaluation.failure(proposal.candidate, reason, traceback=traceback.format_exc(), worst=worst)

    def _record(self, proposal: Proposal, future: Future[Evaluation], *, ends_phase: bool) -> Row:
        """Puts what came of a proposal on the disk, as a letter; MLflow and the table wait for what it lets fly."""
        evaluation = self._result(proposal, future)
        row = Row.of(proposal, evaluation)
        self._follow(row)
        child = self._child(proposal, evaluation, row)
        self._note_key(row)
        self._outbox.write(Letter(row=row, child=replace(child, overview=self._news(row) if ends_phase else "")))
        self._store.folder.drop_checkpoints(row.candidate)
        for fallen in self._fallen:
            self._store.folder.drop_weights(self._states_of(fallen.evaluation()))
        self._fallen = []
        self._held = row
        self._listener.evaluated(row, self.best)
        self._count_failures(evaluation)
        return row

    def _child(self, proposal: Proposal, evaluation: Evaluation, row: Row) -> Child:
        """What MLflow is told of an evaluation, and of whose saved states go because of it."""
        fallen = self._retention.take(row)
        self._fallen += fallen
        drops = [self._store.key(each.index) for each in self._fallen if each is not row]
        states = () if row in fallen else self._states_of(evaluation)
        continues = self._latest.get(row.candidate, "") if proposal.momentum_epochs else ""
        parent = self._trained.get(proposal.parent, "")
        child = child_of(
            proposal,
            evaluation,
            search=self._store.folder.name,
            phase=proposal.phase,
            params=self._params_of(row.candidate),
            weights=[self._store.folder.weights / name for name in states],
            continues=continues,
            parent=parent,
            key=self._store.key(row.index),
            progress={"fitness": row.fitness, "best_fitness": self.best.fitness} if self.best else {},
            recipe=self._recipe_of(proposal, evaluation),
            page=self._page_of(proposal, evaluation, self._link(continues or parent)),
        )
        return replace(child, drops=tuple(drops))

    def _link(self, key: str) -> str:
        """The name of an earlier evaluation, with a link to its run; empty without one."""
        return link_to(key, self._store.rows[int(key.rpartition(":")[2])].label) if key else ""

    def _news(self, row: Row) -> str:
        """What the search comes to so far, for its run; empty where that was said a moment ago."""
        if time.monotonic() - self._overview_at < _OVERVIEW_S:
            return ""
        text = self._overview([*self._store.rows, row])
        self._overview_at = time.monotonic()
        return text

    def _has_states(self, row: Row) -> bool:
        return any((self._store.folder.weights / name).is_file() for name in self._states_of(row.evaluation()))

    def put_away(self) -> None:
        """Delivers the letter that is held, if there is one, and writes the line of the table."""
        if self._held is None:
            return
        delivered = self._outbox.deliver()
        run_ids = _run_ids(delivered)
        self._store.append(replace(self._held, run_id=run_ids.get(self._held.index, "")))
        self._store.fill_run_ids(run_ids)
        self._outbox.forget(delivered)
        self._held = None

    def _follow(self, row: Row) -> None:
        """Keeps the best so far; the search's last word is `records.ranking`."""
        if row.status == "failed":
            return
        better = self.best is None or (
            row.fitness < self.best.fitness if self._minimize else row.fitness > self.best.fitness
        )
        if better:
            self.best = row

    def _note_key(self, row: Row) -> None:
        if row.status == "failed":
            return
        self._latest[row.candidate] = self._store.key(row.index)
        if row.phase == "evaluate":
            self._trained.setdefault(row.candidate, self._store.key(row.index))

    def _count_failures(self, evaluation: Evaluation) -> None:
        """Ends a search in which everything fails; those before a resumption do not count."""
        self._failures = [*self._failures, evaluation.reason] if evaluation.status == "failed" else []
        if self._most_failures is None or len(self._failures) < self._most_failures:
            return
        self.put_away()
        common = alike(self._failures)[0]
        raise SearchFailedError(
            f"{' '.join(common[0].split())}: so ended {len(common)} of {len(self._failures)} candidates "
            "that failed in a row, and with them the search "
            f"(execution.max_consecutive_failures={self._most_failures}); their runs have the tracebacks"
        )


def take_up(store: SearchStore, outbox: Outbox) -> None:
    """Writes into the table what a process that was killed had in its outbox alone."""
    for letter in outbox.letters():
        if letter.row is not None and letter.row.index == len(store.rows):
            store.append(letter.row)
            store.folder.drop_checkpoints(letter.row.candidate)


def settle(store: SearchStore, outbox: Outbox) -> list[Delivered]:
    """Delivers what waits in the outbox and writes down the runs, and the search's model, that came of it."""
    delivered = outbox.deliver(force=True)
    store.fill_run_ids(_run_ids(delivered))
    for each in delivered:
        if each.letter.stands and each.published.uri:
            store.save(model=each.published.uri)
    outbox.forget([each for each in delivered if not each.letter.stands])
    return delivered


def _run_ids(delivered: Sequence[Delivered]) -> dict[int, str]:
    return {each.letter.row.index: each.run_id for each in delivered if each.letter.row}
