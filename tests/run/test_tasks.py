"""Searches for networks that answer labels, or a number, from the first candidate to what is predicted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from sklearn import metrics as theirs

import hivenas
from hivenas.cli.commands import main
from hivenas.config import from_mapping
from hivenas.config.tasks import TASKS
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.task_predictions import NumberPredictions
from hivenas.core.records import Direction
from hivenas.core.tracker import NullTracker
from hivenas.errors import DatasetError
from tests.searches import InterruptsAt, small_search

pytestmark = [pytest.mark.keras, pytest.mark.slow]


def rectangles() -> tuple[NDArray[np.uint8], NDArray[np.float64], list[str]]:
    """Images of a bright rectangle each, all of them different; its area, and what of it is large."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (120, 6, 6, 1)).astype(np.uint8)
    sides = rng.integers(1, 6, (120, 2))
    for image, (height, width) in zip(images, sides, strict=True):
        image[:height, :width] += 200
    names = [";".join(np.array(["high", "wide"])[side > 3]) for side in sides]
    return images, 1_000.0 + 10 * sides.prod(axis=1), names


def config(folder: Path, task: str, labels: Sequence[Any] | None = None, **evaluation: Any) -> dict[str, Any]:
    images, areas, names = rectangles()
    given = labels if labels is not None else areas if task == "regress" else names
    np.savez(folder / "x.npz", x_train=images, y_train=np.array(given))
    np.savez(folder / "images.npz", images=images[:3])
    dataset = {"name": "npz", "path": str(folder / "x.npz")}
    return small_search(folder, task, dataset, size=2, batch_size=20, **evaluation) | {"task": task}


def test_numbers_are_searched_for_in_their_unit_and_a_search_for_them_resumes(tmp_path: Path) -> None:
    given = config(tmp_path, "regress", augmentation={"mixup": 0.2}) | {"results": {"dir": str(tmp_path / "whole")}}
    whole = hivenas.search(given, progress=False)
    assert (whole.direction, whole.metric) == (Direction.MINIMIZE, "validation RMSE")
    assert whole.best
    assert whole.best.fitness == min(trial.fitness for trial in whole.trials) < 100  # of areas of 1,010 to 1,250
    for trial in whole.trials:
        last, figures = trial.evaluation.history[-1], trial.evaluation.extra
        assert trial.fitness == last.metric == figures["metrics"]["rmse"]
        assert last.val_accuracy == pytest.approx(1 - last.val_loss, abs=1e-5)
        assert figures["task"] == "regress"
        assert figures["per_class"] == {}
    cut = given | {"results": {"dir": str(tmp_path / "cut")}}
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(cut, callbacks=[InterruptsAt(1)], progress=False)
    resumed = hivenas.search(cut, resume=True, progress=False)
    assert [(each.candidate, each.evaluation.history) for each in resumed.trials] == [
        (each.candidate, each.evaluation.history) for each in whole.trials
    ]


def test_a_network_of_numbers_goes_on_and_is_tested_as_scikit_learn_would(tmp_path: Path) -> None:
    given = from_mapping(config(tmp_path, "regress", fitness="mae"))
    interface = NASInterface.from_config(given, tracker=NullTracker())
    data = interface.eval_strategy.data
    network = interface.eval_strategy.instantiate_network("input|identity|output")
    spread = network(np.zeros((1, 6, 6, 1), np.float32)).numpy() - data.y_train.mean()
    assert abs(float(spread[0, 0])) < data.y_train.std()  # it begins at the mean, whatever the unit
    first = interface.eval_strategy.evaluate("input|identity|output")
    more = interface.eval_strategy.momentum_eval("input|identity|output", first.filename, 1)
    assert [each.epoch for each in more.history] == [3]
    found = interface.train_custom_arch("input|identity|output")
    assert set(found) == {"fitness", "epochs", "filename", "params", "momentum", "test_mae", "test_loss"}
    saved = next((tmp_path / "regress" / "weights").glob("*-full.npz"))
    answers = NumberPredictions.load(saved)
    assert found["test_mae"] == pytest.approx(theirs.mean_absolute_error(data.y_test, answers.answers))
    assert found["test_loss"] == pytest.approx(theirs.mean_squared_error(data.y_test, answers.answers))
    wrong = np.abs(answers.answers - answers.labels)[:, 0]
    assert answers.worst[0] == wrong.argmax()


