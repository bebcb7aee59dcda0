"""The MLflow store: which one it is, whether it answers, and what its errors mean."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import mlflow
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from requests.exceptions import HTTPError, RequestException
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from hivenas.config.text import masked
from hivenas.core.faults import (
    Fault,
    Kind,
    Store,
    fault_of,
    refuse_misquoted,
    refuse_unusable_file,
    without_secrets,
)
from hivenas.core.interruption import defer_signals
from hivenas.core.lock import locked
from hivenas.errors import (
    ConfigError,
    HivenasError,
    TrackingConfigError,
    TrackingDeniedError,
    TrackingError,
    TrackingRefusedError,
    first_line,
)

ABSENT = "RESOURCE_DOES_NOT_EXIST"  # the code of an error of MLflow's
# What MLflow will say again to the same request, however often it is asked: the fault lies with what it was told. With
# the last two it lies with the store where the words are those of one that refuses anything, or is none.
_ALL: frozenset[Kind] = frozenset({"away", "refused", "misconfigured"})
_MESSAGES: Mapping[str, frozenset[Kind]] = {
    "INVALID_PARAMETER_VALUE": _ALL,
    "INVALID_STATE": _ALL,
    "MALFORMED_REQUEST": _ALL,
    "RESOURCE_ALREADY_EXISTS": _ALL,
    ABSENT: _ALL,
    "BAD_REQUEST": frozenset({"away"}),
    "NOT_IMPLEMENTED": frozenset({"away"}),
}
_ERRORS = {"away": TrackingError, "refused": TrackingDeniedError, "misconfigured": TrackingConfigError}
_SETTING = "MLFLOW_TRACKING_URI"
_ANOTHER = f"set {_SETTING} to another one"
_LOGIN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
# Databases of others, by some of their tables.
_OTHERS = {
    "Optuna's tables": {"studies", "trials", "version_info"},
    "a search's ledger": {"trials", "messages", "search"},
}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433}
# What stores, and the places of their artifacts, are reached by.
_LIBRARIES = frozenset(
    {"alembic", "azure", "boto3", "botocore", "google", "MySQLdb", "oracledb", "paramiko", "psycopg", "psycopg2"}
    | {"pymysql", "pyodbc", "pymssql", "pysftp", "sqlite3", "urllib3"}
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
# Answers to an artifact that may be others later, though they are 4xx.
_PASSING = frozenset({408, 425, 429})


def current_stores() -> tuple[str, str]:
    """The tracking and the registry URI of this process."""
    return mlflow.get_tracking_uri(), mlflow.get_registry_uri()


def use_stores(stores: tuple[str, str]) -> None:
    """Has this process, a worker say, use the tracking and the registry store of these URIs."""
    if current_stores() != stores:
        mlflow.set_tracking_uri(stores[0])
        mlflow.set_registry_uri(stores[1])


def found_run(client: mlflow.MlflowClient, run_id: str) -> Run | None:
    """A run with this id, active or deleted; None where the store has none.

    Raises:
        MlflowException: the store does not answer.
    """
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != ABSENT:
            raise
        return None


@contextlib.contextmanager
def skip_deleted() -> Iterator[None]:
    """Leaves out what a store refuses as the run was deleted there, by whom ever.

    Raises:
        MlflowException: the store refuses it for another reason, or does not answer.
    """
    try:
        yield
    except MlflowException as error:
        if error.error_code != ABSENT and "must be in the 'active' state" not in str(error):
            raise


def tagged_run(
    client: mlflow.MlflowClient, experiments: Collection[str], tag: str, value: str, view: int = ViewType.ACTIVE_ONLY
) -> Run | None:
    """A run that bears a tag with this value; None where there is none.

    Args:
        client: asks the store.
        experiments: ids of those to look in.
        tag: its name.
        value: its value.
        view: of MLflow's view types, whether deleted runs count.

    Raises:
        MlflowException: the store does not answer.
    """
    runs = (
        client.search_runs(sorted(experiments), f"tags.`{tag}` = '{value}'", view, max_results=1) if experiments else []
    )
    return runs[0] if runs else None


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
        ConfigError: the address is none of a store, or of one that is not MLflow's.
        TrackingError: the store cannot be reached or opened.
    """
    with translate_mlflow_errors():
        tracking, registry = current_stores()
        for uri, setting in {registry: "MLFLOW_REGISTRY_URI", tracking: _SETTING}.items():
            refuse_misquoted(uri, setting)
            dialect = uri.partition(":")[0].partition("+")[0]
            if dialect == "sqlite":
                _make_database(uri, setting)
            elif dialect in DATABASE_ENGINES:
                _reach_database(
                    uri, setting, {"connect_timeout": _CONNECT_S} if dialect in {"postgresql", "mysql"} else {}
                )
        try:
            found = mlflow.MlflowClient().search_experiments(max_results=1)
            if tracking.startswith(("http:", "https:")):
                _refuse_earlier([each.experiment_id for each in found] or ["0"])
        except MlflowException as error:
            if str(error.error_code) == "INVALID_PARAMETER_VALUE":  # nothing was asked for but the store itself
                raise TrackingConfigError(_fault(error).text) from error
            raise


