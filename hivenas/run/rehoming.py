"""A recorded search told again: for a store that has lost its runs, or is another one on purpose."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hivenas.core.history import ranking
from hivenas.core.search_run import Closing, SearchCard
from hivenas.errors import MissingResultsError
from hivenas.execution import make_executor
from hivenas.run.closing import closing_files
from hivenas.run.final_training import message_of, recorded_full_training
from hivenas.run.session import Session
from hivenas.run.small import small_model
from hivenas.run.tracked import Tracking, publisher, send_all
from hivenas.run.training_book import SearchBook
from hivenas.storage import Message, Outbox, Stage
from hivenas.tracking import make_tracker

logger = logging.getLogger("hivenas")


class Rehoming(Session):
    """Tells a store what it lacks of a recorded search, all of it where the search's own run is gone.

    What the ledger holds, and the files that are still on the disk, make the runs anew; messages that wait are told as
    they are. What the ledger never held, tracebacks of failures and the machines of recipes, is not in runs made anew.
    """

    def tell_again(self) -> tuple[int, int]:
        """Makes the runs that are missing, under a new parent where need be.

        Returns:
            How many records the store has taken, and how many still wait.

        Raises:
            DatasetError: the images cannot be loaded, or are others.
            TrackingError: the store does not answer; nothing has changed.
        """
        with make_executor(self.config.execution, self.ledger.folder, serial=not self.info.in_workers) as executor:
            self.executor = executor
            # It is not told of the runs that the ledger knows: they may be what is gone.
            self.tracker = make_tracker(self.config, command="hivenas sync", publisher=publisher(executor))
            self.tracker.limit_waiting()
            self.tracker.prepare()
            self.outbox = Outbox(self.ledger, self.tracker)
            self.outbox.retry_refused()
            is_gone = self._is_gone()
            card = self._card()
            if is_gone:
                self._begin_anew(card)
            else:
                self.tracker.resume_from(self.ledger.state.run_id, {})
            messages = self._messages(card.data, is_gone)
            with self.ledger.transaction():
                self.ledger.save()
                self.ledger.set_run_ids({trial.index: trial.run_id for trial in self.ledger.trials})
                self.outbox.post_instead(messages)
            self.outbox.sweep()
            sent = send_all(self.ledger, self.outbox, self.tracker)
            if messages and messages[-1].closing and not self.outbox.waiting:
                self._name_runs(messages[-1].closing)
            return len(sent), self.outbox.waiting + self.outbox.refused

    def _is_gone(self) -> bool:
        run_id = self.ledger.state.run_id
        try:
            return not run_id or self.tracker.require(run_id) != "active"
        except MissingResultsError:
            return True

    def _begin_anew(self, card: SearchCard) -> None:
        """Opens another parent run; one that an attempt which was killed has opened is found by the search's name.

        The ledger is told of it together with what is to be sent there.
        """
        before = self.ledger.state
        run_id = self.tracker.open_search(card)
        data = before.data or card.data.get("digest", "")
        self.ledger.state = replace(before, run_id=run_id, data=data, model="")
        self.ledger.trials[:] = [replace(trial, run_id="") for trial in self.ledger.trials]
        logger.info("the search's run is %s from now on, in the place of %s", run_id, before.run_id or "none")

    def _name_runs(self, closing: Closing) -> None:
        """Has the table and the report, which were written for the closing, name the runs that have been made since."""
        ranked = ranking(self.ledger.trials, self.info.direction)
        state = self.ledger.state
        trained = recorded_full_training(self.ledger.folder, state, ranked) if state.trained else None
        result = self._so_far(store=self.tracker.store, full_training=trained)
        files = closing_files(self.config, self.ledger, result, closing.status)
        self.outbox.post(Message(closing=replace(closing, metrics={}, artifacts=files)))
        self.outbox.send(force=True)

    def _messages(self, data: Mapping[str, Any], is_gone: bool) -> list[Message]:
        """All that the store is to be told, in its order."""
        posted = self.outbox.messages()
        waiting = [message for message in posted if not message.closing]
        told = self._of_trials({each.trial: each for each in waiting if each.trial is not None}, is_gone)
        trainings = [self._at_home(message) for message in waiting if message.trial is None]
        trainings += self._finalists(trainings, data, is_gone)
        trained = self._trained(trainings, data, is_gone)
        if trained and trained not in trainings:
            trainings.append(trained)
        trainings += self._small(trainings, data, is_gone)
        trainings += self._candidate_models(self._weights()).again(data) if is_gone else []
        is_done = self.ledger.state.stage == Stage.DONE
        messages = [*told, *trainings]
        ends = [message for message in posted if message.closing]
        if ends and not is_gone:
            messages.append(ends[-1])  # which knows what was told since and is not on record any more
        elif is_gone or (is_done and messages):
            status, reason = ("FINISHED", "") if is_done else ("KILLED", "told again; the search can go on (--resume)")
            closing = self._closing(status, trained, reason=reason)
            # A run that is there has its figures; its description names the runs below it, which are others now.
            messages.append(Message(closing=closing if is_gone else replace(closing, metrics={})))
        return messages

    def _of_trials(self, waiting: Mapping[int | None, Message], is_gone: bool) -> list[Message]:
        trials, messages = self.ledger.trials, []
        tracking = Tracking(
            self.config,
            self.ledger,
            objective=self.objective,
            outbox=self.outbox,
            pages=self.pages,
            weights=self._weights(),
        )
        for trial in trials:
            ranked = ranking(trials[: trial.index + 1], self.info.direction)
            again = tracking.again(trial, ranked[0] if ranked else None)
            if trial.index in waiting:
                messages.append(waiting[trial.index])
            elif is_gone:
                messages.append(again)
            elif again.child and not self.tracker.find(self.ledger.key(trial.index)):
                messages.append(replace(again, child=replace(again.child, progress={})))  # the curves are there
        return messages

    def _finalists(self, waiting: Sequence[Message], data: Mapping[str, Any], is_gone: bool) -> list[Message]:
        """The full trainings of which the model was made, or among which it was chosen, that the store lacks."""
        book = SearchBook(self._final, self.ledger, self.outbox, self._told(data))
        known = {message.child.key for message in waiting if message.child}
        found = [message for message in book.recorded_trainings() if message.child and message.child.key not in known]
        return [each for each in found if is_gone or (each.child and not self.tracker.find(each.child.key))]

    def _small(self, waiting: Sequence[Message], data: Mapping[str, Any], is_gone: bool) -> list[Message]:
        """The small model, where there was one that the store lacks."""
        message = small_model(self._final, self.ledger, self.outbox, self._told(data))
        if message is None or not message.child:
            return []
        key = message.child.key
        is_known = key in {each.child.key for each in waiting if each.child}
        return [message] if not is_known and (is_gone or not self.tracker.find(key)) else []

    def _trained(self, waiting: Sequence[Message], data: Mapping[str, Any], is_gone: bool) -> Message | None:
        """The full training of the search's best candidate, where there was one and its files are still here."""
        key = self.ledger.state.full_key(len(self.ledger.trials))
        for message in waiting:
            if message.child and message.child.key == key:
                return message
        if not self.ledger.state.trained or not (is_gone or not self.tracker.find(key)):
            return None
        ranked = ranking(self.ledger.trials, self.info.direction)
        evaluation = recorded_full_training(self.ledger.folder, self.ledger.state, ranked)
        try:
            if evaluation is None:
                raise FileNotFoundError(self.ledger.folder.histories)
            book = SearchBook(self._final, self.ledger, self.outbox, self._told(data))
            message = message_of(self._final, evaluation, book.of_recorded_model(evaluation))
            if message.model is None or not message.model.file.is_file():
                raise FileNotFoundError(evaluation.extra.get("model", ""))
        except FileNotFoundError as error:
            logger.warning(
                "files of the full training are not on this machine any more (%s), so its model cannot be told again; "
                "hivenas train makes another",
                error,
            )
            return None
        return message

    def _at_home(self, message: Message) -> Message:
        """A message of a full training whose model names the search's run as it is now."""
        if not message.model or "hivenas.search_run" not in message.model.origin:
            return message
        origin = {**message.model.origin, "hivenas.search_run": self.ledger.state.run_id}
        return replace(message, model=replace(message.model, origin=origin))
