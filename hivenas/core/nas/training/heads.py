"""The ends of networks, a task each, and how their answers are judged while they train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig
from hivenas.config.tasks import THRESHOLD
from hivenas.core.nas.training.losses import binary_cross_entropy, cross_entropy, mean_squared_error, training_loss

UNIT = "unit"  # name of the layer that turns deviations into the labels' unit

Tensor = Any
# The last layers of a network, given what comes before them and the number of outputs.
Ending = Callable[[Tensor, int], Tensor]
# Of labels, answers and whether they are training's: the loss of every image, and its share of right answers; traced.
Judge = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]


def _as_it_is(network: keras.Model) -> Callable[[Tensor], Tensor]:
    return lambda values: values


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a task's networks, and how their answers are judged.

    Args:
        end: the last layers, given what comes before them, the number of outputs, and the training labels.
        loss: of labels and answers, of validation; with a share of 0 that is spread.
        share: of labels and answers, of every image, at most 1: what records have as its accuracy.
        unit: of a network, what labels and answers are turned into before they are compared.
    """

    end: Callable[[Tensor, int, NDArray[Any]], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    share: Callable[[Tensor, Tensor], Tensor]
    unit: Callable[[keras.Model], Callable[[Tensor], Tensor]] = _as_it_is

    def ending(self, labels: NDArray[Any]) -> Ending:
        """The last layers of networks that are trained on data with these training labels."""
        return lambda x, outputs: self.end(x, outputs, labels)

    def judge(self, network: keras.Model, config: EvaluationConfig, class_weights: Any) -> Judge:
        """The judgement of a network's answers.

        Args:
            network: that answers.
            config: the `evaluation` section.
            class_weights: by which the loss of a training image of each class is multiplied (classes,); None for none.
        """
        trained, unit = training_loss(config, class_weights), self.unit(network)

        def judged(labels: Tensor, answers: Tensor, training: bool) -> tuple[Tensor, Tensor]:
            labels, answers = unit(labels), unit(answers)
            losses = trained(labels, answers) if training else self.loss(labels, answers)
            return losses, self.share(labels, answers)

        return judged


def softmax(x: Tensor, outputs: int) -> Tensor:
    """The probabilities of classes."""
    # In float32 whatever the policy: probabilities and the loss would lose small values in float16.
    return layers.Dense(outputs, activation="softmax", dtype="float32", name="classes")(x)


def _softmax(x: Tensor, outputs: int, labels: NDArray[Any]) -> Tensor:
    return softmax(x, outputs)


def _sigmoid(x: Tensor, outputs: int, labels: NDArray[Any]) -> Tensor:
    """The probability of every label."""
    return layers.Dense(outputs, activation="sigmoid", dtype="float32", name="labels")(x)


def _linear(x: Tensor, outputs: int, labels: NDArray[Any]) -> Tensor:
    """A number in the labels' unit: what is learned is how many deviations it lies from the mean of the training's."""
    x = layers.Dense(outputs, dtype="float32", name="number")(x)
    exact = labels.astype(np.float64)
    return layers.Rescaling(float(exact.std()) or 1.0, offset=float(exact.mean()), dtype="float32", name=UNIT)(x)


def _in_deviations(network: keras.Model) -> Callable[[Tensor], Tensor]:
    """Numbers as deviations from the mean of the training labels, as the network's last layer has them."""
    layer = network.get_layer(UNIT)
    return lambda values: (values - layer.offset) / layer.scale


def _is_right_class(labels: Tensor, probabilities: Tensor) -> Tensor:
    if labels.shape.rank == 2:  # shares of classes, of which the largest is the right answer
        labels = tf.argmax(labels, axis=-1, output_type=tf.int32)
    answers = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    return tf.cast(tf.equal(answers, labels), tf.float32)


def _has_right_labels(labels: Tensor, probabilities: Tensor) -> Tensor:
    return tf.cast(tf.reduce_all(tf.equal(probabilities > THRESHOLD, labels > 0.5), axis=-1), tf.float32)


def _explained(labels: Tensor, answers: Tensor) -> Tensor:
    return 1.0 - mean_squared_error(labels, answers)


SOFTMAX = Head(_softmax, cross_entropy, _is_right_class)
SIGMOID = Head(_sigmoid, binary_cross_entropy, _has_right_labels)
LINEAR = Head(_linear, mean_squared_error, _explained, _in_deviations)
