"""The main job on real data, through the commands that a user types."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from PIL import Image
from sklearn.datasets import load_digits

from hivenas import api
from hivenas.cli.commands import main
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.storage.export import CIRCUMSTANCES
from hivenas.tracking.models import TrackedModel

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parents[1]
TINY = """
name: {name}
seed: 5
dataset: {{name: digits, train_limit: 300}}
space: {{depth: 2, skip_rate: 0.2, operations: [sep3x3_32, max_pool3x3, dropout, identity]}}
evaluation: {{epochs: 3, batch_size: 32, momentum_epochs: 2, stopping: none, augmentation: {{shift: 0}}}}
colony: {{size: 4, iterations: 2}}
full_train: {{epochs: 3, finalists: 1}}
execution: {{workers: {workers}}}
results: {{dir: {results}}}
"""


def configuration(tmp_path: Path, name: str, results: str, workers: int = 1) -> Path:
    file = tmp_path / f"{results}.yaml"
    file.write_text(TINY.format(name=name, results=tmp_path / results, workers=workers))
    return file


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of this environment, whether or not that is activated."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path})


def records(folder: Path, without: Set[str] = CIRCUMSTANCES) -> list[dict[str, str]]:
    (file,) = folder.glob("*/*.csv")
    with file.open(newline="") as lines:
        return [{k: v for k, v in row.items() if k not in without} for row in csv.DictReader(lines)]


@dataclass(frozen=True)
class Job:
    """A search that `mlflow run` has carried out, and what MLflow showed of it then.

    Args:
        command: that carried it out.
        arguments: for commands of hivenas on the same search.
        output: what it printed.
        version: of the registered model.
        parent: the search's run.
        children: the runs of its evaluations and of the full training.
    """

    command: list[str]
    arguments: list[str]
    output: str
    version: ModelVersion
    parent: Run
    children: list[Run]


@pytest.fixture(scope="module")
def job(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A search takes a while, so one serves the tests of what it leaves and of its model."""
    folder = tmp_path_factory.mktemp("job")
    file, changed = configuration(folder, "job", "first"), "seed=6 full_train.epochs=4 colony.size=2"
    command = ["mlflow", "run", str(ROOT), "--env-manager", "local", "-P", f"config={file}", "-P", f"set={changed}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store_uri)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        # Where the person stands, the file's name is enough; other tests give the command from elsewhere.
        done = run(*[part.replace(str(file), file.name) for part in command])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"hivenas report --config {file.name} --set '{changed}'" in done.stdout
    client = mlflow.MlflowClient(store_uri, store_uri)
    version = client.get_model_version_by_alias("job", "champion")
    parent = client.get_run(client.get_run(version.run_id).data.tags["mlflow.parentRunId"])
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    arguments = ["--config", str(file), "--set", changed]
    return Job(command, arguments, done.stdout + done.stderr, version, parent, list(children))


def test_mlflow_run_searches_trains_and_registers(store: str, job: Job) -> None:
    client, version, parent, children = mlflow.MlflowClient(), job.version, job.parent, job.children
    training = client.get_run(version.run_id)
    phases = [child.data.tags["hivenas.phase"] for child in children]
    assert phases.count("full_train") == 1
    assert phases.count("evaluate") == parent.data.metrics["evaluations"] - phases.count("momentum")
    assert phases.count("momentum") >= 1
    assert {run_.info.status for run_ in [parent, *children]} == {"FINISHED"}
    for child in children:
        assert {"fitness", "epochs", "param_count", "seconds", "val_loss"} <= set(child.data.metrics)
        assert {"op_00", "op_01", "depth"} <= set(child.data.params)
        (weights,) = client.list_artifacts(child.info.run_id, "weights")
        assert weights.path.startswith(f"weights/{child.data.tags['hivenas.arch_hash']}")
    continued = next(child for child in children if child.data.tags["hivenas.phase"] == "momentum")
    assert continued.data.tags["hivenas.continues"] in {child.info.run_id for child in children}
    reproduction = api.reproduce(continued.info.run_id)  # in a worker, as it was trained
    assert reproduction.figures == reproduction.environment == []
    assert parent.data.params["seed"] == "6"
    assert version.tags["hivenas.search_run"] == parent.info.run_id
    pictures = {file.path for file in client.list_artifacts(training.info.run_id, "plots")}
    assert {"plots/confusion_matrix.png", "plots/confusion_matrix.csv"} <= pictures
    assert version.tags["hivenas.architecture"] == training.data.tags["hivenas.candidate"]
    assert "evaluation:" in (version.description or "")
    names = {"digits", "digits-validation", "digits-test"}
    assert all({each.dataset.name for each in run.inputs.dataset_inputs} == names for run in (parent, training))
    (logged,) = client.search_logged_models([training.info.experiment_id], f"source_run_id = '{version.run_id}'")
    assert {each.dataset_name for each in logged.metrics if each.key == "test_accuracy"} == {"digits-test"}
    assert training.data.metrics["test_accuracy"] == parent.data.metrics["test_accuracy"]
    assert training.data.metrics["test_accuracy_low"] < float(version.tags["hivenas.test_accuracy"]) < 1
    assert version.tags["hivenas.promoted"] == "true"
    note = parent.data.tags["mlflow.note.content"]
    assert 'load_model("models:/job@champion")' in note
    assert "version 1 of job is the champion: there was none before" in note
    assert "registered: version 1 of job is the champion: there was none before" in job.output
    assert "Successfully registered" not in job.output  # MLflow says the same in two lines

    again = run(*job.command, "-P", "resume=true")
    assert again.returncode == 0, again.stdout + again.stderr
    pointers = client.search_runs(["0"], f"tags.`hivenas.resumes` = '{parent.info.run_id}'")
    assert len(pointers) == 1
    assert pointers[0].data.metrics["test_accuracy"] == parent.data.metrics["test_accuracy"]


def test_the_registered_model_takes_raw_images(store: str, job: Job) -> None:
    version = job.version
    model = mlflow.pyfunc.load_model("models:/job@champion")
    expected = mlflow.MlflowClient().get_run(version.run_id).data.metrics["test_accuracy"]

    digits = load_digits()
    raw = digits.images[..., np.newaxis].astype(np.float32)
    data = NASInterface(None, {"dataset": {"name": "digits", "train_limit": 300}, "seed": 6}).eval_strategy.data
    in_test = (raw[:, None] == in_memory(data.x_test)[None]).all(axis=(2, 3, 4)).any(axis=1)
    answers = model.predict(raw[in_test]).argmax(axis=1)
    assert (answers == digits.target[in_test]).mean() == pytest.approx(expected, abs=1e-9)

    trained = CliRunner().invoke(main, ["train", *job.arguments, "--from-weights"])
    assert trained.exit_code == 0, trained.output
    newer = mlflow.MlflowClient().get_model_version("job", str(int(version.version) + 1))
    is_worse = float(newer.tags["hivenas.test_accuracy"]) < float(version.tags["hivenas.test_accuracy"])
    assert newer.aliases == ([] if is_worse else ["champion"])
    assert newer.tags["hivenas.promotion"] in trained.output
    assert newer.tags["hivenas.test_data"] == version.tags["hivenas.test_data"]

    serial = ("--set", "execution.kind=serial")  # a worker does it for examples/own_cell
    by_hand = CliRunner().invoke(main, ["arch", "input|conv3x3_8|output", *job.arguments, *serial])
    assert by_hand.exit_code == 0, by_hand.output
    assert "test accuracy" in by_hand.output


EVERYTHING = (
    "full_train.enabled=false colony.size=3 colony.iterations=3 colony.overlap=1 evaluation.stopping=median "
    "evaluation.median.from_epoch=1 "
    "evaluation.median.candidates=2 evaluation.first_look=2 evaluation.inherit=true evaluation.inherit_epochs=2 "
    "evaluation.augmentation.contrast=0.5 evaluation.augmentation.cutout=0.5"
)


def search(file: Path, *arguments: str) -> None:
    done = run("hivenas", "search", "--config", str(file), "--set", EVERYTHING, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_processes_two_workers_and_optunas_books_alone_give_the_same_bits(store: str, tmp_path: Path) -> None:
    results: list[Any] = []
    search(configuration(tmp_path, "same", "two_workers", workers=2))
    results.append(records(tmp_path / "two_workers"))
    # One worker, and another machine: it has neither the records nor the weights, only Optuna's mirror and MLflow.
    file = configuration(tmp_path, "same", "resumed")
    mirror = ("--set", f"optuna.storage=sqlite:///{tmp_path}/books.db")
    search(file, "--set", "colony.iterations=1", *mirror)
    shutil.rmtree(tmp_path / "resumed")
    search(file, "--resume", *mirror)
    results.append(records(tmp_path / "resumed"))
    assert results[0] == results[1]

    rows = results[0]
    assert any(row["status"] == "stopped" for row in rows), "no rule has ended a training"
    tracked = records(tmp_path / "two_workers", CIRCUMSTANCES - {"run_id"})
    evaluated = [row for row in tracked if row["phase"] == "evaluate"]
    heirs = [row for row in evaluated if float(row["inherited"])]
    assert heirs, "nothing was inherited"
    assert all(row["parent"] and row["inherited_epochs"] == "1" for row in heirs)
    assert all(bool(row["parent"]) == (row["bee"] != "scout") for row in evaluated)
    client = mlflow.MlflowClient()
    heir = client.get_run(heirs[0]["run_id"])
    assert client.get_run(heir.data.tags["hivenas.parent"]).data.tags["hivenas.candidate"] == heirs[0]["parent"]
    assert heir.data.metrics["inherited"] == float(heirs[0]["inherited"])


IMAGE_FOLDER = """
name: flags
seed: 3
dataset: {{name: image_folder, path: {path}, background: black}}
space: {{depth: 2, operations: [sep3x3_32, max_pool3x3, identity], max_params: 2_500}}
evaluation:
  epochs: 2
  batch_size: 16
  augmentation: {{affine: true, cutout: 0.5, saturation: 0.5, contrast: 0.5}}
colony: {{size: 3, iterations: 1}}
full_train: {{epochs: 12, finalists: 1}}
results: {{dir: {results}}}
"""


def test_a_folder_of_images_becomes_a_registered_model(store: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, channel in (("poppy", 0), ("cornflower", 2)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 90, (12, 10, 3), dtype=np.uint8)
            pixels[3:9, 2:8, channel] += 160
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    file = tmp_path / "flags.yaml"
    file.write_text(IMAGE_FOLDER.format(path=tmp_path / "images", results=tmp_path / "results"))
    done = run("hivenas", "search", "--config", str(file))
    assert done.returncode == 0, done.stdout + done.stderr

    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("flags", "champion")
    assert json.loads(version.tags["hivenas.classes"]) == ["cornflower", "poppy"]
    training = client.get_run(version.run_id)
    assert training.data.metrics["test_accuracy"] > 0.9
    assert training.data.metrics["param_count"] <= 2_500
    model = mlflow.pyfunc.load_model("models:/flags@champion")
    poppy = np.asarray(Image.open(tmp_path / "images/poppy/0.png"))[np.newaxis]
    assert model.predict(poppy).argmax() == 1
    assert "data: image_folder: 51 images to train, 13 to validate, 16 to test, 12×10×3" in done.stdout
    kept = TrackedModel("flags")
    assert (kept.scale, kept.background) == ((0, 255), (0, 0, 0))
    parent = training.data.tags["mlflow.parentRunId"]
    assert "plots/augmentation.png" in {artifact.path for artifact in client.list_artifacts(parent, "plots")}

    (tmp_path / "images/poppy/0.png").unlink()
    changed = "colony.iterations=2 execution.kind=serial"
    resumed = CliRunner().invoke(main, ["search", "--config", str(file), "--set", changed, "--resume"])
    assert resumed.exit_code == 2
    assert "are not those that the search" in resumed.stderr
