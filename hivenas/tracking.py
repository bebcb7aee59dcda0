"""MLflow: nested runs by explicit parent id, the search's parent run, the model registry."""

from __future__ import annotations

import functools
import getpass
import json
import math
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from hivenas.core.tracker import Child, SearchCard
from hivenas.errors import TrackingError

_PARENT = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"
_LONGEST_TAG, _LONGEST_PARAM = 8000, 6000
_LARGEST_BATCH = 900  # metrics; parameters count towards MLflow's limit of 1,000 too


class MlflowTracker:
    """Tracks a search, or single calls from Python, in the current MLflow store.

    Args:
        experiment: where runs are made that have no parent.
        home: run under which children are nested where neither a run is active nor `mlflow run` has made one for
            this process; without it they stand for themselves.
        command: what runs name as their source.
    """

    def __init__(self, experiment: str, *, home: str = "", command: str = "hivenas") -> None:
        self._experiment = experiment
        self._home = home
        self._command = command
        self._parent: str | None = None
        self._pointer = False

    @functools.cached_property
    def _client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient()

    @functools.cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found and found.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {self._experiment!r} was deleted in MLflow; restore it (mlflow experiments restore "
                f"-x {found.experiment_id}) or choose another name (--set name=…)"
            )
        return str(found.experiment_id if found else self._client.create_experiment(self._experiment))

    # -- the parent run of a search ----------------------------------------------------------------------------

    def open_search(self, card: SearchCard, run_id: str | None) -> str:
        """Starts the parent run, adopts the one that `mlflow run` made, or goes on with that of a resumed search.

        Raises:
            TrackingError: the store cannot be reached or opened.
        """
        prepare_store()
        made = os.environ.get("MLFLOW_RUN_ID")
        if run_id and self._exists(run_id):
            self._parent = run_id
            self._client.update_run(run_id, status="RUNNING")
            self._pointer = True
        elif made:
            self._parent = made
        else:
            created = self._client.create_run(self._experiment_id, run_name=card.name, tags=self._source_tags())
            self._parent = created.info.run_id
        self._describe(card)
        return self._parent

    def log_progress(self, index: int, fitness: float, best: float) -> None:
        """Adds a point to the parent's curves; only parents are charted when their children are folded away."""
        if self._parent:
            now = _now()
            points = {"fitness": fitness, "best_fitness": best}
            metrics = [Metric(key, value, now, index) for key, value in points.items() if math.isfinite(value)]
            self._client.log_batch(self._parent, metrics=metrics)

    def close_search(
        self, status: str, metrics: Mapping[str, float], note: str, artifacts: Sequence[tuple[Path, str]]
    ) -> None:
        """Ends the parent run, and the pointer to it where `mlflow run` made one for a resumption."""
        if not self._parent:
            return
        now = _now()
        final = [Metric(key, value, now, 0) for key, value in metrics.items() if math.isfinite(value)]
        self._client.log_batch(self._parent, metrics=final, tags=[RunTag(_NOTE, note[:_LONGEST_TAG])])
        for file, folder in artifacts:
            if file.is_file():
                self._client.log_artifact(self._parent, str(file), folder or None)
        self._client.set_terminated(self._parent, status=status)
        if self._pointer:
            self.point_to(self._parent)

    def point_to(self, run_id: str) -> None:
        """Closes the run that `mlflow run` made for a resumption as a pointer to the search's own run."""
        made = os.environ.get("MLFLOW_RUN_ID")
        if not made or made == run_id or not self._exists(run_id):
            return
        search = self._client.get_run(run_id)
        now = _now()
        final = [Metric(key, value, now, 0) for key, value in search.data.metrics.items()]
        pointer_note = f"Resumed the search of run `{run_id}`; everything is there."
        tags = [RunTag("hivenas.resumes", run_id), RunTag(_NOTE, pointer_note)]
        self._client.log_batch(made, metrics=final, tags=tags)
        self._client.set_terminated(made, status=search.info.status)

    def _describe(self, card: SearchCard) -> None:
        assert self._parent
        known = self._client.get_run(self._parent).data.params
        params = [Param(key, value[:_LONGEST_PARAM]) for key, value in card.params.items() if key not in known]
        tags = {"hivenas.search": card.name, "hivenas.phase": "search", "hivenas.version": _version("hivenas")}
        tags |= _git_tags()
        self._client.log_batch(self._parent, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
        self._client.log_artifact(self._parent, str(card.config_file))
        for picture in card.pictures:
            self._client.log_artifact(self._parent, str(picture), "plots")
        if card.data:
            self._client.log_inputs(self._parent, datasets=[_dataset_input(card.data)])

    def _exists(self, run_id: str) -> bool:
        try:
            return str(self._client.get_run(run_id).info.lifecycle_stage) == "active"
        except MlflowException:
            return False

    def _source_tags(self) -> dict[str, str]:
        return {"mlflow.source.name": self._command, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}

    # -- nested runs -------------------------------------------------------------------------------------------

    def log_child(self, child: Child) -> str:
        """Tracks a finished evaluation: one call to make the run, one for its figures, one for each file."""
        parent = self._parent or self._active()
        experiment = self._client.get_run(parent).info.experiment_id if parent else self._experiment_id
        tags = {key: value[:_LONGEST_TAG] for key, value in child.tags.items()}
        tags |= self._source_tags() | {"hivenas.version": _version("hivenas")}
        if parent:
            tags[_PARENT] = parent
        end = _now()
        seconds = child.metrics.get("seconds", 0.0)
        run = self._client.create_run(experiment, start_time=end - int(1000 * seconds), run_name=child.name, tags=tags)
        run_id: str = run.info.run_id
        params = [Param(key, value[:_LONGEST_PARAM]) for key, value in child.params.items()]
        metrics = _metrics(child, end)
        self._client.log_batch(run_id, metrics=metrics[:_LARGEST_BATCH], params=params)
        for start in range(_LARGEST_BATCH, len(metrics), _LARGEST_BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _LARGEST_BATCH])
        for file, folder in child.artifacts:
            self._client.log_artifact(run_id, str(file), folder)
        for path, text in child.texts.items():
            self._client.log_text(run_id, text, path)
        self._client.set_terminated(run_id, status="FAILED" if child.failed else "FINISHED", end_time=end)
        return run_id

    def _active(self) -> str | None:
        active = mlflow.active_run()
        if active:
            return str(active.info.run_id)
        return os.environ.get("MLFLOW_RUN_ID") or (self._home if self._home and self._exists(self._home) else None)


