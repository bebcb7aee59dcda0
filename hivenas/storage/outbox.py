"""What MLflow is to be told, kept on the disk until it has been told: an outage or a crash loses none of it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from hivenas.core.files import disk_full_said
from hivenas.core.folder import write_atomically
from hivenas.core.outage import Outage
from hivenas.core.records import Evaluation, Row
from hivenas.core.tracker import Child, Closing, Published, ServableModel, Tracker
from hivenas.errors import TrackingError, TrackingRefusedError, first_line


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing that MLflow is to be told, and what of the search's records belongs to it.

    Args:
        row: the line of the table, for an evaluation.
        child: the nested run.
        model: what is published on that run, for a full training.
        evaluation: what a full training came to.
        closing: how the search's parent run ends; nothing else is in such a letter.
        stands: whether the letter is kept after its delivery, until the search's state says what it says.
    """

    row: Row | None = None
    child: Child | None = None
    model: ServableModel | None = None
    evaluation: Evaluation | None = None
    closing: Closing | None = None
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """A letter that MLflow has taken: the run that came of it, and what the publication of its model came to."""

    file: Path
    letter: Letter
    run_id: str = ""
    published: Published = field(default_factory=Published)


class Outbox:
    """Letters to MLflow in their order, each a file until it is forgotten.

    A letter is written before its delivery is tried, and forgotten once what depends on the delivery is on the disk
    too. While the store does not answer, letters wait; what it refuses for good is put aside and said. The files that
    a letter names are kept beside it as they are when it is written, whatever is written in their place later.

    Args:
        folder: where the letters lie, `results/<name>/outbox/`.
        tracker: takes them.
        say: is told in a line what a person should know.
    """

    def __init__(self, folder: Path, tracker: Tracker, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._aside = folder / "refused"
        self._tracker = tracker
        self._say = say
        self._waiting = sorted(folder.glob("[0-9]*.json"))
        numbers = [int(file.stem) for file in (*self._waiting, *self._aside.glob("[0-9]*.json"))]
        self._next = max(numbers, default=-1) + 1
        self._tried = {file.name for file in self._waiting}  # perhaps, by the process that wrote them
        self._opening: Callable[[], None] | None = None
        self._outage = Outage(say)
        self._sweep(numbers)

    @property
    def waiting(self) -> int:
        """Letters that have not been delivered."""
        return len(self._waiting)

    def letters(self) -> list[Letter]:
        """The letters that have not been delivered, oldest first."""
        return [letter for file in list(self._waiting) if (letter := self._read(file))]

    def open_with(self, opening: Callable[[], None]) -> None:
        """Has something done, until it succeeds, before any letter is delivered; it raises as a tracker does."""
        self._opening = opening

    def write(self, letter: Letter) -> None:
        """Puts a letter on the disk, last in the order.

        Raises:
            DiskFullError: there is no space for it.
        """
        kept = self._moved(letter, functools.partial(self._keep, self._next))
        packed = _adapter().dump_python(self._moved(kept, lambda _, file: Path(os.path.relpath(file, self._base))))
        file = self._folder / f"{self._next:08d}.json"
        write_atomically(file, json.dumps(packed, default=str))  # paths as text
        self._next += 1
        self._waiting.append(file)

    def drop_closings(self, *, finished: bool) -> None:
        """Forgets that a search was to be closed: it goes on.

        Args:
            finished: also where it was finished, as it flies further iterations.
        """
        for file in list(self._waiting):
            letter = self._read(file)
            if letter and letter.closing and (finished or letter.closing.status != "FINISHED"):
                self._waiting.remove(file)
                self._remove(file)

    def deliver(self, *, force: bool = False) -> list[Delivered]:
        """Delivers what waits, until the store does not answer.

        Args:
            force: try at once; without it there is a pause after a failure.

        Returns:
            What was taken, in order; `forget` it when its traces are on the disk.

        Raises:
            TrackingRefusedError: what is to be done before any letter is refused.
        """
        delivered: list[Delivered] = []
        started = time.monotonic()
        if not force and self._outage.is_pausing:
            return delivered
        try:
            if self._opening:
                self._opening()
                self._opening = None
            while self._waiting:
                self._deliver_first(delivered)
        except TrackingRefusedError:
            raise
        except TrackingError as error:
            self._outage.goes_on(
                f"{error}. Nothing is lost meanwhile: what cannot be tracked waits in {self._folder} until the store "
                "answers, the search is resumed, or `hivenas sync` is run",
                started,
            )
        else:
            self._outage.is_over(
                f"the MLflow store answers again and has taken the {len(delivered)} records that waited"
            )
        return delivered

    def forget(self, delivered: Sequence[Delivered]) -> None:
        """Removes letters that were delivered."""
        for each in delivered:
            self._remove(each.file)

    def retry_refused(self) -> None:
        """Has letters that were put aside tried again, in their old places."""
        for file in sorted(self._aside.glob("[0-9]*.json")):
            file.replace(self._folder / file.name)
            self._tried.add(file.name)
        self._waiting = sorted(self._folder.glob("[0-9]*.json"))

    def _deliver_first(self, delivered: list[Delivered]) -> None:
        file = self._waiting[0]
        letter = self._read(file)
        if letter is None:
            return
        # Whether a full training was tracked before another process may know.
        again = file.name in self._tried or letter.evaluation is not None
        self._tried.add(file.name)
        try:
            delivered.append(self._hand_over(file, letter, again))
        except TrackingRefusedError as error:
            self._put_aside(file, str(error))
        else:
            self._waiting.pop(0)

    def _hand_over(self, file: Path, letter: Letter, again: bool) -> Delivered:
        run_id, published = "", Published()
        if letter.child:
            run_id = self._tracker.log_child(letter.child, again=again)
        if letter.model and letter.child:
            published = self._tracker.publish(letter.model, run_id or letter.child.key)
        if letter.closing:
            self._tracker.close_search(letter.closing)
        return Delivered(file, letter, run_id, published)

    def _put_aside(self, file: Path, reason: str) -> None:
        self._aside.mkdir(exist_ok=True)
        file.replace(self._aside / file.name)
        self._waiting.remove(file)
        self._say(
            f"{reason}; what was to be tracked is kept in {self._aside / file.name}, `hivenas sync` tries it again"
        )

    # -- files ---------------------------------------------------------------------------------------------------

    @property
    def _base(self) -> Path:
        """Files are named from the results folder, so that a folder may be moved with its letters."""
        return self._folder.parent

    def _read(self, file: Path) -> Letter | None:
        """A letter; one that this version cannot read is put aside."""
        try:
            letter = _adapter().validate_python(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            self._put_aside(file, f"{file} cannot be read: {first_line(error)}")
            return None
        return self._moved(letter, lambda _, path: self._base / path)

    def _keep(self, number: int, place: int, file: Path) -> Path:
        """A second name for a file, beside its letter; a copy where the file system has no such names."""
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

    def _moved(self, letter: Letter, move: Callable[[int, Path], Path]) -> Letter:
        """The letter with each of its files, which are numbered, put to another place."""
        child, model, closing = letter.child, letter.model, letter.closing

        def named(files: tuple[tuple[Path, str], ...]) -> tuple[tuple[Path, str], ...]:
            return tuple((move(place, file), folder) for place, (file, folder) in enumerate(files, start=2))

        return replace(
            letter,
            child=child and replace(child, artifacts=named(child.artifacts)),
            model=model and replace(model, file=move(0, model.file), example=move(1, model.example)),
            closing=closing and replace(closing, artifacts=named(closing.artifacts)),
        )

    def _attachments(self, number: int) -> Path:
        return self._folder / f"{number:08d}"

    def _remove(self, file: Path) -> None:
        file.unlink(missing_ok=True)
        shutil.rmtree(self._attachments(int(file.stem)), ignore_errors=True)

    def _sweep(self, numbers: Sequence[int]) -> None:
        """Removes files of letters that a kill has kept from being written, or that were forgotten."""
        for folder in self._folder.glob("[0-9]*"):
            if folder.is_dir() and int(folder.name) not in numbers:
                shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _adapter() -> TypeAdapter[Letter]:
    return TypeAdapter(Letter)
