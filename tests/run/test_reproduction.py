"""Runs are trained again from what MLflow keeps of them alone."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner

from hivenas import api
from hivenas.cli.commands import main
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Trial
from hivenas.errors import DatasetError, MissingResultsError, TrackingError

pytestmark = [pytest.mark.keras, pytest.mark.slow]

SEARCH: dict[str, Any] = {
    "name": "again",
    "seed": 5,
    "dataset": {"name": "digits", "train_limit": 300},
    "space": {"depth": 2, "operations": ["sep3x3_32", "max_pool3x3", "dropout", "identity"]},
    "evaluation": {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"op": "SGD", "momentum": 0.9, "nesterov": True},
        "schedule": "exponential",
        "warmup_epochs": 0,
        "momentum_epochs": 2,
        "stopping": "median",
        "median": {"from_epoch": 1, "candidates": 2},
        "inherit": True,
        "inherit_epochs": 2,
        "augmentation": {"contrast": 0.5},
    },
    # Its onlookers inherit in the first iterations, so that few evaluations are of all kinds.
    "colony": {"kind": "canonical", "size": 4, "iterations": 2, "employee_ratio": 0.5},
    "full_train": {"epochs": 2, "finalists": 1},
    "registry": {"register": False},
    "execution": {"kind": "serial"},  # tests/test_end_to_end.py does it in workers
}


# Two first looks, two climbs to the third epoch, and one from there to the end.
CLIMBING: dict[str, Any] = {
    **SEARCH,
    "name": "climbing",
    "evaluation": {"epochs": 5, "batch_size": 32, "stopping": "ladder", "ladder": {"share": 0.8}},
    "colony": {"size": 2, "iterations": 1},
    "full_train": {"enabled": False},
}


@contextlib.contextmanager
def searched(store_uri: str, folder: Path, asked: dict[str, Any]) -> Iterator[list[Trial]]:
    """The records of a search whose results folder is gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store_uri)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        mlflow.set_tracking_uri(store_uri)
        finished = api.search(asked | {"results": {"dir": str(folder / "results")}}, progress=False)
        shutil.rmtree(folder / "results")
        yield list(finished.trials)
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def trials(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Trial]]:
    """A search with all that its candidates may have had."""
    with searched(store_uri, tmp_path_factory.mktemp("again"), SEARCH) as found:
        yield found


@pytest.fixture(scope="module")
def climbed(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Trial]]:
    """A search whose candidates have climbed a ladder."""
    with searched(store_uri, tmp_path_factory.mktemp("climbing"), CLIMBING) as found:
        yield found


def chosen(trials: list[Trial], kind: str) -> str:
    """The run of an evaluation of a kind."""
    if kind == "full_train":
        experiment = mlflow.MlflowClient().get_experiment_by_name("again")
        (run,) = mlflow.MlflowClient().search_runs([experiment.experiment_id], "tags.`hivenas.phase` = 'full_train'")
        return str(run.info.run_id)
    kinds: dict[str, Callable[[Trial], bool]] = {
        "stopped": lambda trial: trial.status == "stopped" and not trial.inherited,
        "heir": lambda trial: trial.status == "complete" and trial.inherited > 0,
        "momentum": lambda trial: trial.phase == "momentum",
    }
    return next(trial.run_id for trial in trials if kinds[kind](trial))


@pytest.mark.parametrize("kind", ["stopped", "heir", "momentum", "full_train"])
def test_a_run_is_trained_again_to_the_last_bit(store: str, trials: list[Trial], kind: str) -> None:
    reproduction = api.reproduce(chosen(trials, kind))
    assert reproduction.figures == []
    assert reproduction.environment == []
    assert [figures.epoch for figures in reproduction.history] == [f.epoch for f in reproduction.recipe.history]
    assert len(reproduction.history) >= 1


def test_a_training_ends_where_it_did_also_where_less_is_better(store: str, store_uri: str, tmp_path: Path) -> None:
    asked = {**CLIMBING, "name": "less", "evaluation": {**CLIMBING["evaluation"], "fitness": "log_loss"}}
    with searched(store_uri, tmp_path, asked) as trials:
        reproduction = api.reproduce(trials[0].run_id)
    assert [figures.epoch for figures in reproduction.history] == [1, 2]
    assert reproduction.figures == []


@pytest.mark.parametrize(
    ("index", "status", "epochs"), [(0, "paused", [1, 2]), (2, "paused", [3]), (4, "complete", [4, 5])]
)
def test_a_paused_training_and_its_continuations_are_made_again_to_the_last_bit(
    store: str, climbed: list[Trial], index: int, status: str, epochs: list[int]
) -> None:
    assert climbed[index].status == status
    reproduction = api.reproduce(climbed[index].run_id)
    assert reproduction.figures == []
    assert [figures.epoch for figures in reproduction.history] == epochs
    assert list(reproduction.history) == list(climbed[index].evaluation.history)


def test_what_differs_is_said_and_so_is_what_may_be_why(store: str, trials: list[Trial], tmp_path: Path) -> None:
    run_id = chosen(trials, "stopped")
    client = mlflow.MlflowClient()
    recipe = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/recipe.json"))
    first = recipe["history"][0]
    first["loss"] = math.nextafter(first["loss"], 0.0)
    recipe["environment"]["keras"] = "2.0"
    forged = client.create_run("0").info.run_id
    client.log_text(forged, json.dumps(recipe), "recipe.json")
    done = CliRunner().invoke(main, ["reproduce", forged])
    assert done.exit_code == 1
    assert "1 figure of 1 epoch differs" in done.output
    assert "loss of epoch 1" in done.output
    assert repr(first["loss"]) in done.output
    assert "keras  2.0" in done.output
    assert not ResultsFolder(tmp_path / "results", "again").path.exists()


def test_a_run_of_other_data_is_not_trained_again(store: str, trials: list[Trial]) -> None:
    recipe = json.loads(mlflow.artifacts.load_text(f"runs:/{chosen(trials, 'stopped')}/recipe.json"))
    recipe["environment"]["data"] = "0123456789abcdef"
    client = mlflow.MlflowClient()
    forged = client.create_run("0").info.run_id
    client.log_text(forged, json.dumps(recipe), "recipe.json")
    with pytest.raises(DatasetError, match=r"digest 0123456789abcdef first and \w+ now; other files of it lie on this"):
        api.reproduce(forged)


def test_what_cannot_be_reproduced_is_said_in_a_line(
    store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parent = mlflow.MlflowClient().create_run("0").info.run_id
    with pytest.raises(MissingResultsError, match=r"has no recipe\.json; give the run of a candidate"):
        api.reproduce(parent)
    with pytest.raises(MissingResultsError, match="there is no run 'unknown' in the MLflow store sqlite:"):
        api.reproduce("unknown")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="does not answer"):
        api.reproduce(parent)