@dataclass(frozen=True, slots=True)
class ServableModel:
    """A fully trained model to log and register.

    Args:
        file: Keras model from raw images to probabilities.
        example: `.npy` file with a few raw images.
        run_id: of the full training.
        name: of the registered model; None to log it only.
        alias: of the registered version.
        origin: where it came from, as tags of the version.
        description: the same in markdown.
        stores: tracking and registry URI.
    """

    file: Path
    example: Path
    run_id: str
    name: str | None
    alias: str
    origin: Mapping[str, str]
    description: str
    stores: tuple[str, str]


def current_stores() -> tuple[str, str]:
    """The tracking and the registry URI of this process."""
    return mlflow.get_tracking_uri(), mlflow.get_registry_uri()


def prepare_store() -> None:
    """Makes sure that the store exists before several processes open it: sqlite databases are created once.

    Raises:
        TrackingError: the store cannot be reached or opened.
    """
    try:
        mlflow.MlflowClient().search_experiments(max_results=1)
    except MlflowException as error:
        reason = (str(error).splitlines() or [""])[0]
        raise TrackingError(
            f"the MLflow store {mlflow.get_tracking_uri()} does not answer: {reason}; start it, or set "
            "MLFLOW_TRACKING_URI to another one"
        ) from error


def publish(model: ServableModel) -> str:
    """Logs a model on its run, registers it and moves the alias; imports Keras, so call it in a worker.

    Returns:
        The model's URI: `models:/NAME@ALIAS`, or that of the logged model where it is not registered.
    """
    import keras
    import mlflow.tensorflow

    mlflow.set_tracking_uri(model.stores[0])
    mlflow.set_registry_uri(model.stores[1])
    network = keras.saving.load_model(model.file)
    example: np.ndarray[Any, Any] = np.load(model.example)
    with mlflow.start_run(run_id=model.run_id):
        logged = mlflow.tensorflow.log_model(
            network,
            name="model",
            signature=infer_signature(example, network.predict(example, verbose=0)),
            input_example=example,
            pip_requirements=[f"{name}=={_version(name)}" for name in ("tensorflow", "keras", "numpy", "mlflow")],
            registered_model_name=model.name,
        )
    if model.name is None:
        return str(logged.model_uri)
    client = mlflow.MlflowClient()
    number = logged.registered_model_version
    client.update_model_version(model.name, number, description=model.description)
    for key, value in model.origin.items():
        client.set_model_version_tag(model.name, number, key, value[:_LONGEST_TAG])
    client.set_registered_model_alias(model.name, model.alias, number)
    return f"models:/{model.name}@{model.alias}"


def _metrics(child: Child, end: int) -> list[Metric]:
    metrics = [Metric(key, float(value), end, 0) for key, value in child.metrics.items()]
    for figures in child.history:
        for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
            metrics.append(Metric(key, float(getattr(figures, key)), end, figures.epoch))
    return [metric for metric in metrics if math.isfinite(metric.value)]


def _dataset_input(data: Mapping[str, Any]) -> DatasetInput:
    dataset = Dataset(
        name=str(data["name"]),
        digest=str(data["digest"]),
        source_type="hivenas",
        source=json.dumps({"name": data["name"]}),
        schema=json.dumps({key: data[key] for key in ("shape", "dtype", "classes", "class_names")}),
        profile=json.dumps({split: data[split] for split in ("train", "validation", "test")}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _git_tags() -> dict[str, str]:
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _now() -> int:
    return int(time.time() * 1000)
