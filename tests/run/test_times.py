"""When an evaluation was, as the table, MLflow and Optuna tell it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import mlflow
import optuna
import pytest

import hivenas
from hivenas.core.records import Evaluation, Proposal
from hivenas.objectives.numerical import Sphere
from hivenas.storage import open_search
from tests.run.test_loop import config, run


def area(width: int, height: int) -> float:
    time.sleep(0.03)
    if width == height:
        raise ValueError(f"{width} is a square")
    return float(width * height)


@pytest.fixture
def found(store: str, tmp_path: Path) -> hivenas.SearchResult:
    """A search over a function, of which some candidates fail."""
    config = {
        "name": "areas",
        "seed": 3,
        "colony": {"size": 4, "iterations": 3},
        "results": {"dir": str(tmp_path)},
        "optuna": {"storage": f"sqlite:///{tmp_path}/books.db"},
        "execution": {"kind": "serial"},
    }
    objective = hivenas.FunctionObjective(area, {"width": [1, 2, 3, 4], "height": [2, 3, 4]})
    return hivenas.search(config, objective=objective, progress=False)


def test_evaluations_of_a_function_say_when_and_where_they_were_to_everybody(
    found: hivenas.SearchResult, tmp_path: Path
) -> None:
    assert {trial.status for trial in found.trials} == {"complete", "failed"}
    client = mlflow.MlflowClient()
    study = optuna.load_study(study_name="areas", storage=f"sqlite:///{tmp_path}/books.db")
    for trial, copy in zip(found.trials, study.trials, strict=True):
        assert trial.seconds >= 0.02
        assert trial.evaluation.worker == f"{socket.gethostname()}-{os.getpid()}"
        ended = trial.started + trial.seconds
        run = client.get_run(trial.run_id)
        assert (run.info.start_time, run.info.end_time) == (int(1000 * trial.started), int(1000 * ended))
        assert run.data.metrics["seconds"] == trial.seconds
        assert copy.datetime_complete == datetime.fromtimestamp(ended)
        assert copy.datetime_start is not None
        assert copy.datetime_start.timestamp() == pytest.approx(trial.started, abs=1e-5)


def test_a_function_that_fails_says_why_and_where(found: hivenas.SearchResult) -> None:
    client = mlflow.MlflowClient()
    for trial in found.failed:
        assert re.fullmatch(r"ValueError: \d is a square", trial.reason)
        traceback = mlflow.artifacts.load_text(f"runs:/{trial.run_id}/traceback.txt")
        assert "in area" in traceback
        assert client.get_run(trial.run_id).info.status == "FAILED"


class Slow(Sphere):
    """As if every third evaluation, from the first, took longer than the two after it."""

    def run(self, proposal: Proposal) -> Evaluation:
        seconds = 50.0 if proposal.index % 3 == 0 else 2.0
        return replace(super().run(proposal), started=1e6 + 20 * proposal.index, seconds=seconds)


@pytest.mark.parametrize("stop_before", [0, 1, 5])
def test_the_best_so_far_gets_better_in_time_where_an_earlier_evaluation_ends_later(
    tmp_path: Path, stop_before: int
) -> None:
    settings = config(tmp_path, 2)
    with open_search(settings, 1) as ledger, contextlib.suppress(KeyboardInterrupt):
        run(ledger, settings, make=lambda rng: Slow(3, rng=rng), stop_before=stop_before)
    with open_search(settings, 1, resume=True) as ledger:
        tracker = run(ledger, settings, make=lambda rng: Slow(3, rng=rng))
        count = len(ledger.trials)
    ended = [int(1000 * (1e6 + 20 * index + (50 if index % 3 == 0 else 2))) for index in range(count)]
    assert ended != sorted(ended)
    for child in tracker.children:
        index = int(child.key.rpartition(":")[2])
        assert (child.start_ms, child.end_ms) == (1000 * (1_000_000 + 20 * index), ended[index])
        assert child.progress_ms == max(ended[: index + 1])
