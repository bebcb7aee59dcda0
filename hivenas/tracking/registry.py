"""MLflow's model registry: a fully trained model is logged and registered once, however often that is tried."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Metric, Run
from mlflow.models import Model, infer_signature
from mlflow.utils.logging_utils import MLFLOW_LOGGING_STREAM

from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.publication import Published, ServableModel
from hivenas.core.recipe import package_version
from hivenas.core.unicode import storable_record
from hivenas.errors import TrackingRefusedError
from hivenas.tracking.candidates import (
    ARCHITECTURE,
    HAS_MODEL,
    OF_CANDIDATE,
    latest_metrics,
    link_model,
    logged_on,
    model_params,
    model_tags,
)
from hivenas.tracking.data_sets import data_of
from hivenas.tracking.entities import LONGEST_DESCRIPTION, LONGEST_PARAM, LONGEST_TAG, shortened
from hivenas.tracking.promotion import promote, published
from hivenas.tracking.store import translate_mlflow_errors, use_stores
from hivenas.wording import number_of

MODEL = "model"  # the name of what is logged of a full training; its exports have others
_OURS = "hivenas.search"  # a tag of the versions that are published here
_PUBLISH_S = 60
_RELATIVE, _ABSOLUTE = 1e-2, 1e-3  # other machines round otherwise


def publish(model: ServableModel, run_id: str, stores: tuple[str, str]) -> Published:
    """Logs a model on its run, registers and perhaps promotes it; imports Keras, so call it in a worker.

    Args:
        model: what is published.
        run_id: of the full training.
        stores: tracking and registry URI.

    Returns:
        Its URI, `models:/NAME@ALIAS` where it was promoted, `models:/NAME/VERSION` where it was not, or that of the
        logged model where it is not registered; and whether it was promoted, and why.

    Raises:
        TrackingError: MLflow does not answer, or refuses.
    """
    model = storable_record(model)
    use_stores(stores)
    # A server takes its time to pass a large model on; nothing waits for it but the end of the search.
    limit = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "0"))
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(int(max(limit, _PUBLISH_S)))
    with translate_mlflow_errors():
        outcome = _publish(model, run_id)
        if model.tested:
            from hivenas.tracking.evaluation import log_evaluation  # what evaluates takes a while to import

            uri, _ = _logged_before(run_id, MODEL)
            log_evaluation(model, run_id, uri.rpartition("/")[2], stores)
        return outcome


def _publish(model: ServableModel, run_id: str) -> Published:
    number = _version_of(model, run_id)
    if not number:
        uri, torn = _logged_before(run_id, _name_of(model))
        uri = uri or _log(model, run_id, torn)
        if model.name is None:
            return Published(uri)
        with _without_lines():
            number = str(mlflow.register_model(uri, model.name).version)
    assert model.name
    client = mlflow.MlflowClient()
    client.update_model_version(model.name, number, description=shortened(model.description, LONGEST_DESCRIPTION))
    for key, value in model.origin.items():
        client.set_model_version_tag(model.name, number, key, value[:LONGEST_TAG])
    return promote(model, number)


@contextlib.contextmanager
def _without_lines() -> Iterator[None]:
    """Nothing of what MLflow prints by itself; the search says what has become of a model, and --quiet nothing else."""
    before = MLFLOW_LOGGING_STREAM.enabled
    MLFLOW_LOGGING_STREAM.enabled = False
    try:
        yield
    finally:
        MLFLOW_LOGGING_STREAM.enabled = before


def published_on(run_id: str) -> Published:
    """The outcome of publishing the model of a full training; nothing where it was refused."""
    client = mlflow.MlflowClient()
    versions = [v for v in client.search_model_versions(f"run_id = '{run_id}'") if v.status == "READY"]
    ours = [v for v in versions if _OURS in v.tags] or versions  # somebody may have registered an export of it
    if ours:
        first = min(ours, key=lambda version: version.creation_timestamp)  # a copy in another model is a later one
        return published(client, first.name, str(first.version))
    return Published(_logged_before(run_id, MODEL)[0])


def _name_of(model: ServableModel) -> str:
    return model.candidate.name if model.candidate else MODEL


def _version_of(model: ServableModel, run_id: str) -> str:
    """The version that an earlier try, ended in the middle, has registered; empty without one."""
    versions = mlflow.MlflowClient().search_model_versions(f"run_id = '{run_id}'") if model.name else []
    return next((str(v.version) for v in versions if v.name == model.name and v.status == "READY"), "")


def _logged_before(run_id: str, name: str) -> tuple[str, str]:
    """The URI of the model that an earlier try has logged, and the id of one that it had not logged to the end."""
    client = mlflow.MlflowClient()
    logged = [each for each in logged_on(client, client.get_run(run_id)) if each.name == name]
    whole = [str(each.model_uri) for each in logged if str(each.status) == "READY"]
    torn = [str(each.model_id) for each in logged if str(each.status) != "READY"]
    return next(iter(whole), ""), next(iter(torn), "")


def _log(model: ServableModel, run_id: str, torn: str) -> str:
    """Logs a model on its run and returns its URI.

    The steps are those of `mlflow.tensorflow.log_model`, which cannot go on with a model that is linked to its run.

    Args:
        model: what is logged.
        run_id: of the full training.
        torn: id of the model that an earlier try had begun to log; empty without one.
    """
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    model_id = _begun(client, run, model, torn)
    place = client.get_logged_model(model_id).artifact_location
    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder, Model(artifact_path=place, run_id=run_id, model_uuid=model_id, model_id=model_id))
        client.log_model_artifacts(model_id, folder)
    return str(client.finalize_logged_model(model_id, "READY").model_uri)


def _begun(client: mlflow.MlflowClient, run: Run, model: ServableModel, torn: str) -> str:
    """The id of the logged model of a full training, or of a candidate, with its figures."""
    run_id, candidate = run.info.run_id, model.candidate
    if candidate is None:
        model_id = begun_model(client, run, MODEL, torn)
        client.log_batch(run_id, metrics=_final_metrics(client, run, model_id))
        return model_id
    params = model_params(candidate, run)
    model_id = begun_model(client, run, candidate.name, torn, dict(candidate.tags), params)
    client.log_batch(run_id, metrics=latest_metrics(run, model_id))
    client.set_tag(run_id, HAS_MODEL, "true")
    return model_id


def begun_model(
    client: mlflow.MlflowClient,
    run: Run,
    name: str,
    begun: str,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
) -> str:
    """The id of a logged model that is to get its files: it exists, and its run is linked to it.

    Args:
        client: of the store.
        run: that it is logged on, with its outputs.
        name: of the model.
        begun: id of the one that an earlier try had begun to log; empty without one.
        tags: of the model.
        params: of the model; None for those of a full training.
    """
    run_id, home = run.info.run_id, run.info.experiment_id
    given = _final_params(run) if params is None else params
    shown = model_tags(run, tags)
    model_id = begun or client.create_logged_model(home, name, run_id, tags=shown, params=given).model_id
    link_model(client, run, model_id)
    return str(model_id)


def _final_params(run: Run) -> dict[str, str]:
    """The parameters of the model of a full training, those by which candidates are compared among them."""
    metrics, tags = run.data.metrics, run.data.tags
    sizes = {"params": "param_count", "macs": "macs"}
    found = {key: str(int(metrics[name])) for key, name in sizes.items() if name in metrics}
    if OF_CANDIDATE in tags:
        found[ARCHITECTURE] = tags[OF_CANDIDATE][:LONGEST_PARAM]
    return {**found, **run.data.params}


def _final_metrics(client: mlflow.MlflowClient, run: Run, model_id: str) -> list[Metric]:
    """The final figures of the run's training, as figures of the model."""
    points = [point for key in run.data.metrics for point in client.get_metric_history(run.info.run_id, key)]
    return [
        Metric(
            *(point.key, point.value, point.timestamp, 0),
            model_id=model_id,
            run_id=run.info.run_id,
            **data_of(run, point.key),
        )
        for point in points
        if point.step == 0 and point.model_id is None
    ]


@exclusive
def _save(model: ServableModel, folder: str, described: Model) -> None:
    import keras
    import mlflow.tensorflow

    network = keras.saving.load_model(model.file)
    example: np.ndarray[Any, Any] = np.load(model.example)
    found = network.predict(example, verbose=0)
    # Another process than the one that trained it may load another model: a layer may have changed in the meantime.
    largest = np.max(np.abs(found), initial=1.0, where=np.isfinite(found))  # numbers may have any unit
    allowed = _ABSOLUTE * float(largest)
    if model.answers and not np.allclose(found, model.answers, rtol=_RELATIVE, atol=allowed, equal_nan=True):
        raise TrackingRefusedError(
            f"the model {model.file.name} must answer as the network that was tested, got other answers to "
            f"{number_of(len(example), 'test image')}; undo what has changed in its layers since, or train it again"
        )
    packages = ("tensorflow", "keras", "numpy", "mlflow")
    mlflow.tensorflow.save_model(
        network,
        folder,
        mlflow_model=described,
        signature=infer_signature(example, found),
        input_example=example,
        metadata=dict(model.metadata),
        pip_requirements=[f"{name}=={package_version(name)}" for name in packages],
    )
