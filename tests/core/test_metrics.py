"""Every metric against scikit-learn's, on random answers to few and many classes, some of which are absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from hivenas.config.metrics import BUILT_IN_METRICS, Metric
from hivenas.core.measured import tracked_metrics
from hivenas.core.metrics import MetricError, all_metrics, auc, confusion, per_class, top_5, value_of


def drawn(classes: int, images: int, absent: int = 0, seed: int = 0) -> tuple[Any, Any]:
    """Labels of all classes but the last few, and probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(images) % (classes - absent)).astype(np.int32)
    logits = rng.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    shares = np.exp(logits)
    return labels, shares / shares.sum(axis=1, keepdims=True)


def areas(labels: Any, scores: Any) -> float:
    """The mean of the areas under the curves of the classes that there are images of."""
    found = [theirs.roc_auc_score(labels == code, scores[:, code]) for code in np.unique(labels)]
    return float(np.mean(found))


THEIRS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": lambda labels, scores: theirs.accuracy_score(labels, scores.argmax(axis=1)),
    "balanced_accuracy": lambda labels, scores: theirs.recall_score(
        labels, scores.argmax(axis=1), labels=np.unique(labels), average="macro"
    ),
    "f1_macro": lambda labels, scores: theirs.f1_score(labels, scores.argmax(axis=1), average="macro"),
    "auc": areas,
    "log_loss": lambda labels, scores: theirs.log_loss(labels, scores, labels=np.arange(scores.shape[1])),
    "top_5": lambda labels, scores: theirs.top_k_accuracy_score(labels, scores, k=5, labels=np.arange(scores.shape[1])),
}


@pytest.mark.parametrize(("classes", "images", "absent"), [(2, 40, 0), (6, 300, 0), (10, 90, 3), (120, 900, 7)])
@pytest.mark.parametrize("name", THEIRS)
def test_a_metric_is_scikit_learns(name: str, classes: int, images: int, absent: int) -> None:
    metric = BUILT_IN_METRICS[name]
    labels, scores = drawn(classes, images, absent)
    if classes < metric.least_classes:
        assert name not in all_metrics(labels, scores)
    else:
        assert metric(labels, scores) == pytest.approx(THEIRS[name](labels, scores), abs=1e-12)
        assert all_metrics(labels, scores)[name] == metric(labels, scores)


@pytest.mark.parametrize("name", THEIRS)
def test_right_answers_are_better_than_guesses_and_those_than_wrong_ones(name: str) -> None:
    metric, labels = BUILT_IN_METRICS[name], np.arange(60, dtype=np.int32) % 6
    sure = np.full((60, 6), 1e-6)
    sure[np.arange(60), labels] = 1 - 5e-6
    wrong = np.roll(sure, 1, axis=1) if name != "top_5" else 1 - sure
    values = [metric(labels, scores) for scores in (sure, np.full((60, 6), 1 / 6), wrong)]
    assert values == sorted(values, reverse=not metric.minimize)
    assert len(set(values)) == 3


@pytest.mark.parametrize("name", [name for name, metric in BUILT_IN_METRICS.items() if metric.choices])
def test_guessing_is_worth_one_of_so_many_choices(name: str) -> None:
    metric = BUILT_IN_METRICS[name]
    assert metric.choices
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 8, 20_000).astype(np.int32), rng.random((20_000, 8))
    assert metric(labels, scores) == pytest.approx(1 / metric.choices(8), abs=0.01)


def test_figures_of_every_class_are_scikit_learns() -> None:
    labels, scores = drawn(5, 80, absent=1)
    found = per_class(labels, scores, ("a", "b", "c", "d", "e"))
    precision, recall, f1, _ = theirs.precision_recall_fscore_support(
        labels, scores.argmax(axis=1), labels=range(5), zero_division=0
    )
    for code, name in enumerate("abcde"):
        expected = {"recall": recall[code], "precision": precision[code], "f1": f1[code]}
        assert found[name] == pytest.approx(expected)
    assert (confusion(labels, scores) == theirs.confusion_matrix(labels, scores.argmax(axis=1), labels=range(5))).all()
    assert per_class(labels, scores, tuple(map(str, range(101)))) == {}


def test_equal_scores_count_half_and_first_classes_come_first() -> None:
    labels, equal = np.array([0, 1, 2, 3, 4, 5], np.int32), np.full((6, 6), 1 / 6)
    assert auc(labels, equal) == 0.5
    assert auc(np.zeros(3, np.int32), equal[:3]) == 0.5  # nothing to be told from
    assert top_5(labels, equal) == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda labels, scores: float("nan"), "the metric 'mine' must give a finite number, got nan"),
        (lambda labels, scores: 1 / 0, "the metric 'mine' raised ZeroDivisionError: "),
        (lambda labels, scores: "much", "the metric 'mine' raised ValueError: could not convert"),
    ],
)
def test_one_of_ones_own_that_gives_no_number_is_named(function: Any, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        value_of(Metric("mine", "mine", "", function), *drawn(2, 10))


def test_what_has_a_curve_is_not_tracked_twice() -> None:
    figures = {"accuracy": 0.9, "f1_macro": 0.8, "auc": 0.7}
    tested = {"test_metrics": figures, "test_per_class": {"cat": {"recall": 0.5}}}
    assert tracked_metrics({"metrics": figures}) == {"val_f1_macro": 0.8, "val_auc": 0.7}
    assert tracked_metrics({"metrics": figures, "metric": "auc"}) == {"val_f1_macro": 0.8}
    assert tracked_metrics(tested) == {"test_f1_macro": 0.8, "test_auc": 0.7, "test_recall/cat": 0.5}
