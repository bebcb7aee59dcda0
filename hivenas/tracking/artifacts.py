"""The files of nested runs: kept, and dropped again."""

from __future__ import annotations

import tempfile
from http import HTTPStatus
from pathlib import Path

import mlflow
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from requests.exceptions import HTTPError

from hivenas.core.children import Child
from hivenas.errors import TrackingDeniedError, TrackingError, TrackingRefusedError
from hivenas.tracking.store import translate_mlflow_errors

WEIGHTS = "weights"


def keep_files(child: Child, artifact_uri: str) -> None:
    """Keeps a child's files and texts, a request each; MLflow's client would first ask where every run keeps them."""
    kept = get_artifact_repository(artifact_uri, tracking_uri=mlflow.get_tracking_uri())
    for file, folder in child.artifacts:
        if file.is_file():
            kept.log_artifact(str(file), folder)
    with tempfile.TemporaryDirectory() as temporary:
        for path, text in child.texts.items():
            written = Path(temporary) / path
            written.write_text(text, encoding="utf-8")
            kept.log_artifact(str(written))


def drop_weights(artifact_uri: str) -> bool | None:
    """Deletes the weights that are kept with a run, if there are any.

    Returns:
        False where this kind of store cannot delete files; None where it did not, which may pass.
    """
    kept = get_artifact_repository(artifact_uri, tracking_uri=mlflow.get_tracking_uri())
    if type(kept).delete_artifacts is ArtifactRepository.delete_artifacts:
        return False
    try:
        with translate_mlflow_errors():
            kept.delete_artifacts(WEIGHTS)
    except (NotImplementedError, TrackingDeniedError, TrackingRefusedError):
        return False
    except TrackingError as error:
        answer = error.__cause__.response if isinstance(error.__cause__, HTTPError) else None
        if answer is not None and answer.status_code == HTTPStatus.NOT_IMPLEMENTED:
            return False
        # A server says nothing else of files that it may not delete, either.
        if answer is None or answer.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return None
    return True
