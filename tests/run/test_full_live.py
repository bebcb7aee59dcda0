"""Full trainings that are shown while they go on, ended on the way; and the candidates that become logged models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

from hivenas.api import train_custom
from hivenas.config import load
from hivenas.core.nas.data.datasets import load_dataset
from hivenas.core.progress import Progress
from hivenas.run.callbacks import Callback
from hivenas.run.result import Trained
from tests.processes import Place
from tests.run.test_running import quick, runs_of, search

__all__ = ["quick", "search"]
pytestmark = [pytest.mark.keras, pytest.mark.slow]

SEARCH = """
name: live-full
seed: 5
dataset: {name: digits, train_limit: 64}
space: {depth: 1, operations: [max_pool3x3, dropout, identity]}
evaluation: {epochs: 1, batch_size: 16, augmentation: {shift: 0}}
colony: {size: 2, iterations: 1}
full_train: {epochs: 2, finalists: 1, keep: last}
results: {logged_models: 2, keep_weights: "best:1"}
registry: {promote_if: {accuracy: 1.0}}
tracking_live_s: 0
execution: {kind: serial, checkpoint_s: 1.0e-9}
"""


class Interrupts(Callback):
    """Ends a full training in the middle of its second epoch; notes which runs are RUNNING then."""

    def __init__(self) -> None:
        self.running: dict[str, set[str]] = {}

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        if progress.epoch == 1 and 0.3 < progress.share < 0.6:
            experiment = mlflow.MlflowClient().get_experiment_by_name("live-full")
            assert experiment
            found = mlflow.MlflowClient().search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
            self.running = {str(run.info.run_name): set(run.data.metrics) for run in found}
            raise KeyboardInterrupt


class Ends(Callback):
    """Ends trainings in the middle of their second epoch, so many times; notes the runs that go on then."""

    def __init__(self, experiment: str, times: int) -> None:
        self.running: list[Run] = []
        self.heard: list[tuple[str, int]] = []
        self._experiment, self._times = experiment, times

    def on_full_training(self, candidate: str, epochs: int) -> None:
        self.heard.append((candidate, epochs))

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        if progress.epoch == 1 and 0.3 < progress.share < 0.6:
            self.running = running_in(self._experiment)
            self._times -= 1
            if self._times >= 0:
                raise KeyboardInterrupt


def running_in(name: str) -> list[Run]:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(name)
    assert experiment
    return list(client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'"))


def by_name(place: Place) -> dict[str, Run]:
    return {str(run.info.run_name): run for run in runs_of(place)}


def test_a_search_ended_in_its_full_training_leaves_one_run_of_it_and_logged_models_of_the_best(
    search: Any, quick: None, tmp_path: Any
) -> None:
    place, interrupts = Place(tmp_path / "place", SEARCH), Interrupts()
    with pytest.raises(KeyboardInterrupt):
        search(place, interrupts)
    (training,) = set(interrupts.running) - {"live-full"}
    assert training.startswith("full_train-")
    assert interrupts.running[training] == {"loss", "accuracy", "val_loss", "val_accuracy"}  # of its first epoch
    before = by_name(place)[training]
    assert before.info.status == "KILLED"
    client = mlflow.MlflowClient(place.store_uri)
    for name in (training, "live-full"):
        client.update_run(by_name(place)[name].info.run_id, status="RUNNING")  # as a kill leaves it

    search(place, resume=True)
    runs = by_name(place)
    assert len(runs) == len(runs_of(place)) == 4  # two evaluations, the search's own
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs[training].info.run_id == before.info.run_id
    assert "hivenas.reason" not in runs[training].data.tags
    assert "hivenas.in_training" not in runs["live-full"].data.tags
    (history,) = (place.results / "training_history").glob("*-full.json")
    for figures in json.loads(history.read_text())["history"]:
        for curve in ("loss", "val_accuracy"):
            points = client.get_metric_history(runs[training].info.run_id, curve)
            assert [point.value for point in points if point.step == figures["epoch"]] == [figures[curve]]
    check_models(place, runs)


def test_a_full_training_of_other_settings_has_a_run_of_its_own(search: Any, quick: None, tmp_path: Any) -> None:
    place = Place(tmp_path / "place", SEARCH)
    with pytest.raises(KeyboardInterrupt):
        search(place, Interrupts())
    (first,) = [run for run in runs_of(place) if run.data.tags.get("hivenas.phase") == "full_train"]
    place.config.write_text(SEARCH.replace("epochs: 2, finalists", "epochs: 3, finalists"))
    search(place, resume=True)
    runs = [run for run in runs_of(place) if run.data.tags.get("hivenas.phase") == "full_train"]
    (second,) = [run for run in runs if run.info.run_id != first.info.run_id]
    client = mlflow.MlflowClient(place.store_uri)
    points = [client.get_metric_history(run.info.run_id, "val_loss") for run in (first, second)]
    assert [[point.step for point in each] for each in points] == [[1], [1, 2, 3]]
    assert [run.info.status for run in runs if run.info.run_id == first.info.run_id] == ["KILLED"]
    assert second.info.status == "FINISHED"


def check_models(place: Place, runs: dict[str, Run]) -> None:
    """The best candidate's can be loaded and answers as it was validated; the other's state was not kept."""
    client = mlflow.MlflowClient(place.store_uri)
    experiment = runs["live-full"].info.experiment_id
    ranked = client.search_logged_models([experiment], order_by=[{"field_name": "metrics.fitness", "ascending": False}])
    best, other = [model for model in ranked if model.name in runs]
    assert {str(best.status), str(other.status)} == {"READY"}
    assert ("mlflow.model.isExternal" in best.tags, "mlflow.model.isExternal" in other.tags) == (False, True)
    for model in (best, other):
        run = runs[model.name]
        assert model.source_run_id == run.info.run_id
        assert model.params.items() >= run.data.params.items()
        assert model.params["architecture"] == run.data.tags["hivenas.candidate"]
        assert float(model.params["params"]) == run.data.metrics["param_count"]
        figures = {metric.key: metric for metric in model.metrics or ()}
        assert {key: metric.value for key, metric in figures.items()} == run.data.metrics
        (split,) = [each.dataset for each in run.inputs.dataset_inputs if each.dataset.name == "digits-validation"]
        assert (figures["fitness"].dataset_name, figures["fitness"].dataset_digest) == (split.name, split.digest)
        assert len(client.get_metric_history(run.info.run_id, "val_accuracy")) == 1
    (final,) = client.search_logged_models([experiment], "name = 'model'")
    trained = next(run for run in runs.values() if run.info.run_id == final.source_run_id)
    assert final.params["architecture"] == trained.data.tags["hivenas.candidate"]
    assert float(final.params["params"]) == trained.data.metrics["param_count"]
    assert float(final.params["macs"]) == trained.data.metrics["macs"]
    assert final.tags["mlflow.source.name"] == trained.data.tags["mlflow.source.name"] == "hivenas search"
    assert other.creation_timestamp < best.creation_timestamp  # so that it is at the top of MLflow's page
    data = load_dataset(load(place.config).dataset, 5)
    answers = mlflow.pyfunc.load_model(best.model_uri).predict(data.x_val)
    assert np.mean(answers.argmax(axis=1) == data.y_val) == pytest.approx(runs[best.name].data.metrics["fitness"])
    (version,) = client.search_model_versions("name = 'live-full'")
    assert "is below the 1 of registry.promote_if" in version.tags["hivenas.promotion"]
    assert not client.get_registered_model("live-full").aliases


ALONE = """
name: alone
seed: 5
dataset: {name: digits, train_limit: 64}
evaluation: {epochs: 1, batch_size: 16, augmentation: {shift: 0}}
full_train: {epochs: 3, seeds: SEEDS, keep: last}
execution: {kind: serial, checkpoint_s: 1.0e-9}
"""
ARCH = "input|max_pool3x3|output"


@pytest.fixture
def train(store: str, template: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains an architecture in this process, outside a search, in a place with a store of its own."""

    def run(place: Place, *callbacks: Callback) -> Trained:
        if not place.results.exists():
            place.share_store(template)
        monkeypatch.chdir(place.folder)
        mlflow.set_tracking_uri(place.store_uri)
        mlflow.set_registry_uri(place.store_uri)
        return train_custom(str(place.config), ARCH, callbacks=callbacks)

    return run


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_training_outside_a_search_is_shown_and_no_run_of_it_goes_on_after_a_kill(
    train: Any, quick: None, tmp_path: Path, seeds: int
) -> None:
    text = ALONE.replace("SEEDS", str(seeds))
    whole = Place(tmp_path / "whole", f"{text}tracking_live_s: null\n")
    train(whole)
    expected = curves_of(whole)
    assert len(expected) == (seeds + 1 if seeds > 1 else 1)

    place = Place(tmp_path / "place", f"{text}tracking_live_s: 0\n")
    ends = Ends("alone", times=1)
    with pytest.raises(KeyboardInterrupt):
        train(place, ends)
    assert ends.heard == [(ARCH, 3)]
    (shown,) = ends.running
    assert shown.data.metrics.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}  # of its first epoch
    assert {run.info.status for run in runs_of(place)} == {"KILLED"}
    mlflow.MlflowClient().update_run(shown.info.run_id, status="RUNNING")  # as a kill leaves it

    goes_on = Ends("alone", times=0)
    trained = train(place, goes_on)
    assert {run.info.run_id for run in goes_on.running}.isdisjoint({shown.info.run_id})
    killed = mlflow.MlflowClient().get_run(shown.info.run_id)
    assert (killed.info.status, killed.data.tags["hivenas.reason"]) == ("KILLED", "ended with the process that made it")
    client = mlflow.MlflowClient()
    client.delete_run(shown.info.run_id)
    assert {run.info.status for run in runs_of(place)} == {"FINISHED"}
    assert trained.run_id in {run.info.run_id for run in runs_of(place)}
    assert curves_of(place) == expected


def curves_of(place: Place) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """The points of every run's curves, by its name."""
    client = mlflow.MlflowClient(place.store_uri)
    return {
        str(run.info.run_name): {
            curve: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, curve)]
            for curve in ("loss", "accuracy", "val_loss", "val_accuracy")
        }
        for run in runs_of(place)
    }
