"""Draws of Keras' layers as functions of a seed, in the place of states that go on from draw to draw."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class Draws(keras.random.SeedGenerator):  # type: ignore[misc]  # Keras has no types
    """The generator that layers draw with: every draw has a seed of its own, of the given one and of its number.

    Args:
        seed: (2,), int32, of the graph or not.
        first: number of the first draw; whoever draws of the same seed begins with another.
    """

    def __init__(self, seed: Any, first: int = 0) -> None:
        # Without the base class's, which makes a variable.
        self._seed = seed
        self._count = first

    def next(self, ordered: bool = True) -> Any:
        """The seed of the next draw: (2,), int32."""
        self._count += 1
        return tf.stack([self._seed[0] + self._count, self._seed[1]])
