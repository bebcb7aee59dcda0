"""A results folder on its way out: what it says of the search, read for the last time, and its files, removed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hivenas.config.text import parse_yaml
from hivenas.core.folder import ResultsFolder
from hivenas.errors import MissingResultsError, ResultsExistError
from hivenas.storage.ledger import MessageStatus, open_ledger, remove_ledger
from hivenas.storage.opening import held

_MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Everything that a results folder knows of where its search has left something.

    Args:
        folder: the results folder.
        tracker: of the configuration, `mlflow`, say; empty where nothing but files is left.
        run_id: of the parent run; empty where there is none, or where it was never written down.
        uid: names the search in MLflow; empty for evaluations that were asked for from Python.
        run_ids: of its evaluations.
        experiment: in which the parent is looked for by `uid`.
        model: the registered model that its versions are of.
        unsent: messages that MLflow was never told.
        study: whether the search has a record in Optuna's storage.
    """

    folder: ResultsFolder
    tracker: str = ""
    run_id: str = ""
    uid: str = ""
    run_ids: tuple[str, ...] = ()
    experiment: str = ""
    model: str = ""
    unsent: int = 0
    study: bool = False


@contextlib.contextmanager
def folder_to_remove(folder: ResultsFolder) -> Iterator[Footprint]:
    """Holds a results folder, in which nobody else may work meanwhile, and says what it knows.

    One of which a kill has left files but no ledger is empty of knowledge: the ledger goes after all else is gone.

    Raises:
        MissingResultsError: there is none.
        ResultsExistError: another process is at work there, or it is of another version.
    """
    if not any(file.exists() for file in (folder.ledger, folder.lock, folder.csv, folder.state)):
        raise MissingResultsError(
            f"a search must have its results folder to be forgotten, got {folder.path} without one; give a name in "
            "results/, or the folder"
        )
    with held(folder):
        if folder.ledger.exists():
            yield _read(folder)
        elif folder.csv.exists() or folder.state.exists():
            raise ResultsExistError(
                f"{folder.path} must have a {folder.ledger.name} that names its runs, got none, as of an earlier "
                "version; delete it, and its runs in MLflow, by hand"
            )
        else:
            yield Footprint(folder)


def _read(folder: ResultsFolder) -> Footprint:
    with contextlib.closing(open_ledger(folder)) as ledger:
        state = ledger.read()
        config = parse_yaml(ledger.config_yaml, str(folder.ledger)) or {}
        run_ids = tuple(trial.run_id for trial in ledger.trials if trial.run_id)
        unsent = len(ledger.messages(MessageStatus.PENDING, MessageStatus.REFUSED))
    name = str(config.get("name", folder.name))
    return Footprint(
        folder,
        tracker=str(config.get("tracking", _MLFLOW)) if config or run_ids else "",
        run_id=state.run_id if state else "",
        uid=state.uid if state else "",
        run_ids=run_ids,
        experiment=name,
        model=str((config.get("registry") or {}).get("model") or name),
        unsent=unsent,
        study=bool((config.get("optuna") or {}).get("storage")),
    )


def remove_folder(folder: ResultsFolder) -> list[Path]:
    """Removes the files of a search, its ledger after all others, so that whoever is killed here can begin again.

    Args:
        folder: the results folder, held.

    Returns:
        What somebody else has put there, which stays.
    """
    for path in (*folder.own, folder.log):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    folder.sweep()
    remove_ledger(folder)
    folder.lock.unlink(missing_ok=True)
    left = sorted(folder.path.iterdir())
    if not left:
        folder.path.rmdir()
    return left