def _refuse_earlier(experiments: list[str]) -> None:
    """Refuses a server of MLflow 2, which takes runs and, when everything is trained, no model."""
    try:
        mlflow.MlflowClient().search_logged_models(experiments, max_results=1)
    except MlflowException as error:
        if error.get_http_status_code() != HTTPStatus.NOT_FOUND or error.error_code == ABSENT:
            return  # it knows them; who may not see them is told when there is one
        raise TrackingConfigError(
            f"{_SETTING} must name a server of MLflow 3 or later, got {shown_store()}, which knows no logged models; "
            f"upgrade it, or {_ANOTHER}"
        ) from error


def refuse_shared(address: str) -> None:
    """Refuses one database for MLflow and for Optuna, whose tables clash, before either has made any.

    Args:
        address: of Optuna's storage.

    Raises:
        ConfigError: it is that of MLflow's store or registry.
    """
    for uri in dict.fromkeys(current_stores()):
        if _identity(uri) == _identity(address):
            raise ConfigError(
                f"optuna.storage must be another database than MLflow's, got {masked(address)} for both, whose tables "
                "clash; name another (sqlite:///books.db)"
            )


def _identity(address: str) -> tuple[object, ...]:
    """The part that two addresses of one database have in common, however they are written."""
    if address.startswith("journal:"):
        return "file", os.path.realpath(address.removeprefix("journal:"))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return ("other", address)
    if url.get_backend_name() == "sqlite":
        return "file", os.path.realpath((url.database or "").removeprefix("file:"))
    host = "127.0.0.1" if url.host in {None, "localhost", "::1"} else url.host
    port = url.port or _PORTS.get(url.get_backend_name())
    # Another user, or other arguments, may mean another schema.
    return url.get_backend_name(), host, port, url.database, url.username, tuple(sorted(url.query.items()))


def _reach_database(uri: str, setting: str, limits: Mapping[str, object]) -> None:
    """Fails at once where a database does not answer, or is another program's: MLflow itself tries for 100 s."""
    try:
        engine = create_engine(uri, connect_args=dict(limits))
    except (ArgumentError, ValueError):
        raise ConfigError(f"{setting} must be the URL of a database, got {masked(uri)!r}; correct it") from None
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    owner = next((owner for owner, own in _OTHERS.items() if own <= tables and "experiments" not in tables), "")
    if owner:
        raise ConfigError(
            f"{setting} must name a database for MLflow alone, got {_shown(uri)} with {owner}, whose tables clash; "
            "name another (sqlite:///mlflow.db)"
        )


def _make_database(uri: str, setting: str) -> None:
    """Makes a sqlite database whole or not at all: one that a kill leaves half-made could never be opened again."""
    url = make_url(uri)
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return
    file = Path(url.database)
    refuse_unusable_file(file)
    if _is_made(file):
        _reach_database(uri, setting, {})
        return
    file.parent.mkdir(parents=True, exist_ok=True)
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
    """Turns what MLflow raises, in all its kinds, into a TrackingError of the sort that `core.faults` tells.

    Its own, of the network, of artifact files, of a database that cannot be opened. Ctrl-C waits until it has answered.
    """
    try:
        with defer_signals():
            yield
    except HivenasError:
        raise
    except MlflowException as error:
        raise _translated(error, _MESSAGES.get(str(error.error_code), frozenset())) from error
    except HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        is_final = 400 <= status < 500 and status not in _PASSING
        raise _translated(error, _ALL - {"refused"} if is_final else frozenset()) from error
    except ImportError as error:  # a driver; or of what is to be logged, whose modules are not here
        raise _translated(error, frozenset() if _is_known(error) else _ALL) from error
    except UnicodeEncodeError as error:  # such as the working folder, of which it makes an address
        raise TrackingRefusedError(
            f"MLflow takes texts and folders that are Unicode alone, got {error.object!a}; work in a folder of another "
            "name, or set MLFLOW_TRACKING_URI to a store elsewhere"
        ) from error
    except Exception as error:
        if not isinstance(error, RequestException | OSError | SQLAlchemyError) and not _is_known(error):
            raise
        raise _translated(error, frozenset()) from error


def _translated(error: Exception, of_message: Collection[Kind]) -> TrackingError:
    """An error of ours.

    Args:
        error: MLflow's.
        of_message: the sorts in which the fault lies with what was told, not with the store.
    """
    fault = _fault(error)
    if fault.kind in of_message:
        said = without_secrets(first_line(error), mlflow.get_tracking_uri())
        return TrackingRefusedError(f"MLflow refuses it: {said}")
    return _ERRORS[fault.kind](fault.text)


def _is_known(error: Exception) -> bool:
    """Tell if an exception comes from a library that stores are reached by."""
    name = error.name if isinstance(error, ImportError) else type(error).__module__
    return (name or "").partition(".")[0] in _LIBRARIES


def _fault(error: Exception) -> Fault:
    uri = mlflow.get_tracking_uri()
    is_server = uri.startswith(("http:", "https:"))
    return fault_of(
        error,
        Store(
            name=f"the MLflow store {shown_store()}",
            address=uri,
            setting=_SETTING,
            start=f"start it, or {_ANOTHER}",
            another=_ANOTHER,
            login=_LOGIN if is_server else f"the user in {_SETTING}",
            upgrade="bring older tables up to date (mlflow db upgrade), or MLflow where it is older than they are",
        ),
    )


def shown_store() -> str:
    """The tracking URI for people and records."""
    return _shown(mlflow.get_tracking_uri())


def _shown(uri: str) -> str:
    return without_secrets(uri).partition("?")[0]


def source_tags(command: str) -> dict[str, str]:
    """The tags that MLflow shows as a run's source and user."""
    return {"mlflow.source.name": command, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
