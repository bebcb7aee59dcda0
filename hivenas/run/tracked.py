"""Tracking: what MLflow is told of a search, and when."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from dataclasses import replace

from hivenas.config import Config
from hivenas.core.candidates import encode_candidate
from hivenas.core.children import Child, RunContext, child_of, ended_ms, link_to, running_child
from hivenas.core.interruption import defer_signals
from hivenas.core.measured import marked
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.progress import Progress
from hivenas.core.publication import Published, ServableModel
from hivenas.core.recipe import Recipe
from hivenas.core.records import Proposal, Trial
from hivenas.core.tracker import Publisher, Tracker
from hivenas.errors import (
    HivenasError,
    LostRunError,
    TrackingError,
    TrackingRefusedError,
    WorkerDiedError,
    innermost,
)
from hivenas.execution import TaskExecutor, tasks
from hivenas.run.callbacks import Callback, RunningSearch
from hivenas.run.pages import SearchPages
from hivenas.run.result import SearchResult
from hivenas.run.running import RunningTrainings
from hivenas.run.used_data import used_data
from hivenas.run.weights import WeightsKeeper
from hivenas.storage import Ledger, Message, Outbox, Sent, Stage
from hivenas.tracking import make_tracker

_OVERVIEW_S = 10.0  # so far apart are the parent's descriptions at the least: making one walks over all trials


class Tracking(Callback):
    """Posts a message for every trial in its transaction, and sends what waits while workers train.

    Args:
        config: the configuration, with the run's seed.
        ledger: the search's record.
        objective: what is searched.
        outbox: takes the messages.
        pages: what is said of the search and of its candidates.
        weights: says whose saved states go.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        objective: ObjectiveInterface,
        outbox: Outbox,
        pages: SearchPages,
        weights: WeightsKeeper,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._objective = objective
        self._outbox = outbox
        self._pages = pages
        self._weights = weights
        self._trains = objective.describe().trains
        self._search: RunningSearch | None = None
        self._latest: dict[str, str] = {}  # by candidate: the key of its latest evaluation, and of its first training
        self._trained: dict[str, str] = {}
        self._latest_ms = 0
        self._overview = ""
        self._overview_at = time.monotonic()
        self._running: RunningTrainings[int] = RunningTrainings(config.tracking_live_s, outbox)

    def on_start(self, search: RunningSearch) -> None:
        """Notes the keys of earlier trials."""
        self._search = search
        for trial in search.trials:
            self._note_key(trial)
            self._latest_ms = max(self._latest_ms, ended_ms(trial.evaluation))

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        """Shows the trainings that go on, now and then."""
        self._running.take(proposal.index, progress, functools.partial(self._begun, proposal))
        self._running.show()

    def on_wait(self) -> None:
        """Shows them where their epochs take long."""
        self._running.show()

    def end(self) -> None:
        """Shows none any more."""
        self._running.end()

    def on_record(self, trial: Trial) -> None:
        """Posts what MLflow is to be told of a trial, and of whose saved states go because of it."""
        best = self._search.best if self._search else None
        child = self._child(trial, best, self._weights.evicted)
        self._outbox.post(Message(trial=trial.index, child=replace(child, overview=self._overview)))
        self._overview = ""
        self._note_key(trial)
        self._running.drop(trial.index)

    def again(self, trial: Trial, best: Trial | None) -> Message:
        """The message of a trial that was recorded before, with what is left of its files; call it in their order.

        Args:
            trial: as it is recorded.
            best: the best trial as of then.
        """
        child = self._child(trial, best, ())
        self._note_key(trial)
        return Message(trial=trial.index, child=child)

    def _child(self, trial: Trial, best: Trial | None, evicted: Sequence[Trial]) -> Child:
        proposal = trial.proposal
        known = self._context(proposal)
        is_evicted = any(each.index == trial.index for each in evicted)
        states = () if is_evicted else self._objective.saved_states(trial.evaluation)
        context = replace(
            known,
            weights=[self._ledger.folder.weights / name for name in states],
            # The first is what MLflow compares searches by, unless it is told otherwise.
            progress={"best_fitness": best.fitness, "fitness": trial.fitness} if best else {},
            recipe=Recipe.of(self._config, trial.evaluation, proposal).to_text() if self._trains else "",
            page=self._pages.of_candidate(trial, self._link(known.continues or known.parent)),
            delete_weights=tuple(self._ledger.key(each.index) for each in evicted if each.index != trial.index),
        )
        child = child_of(proposal, trial.evaluation, context)
        # With several workers an earlier trial may end later, and the best so far comes in the order of the trials.
        self._latest_ms = max(self._latest_ms, ended_ms(trial.evaluation))
        return replace(child, progress_ms=self._latest_ms)

    def _begun(self, proposal: Proposal) -> Child:
        """The nested run of a proposal whose training has begun."""
        marks = marked(self._config.evaluation.metric) if self._trains else {}
        return running_child(proposal, self._context(proposal), marks)

    def _context(self, proposal: Proposal) -> RunContext:
        """All that a nested run shows and that is known before its evaluation."""
        continues = self._latest.get(encode_candidate(proposal.candidate), "") if proposal.momentum_epochs else ""
        return RunContext(
            search=self._config.name,
            phase=proposal.phase,
            params=self._objective.run_params(proposal.candidate),
            continues=continues,
            parent=self._trained.get(proposal.parent, ""),
            key=self._ledger.key(proposal.index),
            used=used_data(self._config, self._pages.data, "training", "validation"),
        )

    def on_trial(self, trial: Trial) -> None:
        """Sends what waits."""
        self._outbox.send()

    def on_phase_end(self) -> None:
        """Makes the description of the search's run, which goes with the next trial, now and then."""
        if time.monotonic() - self._overview_at >= _OVERVIEW_S:
            result = SearchResult.of(self._ledger.folder, self._ledger.state, self._ledger.trials)
            self._overview = self._pages.of_search(result)
            self._overview_at = time.monotonic()

    def _link(self, key: str) -> str:
        """The name of an earlier evaluation, with a link to its run; empty without one."""
        return link_to(key, self._ledger.trials[int(key.rpartition(":")[2])].label) if key else ""

    def _note_key(self, trial: Trial) -> None:
        if trial.failed:
            return
        self._latest[trial.encoded] = self._ledger.key(trial.index)
        if trial.phase == "evaluate":
            self._trained.setdefault(trial.encoded, self._ledger.key(trial.index))


