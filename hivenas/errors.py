"""The exception tree.

HivenasError
├── InputError                   the user's input is wrong: exit code 2, nothing was trained
│   ├── ConfigError              a configuration key or value (also a ValueError)
│   ├── ArchitectureError        a malformed or foreign encoded architecture (also a ValueError)
│   ├── DatasetError             a data set that is missing or not usable (also a ValueError)
│   ├── ResultsExistError        a results folder that already holds a search, or is in use
│   └── MissingResultsError      results or weights that do not exist (also a FileNotFoundError)
└── RunError                     the work itself failed: exit code 1
    ├── TrainingError            a full training that failed
    ├── TrackingError            the MLflow store could not be reached before anything was trained
    ├── WorkerDiedError          a worker process ended in the middle of a candidate
    └── DiskFullError            results cannot be written for lack of space
"""

from __future__ import annotations


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


class MissingResultsError(InputError, FileNotFoundError):
    """Recorded results or saved weights do not exist."""


class RunError(HivenasError):
    """The work itself failed."""


class TrainingError(RunError):
    """A full training failed; a failed candidate of a search is a record instead."""


class TrackingError(RunError):
    """The MLflow store could not be reached or opened, before anything was trained."""


class WorkerDiedError(RunError):
    """A worker process was killed or crashed while it evaluated a candidate."""


class DiskFullError(RunError):
    """Results could not be written because there is no space left; no candidate is to blame."""


def first_line(error: BaseException) -> str:
    """The type of an exception and the first line of what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
