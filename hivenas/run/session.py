"""A search from its start, or from where it was left, to the registered model."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hivenas.config import Config
from hivenas.core.history import ranking, standing
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Trial
from hivenas.core.search_run import Closing, SearchCard
from hivenas.core.strategies.kinds import make_strategy
from hivenas.errors import (
    InputError,
    MissingResultsError,
    RepeatableTrainingError,
    RunError,
    TrackingDeniedError,
    TrackingError,
    first_line,
)
from hivenas.execution import TaskExecutor, make_executor
from hivenas.run.budget import Limits, Meter
from hivenas.run.callbacks import CallbackList
from hivenas.run.candidate_models import CandidateModels
from hivenas.run.closing import Closings
from hivenas.run.data import draw_examples, first_digest, refuse_other_data, settle_data, surveyed_data
from hivenas.run.final_training import FullTraining, recorded_full_training, trained_of
from hivenas.run.finalists import Finalists
from hivenas.run.full_plan import as_settled, is_settled
from hivenas.run.loop import Search
from hivenas.run.mirror_sync import MirrorSync
from hivenas.run.options import SessionOptions
from hivenas.run.pages import SearchPages
from hivenas.run.plan import most_evaluations, say_ladder
from hivenas.run.repeated_failure import repeated_failure
from hivenas.run.result import SearchResult, Trained
from hivenas.run.small import say_small, small_candidate, train_small
from hivenas.run.tracked import Tracking, open_tracker, send_all
from hivenas.run.training_book import SearchBook
from hivenas.run.used_data import contexts_of, place_of
from hivenas.run.weights import Retention, WeightsKeeper, clear_checkpoints
from hivenas.storage import Ending, Ledger, Message, Outbox, Sent, Settled, Stage

logger = logging.getLogger("hivenas")


class Session:
    """Does what is still to be done of a search.

    Args:
        config: the configuration, with the run's seed.
        objective: what is searched; it draws from `rng`.
        rng: generator of every draw.
        ledger: the search's record.
        options: what it is given beside its configuration.
    """

    def __init__(
        self,
        config: Config,
        objective: ObjectiveInterface,
        rng: np.random.Generator,
        ledger: Ledger,
        options: SessionOptions,
    ) -> None:
        self.config = config
        self.objective = objective
        self.rng = rng
        self.ledger = ledger
        self.info = info = objective.describe()
        self.mirror = options.mirror
        self.pages = SearchPages(config, objective, ledger, options.go_on)
        self.callbacks = options.callbacks
        self.listeners = CallbackList(options.callbacks)
        self.clock = options.clock
        self.is_open = False
        about: dict[str, Any] = {"direction": info.direction, "metric": info.metric, "limits": config.limits}
        about["cost"] = ",".join(cost.key for cost in config.objectives.costs)
        ledger.state = replace(ledger.state, planned=most_evaluations(config, objective, info), **about)

    def finish(self) -> SearchResult:
        """Searches on, trains the best candidate fully, closes the parent run."""
        if self.ledger.is_new:  # a crash that was noted there was the search's that this one replaces
            self.ledger.folder.crash.unlink(missing_ok=True)
        with make_executor(self.config.execution, self.ledger.folder, serial=not self.info.in_workers) as executor:
            self.executor: TaskExecutor = executor
            self.meter = Meter(self.ledger.state.spent, executor, clock=self.clock)
            self.tracker = open_tracker(self.config, self.ledger, executor)
            self.outbox = Outbox(self.ledger, self.tracker)
            self.sent: list[Sent] = []
            if self.ledger.state.stage != Stage.SEARCH and not self._has_run():
                # Written when the data were looked at and the search is open: who is refused has changed nothing.
                self.ledger.state = self.ledger.state.going_on(len(self.ledger.trials))
            if self._is_done():
                return self._nothing_left()
            if self.ledger.state.stage == Stage.FULL_TRAIN and (error := self._repeated_failure()):
                self._tell_the_rest()
                raise error
            self.messages = self.outbox.messages(refused=True)
            if not self.ledger.state.run_id and (self.ledger.is_new or self.tracker.project_run_id):
                if self.tracker.project_run_id:
                    self.tracker.prepare()  # which knows whose run that is
                # How the parent run is found is written down before anything slow begins: a kill leaves it on record.
                self.ledger.reserve(self.tracker.project_run_id)
            try:
                trained = self._search_and_train(self._open())
            except BaseException as error:
                self._close_early(error)
                raise
            result = self._result(trained)
            self.listeners.on_end(result)
            return result

    def _has_run(self) -> bool:
        """True where nothing more is to be evaluated; what was trained fully is given up where something is."""
        state = self.ledger.state
        has_run = state.has_run(self.config)
        if has_run or state.strategy is None or state.ending is not None or "patience" not in self.config.limits:
            return has_run
        limits, direction = self._limits(), self.info.direction
        for trial in self.ledger.trials:
            limits.take(trial, is_new=False)
        usable = [trial for trial in self.ledger.trials if not trial.failed]
        best = max(usable, key=lambda trial: standing(trial, direction), default=None)
        if not limits.has_waited(best, state.strategy["iteration"]):
            return False
        ending = Ending(key="patience", limit=limits.limits["patience"], after=len(self.ledger.trials) - 1)
        logger.info("no further iteration is run: %s", ending.told)
        return True

    def _nothing_left(self) -> SearchResult:
        refused = self.outbox.refused
        left = f"MLflow has refused {refused} of its records; `hivenas sync` tries them again"
        rest = left if refused else "nothing is left to do"
        logger.info("%s holds a finished search; %s", self.ledger.folder.path, rest)
        self._tell_the_rest(prunes=True)
        clear_checkpoints(self.ledger)
        return self._result(None)

    def _tell_the_rest(self, *, prunes: bool = False) -> None:
        """Tells others what they have not heard yet, where nothing is to be trained."""
        try:
            if prunes:
                weights = self._weights()
                self.ledger.save(pruned=self.ledger.state.pruned or weights.gives_up)
                weights.prune()
            send_all(self.ledger, self.outbox, self.tracker)
            self.tracker.point_to(self.ledger.state.run_id, self.tracker.project_run_id)
            self.tracker.close_abandoned(self.ledger.state.abandoned)
            self.ledger.save(abandoned=())
        except TrackingError as error:
            logger.warning("%s", error)

    # -- the beginning ---------------------------------------------------------------------------------------------

    def _open(self) -> Mapping[str, Any]:
        """Looks at the data, then opens the parent run; returns what the data are."""
        card = self._card()
        if not self.ledger.is_new:
            self.ledger.save()
        self.outbox.drop_closings(finished=self.ledger.state.stage == Stage.SEARCH)
        if self.ledger.state.has_begun:
            # A search that has begun goes on while the store is away.
            self.outbox.open_with(functools.partial(self._open_parent, card))
        else:
            self._open_parent(card)
        self.is_open = True
        try:
            self.sent += self.outbox.send(force=True)
        except InputError:  # the store has no such run, so there is none to be closed
            self.is_open = False
            raise
        return card.data

    def _card(self) -> SearchCard:
        """The parent run as it is from its first minute on, with the data, which are looked at."""
        pictures: list[Path] = []
        if self.info.trains:
            first = "" if self.ledger.state.data else first_digest(self.config, self.executor, self.ledger.folder)
            data = surveyed_data(self.config, self.executor)
            refuse_other_data(self.config, self.ledger, data)
            self.executor = settle_data(self.config, self.executor, data, first)
            pictures = draw_examples(self.config, self.executor, self.ledger.folder)
            self.pages.set_data(data)
            self.objective.set_data(data)
        else:
            data = self.info.data
            refuse_other_data(self.config, self.ledger, data)
            self.pages.set_data({})
        return SearchCard(
            name=self.config.name,
            params=self.config.flat(),
            config_yaml=self.config.to_yaml(),
            data=data,
            pictures=pictures,
            uid=self.ledger.state.uid,
            note=self.pages.of_search(self._so_far()),
            contexts=contexts_of(self.config, data),
            place=place_of(self.config),
            minimize=self.info.direction.minimize,
        )

    def _open_parent(self, card: SearchCard) -> None:
        """Opens the parent run, and closes what processes that were killed have left running."""
        run_id = self.tracker.open_search(card, self.ledger.state.run_id)
        self.tracker.close_dead(self.outbox.keys())
        shown = self.ledger.shown
        self.tracker.close_abandoned({*self.ledger.state.abandoned, *shown})
        self.ledger.hide(*shown)
        self.ledger.save(run_id=run_id, data=card.data.get("digest", ""), abandoned=())

    # -- the search, and the full training ---------------------------------------------------------------------------

    def _trains(self) -> bool:
        """True where the best candidate is to be trained fully."""
        return self.config.full_train.enabled and self.info.trains

    def _is_done(self) -> bool:
        state = self.ledger.state
        return state.stage == Stage.DONE and (state.trained or not self._trains())

    def _search_and_train(self, data: Mapping[str, Any]) -> Trained | None:
        weights = self._weights()
        if self.ledger.state.stage == Stage.SEARCH:
            stopped = self.config.evaluations if self._search(weights) else 0
            self.ledger.save(stage=Stage.FULL_TRAIN, settled=self._settled(), spent=self.meter.spent, stopped=stopped)
        elif not is_settled(self.config, self.ledger.state):
            self.ledger.save(settled=self._settled())
        message = self._train(data) if self._trains() else None
        if message:
            self._train_small(message, data)
            self.sent += self.outbox.send(force=True)  # so that the report can say where the model is
            say_small(self.sent)
        self._candidate_models(weights).post(data)
        self.ledger.save(spent=self.meter.spent)
        closing = self._closing("FINISHED", message, weights)
        with self.ledger.transaction():
            self.outbox.post(Message(closing=closing))
            self.ledger.save(stage=Stage.DONE, trained=message is not None, pruned=weights.gives_up)
        weights.prune()
        self.sent += self.outbox.send(force=True)
        self.outbox.forget_kept()
        clear_checkpoints(self.ledger)
        self.ledger.folder.sweep()  # workers may have died while they wrote
        return trained_of(self._final, message, self.sent) if message else None

    def _candidate_models(self, weights: WeightsKeeper) -> CandidateModels:
        return CandidateModels(self.config, self.ledger, self.outbox, executor=self.executor, weights=weights)

    def _weights(self) -> WeightsKeeper:
        evaluation = self.config.evaluation
        retention = Retention(
            self.config.results.kept if self.info.trains else None,
            self.info.direction,
            needed_later=evaluation.continues or evaluation.inherit,
            costs=self.config.objectives.costs,
        )
        return WeightsKeeper(self.ledger, self.objective, retention, self.tracker)

    def _search(self, weights: WeightsKeeper) -> bool:
        """Runs what is left of the search; True where a callback has stopped it before its end."""
        trained = self.config.evaluation if self.info.trains else None
        costs = self.config.objectives.costs
        strategy = make_strategy(self.objective, self.config.colony, self.rng, trained, costs=costs)
        tracking = Tracking(
            self.config, self.ledger, objective=self.objective, outbox=self.outbox, pages=self.pages, weights=weights
        )
        mirror = [MirrorSync(self.ledger, self.mirror)] if self.mirror else []
        limits = self._limits()
        limits.say()
        if trained:
            say_ladder(self.config)
        search = Search(
            strategy,
            self.objective,
            executor=self.executor,
            ledger=self.ledger,
            callbacks=[weights, tracking, *mirror, *self.callbacks],
            limits=limits,
            most_failures=self.config.execution.max_consecutive_failures,
        )
        search.run()
        tracking.end()
        return search.stopped

    def _limits(self) -> Limits:
        """A count of what the search has spent, that takes its trials from the first on."""
        return Limits(self.config, self.info, self.ledger.state, self.meter)

    def _settled(self) -> Settled | None:
        return self._limits().settle(self.ledger.trials)

    @property
    def _final(self) -> Config:
        """The configuration of the full training."""
        return as_settled(self.config, self.ledger.state)

    def _told(self, data: Mapping[str, Any]) -> FullTraining:
        return FullTraining(
            key=self.ledger.state.full_key(len(self.ledger.trials)),
            register_as=self.config.model_name,
            search_run=self.ledger.state.run_id,
            data=data,
            keep_after_send=True,
            small=small_candidate(self.config, self.ledger.trials, self.info.direction),
        )

    def _train_small(self, message: Message, data: Mapping[str, Any]) -> None:
        """Has the small model made, unless that of the search is it."""
        if message.model and not message.model.second_alias:
            told = self._told(data)
            self.sent += train_small(
                self._final, self.executor, self.ledger, self.outbox, told=told, listener=self.listeners
            )

    def _train(self, data: Mapping[str, Any]) -> Message:
        """Has the model made of the best candidates, unless a process that was killed has done so."""
        key = self._told(data).key
        for message in self.messages:
            if message.child and message.child.key == key and message.model:
                return message
        if error := self._repeated_failure():
            raise error
        book = SearchBook(self._final, self.ledger, self.outbox, self._told(data))
        Finalists(self._final, self.executor, book, self.listeners).run([trial.encoded for trial in self._ranked()])
        assert book.message
        return book.message

    def _repeated_failure(self) -> RepeatableTrainingError | None:
        """The error of the full training, where that has failed and nothing on which it depends has changed since."""
        if not self._trains() or self.ledger.state.failure is None:
            return None
        return repeated_failure(self._final, self.ledger.state, self._ranked()[0].encoded)

    def _ranked(self) -> list[Trial]:
        """The candidates, as they stand after their latest evaluations, best first; at least one."""
        ranked = ranking(self.ledger.trials, self.info.direction)
        if not ranked:
            raise MissingResultsError(
                f"no candidate in {self.ledger.folder.csv} was evaluated without failing; look at its column reason"
            )
        return ranked

    # -- the end, and early ends ---------------------------------------------------------------------------------

    def _close_early(self, error: BaseException) -> None:
        """Closes the parent run of a search that ends before it is finished; what fails in that is said, not raised."""
        if not self.is_open and not self.tracker.opened:
            return
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = str(error) or "interrupted" if interrupted else first_line(error)
        try:
            # An interruption may fall anywhere, also between the ledger and what is known of it here.
            status = "KILLED" if interrupted else "FAILED"
            if self.ledger.is_new:  # the ledger is another search's yet
                self.tracker.close_search(self._closing(status, None, reason=reason))
                return
            self.ledger.read()
            if self.ledger.state.has_begun and self.ledger.state.stage != Stage.DONE:
                self.ledger.save(spent=self.meter.spent)
            self.outbox = Outbox(self.ledger, self.tracker)
            if isinstance(error, TrackingDeniedError):
                self.outbox.is_refused()
            if self.ledger.state.stage != Stage.DONE:  # else nothing was left but to tell others of it
                self.outbox.post(Message(closing=self._closing(status, None, reason=reason)))
            self.outbox.send(force=True)
            if self.mirror:
                self.mirror.sync(self.ledger, force=True)
        except (OSError, RunError) as second:
            if isinstance(error, TrackingDeniedError):
                return  # for the same reason
            logger.warning("the search's run in MLflow could not be closed: %s", first_line(second))

    def _closing(
        self, status: str, message: Message | None, weights: WeightsKeeper | None = None, *, reason: str = ""
    ) -> Closing:
        closings = Closings(self.config, self.ledger, self.tracker, self.pages)
        return closings.of(status, message, weights.left() if weights else (), reason=reason)

    def _so_far(self, **more: Any) -> SearchResult:
        return SearchResult.of(self.ledger.folder, self.ledger.state, self.ledger.trials, **more)

    def _result(self, trained: Trained | None) -> SearchResult:
        more: dict[str, Any] = {}
        if trained:
            more = {"full_training": trained.evaluation, "registered": trained.published.verdict}
            more |= {"model_uri": trained.published.uri} if trained.published.uri else {}
        elif self.ledger.state.trained:
            ranked = ranking(self.ledger.trials, self.info.direction)
            more = {"full_training": recorded_full_training(self.ledger.folder, self.ledger.state, ranked)}
        waiting = self.outbox.waiting + (self.mirror.sync(self.ledger, force=True) if self.mirror else 0)
        return self._so_far(store=self.tracker.store, waiting=waiting, **more)
