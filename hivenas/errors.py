"""The exception tree.

HivenasError
├── InputError                   the user's input is wrong: exit code 2, nothing was trained
│   ├── ConfigError              a configuration key or value (also a ValueError)
│   ├── ArchitectureError        a malformed or foreign encoded architecture (also a ValueError)
│   ├── DatasetError             a data set that is missing or not usable (also a ValueError)
│   ├── ResultsExistError        a results folder that already holds a search, or is in use
│   ├── ExportError              a trained model that cannot be written in a format
│   └── MissingResultsError      results or weights that do not exist (also a FileNotFoundError)
│       └── LostRunError         the search's own run, which the MLflow store does not have any more
└── RunError                     the work itself failed: exit code 1
    ├── TrainingError            a full training that failed
    │   └── RepeatableTrainingError  … and would fail again in the same way
    ├── TrackingError            the MLflow store cannot be reached
    │   ├── TrackingRefusedError the MLflow store refuses what it is told, and would again
    │   └── TrackingDeniedError  the MLflow store takes nothing until somebody allows it: no login, no right, no space
    │       └── TrackingConfigError  what the tracking URI names is no MLflow store (also a ConfigError)
    ├── StorageError             the ledger, or Optuna's storage, could not be reached or failed while it was written
    │   └── StorageDeniedError   Optuna's storage takes nothing until somebody allows it
    │       └── StorageConfigError  what optuna.storage names is no storage of Optuna's (also a ConfigError)
    ├── SearchFailedError        so many candidates failed in a row that the search was ended
    ├── WorkerDiedError          worker processes ended in the middle of a candidate
    └── InfrastructureError      workers, a cluster or the disk failed; no candidate is to blame
        ├── WorkerStartError     no worker process can be started on this machine
        ├── ClusterError         the dask cluster cannot be reached, or went away
        └── DiskFullError        results cannot be written for lack of space
"""

from __future__ import annotations

import re


class HivenasError(Exception):
    """Root of every error that hivenas raises on purpose."""


class InputError(HivenasError):
    """The user's input is wrong; the message gives the rule, the value and the way out."""


class ConfigError(InputError, ValueError):
    """A configuration key or value is unknown, of a wrong type or out of range."""


class ArchitectureError(InputError, ValueError):
    """An encoded architecture is malformed or does not belong to the search space."""


class DatasetError(InputError, ValueError):
    """A data set is missing or cannot be used for training."""


class ResultsExistError(InputError):
    """A results folder already holds a search, of this or another version, or another process is writing to it."""


class ExportError(InputError):
    """A trained model cannot be written in a format, or does not answer alike in it."""


class MissingResultsError(InputError, FileNotFoundError):
    """Recorded results or saved weights do not exist."""


class LostRunError(MissingResultsError):
    """The MLflow store does not have a search's own run any more; everything can be told again in a new one."""

    lead = "Have everything told again with"


class RunError(HivenasError):
    """The work itself failed."""


class TrainingError(RunError):
    """A full training failed; a failed candidate of a search is a record instead."""


class RepeatableTrainingError(TrainingError):
    """A full training that failed, and would fail again in the same way; the message says what to change.

    Args:
        message: the reason and the way out.
        changes: keys with other values, as `--set` takes them, with which it may not fail; none where what failed was
            a program, which is to be mended.
    """

    def __init__(self, message: str, changes: tuple[str, ...] = ()) -> None:
        super().__init__(message, changes)
        self.changes = changes

    def __str__(self) -> str:
        """The message alone."""
        return str(self.args[0])

    @property
    def lead(self) -> str:
        """The words before the command with which to go on."""
        return "Train it so with" if self.changes else "Once that is mended, go on with"

    def way_on(self, command: str) -> str:
        """The command that trains with these changes, made of the one that would do the same again."""
        if not self.changes:
            return command
        trains = command.replace("hivenas search", "hivenas train", 1).removesuffix(" --resume")
        return " ".join([trains, *(f"--set {change}" for change in self.changes)])


class TrackingError(RunError):
    """The MLflow store cannot be reached or opened; what was not tracked may be tried again."""


class TrackingRefusedError(TrackingError):
    """The MLflow store refuses what it is told; trying again would not help."""


class TrackingDeniedError(TrackingError):
    """The MLflow store takes nothing for lack of a login, a right or space; waiting is no help."""


class TrackingConfigError(TrackingDeniedError, ConfigError):
    """The tracking URI names something that is no MLflow store, or none of this version."""


class SearchFailedError(RunError):
    """So many candidates failed in a row that the search was ended; its records are kept."""


