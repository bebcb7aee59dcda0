from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from hivenas.config.metrics import BUILT_IN_METRICS, Metric, metrics_of
from hivenas.core.measured import interval_told
from hivenas.core.nas.training.failures import NotFiniteError
from hivenas.core.nas.training.predictions import TestPredictions as Predictions
from hivenas.core.nas.training.predictions import bootstrap_interval, same_answers, wilson_interval

NAMES = ("cat", "dog", "owl")
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.0, 0.9, 0.1], [0.1, 0.1, 0.8]], np.float32
)
LABELS = np.array([0, 1, 1, 2, 2], np.int32)
IMAGES = np.arange(5 * 4).reshape(5, 2, 2, 1).astype(np.uint8)


@pytest.fixture
def answers() -> Predictions:
    return Predictions.of(PROBABILITIES, LABELS, IMAGES, NAMES)


def test_accuracy_loss_and_confusions(answers: Predictions) -> None:
    assert answers.accuracy == 0.6
    assert answers.loss == pytest.approx(-np.log([0.8, 0.7, 0.3, 0.1, 0.8]).mean())
    assert answers.confusion().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(("right", "count"), [(0, 1), (0, 360), (1, 1), (350, 360), (360, 360), (9_312, 10_000)])
def test_the_interval_of_a_share_is_wilsons(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_is_that_of_the_accuracy(answers: Predictions) -> None:
    assert answers.interval == wilson_interval(3, 5)


def test_another_figure_has_an_interval_of_resamples() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 400).astype(np.int32)
    scores = rng.dirichlet(np.ones(3), 400) + 0.6 * np.eye(3)[labels]
    accuracy, log_loss = BUILT_IN_METRICS["accuracy"], BUILT_IN_METRICS["log_loss"]
    right = int((scores.argmax(axis=1) == labels).sum())
    assert bootstrap_interval(accuracy, labels, scores) == pytest.approx(wilson_interval(right, 400), abs=0.01)
    losses = -np.log(scores[np.arange(400), labels])
    half = 1.96 * losses.std() / 20
    expected = (losses.mean() - half, losses.mean() + half)
    low, high = bootstrap_interval(log_loss, labels, scores)
    assert (low, high) == pytest.approx(expected, abs=0.1 * half)
    assert (low, high) == bootstrap_interval(log_loss, labels, scores)


def test_resamples_without_a_value_are_left_out() -> None:
    labels, scores = np.array([0, 1], np.int32), np.eye(2, dtype=np.float32)
    both = Metric("both", "both", "", lambda labels, scores: 0.5 if len(set(labels.tolist())) > 1 else np.nan)
    assert bootstrap_interval(both, labels, scores) == (0.5, 0.5)
    never = Metric("never", "never", "", lambda labels, scores: np.nan)
    assert np.isnan(bootstrap_interval(never, labels, scores)).all()


@pytest.mark.parametrize("name", ["auc", "balanced_accuracy", "f1_macro"])
def test_resamples_that_lack_a_rare_class_are_none_of_the_split(name: str) -> None:
    labels = np.array([0] * 150 + [1] * 147 + [2] * 3, np.int32)
    right = np.eye(3, dtype=np.float32)[labels]
    assert bootstrap_interval(BUILT_IN_METRICS[name], labels, right) == (1.0, 1.0)
    never_named = np.where(labels[:, None] == 2, np.eye(3, dtype=np.float32)[0], right)
    assert bootstrap_interval(BUILT_IN_METRICS[name], labels, never_named)[1] < 0.9
    each_once = np.arange(40, dtype=np.int32)
    low, high = bootstrap_interval(BUILT_IN_METRICS[name], each_once, np.eye(40, dtype=np.float32))
    assert interval_told(low, high, name) == "not known"


