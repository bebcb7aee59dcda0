from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run

from hivenas.core.evaluation import EpochFigures, Evaluation, Proposal
from hivenas.core.seeds import arch_hash
from hivenas.core.tracker import SearchCard, child_of, operation_params
from hivenas.errors import TrackingError
from hivenas.tracking import MlflowTracker

ARCH = "input|sc_1|sep3x3_32|dropout|output"


def card(tmp_path: Path, name: str) -> SearchCard:
    file = tmp_path / f"{name}.yaml"
    file.write_text(f"name: {name}\n")
    data: dict[str, Any] = {"name": "digits", "digest": "abc", "shape": [8, 8, 1], "dtype": "float32", "classes": 10}
    data |= {"class_names": list("0123456789"), "train": 8, "validation": 1, "test": 1}
    picture = tmp_path / f"{name}.png"
    picture.write_bytes(b"a picture")
    return SearchCard(name, {"name": name, "evaluation.epochs": "2"}, file, data, [picture])


def evaluation(tmp_path: Path, status: str = "complete") -> Evaluation:
    if status == "failed":
        return Evaluation.failure(ARCH, "ValueError: too small", traceback="Traceback …")
    (tmp_path / "weights.h5").write_bytes(b"weights")
    history = (EpochFigures(1, 2.0, 0.3, 1.9, 0.35), EpochFigures(2, 1.0, 0.6, 0.9, 0.65))
    return Evaluation(
        ARCH,
        "complete",
        0.65,
        epochs=2,
        momentum=0.5,
        params=1234,
        filename="weights.h5",
        seconds=1.5,
        history=history,
    )


def log_child(tracker: MlflowTracker, tmp_path: Path, outcome: Evaluation) -> str:
    return tracker.log_child(
        child_of(
            Proposal(17, 2, "onlooker", 3, ARCH, 0.6),
            outcome,
            search="bees",
            phase="evaluate",
            params=operation_params(("sep3x3_32", "dropout"), (1, 0), 3),
            weights=tmp_path,
        )
    )


def run_of(run_id: str) -> Run:
    return mlflow.MlflowClient().get_run(run_id)


def test_a_search_is_one_parent_run_with_its_configuration_and_data(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    run_id = tracker.open_search(card(tmp_path, "bees"), None)
    tracker.log_progress(0, 0.5, 0.5)
    tracker.log_progress(1, 0.4, 0.5)
    tracker.close_search("FINISHED", {"evaluations": 2.0}, "# Search", [(tmp_path / "bees.yaml", "plots")])

    run = run_of(run_id)
    client = mlflow.MlflowClient()
    assert client.get_experiment(run.info.experiment_id).name == "bees"
    assert run.info.status == "FINISHED"
    assert run.data.params["evaluation.epochs"] == "2"
    assert run.data.tags["hivenas.phase"] == "search"
    assert run.data.tags["mlflow.note.content"] == "# Search"
    assert run.data.metrics["evaluations"] == 2.0
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "fitness")] == [(0, 0.5), (1, 0.4)]
    assert [m.value for m in client.get_metric_history(run_id, "best_fitness")] == [0.5, 0.5]
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    assert {file.path for file in client.list_artifacts(run_id)} == {"bees.yaml", "plots"}


def test_an_evaluation_is_a_nested_run_with_everything_on_it(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    parent = tracker.open_search(card(tmp_path, "bees"), None)
    run_id = log_child(tracker, tmp_path, evaluation(tmp_path))
    run = run_of(run_id)
    client = mlflow.MlflowClient()
    assert run.info.run_name == "0017-onlooker"
    assert run.info.status == "FINISHED"
    expected_tags = {
        "mlflow.parentRunId": parent,
        "hivenas.search": "bees",
        "hivenas.phase": "evaluate",
        "hivenas.index": "17",
        "hivenas.iteration": "2",
        "hivenas.bee": "onlooker",
        "hivenas.bee_id": "3",
        "hivenas.candidate": ARCH,
        "hivenas.arch_hash": arch_hash(ARCH),
        "hivenas.status": "complete",
    }
    assert expected_tags.items() <= run.data.tags.items()
    assert run.data.params == {
        "depth": "2", "op_00": "sep3x3_32", "op_01": "dropout", "op_02": "none", "skip_00": "sc_1",
    }  # fmt: skip
    figures = {"fitness": 0.65, "epochs": 2, "param_count": 1234, "momentum": 0.5, "seconds": 1.5}
    assert figures.items() <= run.data.metrics.items()
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "val_accuracy")] == [(1, 0.35), (2, 0.65)]
    assert [m.step for m in client.get_metric_history(run_id, "loss")] == [1, 2]
    assert [file.path for file in client.list_artifacts(run_id, "weights")] == ["weights/weights.h5"]
    assert run.info.end_time - run.info.start_time == 1500


def test_a_failed_evaluation_is_a_failed_run_with_its_traceback(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    tracker.open_search(card(tmp_path, "bees"), None)
    run_id = log_child(tracker, tmp_path, evaluation(tmp_path, "failed"))
    run = run_of(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["hivenas.reason"] == "ValueError: too small"
    assert "Traceback" in mlflow.artifacts.load_text(f"runs:/{run_id}/traceback.txt")


def test_the_run_that_mlflow_run_made_is_the_parent(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient()
    made = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    tracker = MlflowTracker("bees")
    assert tracker.open_search(card(tmp_path, "bees"), None) == made
    child = run_of(log_child(tracker, tmp_path, evaluation(tmp_path)))
    assert child.data.tags["mlflow.parentRunId"] == made
    assert child.info.experiment_id == "0"


def test_a_resumed_search_goes_on_in_its_run_and_the_new_one_points_to_it(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = MlflowTracker("bees").open_search(card(tmp_path, "bees"), None)
    made = mlflow.MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    tracker = MlflowTracker("bees")
    assert tracker.open_search(card(tmp_path, "bees"), first) == first
    tracker.close_search("FINISHED", {"evaluations": 2.0}, "# Search", [])
    assert run_of(first).info.status == "FINISHED"
    pointer = run_of(made)
    assert pointer.info.status == "FINISHED"
    assert pointer.data.tags["hivenas.resumes"] == first
    assert pointer.data.metrics["evaluations"] == 2.0
    assert "hivenas.resumes" not in run_of(first).data.tags


def test_a_long_training_keeps_every_epoch(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    tracker.open_search(card(tmp_path, "bees"), None)
    history = tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, epoch / 1000) for epoch in range(1, 501))
    run_id = log_child(tracker, tmp_path, Evaluation(ARCH, "complete", 0.5, 500, history=history))
    points = mlflow.MlflowClient().get_metric_history(run_id, "val_accuracy")
    assert [(m.step, m.value) for m in points] == [(epoch, epoch / 1000) for epoch in range(1, 501)]


def test_a_parent_run_that_was_deleted_is_not_resumed(store: str, tmp_path: Path) -> None:
    first = MlflowTracker("bees").open_search(card(tmp_path, "bees"), None)
    mlflow.MlflowClient().delete_run(first)
    assert MlflowTracker("bees").open_search(card(tmp_path, "bees"), first) != first


def test_a_deleted_experiment_is_named_with_the_way_out(store: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(TrackingError, match="mlflow experiments restore"):
        MlflowTracker("gone").open_search(card(tmp_path, "gone"), None)


def test_figures_that_are_not_finite_are_left_out(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    run_id = tracker.open_search(card(tmp_path, "bees"), None)
    tracker.log_progress(0, float("inf"), 3.0)
    assert run_of(run_id).data.metrics == {"best_fitness": 3.0}
