"""The moving average of a network's weights, which is validated and served in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


class WeightAverage:
    """The moving average of trainable weights, kept beside an optimizer's state and saved with it.

    It begins at the weights after the first step, and its decay warms up: after the step of number k (from 1) it is
    min(decay, (k − 1) / (k + 8)), so that short trainings are not judged by weights of their beginning. That is the
    warm-up min(decay, (1 + t) / (10 + t)) of TensorFlow's ExponentialMovingAverage, from the second step on.

    Args:
        network: whose trainable weights are averaged; what batch normalisation measures is left as it is.
        optimizer: built for them; it counts the steps.
        decay: share of the average that a step leaves, 0 < decay < 1.

    Source: B. T. Polyak and A. B. Juditsky, Acceleration of stochastic approximation by averaging, SIAM Journal on
    Control and Optimization 30 (1992); with a decay, as in C. Szegedy et al., Rethinking the Inception architecture
    (2016), section 8.
    """

    def __init__(self, network: keras.Model, optimizer: keras.optimizers.Optimizer, decay: float) -> None:
        self._network = network
        self._weights = network.trainable_variables
        self._optimizer = optimizer
        self._decay = decay
        self._averages = [optimizer.add_variable_from_reference(weight, name="average") for weight in self._weights]

    def update(self) -> None:
        """Takes the weights in, after a step of the optimizer; traced."""
        step = tf.cast(self._optimizer.iterations, tf.float32)
        decay = tf.minimum(self._decay, tf.maximum(step - 1.0, 0.0) / (step + 8.0))
        for weight, average in zip(self._weights, self._averages, strict=True):
            kept = tf.cast(decay, weight.dtype)
            average.assign(average * kept + weight * (1 - kept))

    def put(self) -> list[Any]:
        """Puts the averages in the weights' place; returns the weights."""
        raw = [tf.identity(weight.value) for weight in self._weights]
        for weight, average in zip(self._weights, self._averages, strict=True):
            weight.assign(average)
        return raw

    def put_back(self, raw: list[Any]) -> None:
        """Puts the weights that `put` returned back."""
        for weight, value in zip(self._weights, raw, strict=True):
            weight.assign(value)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Has the network hold the averages, and no optimizer, while the block runs, and all as it was afterwards.

        Keras makes the optimizer of a saved model anew, without averages, and refuses the state of one that has them.
        """
        raw = self.put()
        optimizer, compiled = self._network.optimizer, self._network.compiled
        self._network.optimizer, self._network.compiled = None, False
        try:
            yield
        finally:
            self._network.optimizer, self._network.compiled = optimizer, compiled
            self.put_back(raw)
