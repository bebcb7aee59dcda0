"""The loss of answers, before what layers add to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from hivenas.config import EvaluationConfig
from hivenas.config.losses import LOSSES
from hivenas.config.registry import import_callable

_GAMMA = 2.0  # the exponent of the focal loss, which its authors recommend


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


def focal(labels: Any, probabilities: Any, smoothing: float = 0.0) -> Any:
    """The focal loss of every answer, (1 − p)² · −ln p of the probability p of the right class; traced.

    Args:
        labels: the classes (images,), or shares of them (images, classes).
        probabilities: of every class (images, classes).
        smoothing: the share of a label that is spread evenly over all classes, 0 ≤ smoothing < 1.

    Source: T.-Y. Lin et al., Focal loss for dense object detection (2017), with γ = 2 and without α.
    """
    if labels.shape.rank == 1 and not smoothing:
        losses = cross_entropy(labels, probabilities)  # from logits, which is exact also where p is next to 0 or 1
        return losses * (-tf.math.expm1(-losses)) ** _GAMMA
    truth = labels if labels.shape.rank == 2 else tf.one_hot(labels, probabilities.shape[-1])
    return keras.losses.categorical_focal_crossentropy(
        truth, probabilities, alpha=1.0, gamma=_GAMMA, label_smoothing=smoothing
    )


def binary_cross_entropy(labels: Any, probabilities: Any, smoothing: float = 0.0) -> Any:
    """The mean over the labels of the cross-entropy of each, for every answer; traced.

    Args:
        labels: 0 or 1 for each, or shares (images, labels).
        probabilities: of every label (images, labels).
        smoothing: the share of a label that is spread evenly over 0 and 1, 0 ≤ smoothing < 1.

    Source: as of `cross_entropy`, for two classes a label.
    """
    return keras.losses.binary_crossentropy(labels, probabilities, label_smoothing=smoothing)


def mean_squared_error(labels: Any, answers: Any, smoothing: float = 0.0) -> Any:
    """The squared error of every answer; traced.

    Args:
        labels: (images, 1), in deviations of the training labels from their mean.
        answers: the same.
        smoothing: nothing is spread.
    """
    return tf.reduce_mean(tf.square(labels - answers), axis=-1)


def training_loss(config: EvaluationConfig, class_weights: Any) -> Callable[[Any, Any], Any]:
    """The loss of every training image as it is configured, a function of labels and probabilities; traced.

    Args:
        config: the `evaluation` section.
        class_weights: by which the loss of an image of each class is multiplied (classes,); None for none.
    """
    loss = import_callable(LOSSES[config.loss].path)
    if class_weights is None:
        return lambda labels, probabilities: loss(labels, probabilities, config.label_smoothing)

    def weighted(labels: Any, probabilities: Any) -> Any:
        losses = loss(labels, probabilities, config.label_smoothing)
        weights = tf.constant(class_weights, tf.float32)
        # Of mixed labels an image weighs what its classes do, by their shares.
        own = tf.linalg.matvec(labels, weights) if labels.shape.rank == 2 else tf.gather(weights, labels)
        return losses * own

    return weighted
