"""Opening Optuna's storages, and telling in one line what goes wrong with them."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import Study
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from hivenas.config.text import masked
from hivenas.core.faults import Store, fault_of, refuse_misquoted, refuse_unusable_file
from hivenas.core.files import cut_torn_line
from hivenas.core.interruption import defer_signals
from hivenas.core.lock import locked
from hivenas.errors import ConfigError, HivenasError, StorageConfigError, StorageDeniedError, StorageError

_JOURNAL = "journal:"
_PIECE = 10_000  # characters of a text: a column of MySQL holds 65,535 bytes, a character may take six of them
# What a line of Optuna's journal begins with; nothing else is taken for one, and cut where it is torn.
_JOURNAL_LINE = b'{"op_code"'
_CONNECT_S = 5  # that a connection to a server may take, in which the search waits
_CLAIM_S = 10.0  # that nobody takes who begins a study
_POLL_S = 0.05
_TOKEN = "hivenas.token"
_BUSY_S = 2  # that sqlite waits for another writer; Optuna itself tries five times
_ERRORS = {"away": StorageError, "refused": StorageDeniedError, "misconfigured": StorageConfigError}

_START_IT = "start it, correct optuna.storage, or set it to null"


def open_storage(address: str) -> BaseStorage:
    """Opens a storage; nothing is written but the tables that Optuna needs.

    Args:
        address: `journal:` and a file, or the URL of a database.

    Raises:
        ConfigError: no address, one that cannot be read, or a file that is not Optuna's.
        StorageError: the storage cannot be reached or opened.
    """
    with translate_storage_errors(address):
        return _journal(address) if address.startswith(_JOURNAL) else _database(address)


def _journal(address: str) -> BaseStorage:
    name = _file_of(address)
    # Absolute, as Optuna's lock is a link beside the file that must lead to it from there: of a link that leads nowhere
    # Optuna never sees the age, and waits for a process that died with the lock for ever.
    path = name.resolve()
    _refuse_missing_folder(path, address)
    refuse_unusable_file(path)
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            begin = file.read(len(_JOURNAL_LINE))
        if not _JOURNAL_LINE.startswith(begin):
            raise ConfigError(
                f"optuna.storage: {address} must be a journal of Optuna, got another file; name a new one"
            )
    return JournalStorage(JournalFileBackend(str(path), _MendingLock(path)))


class _MendingLock(JournalFileSymlinkLock):
    """Optuna's lock of a journal; who gets it cuts a line that was torn off, past which nobody could read any more."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def acquire(self) -> bool:
        """Waits for the lock, and mends the journal."""
        acquired = super().acquire()
        try:
            cut_torn_line(self._path)
        except BaseException:
            self.release()
            raise
        return acquired


def check_address(address: str) -> None:
    """Refuses what is no address of a storage; whether there is one is not asked.

    Raises:
        ConfigError: says what an address is.
    """
    if address.startswith(_JOURNAL):
        _file_of(address)
    else:
        _url_of(address)


def _file_of(address: str) -> Path:
    name = address.removeprefix(_JOURNAL)
    if not name.strip():
        raise ConfigError(f"optuna.storage: a journal needs a file, got {address!r}; write journal:books.log")
    return Path(name)


def _url_of(address: str) -> tuple[sqlalchemy.URL, type[Dialect]]:
    try:
        url = sqlalchemy.make_url(address)
        return url, url.get_dialect()
    except (ArgumentError, ValueError):
        refuse_misquoted(address, "optuna.storage")
        raise ConfigError(
            f"optuna.storage must be sqlite:///books.db, journal:books.log or the URL of a database, got "
            f"{masked(address)!r}; correct it or set it to null"
        ) from None


def _database(address: str) -> BaseStorage:
    url, dialect = _url_of(address)
    try:
        refuse_misquoted(address, "optuna.storage")
    except ConfigError:
        dialect.import_dbapi()  # a driver that is missing comes first
        raise
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database in (None, "", ":memory:"):
        raise ConfigError(f"optuna.storage: sqlite needs a file, got {address!r}; write sqlite:///books.db")
    # A connection may have been closed while a candidate was trained for hours.
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_S}} if is_sqlite else {"pool_pre_ping": True}
    if url.get_backend_name() in {"postgresql", "mysql"}:
        options["connect_args"] = {"connect_timeout": _CONNECT_S}
    if not is_sqlite or not url.database or url.database.startswith("file:"):
        return _with_tables(url, address, options)
    file = Path(url.database)
    _refuse_missing_folder(file, address)
    refuse_unusable_file(file)
    # Of two that make the tables at the same time one would fail in the middle. The lock is there before the file, so a
    # file without one was made by somebody else, long ago.
    lock = file.with_name(f".{file.name}.lock")
    if file.exists() and file.stat().st_size and not lock.exists():
        return _with_tables(url, address, options)
    with locked(lock, wait=True):
        return _with_tables(url, address, options)


