"""The MLflow store: which one it is, whether it answers, and what its errors mean."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hivenas.errors import TrackingError, TrackingRefusedError, first_line

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
# MLflow's own limits, 7 retries of 120 s, would hold up a search for minutes whenever its server is away.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def current_stores() -> tuple[str, str]:
    """The tracking and the registry URI of this process."""
    return mlflow.get_tracking_uri(), mlflow.get_registry_uri()


def fail_fast() -> None:
    """Has MLflow give up a request after seconds, in this process and its workers, unless the user's limits are set."""
    for variable, value in _PATIENCE.items():
        os.environ.setdefault(variable, value)


def prepare_store() -> None:
    """Makes sure that the store exists before several processes open it: sqlite databases are created once.

    Raises:
        TrackingError: the store cannot be reached or opened.
    """
    with spoken():
        for uri in dict.fromkeys(current_stores()):
            if uri.startswith("sqlite:"):
                _make_database(uri)
        mlflow.MlflowClient().search_experiments(max_results=1)


def _make_database(uri: str) -> None:
    """Makes a sqlite database whole or not at all: one that a kill leaves half-made could never be opened again."""
    url = make_url(uri)
    file = Path(url.database or ":memory:")
    if url.database in {None, "", ":memory:"} or not file.parent.is_dir():
        return
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if file.exists() and file.stat().st_size:
            return
        new = file.with_name(f".{file.name}.new")
        for left in file.parent.glob(f"{new.name}*"):  # by a process that was killed
            left.unlink()
        mlflow.MlflowClient(url.set(database=str(new)).render_as_string(hide_password=False)).search_experiments()
        new.replace(file)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Turns what MLflow raises, in all its kinds, into a TrackingError.

    Its own, of the network, of artifact files, of a database that cannot be opened.
    """
    try:
        yield
    except MlflowException as error:
        refused = str(error.error_code) in _REFUSALS
        if refused:
            raise TrackingRefusedError(f"MLflow refuses it: {first_line(error)}") from error
        raise _unreachable(error) from error
    except (RequestException, OSError, SQLAlchemyError) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> TrackingError:
    # A store's URI may hold a password, which does not belong on a screen.
    uri = mlflow.get_tracking_uri()
    shown = uri if "@" not in uri else f"{uri.partition('://')[0]}://…@{uri.rpartition('@')[2]}"
    reason = first_line(error).replace(uri, shown)
    return TrackingError(
        f"the MLflow store {shown} does not answer: {reason}; start it, or set MLFLOW_TRACKING_URI to another one"
    )


def git_tags() -> dict[str, str]:
    """Commit and dirty-tree flag of the working folder, where it is a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"mlflow.source.git.commit": commit, "hivenas.git_dirty": str(bool(_git("status", "--porcelain"))).lower()}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def package_version(package: str) -> str:
    """The installed version of a package, `unknown` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def source_tags(command: str) -> dict[str, str]:
    """What MLflow shows as a run's source and user."""
    return {"mlflow.source.name": command, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
