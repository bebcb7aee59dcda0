"""The metrics of several labels an image: functions of the labels and of the probabilities that they were given.

Labels are 0 or 1 for each (images, labels), scores their probabilities (images, labels); a label is answered where it
is more probable than not. `config.metrics` has the record of each, under its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.tasks import THRESHOLD

_MOST_LABELS = 100  # of more labels the figures of each are not recorded with every candidate

Rows = NDArray[Any]


def answered(scores: Rows) -> NDArray[np.bool_]:
    """The labels that are more probable than not (images, labels)."""
    found: NDArray[np.bool_] = scores > THRESHOLD
    return found


def f1_labels(labels: Rows, scores: Rows) -> float:
    """Mean over the labels of F1 = 2 · precision · recall / (precision + recall), 0…1; 0 where it would be 0 of 0.

    Source: as `metrics.f1_macro`, with scikit-learn's treatment of labels that neither occur nor are answered.
    """
    return float(np.mean(_figures(labels, scores)[2]))


def average_precision(labels: Rows, scores: Rows) -> float:
    """Mean over the labels of Σ (R_n − R_(n−1)) · P_n over the thresholds n, from the highest score down, 0…1.

    Labels that no image has are left out; 0 where none has any.

    Source: W. Su, Y. Yuan and M. Zhu, A relationship between the average precision and the area under the ROC curve,
    ICTIR (2015), as scikit-learn has it, without interpolation.
    """
    means = [
        _average_precision(labels[:, column] > 0, scores[:, column])
        for column in range(labels.shape[1])
        if labels[:, column].any()
    ]
    return float(np.mean(means)) if means else 0.0


def exact_match(labels: Rows, scores: Rows) -> float:
    """Share of the images all of whose labels are answered right, and no others, 0…1."""
    return float((answered(scores) == (labels > 0)).all(axis=1).mean())


def hamming(labels: Rows, scores: Rows) -> float:
    """Share of all labels of all images that are answered wrong, 0…1."""
    return float((answered(scores) != (labels > 0)).mean())


def per_label(labels: Rows, scores: Rows, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Recall, precision and F1 of every label, by its name; nothing of more than a hundred labels.

    Each is 0 where it would be 0 of 0.
    """
    return {} if len(names) > _MOST_LABELS else label_figures(labels, scores, names)


def label_figures(labels: Rows, scores: Rows, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Recall, precision and F1 of every label, by its name, of however many."""
    keys, of_each = ("recall", "precision", "f1"), zip(*_figures(labels, scores), strict=True)
    return {
        name: dict(zip(keys, map(float, figures), strict=True)) for name, figures in zip(names, of_each, strict=True)
    }


def _figures(labels: Rows, scores: Rows) -> tuple[Rows, Rows, Rows]:
    """Recall, precision and F1 of every label."""
    truth, found = labels > 0, answered(scores)
    right, there, named = (each.sum(axis=0) for each in (truth & found, truth, found))
    return (
        right / np.maximum(there, 1),
        right / np.maximum(named, 1),
        2 * right / np.maximum(there + named, 1),
    )


def _average_precision(own: NDArray[np.bool_], scores: Rows) -> float:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # the last of equal scores
    right = np.cumsum(own[order])[ends]
    gained = np.diff(right, prepend=0) / own.sum()
    return float((gained * right / (ends + 1)).sum())
