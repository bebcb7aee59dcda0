"""The metrics of answers: functions of the images' classes and of the probabilities that they were given.

`config.metrics` has the record of each, under its name. Labels are whole numbers from 0 (images,), scores the
probability of every class (images, classes). A class of which there are no images counts where it was answered, and
nowhere else, as in scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.metrics import Metric, metrics_of
from hivenas.config.tasks import CLASSIFY
from hivenas.errors import first_line

Labels = NDArray[np.integer[Any]]
Scores = NDArray[np.floating[Any]]

SMALLEST = 1e-7  # that a probability counts as: of 0 the loss is infinite
_MOST_CLASSES = 100  # of more classes the figures of each are not recorded with every candidate


class MetricError(ValueError):
    """A metric of one's own has raised an exception, or given no finite number."""


def value_of(metric: Metric, labels: Any, scores: Any) -> float:
    """The value of a metric, as a finite number.

    Raises:
        MetricError: it raises, or gives none.
    """
    try:
        value = metric(labels, scores)
    except Exception as error:  # anyone's function may raise anything
        # Not `from` it, as then its own words would be told without the metric's name.
        raise MetricError(f"the metric {metric.name!r} raised {first_line(error)}") from None
    if not np.isfinite(value):
        raise MetricError(f"the metric {metric.name!r} must give a finite number, got {value}")
    return value


def all_metrics(labels: Any, scores: Any, task: str = CLASSIFY) -> dict[str, float]:
    """Every metric of hivenas' own that says something of a task's answers, of so many classes, by its name."""
    classes = scores.shape[1]
    known = (metric for metric in metrics_of(task) if metric.least_classes <= classes)
    return {metric.name: metric(labels, scores) for metric in known}


def per_class(labels: Labels, scores: Scores, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Recall, precision and F1 of every class, by its name; nothing of more than a hundred classes.

    Each is 0 where it would be 0 of 0.
    """
    if len(names) > _MOST_CLASSES:
        return {}
    counts = confusion(labels, scores)
    of_each = zip(_recalls(counts), _precisions(counts), _f1(counts), strict=True)
    keys = ("recall", "precision", "f1")
    return {
        name: dict(zip(keys, map(float, figures), strict=True)) for name, figures in zip(names, of_each, strict=True)
    }


def confusion(labels: Labels, scores: Scores) -> NDArray[np.int64]:
    """Count the images of a class (row) that were answered as another (column)."""
    classes = scores.shape[1]
    pairs = labels.astype(np.int64) * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(labels: Labels, scores: Scores) -> float:
    """Share of right answers, 0…1."""
    return float((scores.argmax(axis=1) == labels).mean())


def balanced_accuracy(labels: Labels, scores: Scores) -> float:
    """Mean of the recalls of the classes that there are images of, 0…1.

    Source: K. H. Brodersen et al., The balanced accuracy and its posterior distribution, ICPR (2010).
    """
    counts = confusion(labels, scores)
    return float(_recalls(counts)[counts.sum(axis=1) > 0].mean())


def f1_macro(labels: Labels, scores: Scores) -> float:
    """Mean of F1 = 2 · precision · recall / (precision + recall) of the classes that occur or are answered, 0…1.

    Source: C. J. van Rijsbergen, Information Retrieval (1979), chapter 7; the mean of F1 and not F1 of means, see
    J. Opitz and S. Burst, Macro F1 and macro F1 (2019).
    """
    counts = confusion(labels, scores)
    return float(_f1(counts)[(counts.sum(axis=0) + counts.sum(axis=1)) > 0].mean())


def auc(labels: Labels, scores: Scores) -> float:
    """Mean over the classes of the area under the ROC curve of one against the rest, 0…1; 0.5 where there is no curve.

    That area is the probability that an image of the class has a higher score of it than an image of another class;
    equal scores count half. Classes without images, or without images of others, are left out.

    Source: J. A. Hanley and B. J. McNeil, The meaning and use of the area under a receiver operating characteristic
    (ROC) curve, Radiology 143 (1982).
    """
    areas = []
    for code in range(scores.shape[1]):
        own = labels == code
        if not 0 < own.sum() < len(own):
            continue
        here, others = scores[own, code], np.sort(scores[~own, code])
        below, not_above = np.searchsorted(others, here), np.searchsorted(others, here, side="right")
        areas.append((below + not_above).mean() / (2 * len(others)))
    return float(np.mean(areas)) if areas else 0.5


def log_loss(labels: Labels, scores: Scores) -> float:
    """Mean cross-entropy in nats, 0…16.1: a probability counts as at least 10⁻⁷."""
    given = scores[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(given, SMALLEST)).mean())


def top_5(labels: Labels, scores: Scores) -> float:
    """Share of the images whose class is among the five with the highest scores, 0…1.

    Of classes with equal scores the one with the lower number comes first, as it does among answers.
    """
    own = scores[np.arange(len(labels)), labels][:, None]
    is_before = np.arange(scores.shape[1]) < labels[:, None]
    place = (scores > own).sum(axis=1) + ((scores == own) & is_before).sum(axis=1)
    return float((place < 5).mean())


def _recalls(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts.diagonal() / np.maximum(counts.sum(axis=1), 1))


def _precisions(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts.diagonal() / np.maximum(counts.sum(axis=0), 1))


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(2 * counts.diagonal() / np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1))
