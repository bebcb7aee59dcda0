"""Figures under the names that MLflow's stores keep."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from hivenas.core.children import Child
from hivenas.tracking.entities import metrics_of


def test_a_store_of_files_takes_the_figures_of_classes_of_which_one_is_named_as_the_folder_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"))
    run_id = client.create_run("0").info.run_id
    figures = {"test_recall/a": 0.1, "test_recall/a/b": 0.2, "test_recall/a_b": 0.3, "test_f1/a/b/c": 0.4, "loss": 0.5}
    client.log_batch(run_id, metrics=metrics_of(Child("0001", {}, {}, figures)))
    assert client.get_run(run_id).data.metrics == {
        "test_recall/a": 0.1,
        "test_recall/a_b": 0.2,
        "test_recall/a_b_": 0.3,
        "test_f1/a_b_c": 0.4,
        "loss": 0.5,
    }
