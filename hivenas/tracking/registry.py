"""MLflow's model registry: a fully trained model is logged and registered once, however often that is tried."""

from __future__ import annotations

import os
from typing import Any

import mlflow
import numpy as np
from mlflow.models import infer_signature

from hivenas.core.tracker import ServableModel
from hivenas.tracking.store import package_version, spoken

LONGEST_TAG = 8000
_PUBLISH_S = 60


def publish(model: ServableModel, run_id: str, stores: tuple[str, str]) -> str:
    """Logs a model on its run, registers it and moves the alias; imports Keras, so call it in a worker.

    Args:
        model: what is published.
        run_id: of the full training.
        stores: tracking and registry URI.

    Returns:
        The model's URI: `models:/NAME@ALIAS`, or that of the logged model where it is not registered.

    Raises:
        TrackingError: MLflow does not answer, or refuses.
    """
    mlflow.set_tracking_uri(stores[0])
    mlflow.set_registry_uri(stores[1])
    # A server takes its time to pass a large model on; nothing waits for it but the end of the search.
    limit = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "0"))
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(int(max(limit, _PUBLISH_S)))
    with spoken():
        number = _version_of(model, run_id)
        if not number:
            uri, torn = _logged_before(run_id)
            uri = uri or _log(model, run_id, torn)
            if model.name is None:
                return uri
            number = str(mlflow.register_model(uri, model.name).version)
        client = mlflow.MlflowClient()
        client.update_model_version(model.name, number, description=model.description)
        for key, value in model.origin.items():
            client.set_model_version_tag(model.name, number, key, value[:LONGEST_TAG])
        client.set_registered_model_alias(model.name, model.alias, number)
        return f"models:/{model.name}@{model.alias}"


def _version_of(model: ServableModel, run_id: str) -> str:
    """The version that an earlier try, ended in the middle, has registered; empty without one."""
    versions = mlflow.MlflowClient().search_model_versions(f"run_id = '{run_id}'") if model.name else []
    return next((str(v.version) for v in versions if v.name == model.name and v.status == "READY"), "")


def _logged_before(run_id: str) -> tuple[str, str]:
    """The URI of the model that an earlier try has logged, and the id of one that it had not logged to the end."""
    client = mlflow.MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    whole = [str(each.model_uri) for each in logged if str(each.status) == "READY"]
    torn = [str(each.model_id) for each in logged if str(each.status) != "READY"]
    return next(iter(whole), ""), next(iter(torn), "")


def _log(model: ServableModel, run_id: str, torn: str) -> str:
    """Logs a model on its run, where there is one as that which an earlier try had begun to log; returns its URI."""
    import keras
    import mlflow.tensorflow

    network = keras.saving.load_model(model.file)
    example: np.ndarray[Any, Any] = np.load(model.example)
    packages = ("tensorflow", "keras", "numpy", "mlflow")
    before = mlflow.MlflowClient().get_run(run_id).info
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.tensorflow.log_model(
            network,
            name="model",
            signature=infer_signature(example, network.predict(example, verbose=0)),
            input_example=example,
            pip_requirements=[f"{name}=={package_version(name)}" for name in packages],
            model_id=torn or None,
        )
    # Starting the run again has moved its end; it ended when the training did.
    mlflow.MlflowClient().set_terminated(run_id, status=before.status, end_time=before.end_time)
    return str(logged.model_uri)