def _with_tables(url: sqlalchemy.URL, address: str, options: dict[str, Any]) -> RDBStorage:
    """Opens a database, and makes Optuna's tables where there are none; on a server another may be doing the same."""
    _refuse_mlflow(sqlalchemy.create_engine(url, **options), address)
    try:
        return RDBStorage(address, engine_kwargs=options)
    except (IntegrityError, ProgrammingError, OperationalError) as error:
        if not re.search("already exists|duplicate|unique constraint", str(error.orig), re.IGNORECASE):
            raise
        time.sleep(_BUSY_S)
        return RDBStorage(address, engine_kwargs=options)


@contextmanager
def claimed(storage: BaseStorage, name: str) -> Iterator[None]:
    """Holds the right to make or to replace the study of a name; others wait.

    Storages have no locks, but of two that make a study of one name they let exactly one pass: such a study, of a name
    beside the other and for a moment only, is the lock.

    Args:
        storage: where the study is.
        name: the study's.
    """
    beside, token = f"{name} (being begun by hivenas)", uuid.uuid4().hex
    _take(storage, beside, token)
    try:
        yield
    finally:
        if _holder(storage, beside) == token:
            optuna.delete_study(study_name=beside, storage=storage)


def _take(storage: BaseStorage, name: str, token: str) -> None:
    holder, since = "", time.monotonic()
    while True:
        try:
            optuna.create_study(study_name=name, storage=storage).set_user_attr(_TOKEN, token)
            return
        except DuplicatedStudyError:
            time.sleep(_POLL_S)
        now, found = time.monotonic(), _holder(storage, name)
        if found != holder:
            holder, since = found, now
        elif now - since > _CLAIM_S:  # it was killed with the lock
            with suppress(KeyError):
                optuna.delete_study(study_name=name, storage=storage)


def write_text(study: Study, key: str, text: str) -> None:
    """Keeps a text of any length under a key: whole, or in pieces that count once the key names them."""
    before = study.user_attrs.get(key)
    if len(text) <= _PIECE:
        kept: str | list[str] = text
    else:
        # The pieces of the text before stay until the key names the new ones.
        side = "b" if isinstance(before, list) and before[0].startswith(f"{key}.a.") else "a"
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
        kept = [f"{key}.{side}.{i:03d}" for i in range(len(pieces))]
        for name, piece in zip(kept, pieces, strict=True):
            study.set_user_attr(name, piece)
    if kept != before:
        study.set_user_attr(key, kept)


def joined_text(attributes: Mapping[str, Any], key: str) -> str:
    """The text that `write_text` kept under a key; empty without one."""
    kept = attributes.get(key, "")
    return kept if isinstance(kept, str) else "".join(attributes[name] for name in kept)


def _holder(storage: BaseStorage, name: str) -> str:
    """The token of who holds a lock; empty while it is not known, or for nobody."""
    try:
        return str(optuna.load_study(study_name=name, storage=storage).user_attrs.get(_TOKEN, ""))
    except KeyError:
        return ""


def _refuse_missing_folder(path: Path, address: str) -> None:
    if not path.parent.is_dir():
        raise StorageError(
            f"Optuna's storage {address} needs the folder {path.parent}, which does not exist; make it, or correct "
            "optuna.storage"
        )


def _refuse_mlflow(engine: sqlalchemy.Engine, address: str) -> None:
    try:
        tables = sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if {"experiments", "runs"} <= set(tables):
        raise ConfigError(
            f"optuna.storage: {masked(address)} is MLflow's own database, whose tables clash with Optuna's; "
            "name another (sqlite:///books.db)"
        )


class _Quiet:
    """Has Optuna say warnings and errors alone while any thread is inside, and what it said before once none is.

    Optuna's verbosity is the whole process's. Were it each thread's to put it back, one that comes while another is
    inside would take what that has set for what there was, and put that back for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = optuna.logging.get_verbosity()
                optuna.logging.set_verbosity(max(self._before, optuna.logging.WARNING))
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                optuna.logging.set_verbosity(self._before)


_QUIET = _Quiet()  # one for the process, as what it guards is


@contextmanager
def translate_storage_errors(address: str, way_out: str = _START_IT) -> Iterator[None]:
    """Tells what goes wrong with the storage in one line, and keeps Optuna from telling what goes right.

    Ctrl-C waits until the storage has answered.

    Args:
        address: of the storage.
        way_out: what can be done while it is away.

    Raises:
        StorageError: for every error that the storage raises, of the sort that `core.faults` tells.
    """
    try:
        with defer_signals(), _QUIET:
            yield
    except HivenasError:
        raise
    # What a storage raises: the database's errors, those of files, and of contents or records that are not as expected.
    except (OptunaError, SQLAlchemyError, OSError, ValueError, LookupError, RuntimeError, ImportError) as error:
        store = Store(
            name=f"Optuna's storage {masked(address)}",
            address=address,
            setting="optuna.storage",
            start=way_out,
            another="set optuna.storage to null",
            login="the user in optuna.storage",
            upgrade="bring older tables up to date (optuna storage upgrade), or Optuna where it is older than they are",
            away="failed ({})",
        )
        fault = fault_of(error, store)
        raise _ERRORS[fault.kind](fault.text) from None
