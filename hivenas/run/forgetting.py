"""A search forgotten: what MLflow has of it, but for what has an alias, and its results folder, which goes last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hivenas.core.folder import ResultsFolder
from hivenas.errors import TrackingRefusedError
from hivenas.storage import Footprint, folder_to_remove, remove_folder

if TYPE_CHECKING:
    from hivenas.tracking.forgetting import KeptVersion, TrackedSearch

_TRACKER = "mlflow"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A search that was forgotten, or is to be.

    Args:
        name: of the search.
        folder: its results folder.
        runs: ids of the runs that are deleted.
        models: ids of the logged models that are deleted.
        versions: registered versions that are deleted, such as `digits/1`.
        kept: registered versions that have an alias, or are of another registered model: they stay, with their runs
            and what is logged there.
        unsent: records that MLflow was never told, which are lost with the folder.
        study: whether a record of the search stays in Optuna's storage.
        tracker: one that others have registered, which still has the search; empty for none.
        left: files of others in the results folder, which stay.
        gc: the commands that delete for good what MLflow still keeps, a line each; empty where there is nothing.
        done: whether it was done; False where that was not agreed to.
    """

    name: str
    folder: Path
    runs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    kept: tuple[KeptVersion, ...] = ()
    unsent: int = 0
    study: bool = False
    tracker: str = ""
    left: tuple[Path, ...] = ()
    gc: str = ""
    done: bool = False


def forget(folder: ResultsFolder, agree: Callable[[Forgotten], bool] | None = None) -> Forgotten:
    """Deletes a search; whatever is killed on the way goes on with the same call.

    Args:
        folder: its results folder.
        agree: is asked before anything is deleted; None for yes.

    Raises:
        MissingResultsError: no such search, or its run is not in this store.
        ResultsExistError: a process is at work in the folder.
        TrackingError: the MLflow store does not answer; nothing was deleted.
    """
    with folder_to_remove(folder) as footprint:
        found = _found(footprint)
        plan = _planned(footprint, found)
        if agree:
            if not agree(plan):
                return plan
            if _found(footprint) != found:
                raise TrackingRefusedError(
                    f"what the MLflow store has of {folder.name} must stay as it was shown, got it changed meanwhile; "
                    "nothing was deleted, begin again"
                )
        if found:
            from hivenas.tracking.forgetting import delete_search

            delete_search(found)
        return replace(plan, left=tuple(remove_folder(folder)), done=True)


def _found(footprint: Footprint) -> TrackedSearch | None:
    """All that MLflow has of the search; None where it was not tracked there."""
    if footprint.tracker != _TRACKER or not (footprint.run_id or footprint.uid or footprint.run_ids):
        return None
    from hivenas.tracking.forgetting import find_search

    home = footprint.experiment
    return find_search(footprint.run_id, footprint.uid, home, footprint.run_ids, model=footprint.model)


def _planned(footprint: Footprint, found: TrackedSearch | None) -> Forgotten:
    others = "" if footprint.tracker in {"", "none", _TRACKER} else footprint.tracker
    plan = Forgotten(
        footprint.folder.name, footprint.folder.path, unsent=footprint.unsent, study=footprint.study, tracker=others
    )
    if not found:
        return plan
    return replace(plan, runs=found.runs, models=found.models, versions=found.versions, kept=found.kept, gc=found.gc)
