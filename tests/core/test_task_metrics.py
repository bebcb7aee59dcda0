"""The metrics of several labels and of numbers against scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from hivenas.config.metrics import metric_named, metrics_of
from hivenas.core.label_metrics import per_label
from hivenas.core.metrics import all_metrics


def labels_and_scores(images: int, labels: int, seed: int = 0) -> tuple[Any, Any]:
    """Rows of 0 and 1, and probabilities in steps, so that many are equal, that know something of them."""
    rng = np.random.default_rng(seed)
    rows = (rng.random((images, labels)) < 0.3).astype(np.float32)
    scores = np.clip(np.round(0.3 + 0.3 * rows + rng.normal(0, 0.2, rows.shape), 1), 0, 1)
    return rows, scores.astype(np.float32)


OF_LABELS: dict[str, Callable[[Any, Any], float]] = {
    "f1_labels": lambda rows, scores: theirs.f1_score(rows, scores > 0.5, average="macro", zero_division=0),
    "average_precision": lambda rows, scores: theirs.average_precision_score(rows, scores, average="macro"),
    "exact_match": lambda rows, scores: theirs.accuracy_score(rows, scores > 0.5),
    "hamming": lambda rows, scores: theirs.hamming_loss(rows, scores > 0.5),
}
OF_NUMBERS: dict[str, Callable[[Any, Any], float]] = {
    "rmse": theirs.root_mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "r2": theirs.r2_score,
}


@pytest.mark.parametrize(("images", "labels"), [(60, 2), (60, 3), (400, 12)])
@pytest.mark.parametrize("name", OF_LABELS)
def test_a_metric_of_labels_is_scikit_learns(name: str, images: int, labels: int) -> None:
    rows, scores = labels_and_scores(images, labels)
    expected = OF_LABELS[name](rows, scores)
    assert metric_named(name)(rows, scores) == pytest.approx(expected, abs=1e-12)
    assert set(all_metrics(rows, scores, "multilabel")) == set(OF_LABELS)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_metric_of_numbers_is_scikit_learns(name: str) -> None:
    rng = np.random.default_rng(2)
    numbers = rng.normal(1_000, 30, (50, 1))
    for answers in (numbers + rng.normal(0, 9, numbers.shape), numbers, 0 * numbers):
        assert metric_named(name)(numbers, answers) == pytest.approx(OF_NUMBERS[name](numbers, answers), rel=1e-12)
    alike = np.ones((4, 1))
    assert metric_named("r2")(alike, alike) == 1.0
    assert metric_named("r2")(alike, 2 * alike) == 0.0
    assert {metric.name for metric in metrics_of("regress")} == set(OF_NUMBERS)


def test_figures_of_every_label_are_scikit_learns() -> None:
    rows, scores = labels_and_scores(90, 4)
    rows[:, 3], scores[:, 3] = 0, 0.1  # one that neither occurs nor is answered
    precision, recall, f1, _ = theirs.precision_recall_fscore_support(rows, scores > 0.5, zero_division=0)
    found = per_label(rows, scores, ("a", "b", "c", "d"))
    for place, name in enumerate("abcd"):
        expected = {"recall": recall[place], "precision": precision[place], "f1": f1[place]}
        assert found[name] == pytest.approx(expected)
    assert per_label(rows, scores, tuple(map(str, range(101)))) == {}
