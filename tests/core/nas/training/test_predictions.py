from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from hivenas.core.nas.training.failures import NotFiniteError
from hivenas.core.nas.training.predictions import TestPredictions as Predictions
from hivenas.core.nas.training.predictions import wilson_interval

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