@pytest.mark.parametrize(("task", "made"), [("multilabel", "labels.png"), ("regress", "predicted_true.png")])
def test_a_model_is_registered_and_answers_in_the_words_of_its_task(
    tmp_path: Path, store: str, task: str, made: str
) -> None:
    given = config(tmp_path, task) | {"tracking": "mlflow", "tracking_live_s": 0}
    given["full_train"] = (
        {"epochs": 2, "finalists": 2, "ensemble": 2} if task == "multilabel" else {"epochs": 2, "finalists": 1}
    )
    result = hivenas.search(given, progress=False)
    tested, metric = result.tested, TASKS[task].fitness
    assert tested
    assert (tested.metric, tested.value) == (metric, result.test_metrics[metric])
    assert tested.low <= tested.value <= tested.high
    assert (result.test_accuracy, result.never_named) == (None, ())
    client = mlflow.MlflowClient(store)
    version = client.get_model_version_by_alias(task, "champion")
    assert version.tags["hivenas.task"] == task
    # A share to six places; a number in its unit, which may be a small one, to ten digits.
    rounding = 5.1e-7 if task == "multilabel" else 1e-9 * tested.value
    assert float(version.tags[f"hivenas.test_{metric}"]) == pytest.approx(tested.value, abs=rounding)
    low, high = map(float, version.tags[f"hivenas.test_{metric}_95"].split(" … "))
    assert (low, high) == pytest.approx((tested.low, tested.high), rel=1e-3)
    assert "hivenas.test_accuracy" not in version.tags
    assert "hivenas.classes" not in version.tags
    assert version.tags.get("hivenas.labels") == ('["high", "wide"]' if task == "multilabel" else None)
    assert result.best
    best = client.get_run(result.best.run_id).data
    assert TASKS[task].activation in best.tags["mlflow.note.content"]
    curves = best.metrics
    assert {f"val_{metric}", f"val_{TASKS[task].share}", "val_loss"} <= set(curves)
    told = [point.step for point in client.get_metric_history(result.best.run_id, f"val_{TASKS[task].share}")]
    assert told == [1, 2]
    assert not [name for name in curves if "accuracy" in name]
    plots = [file.name for file in (tmp_path / task / "plots").rglob("*.*")]
    assert {made, made.replace(".png", ".csv")} <= set(plots)
    page = (tmp_path / task / "report.html").read_text(encoding="utf-8")
    assert "ccuracy" not in page
    assert f"{TASKS[task].use.capitalize()} with it" in page
    answers = hivenas.predict(task, tmp_path / "images.npz")
    shown = CliRunner().invoke(main, ["predict", task, str(tmp_path / "images.npz"), "--json"])
    said = [json.loads(line) for line in shown.output.splitlines()]
    assert [each["index"] for each in said] == [0, 1, 2]
    assert said == [json.loads(answer.to_json()) for answer in answers]
    assert len(answers[0].cells()) == len(answers[0].head) == 2
    if task == "multilabel":
        for each in said:
            seen = {name: probability for name, probability in each["probabilities"].items() if probability > 0.5}
            assert set(each["probabilities"]) == {"high", "wide"}
            assert each["labels"] == sorted(seen, key=lambda name: -seen[name])
    else:
        assert 900 < said[0]["number"] < 1_400


@pytest.mark.parametrize(
    ("task", "labels", "said"),
    [
        (
            "regress",
            [f"size {n % 3}" for n in range(120)],
            "must hold numbers with task: regress, got text such as 'size",
        ),
        ("multilabel", [[n % 3, 1] for n in range(120)], "must hold 0 or 1 for every label of an image, got 2"),
    ],
)
def test_labels_of_another_task_are_refused_before_anything_is_trained(
    tmp_path: Path, task: str, labels: list[Any], said: str
) -> None:
    with pytest.raises(DatasetError, match=said):
        hivenas.search(config(tmp_path, task, labels), progress=False)
    assert list((tmp_path / task).glob("weights/*")) == []
