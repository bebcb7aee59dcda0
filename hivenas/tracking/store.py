"""The MLflow store: which one it is, whether it answers, and what its errors mean."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from requests.exceptions import HTTPError, RequestException
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hivenas.core.interruption import defer_signals
from hivenas.core.lock import locked
from hivenas.errors import HivenasError, TrackingError, TrackingRefusedError, first_line

# What MLflow will say again to the same request, however often it is asked.
_REFUSALS = frozenset(
    {
        "BAD_REQUEST",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "MALFORMED_REQUEST",
        "NOT_IMPLEMENTED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
    }
)
# MLflow's own limits, 7 retries of 120 s, would hold up a search for minutes whenever its server is away. It repeats
# even requests that make a run, of which a slow server makes two: the outbox tries again itself, and looks first.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
_QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
_CONNECT_S = 5
# Answers to an artifact that would be the same again: 4xx, but for those that ask for a login, or for time.
_PASSING = frozenset({401, 403, 408, 425, 429})


def current_stores() -> tuple[str, str]:
    """The tracking and the registry URI of this process."""
    return mlflow.get_tracking_uri(), mlflow.get_registry_uri()


def fail_fast() -> None:
    """Has MLflow give up a request after seconds, in this process and its workers, unless the user's limits are set.

    What it logs of a database that does not answer, a traceback of a hundred lines each time, is said here in one; and
    where a run is shown, which it asks for and prints when any run ends, is not said of every candidate.
    """
    for variable, value in (_PATIENCE | _QUIET).items():
        os.environ.setdefault(variable, value)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def prepare_store() -> None:
    """Makes sure that the store exists before several processes open it: sqlite databases are created once.

    Raises:
        TrackingError: the store cannot be reached or opened.
    """
    with translate_mlflow_errors():
        for uri in dict.fromkeys(current_stores()):
            dialect = uri.partition(":")[0].partition("+")[0]
            if dialect == "sqlite":
                _make_database(uri)
            elif dialect in DATABASE_ENGINES:
                _reach_database(uri, dialect)
        mlflow.MlflowClient().search_experiments(max_results=1)


def _reach_database(uri: str, dialect: str) -> None:
    """Fails at once where a database does not answer: MLflow itself tries ten times, for 100 s."""
    limits = {"connect_timeout": _CONNECT_S} if dialect in {"postgresql", "mysql"} else {}
    engine = create_engine(uri, connect_args=limits)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _make_database(uri: str) -> None:
    """Makes a sqlite database whole or not at all: one that a kill leaves half-made could never be opened again."""
    url = make_url(uri)
    file = Path(url.database or ":memory:")
    if url.database in {None, "", ":memory:"}:
        return
    if _is_made(file):
        return
    with locked(file.with_name(f".{file.name}.lock"), wait=True):
        if _is_made(file):
            return
        new = file.with_name(f".{file.name}.new")
        for left in file.parent.glob(f"{new.name}*"):  # by a process that was killed
            left.unlink()
        mlflow.MlflowClient(url.set(database=str(new)).render_as_string(hide_password=False)).search_experiments()
        new.replace(file)


def _is_made(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextlib.contextmanager
def translate_mlflow_errors() -> Iterator[None]:
    """Turns what MLflow raises, in all its kinds, into a TrackingError.

    Its own, of the network, of artifact files, of a database that cannot be opened. Ctrl-C waits until it has answered.
    """
    try:
        with defer_signals():
            yield
    except HivenasError:
        raise
    except MlflowException as error:
        raise (_refused if str(error.error_code) in _REFUSALS else _unreachable)(error) from error
    except HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        final = 400 <= status < 500 and status not in _PASSING
        raise (_refused if final else _unreachable)(error) from error
    except (RequestException, OSError, SQLAlchemyError, ImportError) as error:
        raise _unreachable(error) from error


def _refused(error: Exception) -> TrackingRefusedError:
    return TrackingRefusedError(f"MLflow refuses it: {_without_login(first_line(error))}")


def _unreachable(error: Exception) -> TrackingError:
    reason = _without_login(_cause(first_line(error)))
    store = shown_store()
    return TrackingError(
        f"the MLflow store {store} does not answer: {reason}; start it, or set MLFLOW_TRACKING_URI to another one"
    )


def _cause(line: str) -> str:
    """The innermost cause of what the network's libraries wrap in each other's words, such as Connection refused."""
    found = re.search(r"Caused by \w+\((.*)\)\)", line)
    return re.sub(r"^\[Errno -?\d+\] ", "", found[1].strip("\"'").rpartition(": ")[2]) if found else line


def shown_store() -> str:
    """The tracking URI for people and records."""
    return _without_login(mlflow.get_tracking_uri())


def _without_login(text: str) -> str:
    """A text without the user and password of any URL in it."""
    return re.sub(r"://[^/@\s]*@", "://…@", text)


def source_tags(command: str) -> dict[str, str]:
    """The tags that MLflow shows as a run's source and user."""
    return {"mlflow.source.name": command, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
