"""Exported models in MLflow: each a logged model of the full training that it comes of, with its file and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping

import mlflow
from mlflow.entities import LoggedModel, Metric, Run

from hivenas.core.nas.training.export.formats import Exported
from hivenas.tracking.candidates import logged_on
from hivenas.tracking.data_sets import data_of
from hivenas.tracking.entities import LONGEST_TAG
from hivenas.tracking.registry import MODEL, begun_model
from hivenas.tracking.store import translate_mlflow_errors

_FORMAT, _VERSIONS = "hivenas.export", "hivenas.export_versions"


def log_export(exported: Exported, run_id: str, versions: Mapping[str, str]) -> str:
    """Logs an exported model on the run of its full training, once for a format and the versions that wrote it.

    Its figures on the test split have the names of those of the model that it comes of, so that all can be compared;
    they bear the time at which that run began, so that the run itself goes on showing its own.

    Args:
        exported: what was written; all of its folder is kept.
        run_id: of the full training.
        versions: of the packages that it depends on.

    Returns:
        Its URI.

    Raises:
        TrackingError: MLflow does not answer, or refuses.
    """
    client = mlflow.MlflowClient()
    with translate_mlflow_errors():
        run = client.get_run(run_id)
        tags = {_FORMAT: exported.format, _VERSIONS: json.dumps(dict(versions), sort_keys=True)[:LONGEST_TAG]}
        before = _logged_before(client, run, tags)
        if before and str(before.status) == "READY":
            return str(before.model_uri)
        torn = str(before.model_id) if before else ""
        model_id = begun_model(client, run, f"{MODEL}-{exported.format}", torn, tags)
        client.log_batch(run_id, metrics=_metrics(exported, run, model_id))
        # What MLflow itself can load begins with its own file; of all else the folder is kept.
        is_mlflows = (exported.path / "MLmodel").exists()
        client.log_model_artifacts(model_id, str(exported.path if is_mlflows else exported.path.parent))
        return str(client.finalize_logged_model(model_id, "READY").model_uri)


def _logged_before(client: mlflow.MlflowClient, run: Run, tags: Mapping[str, str]) -> LoggedModel | None:
    """The logged model of an earlier export of the same, perhaps one that was ended in the middle; None without one."""
    return next((each for each in logged_on(client, run) if tags.items() <= each.tags.items()), None)


def _metrics(exported: Exported, run: Run, model_id: str) -> list[Metric]:
    own = {
        "export_bytes": float(exported.size),
        "export_agreement": exported.agreement,
        "export_p50_ms": exported.p50_ms,
        "export_p95_ms": exported.p95_ms,
    }
    figures = {f"test_{name}": value for name, value in exported.figures.items()} | own
    return [
        Metric(key, value, run.info.start_time, 0, model_id=model_id, run_id=run.info.run_id, **data_of(run, key))
        for key, value in figures.items()
    ]
