"""The ledger of a search: its trials, its state and the messages that are still to be sent, in one sqlite file.

What belongs together is written in one transaction: a trial with the strategy's state and with the message that tells
MLflow of it. So there is no order in which files must be told of each other, and no question how far a process came.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hivenas.core.candidates import python_number
from hivenas.core.folder import ResultsFolder
from hivenas.core.interruption import defer_signals
from hivenas.core.records import Trial
from hivenas.storage.database import BUSY_S, VERSION, checked_version, records_in, state_text, translated, value_of
from hivenas.storage.export import Export, TableExport
from hivenas.storage.state import SearchState

_SCHEMA = """
CREATE TABLE search (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (number INTEGER PRIMARY KEY, run_id TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE messages (number INTEGER PRIMARY KEY AUTOINCREMENT, status TEXT NOT NULL, content TEXT NOT NULL);
"""


class MessageStatus(StrEnum):
    """The condition of a message; one that was sent and is not needed any more is deleted."""

    PENDING = "pending"
    SENT = "sent"  # and kept until the search's state says what it says
    REFUSED = "refused"  # for good; `hivenas sync` tries again


class Ledger:
    """The ledger in a results folder, written by one process at a time; open it with `open_search`.

    A search that is to replace the one in the folder is in memory alone until its first `save`: that deletes the old
    one in the same transaction. Until then a process may end in any way, and the old one is untouched.

    Args:
        folder: the results folder.
        db: the opened file.
    """

    def __init__(self, folder: ResultsFolder, db: sqlite3.Connection) -> None:
        self.folder = folder
        self.state = SearchState()
        self.trials: list[Trial] = []
        self._db = db
        self._depth = 0
        self._replaced: SearchState | None = None  # what the first save deletes
        self._is_new = False
        self._old_files: list[Path] | None = []  # which go with the first save; None where none do
        self._config_yaml = ""
        self._exported_config = ""
        self._table, self._state, self._config = TableExport(folder.csv), Export(folder.state), Export(folder.yaml)

    # -- opening -------------------------------------------------------------------------------------------------

    def read(self) -> SearchState | None:
        """Takes everything as it is in the file; returns the state, None where there is no search.

        Raises:
            ResultsExistError: it is of another version, or not a ledger.
        """
        state, self.trials = records_in(self._db, self.folder)
        self.state = state or SearchState()
        return state

    def begin(self, state: SearchState, *, replaces: SearchState | None = None, clears: bool = True) -> None:
        """Takes a new search; whatever the file holds goes with the first `save`.

        Args:
            state: of the new search.
            replaces: of the search that is replaced; None for none.
            clears: whether the files in the folder go, too; they stay where nothing is replaced: they are those of
                trainings outside a search.
        """
        self._old_files = None
        if clears:
            self._old_files = self._old_but_attached() if replaces is None else self.folder.files()
        self.state, self.trials = state, []
        self._replaced, self._is_new = replaces, True

    def take(self, state: SearchState, trials: Sequence[Trial]) -> None:
        """Takes a search, or what it lacks of one, from elsewhere."""
        with self.transaction():
            self._db.execute("DELETE FROM trials")
            for trial in trials:
                self._insert(trial)
            self._write_state(state)
        self.state, self.trials = state, list(trials)

    def configure(self, config_yaml: str) -> None:
        """Takes the resolved configuration, which is written with the state: a refusal before that changes nothing."""
        self._config_yaml = config_yaml

    def note_configuration(self, config_yaml: str) -> None:
        """Takes the resolved configuration of evaluations from Python, which have no state to write it with."""
        if config_yaml != self.config_yaml:
            with self.transaction():
                self._put("config", config_yaml)

    @property
    def config_yaml(self) -> str:
        """The configuration of the search in the file, or of evaluations from Python, of the last start; or empty."""
        return value_of(self._db, "config") or ""

    @property
    def is_new(self) -> bool:
        """True for a search that is in memory alone: the file is as another search, or nothing, has left it."""
        return self._is_new

    # -- writing -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes all of what is written within, or nothing; it may be nested. Ctrl-C waits for its end.

        Raises:
            DiskFullError: there is no space for it.
            StorageError: the file cannot be written.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        before = self.state, len(self.trials)
        with defer_signals(), translated(self.folder):
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self.state = before[0]
                del self.trials[before[1] :]
                raise
            finally:
                self._depth = 0

    def record(self, trial: Trial, strategy: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Writes a trial, the state of the strategy that was told of it, and fields of the search's state with it."""
        kept = trial.slim()
        with self.transaction():
            if self._is_new:
                self.save()
            self._insert(kept)
            if strategy is not None:
                self.state = replace(self.state, strategy=dict(strategy))
                self._put("strategy", json.dumps(self.state.strategy, default=python_number))
            if changes:
                self._write_state(replace(self.state, **changes), only=changes.keys())
            self.trials.append(kept)

    def save(self, **changes: Any) -> None:
        """Changes fields of the state; from the first time on, a search that it replaces is gone."""
        with self.transaction():
            if self._is_new:
                for table in ("trials", *(["messages"] if self._replaced else []), "search"):
                    self._db.execute(f"DELETE FROM {table}")
                if self._old_files is not None:
                    self._put("clearing", "1")
            if self._config_yaml and self._config_yaml != self.config_yaml:
                self._put("config", self._config_yaml)
            self._write_state(replace(self.state, **changes), only=set() if self._is_new else changes.keys())
        if self._is_new:
            self._is_new = False
            self.clear_old(self._old_files)
        self._export()

    def reserve(self, run_id: str) -> None:
        """Writes down how the parent run is found before there is one.

        Of a search that replaces another this goes into the other's state, which may come back yet: it then closes it.

        Args:
            run_id: of a parent run that exists already; empty for one that will be made under the search's name.
        """
        if self._is_new and self._replaced is not None:
            abandoned = (*self._replaced.abandoned, run_id or self.state.uid)
            self._replaced = replace(self._replaced, abandoned=abandoned)
            with self.transaction():
                self._put("state", state_text(self._replaced))
        else:
            self.save(run_id=run_id)

    @property
    def shown(self) -> tuple[str, ...]:
        """Keys of full trainings outside a search whose runs seem to go on, or would after a kill."""
        return tuple(json.loads(value_of(self._db, "shown") or "[]"))

    def show(self, *keys: str) -> None:
        """Writes down that full trainings outside a search are shown, before they are."""
        self._write_shown({*self.shown, *keys})

    def hide(self, *keys: str) -> None:
        """Writes down that they are not any more: they have ended, and what came of them is posted."""
        if before := set(self.shown):
            self._write_shown(before - set(keys))

    def set_run_ids(self, run_ids: Mapping[int, str]) -> None:
        """Writes down the runs of trials, by their numbers."""
        with self.transaction():
            for number, run_id in run_ids.items():
                self._db.execute("UPDATE trials SET run_id = ? WHERE number = ?", (run_id, number))
        for number, run_id in run_ids.items():
            self.trials[number] = replace(self.trials[number], run_id=run_id)

    def key(self, index: int) -> str:
        """Names an evaluation of this search wherever it is tracked."""
        return f"{self.state.uid}:{index:04d}"

    @property
    def is_clearing(self) -> bool:
        """True where a search was replaced whose files are still to be removed."""
        return value_of(self._db, "clearing") is not None

    def clear_old(self, files: Sequence[Path] | None = None) -> None:
        """Removes the files of a search that was replaced, all of them where a kill has come in between."""
        if not self.is_clearing:
            return
        for path in self._old_but_attached() if files is None else files:
            path.unlink(missing_ok=True)
        with self.transaction():
            self._db.execute("DELETE FROM search WHERE key = 'clearing'")

    def _old_but_attached(self) -> list[Path]:
        """The files of a search that goes, without those of messages: some may be of trainings outside a search.

        What belongs to no message goes with `Outbox.sweep`.
        """
        return [file for file in self.folder.files() if self.folder.attachments not in file.parents]

    # -- messages ------------------------------------------------------------------------------------------------

    def post(self, content: str) -> int:
        """Writes a message that is to be sent; returns its number, which grows with every one."""
        with self.transaction():
            if self._is_new:
                self.save()
            cursor = self._db.execute(
                "INSERT INTO messages (status, content) VALUES (?, ?)", (MessageStatus.PENDING, content)
            )
        return int(cursor.lastrowid or 0)

    @property
    def next_message(self) -> int:
        """The number that the next message gets."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return int(row[0]) + 1 if row else 1

    def messages(self, *statuses: MessageStatus) -> list[tuple[int, str]]:
        """Numbers and contents of messages, in their order."""
        if self._is_new and self._replaced:
            return []  # those in the file are another search's
        marks = ", ".join("?" * len(statuses))
        found = self._db.execute(
            f"SELECT number, content FROM messages WHERE status IN ({marks}) ORDER BY number", statuses
        )
        return [(int(number), str(content)) for number, content in found]

    def content(self, number: int) -> str:
        """The content of one message."""
        return str(self._db.execute("SELECT content FROM messages WHERE number = ?", (number,)).fetchone()[0])

    def numbers(self) -> set[int]:
        """The numbers of all messages."""
        return {int(number) for (number,) in self._db.execute("SELECT number FROM messages")}

    def mark(self, number: int, status: MessageStatus) -> None:
        """Changes the condition of a message."""
        with self.transaction():
            self._db.execute("UPDATE messages SET status = ? WHERE number = ?", (status, number))

    def delete(self, numbers: Iterable[int]) -> None:
        """Deletes messages."""
        with self.transaction():
            self._db.executemany("DELETE FROM messages WHERE number = ?", [(number,) for number in numbers])

    # -- exports -------------------------------------------------------------------------------------------------

    def export_table(self, *, force: bool = False) -> None:
        """Writes the table for people; one that is long not at every call."""
        if not self._is_new and (self.trials or self.folder.csv.exists()):
            self._table.write(self.trials, force=force)

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _export(self) -> None:
        if self._is_new:
            return
        self._state.write(json.dumps(asdict(self.state), default=python_number))
        changed = self._config_yaml and self._config_yaml != self._exported_config
        if changed and self._config.write(self._config_yaml):
            self._exported_config = self._config_yaml

    # -- rows ----------------------------------------------------------------------------------------------------

    def _insert(self, trial: Trial) -> None:
        record = json.dumps(trial.to_json(), default=python_number)
        self._db.execute("INSERT INTO trials VALUES (?, ?, ?)", (trial.index, trial.run_id, record))

    def _write_shown(self, keys: set[str]) -> None:
        with self.transaction():
            self._put("shown", json.dumps(sorted(keys)))

    def _write_state(self, state: SearchState, only: set[str] | Iterable[str] = ()) -> None:
        """Writes the strategy's state, which is the larger part, where it has changed; all of it by default."""
        changed = set(only)
        if not changed or "strategy" in changed:
            self._put("strategy", json.dumps(state.strategy, default=python_number))
        self._put("state", state_text(state))
        self.state = state

    def _put(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO search VALUES (?, ?)", (key, value))


def open_ledger(folder: ResultsFolder) -> Ledger:
    """Opens the ledger in a results folder, and makes it where there is none; the folder must be locked.

    Raises:
        ResultsExistError: it is of another version, or not a ledger.
        StorageError: it cannot be opened.
    """
    with translated(folder):
        db = sqlite3.connect(folder.ledger, timeout=BUSY_S, isolation_level=None)
        try:
            version = checked_version(db, folder)
            # A journal that stays takes half of the time a transaction of one that is deleted.
            db.execute("PRAGMA journal_mode = PERSIST")
            db.execute("PRAGMA synchronous = FULL")
            if version == 0:
                # Made whole or not at all.
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except BaseException:
            db.close()
            raise
    return Ledger(folder, db)


def remove_ledger(folder: ResultsFolder) -> None:
    """Removes a ledger, and the files that its messages name: one that cannot be read, or the last of a search."""
    for file in (folder.ledger, folder.ledger.with_name(f"{folder.ledger.name}-journal")):
        file.unlink(missing_ok=True)
    shutil.rmtree(folder.attachments, ignore_errors=True)
