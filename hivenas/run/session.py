"""A search from its start, or from where it was left, to the registered model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hivenas.config import Config
from hivenas.core.recipe import Recipe
from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.core.retention import Retention
from hivenas.core.seeds import derive_seed
from hivenas.core.tracker import MODEL_URI, MODEL_VERDICT, Closing, SearchCard, now_ms
from hivenas.errors import DatasetError, DiskFullError, TrackingError, first_line
from hivenas.execution import Unlimited, augmented_examples, describe_data, make_executor, run_proposal, train_arch
from hivenas.objectives.factory import describe_table, make_objective, run_params
from hivenas.reports import Summary, draw_augmentation, draw_plots
from hivenas.run.callbacks import SearchListener
from hivenas.run.final_training import Trained, letter_of, publisher, trained_of
from hivenas.run.loop import Search, settle, take_up
from hivenas.run.pages import SearchPages
from hivenas.run.report import Ending, report_ending
from hivenas.storage import SearchStore
from hivenas.storage.outbox import Delivered, Letter, Outbox
from hivenas.tracking import MlflowTracker, current_stores, fail_fast


@dataclass(frozen=True, slots=True)
class Finished:
    """What a search came to; `store` is the URI of the MLflow store; `waiting` records are not delivered yet."""

    rows: tuple[Row, ...]
    summary: Summary
    run_id: str
    store: str
    minimize: bool
    trained: Trained | None
    waiting: int = 0


class SearchRun:
    """Does what is still to be done of a search.

    Args:
        config: the configuration, with the run's seed.
        store: the search's record.
        listener: is told of progress.
        go_on: the command with which the search goes on, for its run's description; empty for that of the
            configuration's file.
    """

    def __init__(self, config: Config, store: SearchStore, listener: SearchListener, *, go_on: str = "") -> None:
        self.config = config
        self.store = store
        self.listener = listener
        self.untrained = config.objective != "nas"
        self.rng = np.random.default_rng(derive_seed(store.state.seed, "search"))
        self.objective = make_objective(config, self.rng)
        self.minimize = self.objective.is_minimize
        self.pages = SearchPages(config, self.objective, store, go_on)
        evaluation = config.evaluation
        self.retention = Retention(
            None if self.untrained else config.results.kept,
            needed_later=evaluation.momentum_epochs > 0 or evaluation.inherit,
            minimize=self.minimize,
        )

    def finish(self) -> Finished:
        """Searches on, trains the best candidate fully, closes the parent run."""
        fail_fast()
        with make_executor(self.config.execution, self.store.folder, serial=self.untrained) as executor:
            self.executor: Executor = executor
            self.tracker = open_tracker(self.config, self.store, executor, say=self.listener.warn)
            self.outbox = Outbox(self.store.folder.outbox, self.tracker, self.listener.warn)
            self.delivered: list[Delivered] = []
            take_up(self.store, self.outbox)
            if self.store.state.stage != "search" and not self._has_flown():
                self.store.save(stage="search", trained=False, model="")
            if self._is_done():
                return self._nothing_left()
            self.letters = self.outbox.letters()
            self.outbox.drop_closings(finished=self.store.state.stage == "search")
            self._claim()
            self.is_open = False
            try:
                trained = self._search_and_train(self._open())
            except BaseException as error:
                self._close_early(error)
                raise
            return self._finished(trained)

    def _nothing_left(self) -> Finished:
        self.listener.note(f"{self.store.folder.path} holds a finished search; nothing is left to do")
        try:
            deliver_all(self.store, self.outbox, self.tracker)
            self.tracker.point_to(self.store.state.run_id, self.tracker.made)
            self.tracker.close_abandoned(self.store.state.abandoned)
            self.store.save(abandoned=())
        except TrackingError as error:
            self.listener.warn(str(error))
        return self._finished(None)

    def _claim(self) -> None:
        """Writes down how the parent run is found before anything slow begins: a kill leaves it in the books."""
        if not self.store.state.run_id:
            self.store.claim(self.tracker.made)

    def _open(self) -> Mapping[str, Any]:
        """Looks at the data, then opens the parent run; returns what the data are."""
        data = self._describe_data()
        self._refuse_other_data(data)
        pictures = [] if self.untrained else self._draw_augmentation()
        flat, uid = self.config.flat(), self.store.state.uid
        self.pages.know({} if self.untrained else data)
        note = self.pages.of_search(self.store.rows)
        card = SearchCard(self.config.name, flat, self.store.folder.yaml, data, pictures, uid, note)
        if self.store.state.has_begun:
            # A search that has begun goes on while the store is away.
            self.outbox.open_with(functools.partial(self._open_parent, card))
        else:
            self._open_parent(card)
        self.is_open = True
        self.delivered += settle(self.store, self.outbox)
        return data

    def _describe_data(self) -> Mapping[str, Any]:
        """What the images are, or the table."""
        if self.untrained:
            return describe_table(self.objective)
        return self.executor.submit(Unlimited(describe_data), self.config).result()

    def _open_parent(self, card: SearchCard) -> None:
        """Opens the parent run, and closes what processes that were killed have left running."""
        run_id = self.tracker.open_search(card, self.store.state.run_id)
        self.tracker.close_dead({letter.child.key for letter in self.outbox.letters() if letter.child})
        self.tracker.close_abandoned(self.store.state.abandoned)
        self.store.save(run_id=run_id, data=card.data.get("digest", ""), abandoned=())

    def _refuse_other_data(self, data: Mapping[str, Any]) -> None:
        """Files of the user's own may have changed since the search began; fitness would not be comparable."""
        before = self.store.state.data
        if before and data and data["digest"] != before:
            table = self.config.table.path
            what = f"rows of {table}" if table else f"images of {self.config.dataset.name}"
            raise DatasetError(
                f"the {what} are not those that the search in {self.store.folder.path} began with, got digest "
                f"{data['digest']} instead of {before}; restore them, or start another search (--set name=…)"
            )

    def _draw_augmentation(self) -> list[Path]:
        """A page of what networks are trained on, where that is not the images as they are."""
        augmentation = self.config.evaluation.augmentation
        if not augmentation.is_on:
            return []
        examples = self.executor.submit(Unlimited(augmented_examples), self.config).result()
        return [draw_augmentation(examples, augmentation, self.store.folder.plots)]

    def _has_flown(self) -> bool:
        """Whether every iteration was flown; a resumed configuration may ask for more than the recorded one."""
        colony = self.store.state.colony
        return colony is not None and colony["iteration"] >= self.config.colony.iterations

    def _trains(self) -> bool:
        """Whether the best candidate is to be trained fully."""
        return self.config.full_train.enabled and not self.untrained

    def _is_done(self) -> bool:
        state = self.store.state
        return state.stage == "done" and (state.trained or not self._trains())

    def _search_and_train(self, data: Mapping[str, Any]) -> Trained | None:
        if self.store.state.stage == "search":
            self._fly()
            self.store.save(stage="full_train")
        letter = self._train(data) if self._trains() else None
        if letter:
            self.delivered += settle(self.store, self.outbox)  # so that the report can say where the model is
        # The state says that all is done once every letter that tells so is on the disk.
        self.outbox.write(Letter(closing=self._closed_before(letter) or self._closing("FINISHED", letter)))
        self._thin_out()
        self.store.save(stage="done", trained=letter is not None)
        self.delivered += settle(self.store, self.outbox)
        self.outbox.forget(self.delivered)
        self.store.folder.clear_checkpoints()
        return trained_of(letter, self.delivered) if letter else None

    def _train(self, data: Mapping[str, Any]) -> Letter:
        """Trains the best candidate fully, unless a process that was killed has done so."""
        key = f"{self.store.state.uid}:full-{len(self.store.rows)}"
        for letter in self.letters:
            if letter.child and letter.child.key == key and letter.model:
                return letter
        best = self.store.folder.best(self.minimize)
        self.listener.training(best.candidate, self.config.full_train.epochs)
        evaluation = self.executor.submit(Unlimited(train_arch), self.config, best.candidate).result()
        letter = letter_of(
            self.config,
            evaluation,
            key=key,
            register_as=self.config.model_name,
            search_run=self.store.state.run_id,
            data=data,
            stands=True,
        )
        self.outbox.write(letter)
        if evaluation.status == "failed":
            settle(self.store, self.outbox)
            trained_of(letter, ())
        return letter

    def _fly(self) -> None:
        from hivenas.core.colony.kinds import make_colony

        evaluate: Callable[[Proposal], Evaluation] = self.objective.run
        if not self.untrained:
            evaluate = functools.partial(run_proposal, self.config)
        momentum_epochs = 0 if self.untrained else self.config.evaluation.momentum_epochs
        colony = make_colony(self.objective, self.config.colony, self.rng, momentum_epochs=momentum_epochs)
        done = sum(row.phase == "evaluate" for row in self.store.rows)
        self.listener.started(self.config.colony.size * self.config.colony.iterations, done)
        self.search = Search(
            colony,
            evaluate,
            self.executor,
            self.store,
            self.outbox,
            self.listener,
            brief=self.objective.brief,
            params_of=functools.partial(run_params, self.objective),
            states_of=self.objective.saved_states,
            minimize=self.minimize,
            recipe_of=self._recipe_of,
            fetch=self._fetch,
            most_failures=self.config.execution.max_consecutive_failures,
            page_of=self.pages.of_candidate,
            overview=self.pages.of_search,
            retention=self.retention,
        )
        self.search.run()

    # -- saved states that are not kept --------------------------------------------------------------------------

    def _left_out(self) -> list[Row]:
        """Whose saved states go with the end of the search, in MLflow too; what fell out before has gone already."""
        rows = self.retention.left_out(self.store.rows)
        return rows if self.retention.needed_later else [row for row in rows if self._is_here(row)]

    def _is_here(self, row: Row) -> bool:
        names = self.objective.saved_states(row.evaluation())
        return any((self.store.folder.weights / name).is_file() for name in names)

    def _thin_out(self) -> None:
        """Deletes what is not kept of a search that has flown: its closing, which has MLflow do so, is on the disk."""
        rows = self.retention.left_out(self.store.rows)
        if rows and self.retention.needed_later:
            self.store.save(thinned=True)  # first: from here on, further iterations would miss what they start from
        for row in rows:
            self.store.folder.drop_weights(self.objective.saved_states(row.evaluation()))

    def _recipe_of(self, proposal: Proposal, evaluation: Evaluation) -> str:
        return "" if self.untrained else Recipe.of(self.config, evaluation, proposal).to_text()

    def _fetch(self, proposal: Proposal) -> None:
        """Brings the saved states that a proposal starts from out of MLflow, where they are not on this machine."""
        for name in filter(None, (proposal.weights_filename, proposal.inherits)):
            if (self.store.folder.weights / name).is_file():
                continue
            self.search.put_away()  # what it starts from may be in the last record
            candidate = proposal.candidate if proposal.momentum_epochs else proposal.parent
            holders = [row for row in self.store.rows if row.candidate == candidate and row.status != "failed"]
            # A neighbour inherits from a younger state, which is kept with its source's first training.
            trained = [row for row in holders if row.phase == "evaluate"]
            exact = [row for row in holders if row.weights_filename == name] or trained
            if exact and not self._fetch_from(exact[-1], name):
                self.listener.warn(f"{name}, from which {proposal.candidate} starts, is gone, here and in MLflow")

    def _fetch_from(self, row: Row, name: str) -> bool:
        key = self.store.key(row.index)
        try:
            run_id = row.run_id or self.tracker.find(key)
            if run_id:
                return self.tracker.fetch(run_id, f"weights/{name}", self.store.folder.weights)
        except TrackingError as error:
            raise TrackingError(f"{name} is kept in MLflow alone. {error}; then go on (--resume)") from error
        raise TrackingError(
            f"{name} is not on this machine, and MLflow was never told of evaluation {row.index}, which it belongs to; "
            "run hivenas sync on the machine that trained it, then go on (--resume)"
        )

    # -- the end, and early ends ---------------------------------------------------------------------------------

    def _close_early(self, error: BaseException) -> None:
        """Closes the parent run of a search that ends before it is finished; what fails in that is said, not raised."""
        if not self.is_open and not self.tracker.opened:
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = str(error) or "interrupted" if interrupted else first_line(error)
        try:
            # An interruption may fall anywhere, also between a file and what is known of it here.
            self.store.read_again()
            self.outbox = Outbox(self.store.folder.outbox, self.tracker, self.listener.warn)
            take_up(self.store, self.outbox)
            if self.store.state.stage != "done":  # else nothing was left but to tell others of it
                status = "KILLED" if interrupted else "FAILED"
                self.outbox.write(Letter(closing=self._closing(status, None, reason)))
            settle(self.store, self.outbox)
            self.store.sync_mirror()
        except (OSError, DiskFullError) as second:
            self.listener.warn(f"the search's run in MLflow could not be closed: {first_line(second)}")

    def _closing(self, status: str, letter: Letter | None, reason: str = "") -> Closing:
        rows = self.store.rows
        metrics = self.pages.summary(rows).metrics()
        trained, interval = "", None
        if letter and letter.evaluation and letter.child and letter.model:
            figures, trained = letter.evaluation.extra, letter.child.key
            metrics["test_accuracy"] = figures["test_accuracy"]
            interval = figures["test_accuracy_low"], figures["test_accuracy_high"]
        accuracy = metrics.get("test_accuracy")
        note = self.pages.of_search(
            rows,
            status,
            reason=reason,
            test_accuracy=accuracy,
            interval=interval,
            model_uri=MODEL_URI if trained else "",
            verdict=MODEL_VERDICT if trained else "",
        )
        plots = draw_plots(rows, self.store.folder.plots, minimize=self.minimize)
        run_id = self.tracker.opened or self.store.state.run_id
        model_uri = self.store.state.model if trained else ""
        ending = Ending(current_stores()[0], run_id, accuracy, interval, model_uri, reason)
        page = report_ending(self.config, self.store.state, rows, ending)
        artifacts = ((self.store.folder.csv, ""), (page, ""), *((file, "plots") for file in plots))
        drops = tuple(self.store.key(row.index) for row in self._left_out()) if status == "FINISHED" else ()
        pointer = self._pointer(run_id)
        return Closing(run_id, status, metrics, note, reason, artifacts, pointer, now_ms(), len(rows), trained, drops)

    def _pointer(self, run_id: str) -> str:
        """The run that `mlflow run` has made for a resumption."""
        return self.tracker.made if self.tracker.made != run_id else ""

    def _closed_before(self, letter: Letter | None) -> Closing | None:
        """How a process that was killed has closed the search; told again word for word, MLflow shows it once."""
        closing = self.letters[-1].closing if self.letters else None
        is_news = letter is not None and letter not in self.letters
        if is_news or closing is None or closing.status != "FINISHED" or closing.step != len(self.store.rows):
            return None
        return replace(closing, pointer=self._pointer(closing.run_id))

    def _finished(self, trained: Trained | None) -> Finished:
        rows, run_id = tuple(self.store.rows), self.store.state.run_id
        waiting = self.outbox.waiting + self.store.sync_mirror()
        return Finished(rows, self.pages.summary(rows), run_id, current_stores()[0], self.minimize, trained, waiting)


def open_tracker(
    config: Config, store: SearchStore, executor: Executor, command: str = "search", *, say: Callable[[str], None]
) -> MlflowTracker:
    """The tracker of a search, which knows the runs that the table names; it does not ask MLflow yet."""
    tracker = MlflowTracker(config.name, command=f"hivenas {command}", publisher=publisher(executor), say=say)
    tracker.adopt(store.state.run_id, {store.key(row.index): row.run_id for row in store.rows if row.run_id})
    return tracker


def deliver_all(store: SearchStore, outbox: Outbox, tracker: MlflowTracker) -> Sequence[Delivered]:
    """Delivers everything that waits, of a search that does not run; what a finished one waited for is forgotten.

    Raises:
        MissingResultsError: the search's parent run is not in this store.
    """
    take_up(store, outbox)
    if outbox.waiting and store.state.run_id:
        outbox.open_with(functools.partial(_require, tracker, store.state.run_id))
    delivered = settle(store, outbox)
    if store.state.stage == "done":
        outbox.forget(delivered)
        store.folder.clear_checkpoints()
    return delivered


def _require(tracker: MlflowTracker, run_id: str) -> None:
    tracker.require(run_id)
