"""A trained model on its way from MLflow to a file, and the file on its way to MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner, Result

from hivenas import api
from hivenas.cli.commands import main
from hivenas.errors import ConfigError
from hivenas.run.exporting import _make
from hivenas.tracking.models import TrackedModel
from tests.rights import ordinary_rights

pytestmark = [pytest.mark.keras, pytest.mark.slow]

CONFIG = {
    "name": "taken",
    "seed": 7,
    "dataset": {"name": "digits", "train_limit": 200},
    "full_train": {"epochs": 1},
    "execution": {"kind": "serial"},
}


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


def test_a_trained_model_is_exported_and_told_to_mlflow_once(store: str, tmp_path: Path) -> None:
    trained = api.train_custom(CONFIG | {"results": {"dir": str(tmp_path / "results")}}, "input|conv3x3_8|output")
    run, accuracy = trained.run_id, trained.evaluation.extra["test_accuracy"]
    client = mlflow.MlflowClient()
    before = client.get_run(run).data.metrics["test_accuracy"]

    done = command(run, "--to", "litert")
    assert done.exit_code == 0, done.output
    table, _, rest = done.stdout.partition("\n\n")
    assert f"litert  {accuracy:.4f}         100.00%" in table
    assert "360 test images" in rest
    folder = tmp_path / "export" / "taken" / "litert"
    assert sorted(file.name for file in folder.iterdir()) == ["classes.txt", "export.json", "model.tflite"]
    assert (folder / "classes.txt").read_text().split() == [str(digit) for digit in range(10)]
    said = json.loads((folder / "export.json").read_text())
    assert {key: said[key] for key in ("shape", "dtype", "scale")} == {
        "shape": [8, 8, 1],
        "dtype": "float32",
        "scale": [0, 16],
    }
    assert said["test"] == {"accuracy": accuracy, "images": 360, "agreement": 1.0}
    assert said["bytes"] == (folder / "model.tflite").stat().st_size

    again = command(run, "--to", "litert", "--out", "elsewhere", "--json")
    (found,) = json.loads(again.stdout.splitlines()[-1])["exported"]
    assert Path(found["path"]) == tmp_path / "elsewhere" / "litert" / "model.tflite"
    experiment = client.get_run(run).info.experiment_id
    logged = client.search_logged_models([experiment], f"source_run_id = '{run}'")
    assert sorted(each.name for each in logged) == ["model", "model-litert"]
    (model,) = (each for each in logged if each.name == "model-litert")
    assert found["model_uri"] == model.model_uri
    figures = {each.key: each.value for each in model.metrics}
    assert figures["test_accuracy"] == accuracy
    assert figures["export_bytes"] == said["bytes"]
    files = mlflow.artifacts.list_artifacts(artifact_uri=model.model_uri)
    assert {"model.tflite", "classes.txt", "export.json"} <= {Path(file.path).name for file in files}
    # The run shows the figures of its own model, by which it is found too.
    assert client.get_run(run).data.metrics["test_accuracy"] == before
    assert TrackedModel(run).uri == trained.published.uri

    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "litert").touch()
    refused = command(run, "--to", "litert", "--out", "taken")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("hivenas: --out must be a folder in which litert/ can be made and written, got ")


def test_what_cannot_be_exported_is_one_line(store: str) -> None:
    unknown = command("none", "--to", "litert")
    assert unknown.exit_code == 2
    assert "the model 'none' is not in the MLflow store" in unknown.stderr
    assert command("none", "--to", "pickle").exit_code == 2


def test_a_file_is_no_place_for_exports(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(
        ConfigError, match=r"--out must be a folder .*, got .*README.md \(Not a directory\); give another"
    ):
        _make(tmp_path / "README.md" / "keras")
    (tmp_path / "litert").touch()
    with pytest.raises(ConfigError, match=r"in which litert/ can be made and written, got .* \(File exists\); give"):
        _make(tmp_path / "litert")


@pytest.mark.parametrize("closed", ["out", "out/keras"])
def test_a_folder_that_may_not_be_written_is_no_place_for_exports(tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "out" / "keras"
    folder.mkdir(parents=True)
    if closed == "out":
        folder.rmdir()
    (tmp_path / closed).chmod(0o500)
    with ordinary_rights(), pytest.raises(ConfigError, match=r"in which keras/ can .*/out \(Permission denied\); give"):
        _make(folder)