def open_tracker(config: Config, ledger: Ledger, executor: TaskExecutor, command: str = "search") -> Tracker:
    """The tracker of a search, which knows the runs that the ledger names; it does not ask its store yet."""
    tracker = make_tracker(config, command=f"hivenas {command}", publisher=publisher(executor))
    tracker.limit_waiting()
    known = {ledger.key(trial.index): trial.run_id for trial in ledger.trials if trial.run_id}
    tracker.resume_from(ledger.state.run_id, known)
    return tracker


def publisher(executor: TaskExecutor) -> Publisher:
    """The function that publishes a model in a worker, as Keras is needed to log it."""

    def in_worker(model: ServableModel, run_id: str, stores: tuple[str, str]) -> Published:
        from hivenas.tracking.registry import publish

        try:
            # What is begun is finished: given up here, the worker would go on with it beside whoever tries again.
            with defer_signals("the model that is being published; once more ends at once"):
                return executor.submit(tasks.publish(publish, model, run_id, stores)).result()
        except WorkerDiedError as error:
            raise TrackingRefusedError(f"the model {model.file.name} could not be published: {error}") from error
        except HivenasError:
            raise
        except Exception as error:  # a layer whose module was not imported, say
            raise TrackingRefusedError(
                f"the model {model.file.name} cannot be published: {innermost(error)}"
            ) from error

    return in_worker


def send_all(ledger: Ledger, outbox: Outbox, tracker: Tracker, *, ask: bool = False) -> Sequence[Sent]:
    """Sends everything that waits, of a search that does not run; what a finished one kept is deleted.

    What kills have left running of full trainings outside a search is closed.

    Args:
        ledger: the search's record.
        outbox: has what waits.
        tracker: takes it.
        ask: ask for the search's parent run also where nothing waits, and end it where a kill has left it running.

    Raises:
        LostRunError: the search's parent run is not in this store, or was deleted there.
    """
    run_id = ledger.state.run_id
    if run_id and (ask or outbox.waiting):
        outbox.open_with(functools.partial(_open, tracker, run_id, outbox))
    sent = outbox.send(force=True)
    if run_id and ask and ledger.state.stage != Stage.DONE and not outbox.waiting:
        with contextlib.suppress(TrackingError):  # a kill has left it running, or it has ended by itself
            tracker.close_abandoned([run_id])
    _close_shown(ledger, outbox, tracker)
    if ledger.state.stage == Stage.DONE:
        outbox.forget_kept()
    return sent


def _close_shown(ledger: Ledger, outbox: Outbox, tracker: Tracker) -> None:
    """Closes them where the store answers; else that is done by whatever comes next."""
    left = ledger.shown
    if left and not outbox.waiting:
        with contextlib.suppress(TrackingError):
            tracker.close_abandoned(left)
            ledger.hide(*left)


def _open(tracker: Tracker, run_id: str, outbox: Outbox) -> None:
    """Makes sure that the search's run is there, and ends what a process that was killed has left running below it."""
    _require_active(tracker, run_id)
    tracker.close_dead(outbox.keys())


def _require_active(tracker: Tracker, run_id: str) -> None:
    if tracker.require(run_id) != "active":
        raise LostRunError(
            f"the run {run_id} of this search must not be deleted in MLflow for it to be told more, got it deleted; "
            f"restore it (mlflow runs restore --run-id {run_id}), or have everything told again in a new run by "
            "hivenas sync --rehome"
        )
