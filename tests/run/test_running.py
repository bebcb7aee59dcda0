"""Trainings that are shown while they go on, and are ended in the middle of an epoch or lose their store there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run

import hivenas
from hivenas.core import progress
from hivenas.core.nas.training import checkpoints
from hivenas.core.nas.training.stretches import Pace
from hivenas.core.progress import Progress
from hivenas.core.records import Proposal, Trial
from hivenas.run.callbacks import Callback
from tests.outcome import SUMMARY, differences, outcome
from tests.processes import Place

pytestmark = [pytest.mark.keras, pytest.mark.slow]

# Two first looks of two epochs, and a climb to the fourth.
SEARCH = """
name: live
seed: 5
dataset: {name: digits, train_limit: 96}
space: {depth: 1, operations: [max_pool3x3, dropout, identity]}
evaluation:
  epochs: 4
  batch_size: 16
  stopping: ladder
  ladder: {first_look: 2, share: 0.5, hold: 1.0}
  augmentation: {shift: 0}
colony: {size: 2, iterations: 1}
full_train: {enabled: false}
execution: {kind: serial, checkpoint_s: 1.0e-9}
"""
LIVE, NOT_LIVE = "tracking_live_s: 0\n", "tracking_live_s: null\n"


class Hears(Callback):
    """Notes what it hears; ends the search in the middle of one epoch, or takes the store away there."""

    def __init__(self, index: int, epoch: int, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.heard: list[tuple[int, int, float]] = []
        self.figures: list[tuple[int, int]] = []
        self._at = index, epoch - 1
        self._patch = monkeypatch

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        self.heard.append((proposal.index, progress.epoch, progress.share))
        self.figures += [(proposal.index, figures.epoch) for figures in progress.figures]
        if (proposal.index, progress.epoch) == self._at and 0.3 < progress.share < 0.6:
            if self._patch is None:
                raise KeyboardInterrupt
            self._patch.setattr(mlflow.MlflowClient, "log_batch", _answerless(mlflow.MlflowClient.log_batch))

    def on_trial(self, trial: Trial) -> None:
        if self._patch and trial.index == self._at[0]:
            self._patch.undo()


def _answerless(real: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise ConnectionError("the answer was lost")

    return call


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is a call of its own, after which the state is kept and progress told."""
    monkeypatch.setattr(Pace, "steps", lambda pace, left, most=None: 1)
    monkeypatch.setattr(checkpoints, "_SHARE", 0)
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)


@pytest.fixture
def search(store: str, tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Searches in this process, in a place with a store of its own."""

    def run(place: Place, *callbacks: Callback, resume: bool = False) -> None:
        if not resume:
            place.share_store(template)
        monkeypatch.chdir(place.folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", place.store_uri)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", place.store_uri)
        mlflow.set_tracking_uri(place.store_uri)
        mlflow.set_registry_uri(place.store_uri)
        hivenas.search(place.config, resume=resume, progress=False, callbacks=callbacks)

    return run


def runs_of(place: Place) -> list[Run]:
    client = mlflow.MlflowClient(place.store_uri)
    experiment = client.get_experiment_by_name(place.name)
    assert experiment
    return list(client.search_runs([experiment.experiment_id]))


def statuses(place: Place) -> list[str]:
    return sorted(f"{run.data.tags.get('hivenas.index', 'parent')} {run.info.status}" for run in runs_of(place))


def test_an_end_in_mid_epoch_and_a_lost_store_leave_what_a_search_leaves_that_nothing_happened_to(
    search: Any, quick: None, tmp_path: Path
) -> None:
    whole, ended = Place(tmp_path / "whole", SEARCH + NOT_LIVE), Place(tmp_path / "ended", SEARCH + LIVE)
    search(whole)
    expected = outcome(whole)
    assert [row["status"] for row in expected["table"]] == ["paused", "paused", "complete"]

    for index, epoch in ((1, 2), (2, 4)):
        hears = Hears(index, epoch)
        with pytest.raises(KeyboardInterrupt):
            search(ended, hears, resume=index > 1)
        assert statuses(ended) == [*(f"{n} FINISHED" for n in range(index)), f"{index} KILLED", "parent KILLED"]
        client = mlflow.MlflowClient(ended.store_uri)
        for run in runs_of(ended):
            if run.info.status == "KILLED":
                client.update_run(run.info.run_id, status="RUNNING")  # as a kill leaves it

    with pytest.MonkeyPatch.context() as patch:
        last = Hears(2, 4, patch)
        search(ended, last, resume=True)
    assert last.heard[0] == (2, 3, 0.0)
    assert last.heard[1][:2] == (2, 3)
    assert last.heard[1][2] > 0.3  # of the epoch at work what was kept is not done again
    assert last.figures == [(2, 3), (2, 4)]
    left = outcome(ended)
    for each in (expected, left):
        del each["mlflow"]["runs"]["parent"]["params"]["tracking_live_s"]
    assert not [line for line in differences(left, expected) if not line.startswith(SUMMARY)]
