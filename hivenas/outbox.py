"""What MLflow is to be told, kept on the disk until it has been told: an outage or a crash loses none of it."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from hivenas.core.evaluation import Evaluation
from hivenas.core.records import Row, write_atomically
from hivenas.core.tracker import Child, Closing, ServableModel, Tracker
from hivenas.errors import TrackingError, TrackingRefusedError

_PAUSE_S = 15.0  # between tries while the store does not answer, so that an outage costs a candidate seconds at most


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing that MLflow is to be told, and what of the search's records belongs to it.

    Args:
        row: the line of the table, for an evaluation.
        child: the nested run.
        model: what is published on that run, for a full training.
        evaluation: what a full training came to.
        closing: how the search's parent run ends; nothing else is in such a letter.
    """

    row: Row | None = None
    child: Child | None = None
    model: ServableModel | None = None
    evaluation: Evaluation | None = None
    closing: Closing | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A letter that MLflow has taken: the run that came of it, and the URI of the model."""

    file: Path
    letter: Letter
    run_id: str = ""
    model_uri: str = ""


class Outbox:
    """Letters to MLflow in their order, each a file until it is forgotten.

    A letter is written before its delivery is tried, and forgotten once what depends on the delivery is on the disk
    too. While the store does not answer, letters wait; what it refuses for good is put aside and said.

    Args:
        folder: where the letters lie, `results/<name>/outbox/`.
        tracker: takes them.
        say: is told in a line what a person should know.
    """

    def __init__(self, folder: Path, tracker: Tracker, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._tracker = tracker
        self._say = say
        waiting = self._files()
        self._next = int(waiting[-1].stem) + 1 if waiting else 0
        self._waiting = waiting
        self._tried = {file.name for file in waiting}  # perhaps, by the process that wrote them
        self._retry_at = 0.0
        self._is_down = False

    @property
    def waiting(self) -> int:
        """Letters that have not been delivered."""
        return len(self._waiting)

    def letters(self) -> list[Letter]:
        """The letters that have not been delivered, oldest first."""
        return [self._read(file) for file in self._waiting]

    def write(self, letter: Letter) -> None:
        """Puts a letter on the disk, last in the order."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{self._next:08d}.json"
        packed = _adapter().dump_python(self._moved(letter, os.path.relpath))
        write_atomically(file, json.dumps(packed, default=str))  # paths as text
        self._next += 1
        self._waiting.append(file)

    def deliver(self, *, force: bool = False) -> list[Delivered]:
        """Delivers what waits, until the store does not answer.

        Args:
            force: try at once; without it there is a pause after a failure.

        Returns:
            What was taken, in order; `forget` it when its traces are on the disk.
        """
        delivered: list[Delivered] = []
        if not force and time.monotonic() < self._retry_at:
            return delivered
        while self._waiting:
            file = self._waiting[0]
            again = file.name in self._tried
            self._tried.add(file.name)
            letter = self._read(file)
            try:
                delivered.append(self._hand_over(file, letter, again))
            except TrackingRefusedError as error:
                self._put_aside(file, error)
            except TrackingError as error:
                self._wait(error)
                return delivered
            self._waiting.pop(0)
        self._recover(len(delivered))
        return delivered

    def forget(self, delivered: Sequence[Delivered]) -> None:
        """Removes letters that were delivered."""
        for each in delivered:
            each.file.unlink(missing_ok=True)

    def _hand_over(self, file: Path, letter: Letter, again: bool) -> Delivered:
        run_id = model_uri = ""
        if letter.child:
            run_id = self._tracker.log_child(letter.child, again=again)
        if letter.model and letter.child:
            model_uri = self._tracker.publish(letter.model, run_id or letter.child.key)
        if letter.closing:
            self._tracker.close_search(letter.closing)
        return Delivered(file, letter, run_id, model_uri)

    def _put_aside(self, file: Path, error: TrackingError) -> None:
        aside = self._folder / "refused"
        aside.mkdir(exist_ok=True)
        file.replace(aside / file.name)
        self._say(f"{error}; what was to be tracked is kept in {aside / file.name}")

    def _wait(self, error: TrackingError) -> None:
        self._retry_at = time.monotonic() + _PAUSE_S
        if not self._is_down:
            self._say(f"{error}. Nothing is lost meanwhile: what cannot be tracked waits in {self._folder}")
        self._is_down = True

    def _recover(self, count: int) -> None:
        if self._is_down:
            self._say(f"the MLflow store answers again and has taken the {count} records that waited")
        self._is_down = False
        self._retry_at = 0.0

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))

    def _read(self, file: Path) -> Letter:
        letter = _adapter().validate_python(json.loads(file.read_text(encoding="utf-8")))
        return self._moved(letter, lambda path, start: start / path)

    def _moved(self, letter: Letter, move: Callable[[Path, Path], str | Path]) -> Letter:
        """Files are named from the results folder, so that a folder may be moved with its letters."""
        base = self._folder.parent

        def named(files: tuple[tuple[Path, str], ...]) -> tuple[tuple[Path, str], ...]:
            return tuple((Path(move(file, base)), folder) for file, folder in files)

        child, model, closing = letter.child, letter.model, letter.closing
        return replace(
            letter,
            child=child and replace(child, artifacts=named(child.artifacts)),
            model=model and replace(model, file=Path(move(model.file, base)), example=Path(move(model.example, base))),
            closing=closing and replace(closing, artifacts=named(closing.artifacts)),
        )


@functools.cache
def _adapter() -> TypeAdapter[Letter]:
    return TypeAdapter(Letter)
