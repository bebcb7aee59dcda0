"""The loss of answers, before what layers add to it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def cross_entropy(labels: Any, probabilities: Any, smoothing: float = 0.0) -> Any:
    """The cross-entropy of every answer; traced.

    Args:
        labels: the classes (images,), or shares of them (images, classes).
        probabilities: of every class (images, classes).
        smoothing: the share of a label that is spread evenly over all classes, 0 ≤ smoothing < 1.

    Source: of smoothed labels, C. Szegedy et al., Rethinking the Inception architecture (2016), section 7.
    """
    if labels.shape.rank == 1 and not smoothing:
        return keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    truth = labels if labels.shape.rank == 2 else tf.one_hot(labels, probabilities.shape[-1])
    return keras.losses.categorical_crossentropy(truth, probabilities, label_smoothing=smoothing)
