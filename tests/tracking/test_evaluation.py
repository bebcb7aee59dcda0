"""MLflow's own evaluation of a model, of the answers that its test has kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

from hivenas.core.children import UsedData
from hivenas.core.nas.training.predictions import TestPredictions as ClassPredictions
from hivenas.core.nas.training.task_predictions import NumberPredictions
from hivenas.core.publication import LoggedCandidate, ServableModel
from hivenas.tracking.candidates import log_without_network, logged_on
from hivenas.tracking.data_sets import dataset_inputs
from hivenas.tracking.evaluation import _of_classes, log_evaluation
from hivenas.tracking.store import current_stores

NAMES = ("cat", "ant", "bee")
LABELS = np.array([0, 1, 2] * 10, np.int32)


@pytest.fixture
def run(store: str, request: pytest.FixtureRequest) -> Run:
    """The finished run of a full training with a test split, in an experiment of the test's own."""
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment(re.sub(r"\W+", "-", request.node.name)), start_time=1_000)
    data = {"name": "digits", "digest": "d", "test_digest": "t", "test": 30}
    client.log_inputs(run.info.run_id, dataset_inputs(UsedData(data, ("training", "testing"))))
    client.set_terminated(run.info.run_id, end_time=2_000)
    return client.get_run(run.info.run_id)


def logged_model(run: Run) -> str:
    client = mlflow.MlflowClient()
    log_without_network(client, LoggedCandidate("", "model", {}, {}), run.info.run_id)
    (model,) = (each for each in logged_on(client, run) if each.name == "model")
    return str(model.model_id)


def servable(tested: Path, **known: Any) -> ServableModel:
    metadata = {"hivenas": known}
    return ServableModel(Path("m"), Path("m"), None, "", {}, "", metadata=metadata, tested=tested)


def probabilities() -> np.ndarray[Any, np.dtype[np.float32]]:
    drawn = np.random.default_rng(0).random((30, 3)) + 1.0 * np.eye(3)[LABELS]
    found: np.ndarray[Any, np.dtype[np.float32]] = (drawn / drawn.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def predictions(names: tuple[str, ...] = NAMES) -> ClassPredictions:
    images = np.zeros((30, 2, 2, 1), np.uint8)
    return ClassPredictions.of(probabilities(), LABELS, images, names)


def files_of(run: Run) -> set[str]:
    found = mlflow.MlflowClient().list_artifacts(run.info.run_id, "evaluation")
    return {Path(each.path).name for each in found}


@pytest.mark.slow
def test_a_classifier_has_figures_a_class_and_curves_linked_to_its_model_and_the_test_split(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)  # as under `mlflow run`
    tested = predictions()
    tested.save(tmp_path / "answers.npz")
    model_id, stores = logged_model(run), current_stores()
    log_evaluation(servable(tmp_path / "answers.npz", class_names=list(NAMES)), run.info.run_id, model_id, stores)
    assert (current_stores(), os.environ["MLFLOW_RUN_ID"]) == (stores, "0" * 32)
    client = mlflow.MlflowClient()
    after = client.get_run(run.info.run_id)
    assert (after.info.status, after.info.start_time, after.info.end_time) == ("FINISHED", 1_000, 2_000)
    figures = after.data.metrics
    assert figures["accuracy_score"] == pytest.approx(tested.accuracy)
    assert figures["log_loss"] == pytest.approx(tested.loss, rel=1e-5)
    assert figures["example_count"] == 30
    assert 0.5 < figures["roc_auc"] <= 1
    (linked,) = [each for each in client.get_logged_model(model_id).metrics if each.key == "roc_auc"]
    assert (linked.dataset_name, linked.dataset_digest) == ("digits-test", "t")
    curves = {"roc_curve_plot.png", "precision_recall_curve_plot.png", "calibration_curve_plot.png"}
    assert files_of(run) == curves | {"confusion_matrix.png", "per_class_metrics.csv"}
    table = client.download_artifacts(run.info.run_id, "evaluation/per_class_metrics.csv", str(tmp_path))
    lines = [line.split(",") for line in Path(table).read_text().splitlines()]
    recalls = {line[0]: float(line[lines[0].index("recall_score")]) for line in lines[1:]}
    expected = tested.confusion().diagonal() / 10
    assert recalls == pytest.approx(dict(zip(NAMES, expected, strict=True)))


@pytest.mark.slow
def test_numbers_are_evaluated_and_another_try_adds_nothing(run: Run, tmp_path: Path) -> None:
    labels = np.linspace(0, 29, 30, dtype=np.float32)[:, None]
    answers = labels + np.float32(0.5)
    NumberPredictions.of(answers, labels, np.zeros((30, 2, 2, 1), np.uint8), ("y",)).save(tmp_path / "answers.npz")
    model, model_id = servable(tmp_path / "answers.npz", task="regress"), logged_model(run)
    for _ in range(2):
        log_evaluation(model, run.info.run_id, model_id, current_stores())
    client = mlflow.MlflowClient()
    figures = client.get_run(run.info.run_id).data.metrics
    assert figures["root_mean_squared_error"] == pytest.approx(0.5)
    assert figures["max_error"] == pytest.approx(0.5)
    assert len(client.get_metric_history(run.info.run_id, "r2_score")) == 1


def test_what_cannot_be_evaluated_is_said_on_the_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "answers.npz").write_bytes(b"torn")
    log_evaluation(servable(tmp_path / "answers.npz", class_names=["a"]), run.info.run_id, "m-0", current_stores())
    tags = mlflow.MlflowClient().get_run(run.info.run_id).data.tags
    assert tags["hivenas.evaluation"].startswith("MLflow's evaluation cannot be made: ")


def test_probabilities_are_in_the_order_of_the_names_and_left_out_where_a_class_has_no_image() -> None:
    kept, labels, more = _of_classes(predictions(), {"class_names": list(NAMES)})
    assert more == {"label_list": ["ant", "bee", "cat"]}
    assert list(labels[:3]) == ["cat", "ant", "bee"]
    assert getattr(kept, "probabilities") == pytest.approx(probabilities()[:, [1, 2, 0]])  # noqa: B009
    four = ClassPredictions(np.pad(probabilities(), ((0, 0), (0, 1))), LABELS, (*NAMES, "dog"), np.arange(0), LABELS)
    kept, _, more = _of_classes(four, {"class_names": [*NAMES, "dog"]})
    assert (hasattr(kept, "predict_proba"), more) == (False, {})
