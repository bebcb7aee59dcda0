"""Searches for something else than the accuracy, from the first candidate to the model that is registered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mlflow
import pytest

import hivenas
from hivenas.config import from_mapping
from hivenas.config.metrics import metrics_of, register_metric
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.progress import Progress, telling
from hivenas.core.records import Direction
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from tests.searches import InterruptsAt, small_search
from tests.trials import unspent

pytestmark = [pytest.mark.keras, pytest.mark.slow]


def config(folder: Path, **evaluation: Any) -> dict[str, Any]:
    dataset = {"name": "digits", "train_limit": 150}
    return small_search(folder, "looked_for", dataset, size=3, batch_size=40, **evaluation)


def test_the_best_has_the_least_log_loss_and_a_search_for_it_resumes(tmp_path: Path) -> None:
    whole = hivenas.search(config(tmp_path / "whole", fitness="log_loss"), progress=False)
    assert (whole.direction, whole.metric) == (Direction.MINIMIZE, "validation log loss")
    assert whole.best
    assert whole.best.fitness == min(trial.fitness for trial in whole.trials)
    for trial in whole.trials:
        last = trial.evaluation.history[-1]
        assert trial.fitness == last.metric == last.figure == trial.accuracies()[2]
        assert trial.fitness == trial.evaluation.extra["metrics"]["log_loss"] == pytest.approx(last.val_loss, rel=1e-5)
        assert trial.evaluation.extra["metrics"]["accuracy"] == pytest.approx(last.val_accuracy)
        assert set(trial.evaluation.extra["per_class"]) == set("0123456789")
    cut = config(tmp_path / "cut", fitness="log_loss")
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(cut, callbacks=[InterruptsAt(1)], progress=False)
    resumed = hivenas.search(cut, resume=True, progress=False)
    for one, other in zip(whole.trials, resumed.trials, strict=True):
        assert (one.candidate, one.fitness, one.evaluation.history) == (
            other.candidate,
            other.fitness,
            other.evaluation.history,
        )
        assert unspent(one.evaluation.extra) == unspent(other.evaluation.extra)
    with pytest.raises(ConfigError, match=r"evaluation\.fitness=log_loss, got evaluation\.fitness=auc"):
        hivenas.search(config(tmp_path / "cut", fitness="auc"), resume=True, progress=False)


def test_macro_f1_is_followed_to_the_registered_model(tmp_path: Path, store: str) -> None:
    given = config(tmp_path, fitness="f1_macro", class_weight="balanced", loss="focal")
    given |= {"tracking": "mlflow", "full_train": {"epochs": 2, "finalists": 1}, "colony": {"size": 2, "iterations": 1}}
    result = hivenas.search(given, progress=False)
    assert result.best
    assert result.full_training
    best, full = result.best, result.full_training
    assert best.fitness == max(trial.fitness for trial in result.trials) == best.evaluation.history[-1].metric
    kept = int(full.extra["kept_epoch"])
    assert full.fitness == full.history[kept - 1].metric == max(each.figure for each in full.history)
    tested = result.tested
    assert tested
    assert (tested.metric, tested.label, tested.value) == ("f1_macro", "macro F1", result.test_metrics["f1_macro"])
    assert tested.low < tested.value < tested.high
    client = mlflow.MlflowClient(store)
    child = client.get_run(best.run_id)
    assert child.data.metrics["val_auc"] == best.evaluation.extra["metrics"]["auc"]
    curve = client.get_metric_history(best.run_id, "val_f1_macro")
    assert [(each.step, each.value) for each in curve] == [
        (each.epoch, each.metric) for each in best.evaluation.history
    ]
    version = client.get_model_version_by_alias("looked_for", "champion")
    assert version.tags["hivenas.fitness"] == "f1_macro"
    assert version.tags["hivenas.test_f1_macro"] == f"{tested.value:.6f}"
    assert version.tags["hivenas.test_f1_macro_95"] == f"{tested.low:.4f} … {tested.high:.4f}"
    model_run = client.get_run(version.run_id).data.metrics
    assert model_run["test_f1_macro"] == tested.value
    assert model_run["test_recall/7"] == full.extra["test_per_class"]["7"]["recall"]
    assert client.get_run(result.run_id).data.metrics["test_f1_macro"] == tested.value
    page = (tmp_path / "looked_for" / "report.html").read_text(encoding="utf-8")
    assert "Validation macro F1 by epoch" in page


@pytest.mark.usefixtures("metrics_as_found")
def test_one_of_ones_own_ranks_candidates_and_fails_those_without_a_value(tmp_path: Path) -> None:
    def misses(labels: Any, scores: Any) -> float:
        return float((scores.argmax(axis=1) != labels).sum())

    register_metric("misses", misses, "minimize")
    given = config(tmp_path, fitness="misses")
    result = hivenas.search(given, progress=False)
    for trial in result.trials:
        right = trial.evaluation.history[-1].val_accuracy * 30
        assert trial.fitness == pytest.approx(30 - right, abs=1e-4)
    register_metric("misses", lambda labels, scores: math.nan, "minimize")
    interface = NASInterface.from_config(from_mapping(given), tracker=NullTracker())
    assert (interface.is_minimize, interface.describe().metric) == (True, "validation misses")
    told: list[Progress] = []
    with telling(lambda each: not told.append(each)):  # type: ignore[func-returns-value]
        failed = interface.eval_strategy.evaluate(str(result.trials[0].candidate))
    assert {each.metric for each in told} == {"misses"}
    assert (failed.status, failed.fitness) == ("failed", math.inf)
    assert failed.reason == "MetricError: the metric 'misses' must give a finite number, got nan"


def test_a_training_that_goes_on_has_the_metrics_that_it_would_have_had(tmp_path: Path) -> None:
    interface = NASInterface.from_config(from_mapping(config(tmp_path)), tracker=NullTracker())
    candidate = interface.sample()
    first = interface.eval_strategy.evaluate(candidate)
    history = json.loads(next((tmp_path / "looked_for" / "training_history").glob("*.json")).read_text())
    assert "metric" not in history["history"][0]
    assert history["extra"] == unspent(first.extra)
    assert list(first.extra["metrics"]) == [metric.name for metric in metrics_of("classify")]
    more = interface.eval_strategy.momentum_eval(candidate, first.filename, 1)
    assert more.extra["metrics"] != first.extra["metrics"]


def test_classes_that_there_are_not_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluation.class_weight must name classes of the data, 0, 1.* got 'ten'"):
        hivenas.search(config(tmp_path, class_weight={"ten": 2}), progress=False)
    assert list((tmp_path / "looked_for").glob("weights/*")) == []
