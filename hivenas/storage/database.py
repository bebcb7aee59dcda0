"""The ledger's file, read from inside and outside: its version, what stands in it, and the meaning of its errors."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, replace

from hivenas.core.files import disk_full_said
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Trial
from hivenas.errors import ResultsExistError, StorageError, first_line
from hivenas.storage.state import SearchState

VERSION = 1
BUSY_S = 60.0  # until a reader of the file, such as a report, must be done


def read_ledger(folder: ResultsFolder) -> tuple[SearchState | None, list[Trial]]:
    """The state and the trials in a results folder, also of a search that runs; None and nothing where there is none.

    Raises:
        ResultsExistError: it is of another version, or not a ledger.
        StorageError: it cannot be read.
    """
    with _reading(folder) as db:
        return records_in(db, folder) if db else (None, [])


def read_state(folder: ResultsFolder) -> SearchState | None:
    """The state of the search in a results folder; None where there is none. Raises as `read_ledger` does."""
    with _reading(folder) as db:
        return state_in(db, folder) if db else None


def read_configuration(folder: ResultsFolder) -> str:
    """The resolved configuration in a results folder, as YAML; empty without. Raises as `read_ledger` does."""
    with _reading(folder) as db:
        return (value_of(db, "config") or "") if db else ""


@contextlib.contextmanager
def _reading(folder: ResultsFolder) -> Iterator[sqlite3.Connection | None]:
    """The file for reading, if there is one; a transaction that a kill has torn is rolled back first."""
    if not folder.ledger.is_file():
        yield None
        return
    with translated(folder):
        # Rolling back takes the right to write, which a reader may lack where nothing is torn either.
        mode = "rw" if _is_writable(folder) else "ro"
        address = f"{folder.ledger.absolute().as_uri()}?mode={mode}"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)) as db:
            if checked_version(db, folder) == 0:
                yield None
                return
            yield db


def _is_writable(folder: ResultsFolder) -> bool:
    try:
        with folder.ledger.open("ab"):
            return True
    except OSError:
        return False


def checked_version(db: sqlite3.Connection, folder: ResultsFolder) -> int:
    """The version of the file, 0 for one without tables.

    Raises:
        ResultsExistError: another version than this one reads, or no database.
    """
    try:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise ResultsExistError(
            f"{folder.ledger} cannot be read ({error}); restore it, or start anew (--overwrite, or --set name=…)"
        ) from None
    if version not in (0, VERSION):
        raise ResultsExistError(
            f"{folder.ledger} must be of version {VERSION}, got {version}; finish that search with the version that "
            "began it, choose another name (--set name=…) or delete it (--overwrite)"
        )
    return version


def records_in(db: sqlite3.Connection, folder: ResultsFolder) -> tuple[SearchState | None, list[Trial]]:
    """The state, None without a search, and every trial."""
    db.execute("BEGIN")
    try:
        state = state_in(db, folder)
        rows = db.execute("SELECT run_id, record FROM trials ORDER BY number").fetchall()
    finally:
        db.execute("ROLLBACK")
    return state, [Trial.from_json(json.loads(record), run_id) for run_id, record in rows]


def state_in(db: sqlite3.Connection, folder: ResultsFolder) -> SearchState | None:
    """The state; None without a search.

    Raises:
        ResultsExistError: it cannot be read.
    """
    text, strategy = value_of(db, "state"), value_of(db, "strategy")
    if text is None:
        return None
    try:
        return SearchState(**json.loads(text), strategy=json.loads(strategy or "null"))
    except (ValueError, TypeError) as error:
        raise ResultsExistError(
            f"the state in {folder.ledger} cannot be read ({error}); restore the file, or start anew (--overwrite, or "
            "--set name=…)"
        ) from None


def value_of(db: sqlite3.Connection, key: str) -> str | None:
    """The value under a key of the table `search`; None without one."""
    row = db.execute("SELECT value FROM search WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def state_text(state: SearchState) -> str:
    """A state as it is written, without the strategy's, which has a key of its own."""
    fields = asdict(replace(state, strategy=None))
    del fields["strategy"]
    return json.dumps(fields)


@contextlib.contextmanager
def translated(folder: ResultsFolder) -> Iterator[None]:
    """Turns sqlite's errors into ours.

    Raises:
        DiskFullError: there is no space.
        StorageError: anything else.
    """
    try:
        with disk_full_said(folder.path):
            yield
    except sqlite3.Error as error:
        raise StorageError(
            f"{folder.ledger} must be readable and writable, got {first_line(error)}; mend that, then go on (--resume)"
        ) from error
