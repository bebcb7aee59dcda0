"""A transactional outbox: what MLflow is to be told waits in the ledger until it has been told."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from hivenas.core.children import Child
from hivenas.core.files import disk_full_said
from hivenas.core.outage import Outage
from hivenas.core.publication import LoggedCandidate, Published, ServableModel
from hivenas.core.records import Evaluation
from hivenas.core.search_run import Closing
from hivenas.core.tracker import CandidateTracker, LiveTracker, Tracker
from hivenas.errors import TrackingDeniedError, TrackingError, TrackingRefusedError, first_line
from hivenas.storage.ledger import Ledger, MessageStatus
from hivenas.wording import number_of

_FRESH = 100
_UNTIL_ASKED = "the search ends, is resumed, or `hivenas sync` is run"
_UNTIL_BACK = "the store answers, the search is resumed, or `hivenas sync` is run"

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that MLflow is to be told.

    Args:
        trial: number of the trial that it tells of, whose run it makes; None for another.
        child: the nested run.
        model: what is published on that run, for a full training.
        evaluation: what a full training came to.
        closing: how the search's parent run ends; nothing else is in such a message.
        keep_after_send: whether it is kept when it has been sent, until the search's state says what it says.
        candidate: becomes a logged model of its run, with `model` as its network where there is one.
    """

    trial: int | None = None
    child: Child | None = None
    model: ServableModel | None = None
    evaluation: Evaluation | None = None
    closing: Closing | None = None
    keep_after_send: bool = False
    candidate: LoggedCandidate | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that MLflow has taken: the run that came of it, and what the publication of its model came to."""

    number: int
    message: Message
    run_id: str = ""
    published: Published = field(default_factory=Published)


class Outbox:
    """Messages to MLflow in their order.

    A message is posted in the transaction of what it tells, and what came of it (the run of a trial, the model of a
    search) is written in the transaction that deletes it. While the store does not answer, or takes nothing at all,
    messages wait; one that it refuses for good is put aside and said. The files that a message names are kept beside
    the ledger as they were when it was posted, whatever is written in their place later.

    Args:
        ledger: has the messages; the folder beside it gets second names of their files.
        tracker: takes them.
    """

    def __init__(self, ledger: Ledger, tracker: Tracker) -> None:
        self._ledger = ledger
        self._folder = ledger.folder.attachments
        self._tracker = tracker
        self._waiting = [number for number, _ in ledger.messages(MessageStatus.PENDING)]
        self._tried = set(self._waiting)  # perhaps, by the process that posted them
        self._fresh: dict[int, Message] = {}  # of this process, the latest few: they need not be read again
        self._opening: Callable[[], object] | None = None
        self._was_tried = False  # the opening
        self._outage = Outage()
        self._live = tracker if isinstance(tracker, LiveTracker) else None  # until it refuses to show anything
        self.sweep()

    @property
    def waiting(self) -> int:
        """Messages that have not been sent."""
        return len(self._waiting)

    @property
    def refused(self) -> int:
        """Messages that the store has refused, until they are tried again."""
        return len(self._ledger.messages(MessageStatus.REFUSED))

    @property
    def keeps_candidates(self) -> bool:
        """True where models of candidates can be told of."""
        return isinstance(self._tracker, CandidateTracker)

    def messages(self, *, refused: bool = False) -> list[Message]:
        """The messages that are pending, or were sent and kept, oldest first.

        Args:
            refused: also those that the store has refused.
        """
        others = [MessageStatus.REFUSED] if refused else []
        found = self._ledger.messages(MessageStatus.PENDING, MessageStatus.SENT, *others)
        return [message for number, content in found if (message := self._read(number, content))]

    def keys(self) -> set[str]:
        """The keys of the children that messages tell of."""
        children = [message.child for message in self.messages() if message.child]
        return {key for child in children for key in (child.key, child.shown_as) if key}

    def open_with(self, opening: Callable[[], object]) -> None:
        """Has something done, until it succeeds, before any message is sent; it raises as a tracker does."""
        self._opening, self._was_tried = opening, False

    def post(self, message: Message) -> None:
        """Writes a message, last in the order: in the transaction that is open, or in one of its own.

        Raises:
            DiskFullError: there is no space for it.
        """
        kept = self._moved(message, functools.partial(self._keep, self._ledger.next_message))
        packed = _adapter().dump_python(self._moved(kept, lambda _, file: Path(os.path.relpath(file, self._base))))
        number = self._ledger.post(json.dumps(packed, default=str))  # paths as text
        self._waiting.append(number)
        self._fresh[number] = kept
        if len(self._fresh) > _FRESH:
            del self._fresh[min(self._fresh)]

    def post_instead(self, messages: Sequence[Message]) -> None:
        """Posts messages in the place of all that there are, those that were put aside or kept included.

        The files of those go with `sweep`, once the transaction has ended: a kill before that brings them back.
        """
        old = self._ledger.numbers()
        with self._ledger.transaction():
            for message in messages:
                self.post(message)
            self._ledger.delete(old)
        self._waiting = [number for number in self._waiting if number not in old]
        self._fresh = {number: message for number, message in self._fresh.items() if number not in old}
        self._tried.update(self._waiting)  # of what a store may still have, nothing is doubled

    def sweep(self) -> None:
        """Removes files of messages that a kill has kept from being posted, or that were deleted."""
        if self._ledger.is_new:
            return  # they are another search's yet
        numbers = self._ledger.numbers()
        for folder in self._folder.glob("[0-9]*"):
            if folder.is_dir() and int(folder.name) not in numbers:
                shutil.rmtree(folder, ignore_errors=True)

    def drop_closings(self, *, finished: bool) -> None:
        """Deletes messages that the search was to be closed: it goes on.

        Args:
            finished: also where it was finished, as it runs further iterations.
        """
        for number, content in self._ledger.messages(MessageStatus.PENDING, MessageStatus.REFUSED):
            message = self._read(number, content)
            if message and message.closing and (finished or message.closing.status != "FINISHED"):
                self._delete(number)

    def send(self, *, force: bool = False) -> list[Sent]:
        """Sends what waits, until the store does not answer.

        Args:
            force: try at once; without it there is a pause after a failure, and no further try after a refusal.

        Returns:
            What was taken, in order; its traces are in the ledger.

        Raises:
            TrackingDeniedError: the store takes nothing, which was found when it was first asked, before any message.
            TrackingRefusedError: as little does it take what is to be done before any message.
        """
        sent: list[Sent] = []
        started = time.monotonic()
        if not force and self._outage.is_pausing:
            return sent
        is_first, self._was_tried = self._opening is not None and not self._was_tried, True
        try:
            if self._opening:
                self._opening()
                self._opening = None
            is_first = False
            while self._waiting:
                self._send_first(sent)
        except (TrackingDeniedError, TrackingRefusedError) as error:
            if is_first:
                raise
            self._outage.is_final(self._kept(error, _UNTIL_ASKED))
        except TrackingError as error:
            self._outage.goes_on(self._kept(error, _UNTIL_BACK), started)
        else:
            self._outage.is_over(
                f"the MLflow store answers again and has taken the {number_of(len(sent), 'record')} that waited"
            )
        return sent

    def show_running(self, children: Sequence[Child], *, sends: bool = True) -> None:
        """Shows trainings that go on, where nothing waits; what is not shown now comes with their own messages.

        Args:
            children: the nested run of each.
            sends: whether what waits is sent first; where it is a model, that takes long, and somebody wants to know
                what came of it.

        Raises:
            TrackingDeniedError, TrackingRefusedError: as by `send`, which is done first.
        """
        if self._live:
            if sends:
                self.send()
            self._show(lambda tracker: tracker.show_running(children))

    def end_running(self) -> None:
        """Ends what was shown and has come to no record; what fails here is done with the search's closing."""
        self._show(lambda tracker: tracker.end_running())

    def _show(self, call: Callable[[LiveTracker], None]) -> None:
        if not self._live or self._waiting or self._opening or self._outage.is_pausing:
            return
        started = time.monotonic()
        try:
            call(self._live)
        except TrackingDeniedError as error:
            self._outage.is_final(self._kept(error, _UNTIL_ASKED))
        except TrackingRefusedError as error:
            self._live = None
            logger.warning("%s; from here on trainings are tracked when they have ended", error)
        except TrackingError as error:
            self._outage.goes_on(self._kept(error, _UNTIL_BACK), started)

    def _kept(self, error: TrackingError, until: str) -> str:
        return (
            f"{error}. Nothing is lost meanwhile: what cannot be tracked waits in {self._ledger.folder.ledger} until "
            f"{until}"
        )

    def is_refused(self) -> None:
        """Notes that the user has been told already that the store takes nothing."""
        self._outage.is_final("")

    def forget_kept(self) -> None:
        """Deletes messages that were kept after they had been sent: the search's state says what they say."""
        for number, _ in self._ledger.messages(MessageStatus.SENT):
            self._delete(number)

    def retry_refused(self) -> None:
        """Has messages that were put aside tried again, in their old places."""
        with self._ledger.transaction():
            for number, _ in self._ledger.messages(MessageStatus.REFUSED):
                self._ledger.mark(number, MessageStatus.PENDING)
                self._tried.add(number)
        self._waiting = [number for number, _ in self._ledger.messages(MessageStatus.PENDING)]

    def _send_first(self, sent: list[Sent]) -> None:
        number = self._waiting[0]
        message = self._fresh.get(number) or self._read(number, self._ledger.content(number))
        if message is None:
            return
        # Another process may know that a full training was tracked before.
        again = number in self._tried or message.evaluation is not None
        self._tried.add(number)
        try:
            sent.append(self._sent(number, message, again))
        except TrackingRefusedError as error:
            self._put_aside(number, str(error))

    def _sent(self, number: int, message: Message, again: bool) -> Sent:
        run_id = self._tracker.log_child(message.child, again=again) if message.child else ""
        try:
            published = self._published(message, run_id)
        except (TrackingDeniedError, TrackingRefusedError) as error:
            # The store has taken the run, and takes what comes after: a model that is denied is refused.
            if message.trial is not None and run_id:
                self._ledger.set_run_ids({message.trial: run_id})
            raise TrackingRefusedError(str(error)) from error
        if message.closing:
            opened = self._tracker.opened  # another than when it was posted, where somebody has deleted that
            self._tracker.close_search(replace(message.closing, run_id=opened or message.closing.run_id))
        with self._ledger.transaction():
            if message.trial is not None and run_id:
                self._ledger.set_run_ids({message.trial: run_id})
            if message.keep_after_send and published.uri:
                self._ledger.save(model=published.uri)
            if message.keep_after_send:
                self._ledger.mark(number, MessageStatus.SENT)
                self._waiting.remove(number)
            else:
                self._ledger.delete([number])
        if not message.keep_after_send:
            self._forget(number)
        return Sent(number, message, run_id, published)

    def _published(self, message: Message, run_id: str) -> Published:
        """Tells of the models that a message is of; nothing where it is of none."""
        published = Published()
        if message.model and message.child:
            published = self._tracker.publish(message.model, run_id or message.child.key)
        if message.candidate and isinstance(self._tracker, CandidateTracker):
            self._tracker.log_candidate(message.candidate, message.model)
        return published

    def _put_aside(self, number: int, reason: str) -> None:
        self._ledger.mark(number, MessageStatus.REFUSED)
        with contextlib.suppress(ValueError):  # it was put aside before
            self._waiting.remove(number)
        logger.warning("%s; what was to be tracked is kept, and `hivenas sync` tries it again", reason)

    # -- files ---------------------------------------------------------------------------------------------------

    @property
    def _base(self) -> Path:
        """Files are named from the results folder, so that a folder may be moved with its messages."""
        return self._folder.parent

    def _read(self, number: int, content: str) -> Message | None:
        """A message; one that this version cannot read is put aside."""
        try:
            message = _adapter().validate_python(json.loads(content))
        except ValueError as error:
            self._put_aside(
                number, f"message {number} of {self._ledger.folder.ledger} cannot be read: {first_line(error)}"
            )
            return None
        return self._moved(message, lambda _, path: self._base / path)

    def _keep(self, number: int, place: int, file: Path) -> Path:
        """A second name for a file; a copy where the file system has no such names."""
        if not file.is_file():
            return file
        kept = self._attachments(number) / str(place) / file.name
        with disk_full_said(self._folder):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.unlink(missing_ok=True)
            try:
                os.link(file, kept)
            except OSError:
                shutil.copy2(file, kept)
        return kept

    def _moved(self, message: Message, move: Callable[[int, Path], Path]) -> Message:
        """The message with each of its files, which are numbered, put to another place."""
        child, model, closing = message.child, message.model, message.closing

        def named(files: tuple[tuple[Path, str], ...]) -> tuple[tuple[Path, str], ...]:
            return tuple((move(place, file), folder) for place, (file, folder) in enumerate(files, start=3))

        return replace(
            message,
            child=child and replace(child, artifacts=named(child.artifacts)),
            model=model and _moved_model(model, move),
            closing=closing and replace(closing, artifacts=named(closing.artifacts)),
        )

    def _attachments(self, number: int) -> Path:
        return self._folder / f"{number:08d}"

    def _delete(self, number: int) -> None:
        self._ledger.delete([number])
        self._forget(number)

    def _forget(self, number: int) -> None:
        """Removes what is left of a message, once its deletion is committed: a kill before that brings it back."""
        self._fresh.pop(number, None)
        with contextlib.suppress(ValueError):
            self._waiting.remove(number)
        shutil.rmtree(self._attachments(number), ignore_errors=True)
        with contextlib.suppress(OSError):  # others have files there
            self._folder.rmdir()


def _moved_model(model: ServableModel, move: Callable[[int, Path], Path]) -> ServableModel:
    file, example = move(0, model.file), move(1, model.example)
    return replace(model, file=file, example=example, tested=model.tested and move(2, model.tested))


@functools.cache
def _adapter() -> TypeAdapter[Message]:
    return TypeAdapter(Message)