class StorageError(RunError):
    """Optuna's storage could not be reached or opened before anything was trained, or failed while it was written."""


class StorageDeniedError(StorageError):
    """Optuna's storage takes nothing for lack of a login, a right or space; waiting is no help."""


class StorageConfigError(StorageDeniedError, ConfigError):
    """The setting `optuna.storage` names something that is no storage of Optuna's, or none of this version."""


class WorkerDiedError(RunError):
    """The worker processes to which a candidate was given were killed or crashed, or it took too long.

    Args:
        reason: what is known of its end.
        last_words: what it wrote in the meantime, such as the traceback of a crash in native code.
    """

    def __init__(self, reason: str, last_words: str = "") -> None:
        super().__init__(reason, last_words)
        self.last_words = last_words

    def __str__(self) -> str:
        """The reason alone."""
        return str(self.args[0])


class InfrastructureError(RunError):
    """Workers, a cluster or the disk failed; no candidate is to blame, and the search can be resumed."""


class WorkerStartError(InfrastructureError):
    """No worker process can be started on this machine."""


class ClusterError(InfrastructureError):
    """The dask cluster cannot be reached or used, or its scheduler went away."""


class DiskFullError(InfrastructureError):
    """Results could not be written because there is no space left."""


class RemoteError(Exception):
    """The place at which a task failed, as its worker saw it: the cause of what is raised in the driver.

    Args:
        text: the traceback.
        began: what `innermost` says of the exception there, whose causes do not travel.
    """

    def __init__(self, text: str, began: str) -> None:
        super().__init__(text, began)
        self.began = began

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def first_line(error: BaseException) -> str:
    """The type of an exception and the first line of what it says, but for when SQLAlchemy came to write."""
    return _line(type(error).__name__, _WRITTEN.sub("", _said(error)))


def innermost(error: BaseException) -> str:
    """The type of the exception with which it all began, and the first line of what that said.

    Libraries raise an exception anew from where it went through them: Keras with the arguments of the layer around what
    was said, AutoGraph with the lines of code. Both say so in a text of several lines, of which the first says nothing.
    """
    kind, text = type(error).__name__, _said(error)
    seen = {id(error)}
    while (origin := _origin(error, text)) is not None and id(origin) not in seen:
        if isinstance(origin, RemoteError):
            return origin.began
        error, seen = origin, seen | {id(origin)}
        kind, text = type(error).__name__, _said(error)
    return _line(*_unwrapped(kind, text))


# The line that SQLAlchemy puts before what the database says, where a query had it write what waited.
_WRITTEN = re.compile(r"\(raised as a result of [^\n]*\)\n")
# The texts that Keras and AutoGraph make of another exception.
_CALLING = re.compile(r"Exception encountered when calling [^\n]*\n\s*\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)
_LOADING = re.compile(r"\n\s*Exception encountered: (.*)", re.DOTALL)
_INFERRING = re.compile(r"Could not automatically infer .*?Error encountered:\s*(.*)", re.DOTALL)
_IN_CODE = re.compile(r"in user code:\n.*?\n\s*\n {4}(\w+): (.*)", re.DOTALL)
# The places in graphs that TensorFlow puts around what it says.
_PLACES = re.compile(r"\{\{function_node [^}]*\}\}\s*|\s*\[Op:[^\]]*\]( name:)?\s*")


def _said(error: BaseException) -> str:
    try:
        # A KeyError shows its text as a literal, in which lines do not end.
        whole = isinstance(error, KeyError) and len(error.args) == 1 and "\n" in str(error.args[0])
        return str(error.args[0] if whole else error)
    except Exception:  # of anyone's own, whose text cannot be made
        return ""


def _origin(error: BaseException, text: str) -> BaseException | None:
    """The exception that another one was raised from; None for the first, and for those that say all of it."""
    if isinstance(error, HivenasError):
        return None
    return error.__cause__ or (error.__context__ if _is_wrapped(text) else None)


def _is_wrapped(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_CALLING, _LOADING, _INFERRING, _IN_CODE))


def _unwrapped(kind: str, text: str) -> tuple[str, str]:
    """The type and the text inside what was wrapped around them, where the exceptions themselves are gone."""
    if found := _IN_CODE.search(text):
        return _unwrapped(found[1], found[2].replace("\\n", "\n").replace("\\x1b", "\x1b"))
    if found := _CALLING.search(text) or _LOADING.search(text) or _INFERRING.search(text):
        return _unwrapped(kind, found[1])
    return kind, _PLACES.sub("", text)


def _line(kind: str, text: str) -> str:
    said = text.strip()
    return f"{kind}: {said.splitlines()[0].strip()}" if said else kind
