"""Opening Optuna's storages, and telling in one line what goes wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from hivenas.config.text import PASSWORD, cut, masked
from hivenas.core.files import cut_torn_line
from hivenas.core.interruption import defer_signals
from hivenas.errors import ConfigError, HivenasError, StorageError, first_line

_JOURNAL = "journal:"
# What a line of Optuna's journal begins with; nothing else is taken for one, and cut where it is torn.
_JOURNAL_LINE = b'{"op_code"'
_CONNECT_S = 5  # that a connection to a server may take, in which the search waits
_BUSY_S = 2  # that sqlite waits for another writer; Optuna itself tries five times
_PACKAGES = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}

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
    name = address.removeprefix(_JOURNAL)
    if not name.strip():
        raise ConfigError(f"optuna.storage: a journal needs a file, got {address!r}; write journal:books.log")
    # Absolute, as Optuna's lock is a link beside the file that must lead to it from there: of a link that leads nowhere
    # Optuna never sees the age, and waits for a process that died with the lock for ever.
    path = Path(name).resolve()
    _refuse_missing_folder(path, address)
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


def _database(address: str) -> BaseStorage:
    try:
        url = sqlalchemy.make_url(address)
        url.get_dialect()
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"optuna.storage must be sqlite:///books.db, journal:books.log or the URL of a database, got "
            f"{masked(address)!r}; correct it or set it to null"
        ) from None
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database in (None, "", ":memory:"):
        raise ConfigError(f"optuna.storage: sqlite needs a file, got {address!r}; write sqlite:///books.db")
    if is_sqlite and url.database and not url.database.startswith("file:"):
        _refuse_missing_folder(Path(url.database), address)
    # A connection may have been closed while a candidate was trained for hours.
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_S}} if is_sqlite else {"pool_pre_ping": True}
    if url.get_backend_name() in {"postgresql", "mysql"}:
        options["connect_args"] = {"connect_timeout": _CONNECT_S}
    _refuse_mlflow(sqlalchemy.create_engine(url, **options), address)
    return RDBStorage(address, engine_kwargs=options)


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


@contextmanager
def translate_storage_errors(address: str, way_out: str = _START_IT) -> Iterator[None]:
    """Tells what goes wrong with the storage in one line, and keeps Optuna from telling what goes right.

    Ctrl-C waits until the storage has answered.

    Args:
        address: of the storage.
        way_out: what can be done.

    Raises:
        StorageError: for every error that the storage raises.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with defer_signals():
            yield
    except HivenasError:
        raise
    except ImportError as error:
        cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        module = cause.name or "a database driver"
        raise StorageError(
            f"Optuna's storage {masked(address)} needs the module {module}, which is not installed; pip "
            f"install {_PACKAGES.get(module, module)}, or set optuna.storage to null"
        ) from None
    # What a storage raises: the database's errors, those of files, and of contents or records that are not as expected.
    except (OptunaError, SQLAlchemyError, OSError, ValueError, LookupError, RuntimeError) as error:
        raise StorageError(
            f"Optuna's storage {masked(address)} failed ({_reason(error, address)}); {way_out}"
        ) from None
    finally:
        optuna.logging.set_verbosity(verbosity)


def _reason(error: BaseException, address: str) -> str:
    """The first line of the first cause; what Optuna makes of it says nothing of what happened."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = cut(first_line(error))
    if secret := re.match(PASSWORD, address):
        for word in filter(None, (secret[2], secret[2].partition("@")[0])):
            text = text.replace(word, "***")
    return text
