"""The evaluation of a trained model as MLflow's own writes it (`mlflow.models.evaluate`), of answers that were kept."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.models
import numpy as np
from mlflow.entities import Metric
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel
from numpy.typing import NDArray

from hivenas.config.tasks import task_of
from hivenas.core.nas.training.predictions import Tested
from hivenas.core.publication import ServableModel
from hivenas.errors import first_line
from hivenas.tracking.data_sets import data_of
from hivenas.tracking.store import use_stores

FOLDER = "evaluation"  # of its files, on the run
NOT_MADE = "hivenas.evaluation"  # a tag of the run
_COUNT = "example_count"  # a figure of every evaluation
# MLflow asks those of some libraries alone for probabilities, without which there are no curves; this one has no score.
_WITH_PROBABILITIES = "mlflow.catboost"
_NO_EXPLANATION = {"log_model_explainability": False, "log_explainer": False}


def log_evaluation(model: ServableModel, run_id: str, model_id: str, stores: tuple[str, str]) -> None:
    """Logs MLflow's evaluation of a model on its run, linked to the logged model and the test split, once.

    It is made in a store of its own, since MLflow would begin the run anew, and tell every figure twice. A model that
    it cannot be made of has none, and a tag that says why.

    Args:
        model: what was tested; `tested` holds what it answered.
        run_id: of its full training.
        model_id: of the logged model.
        stores: tracking and registry URI.
    """
    assert model.tested
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    if _COUNT in run.data.metrics:  # they come last
        return
    with tempfile.TemporaryDirectory(prefix="hivenas-") as folder:
        try:
            asked = _asked(model)
            with _apart(Path(folder), stores) as files:
                result = mlflow.models.evaluate(evaluators="default", **asked)
        except Exception as error:  # whatever a library raises at answers that it did not expect
            client.set_tag(run_id, NOT_MADE, f"MLflow's evaluation cannot be made: {first_line(error)}")
            return
        client.log_artifacts(run_id, str(files), FOLDER)
        time_ms = run.info.end_time or run.info.start_time  # so that another try adds nothing
        metrics = [
            Metric(key, float(value), time_ms, 0, model_id=model_id, run_id=run_id, **data_of(run, "test_"))
            for key, value in result.metrics.items()
            if np.isfinite(value)
        ]
        client.log_batch(run_id, metrics=metrics)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A model that gives the answers which were kept, whatever it is asked."""

    answers: NDArray[Any]

    def predict(self, images: object) -> NDArray[Any]:
        """The answer to each."""
        return self.answers


@dataclass(frozen=True, slots=True)
class _KeptWithProbabilities(_Kept):
    probabilities: NDArray[np.float64]

    def predict_proba(self, images: object) -> NDArray[np.float64]:
        """The probability of every class for each (images, classes)."""
        return self.probabilities


def _asked(model: ServableModel) -> dict[str, Any]:
    """The arguments of MLflow's evaluation."""
    known: Mapping[str, Any] = model.metadata["hivenas"]
    task = task_of(known)
    tested: Tested = task.piece("tested").load(model.tested)
    kept, labels, more = _of_classes(tested, known) if task.evaluator == "classifier" else _of_numbers(tested)
    described = Model()
    described.add_flavor("python_function", loader_module=_WITH_PROBABILITIES)
    images = np.arange(len(labels), dtype=np.float64)[:, None]
    return {
        "model": PyFuncModel(described, kept),
        "data": mlflow.data.from_numpy(images, targets=labels, name="answers", digest="kept"),
        "model_type": task.evaluator,
        "evaluator_config": _NO_EXPLANATION | more,
    }


def _of_classes(tested: Tested, known: Mapping[str, Any]) -> tuple[_Kept, NDArray[Any], dict[str, Any]]:
    """The answers of a classifier, the true classes and what else is to be known, all by the classes' names."""
    names = np.array([str(name) for name in known["class_names"]])
    order = np.argsort(names, kind="stable")  # MLflow has them in this one
    labels, probabilities = np.asarray(tested.labels), tested.answers.astype(np.float64)
    answers, true = names[probabilities.argmax(axis=1)], names[labels]
    if len(np.unique(true)) < len(names):  # there is no curve of a class without images
        return _Kept(answers), true, {}
    shares = probabilities[:, order] / probabilities.sum(axis=1, keepdims=True)  # in float32 they are 1 nearly
    return _KeptWithProbabilities(answers, shares), true, {"label_list": [str(name) for name in names[order]]}


def _of_numbers(tested: Tested) -> tuple[_Kept, NDArray[Any], dict[str, Any]]:
    labels = np.asarray(tested.labels, dtype=np.float64)
    return _Kept(tested.answers[:, 0].astype(np.float64)), labels.reshape(len(labels), -1)[:, 0], {}


@contextlib.contextmanager
def _apart(folder: Path, stores: tuple[str, str]) -> Iterator[Path]:
    """A run of its own, active in a store that goes with its folder; gives where its files are kept."""
    environment = {key: os.environ.pop(key, None) for key in ("MLFLOW_RUN_ID", "MPLBACKEND")}
    os.environ["MPLBACKEND"] = environment["MPLBACKEND"] or "agg"
    try:
        with _quiet():
            mlflow.set_tracking_uri(f"sqlite:///{folder / 'store.db'}")
            home = mlflow.create_experiment(FOLDER, artifact_location=(folder / "files").as_uri())
            with mlflow.start_run(experiment_id=home, nested=True, log_system_metrics=False) as run:
                yield folder / "files" / run.info.run_id / "artifacts"
    finally:
        use_stores(stores)
        for key, value in environment.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps MLflow from telling what it infers, and others from warning of classes that are never answered."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
