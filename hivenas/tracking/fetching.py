"""Reading back from MLflow: the files of a run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import mlflow

from hivenas.core.files import written_whole
from hivenas.core.recipe import RECIPE_FILE
from hivenas.core.records import Phase
from hivenas.errors import MissingResultsError, TrackingRefusedError
from hivenas.tracking.store import shown_store, translate_mlflow_errors


class TrackedRun:
    """A run that MLflow has kept.

    Args:
        run_id: its id.

    Raises:
        MissingResultsError: there is no such run.
        TrackingError: the store does not answer.
    """

    def __init__(self, run_id: str) -> None:
        self._client = mlflow.MlflowClient()
        try:
            with translate_mlflow_errors():
                self._run = self._client.get_run(run_id)
        except TrackingRefusedError:
            raise MissingResultsError(
                f"there is no run {run_id!r} in the MLflow store {shown_store()}; copy the id from the run's page, and "
                "set MLFLOW_TRACKING_URI to its store"
            ) from None

    def recipe(self) -> str:
        """The text from which the run can be trained again.

        Raises:
            MissingResultsError: the run is not that of a candidate.
        """
        with tempfile.TemporaryDirectory() as folder:
            if not download(self._client, self._run.info.run_id, RECIPE_FILE, Path(folder)):
                raise MissingResultsError(
                    f"the run {self._run.info.run_id} has no {RECIPE_FILE}; give the run of a candidate or of a full "
                    "training, not that of a search"
                )
            return (Path(folder) / RECIPE_FILE).read_text(encoding="utf-8")

    def fetch_start(self, name: str, phase: Phase, folder: Path) -> bool:
        """Downloads the state that the run's training started from; returns whether it is there."""
        tags = self._run.data.tags
        holder = tags.get("hivenas.continues" if phase != "evaluate" else "hivenas.parent", "")
        return bool(holder) and download(self._client, holder, f"weights/{name}", folder)


def download(client: mlflow.MlflowClient, run_id: str, path: str, folder: Path) -> bool:
    """Downloads a file of a run into a folder, whole or not at all.

    Returns:
        Whether it is there now; False where the run has no such file.

    Raises:
        TrackingError: the store does not answer.
    """
    with translate_mlflow_errors():
        if path not in {file.path for file in client.list_artifacts(run_id, path.rpartition("/")[0] or None)}:
            return False
        with tempfile.TemporaryDirectory(prefix="hivenas-") as temporary:
            found = Path(client.download_artifacts(run_id, path, temporary))
            with written_whole(folder / found.name) as written:
                shutil.copyfile(found, written)
        return True