def test_resamples_that_lack_a_rare_label_are_none_of_the_split() -> None:
    labels = np.zeros((200, 2), np.float32)
    labels[:100, 0] = labels[:2, 1] = 1
    assert bootstrap_interval(metrics_of("multilabel")[0], labels, labels) == (1.0, 1.0)
    numbers = np.linspace(0, 1, 50, dtype=np.float32)
    low, high = bootstrap_interval(metrics_of("regress")[0], numbers, numbers[:, None] * 1.1)
    assert 0 < low < high


def test_all_metrics_are_measured_and_the_one_that_is_looked_for_with_its_interval(answers: Predictions) -> None:
    usual = answers.measured(BUILT_IN_METRICS["accuracy"])
    assert set(usual) == {"test_metrics", "test_per_class"}
    assert set(usual["test_metrics"]) == {each.name for each in metrics_of("classify")} - {
        "top_5"
    }  # which says nothing of three classes
    assert usual["test_metrics"]["accuracy"] == answers.accuracy
    assert usual["test_per_class"]["dog"] == pytest.approx({"recall": 0.5, "precision": 0.5, "f1": 0.5})
    found = answers.measured(BUILT_IN_METRICS["f1_macro"])
    assert (found["metric"], found["test_f1_macro"]) == ("f1_macro", usual["test_metrics"]["f1_macro"])
    assert found["test_f1_macro_low"] < found["test_f1_macro"] < found["test_f1_macro_high"]


def test_the_surest_mistake_comes_first_with_its_raw_image(answers: Predictions) -> None:
    assert answers.mistakes.tolist() == [3, 2]
    assert np.array_equal(answers.pictures, IMAGES[[3, 2]])


@pytest.mark.parametrize(
    ("named", "labels", "never"),
    [
        ([0, 0, 0], [0, 1, 2], ("dog", "owl")),
        ([0, 1, 2], [2, 1, 0], ()),
        ([0, 0, 0], [0, 0, 0], ()),  # the split has no others
        ([1, 1, 2], [0, 1, 1], ("cat",)),
    ],
)
def test_classes_that_no_image_is_taken_for_are_named(named: list[int], labels: list[int], never: tuple[str]) -> None:
    probabilities = np.eye(3, dtype=np.float32)[named]
    answers = Predictions.of(probabilities, np.array(labels, np.int32), IMAGES[:3], NAMES)
    assert answers.never_named == never


def test_a_certain_mistake_has_a_finite_loss() -> None:
    sure = Predictions.of(np.array([[1.0, 0.0]], np.float32), np.array([1], np.int32), IMAGES[:1], NAMES[:2])
    assert np.isfinite(sure.loss)
    assert sure.loss > 10


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_none(broken: float) -> None:
    with pytest.raises(NotFiniteError, match="the answers to 1 of 5 test images are not finite"):
        Predictions.of(np.where(PROBABILITIES == 0.7, np.float32(broken), PROBABILITIES), LABELS, IMAGES, NAMES)


def test_what_is_saved_is_read_back(answers: Predictions, tmp_path: Path) -> None:
    answers.save(tmp_path / "answers.npz")
    loaded = Predictions.load(tmp_path / "answers.npz")
    assert loaded.class_names == NAMES
    for name in ("probabilities", "labels", "mistakes", "pictures"):
        assert np.array_equal(getattr(loaded, name), getattr(answers, name))


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ([[1005.0], [1001.0]], [[1005.9], [1000.1]], False),
        ([[1985.0], [2020.0]], [[1983.1], [2021.9]], False),
        ([[1005.0], [1001.0]], [[1005.0005], [1001.0]], True),
        ([[0.5], [0.1]], [[0.50001], [0.1]], True),
        ([[3.0], [3.0]], [[3.0], [3.0]], True),
        ([[3.0], [3.0]], [[3.01], [3.0]], False),
    ],
)
def test_numbers_are_the_same_by_their_deviation(one: Any, other: Any, are_same: bool) -> None:
    assert same_answers(one, other, relative=False) is are_same
