"""Losses that layers add to that of the answers, by `add_loss` and by regularisers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf


def total_of(loss: Any) -> Any:
    """A loss that a layer or regulariser adds, of any shape and type, as `model.fit` counts it: its sum, in float32."""
    entries = tf.convert_to_tensor(loss)
    if entries.dtype == tf.float32 and entries.shape.rank == 0:
        return entries
    return tf.reduce_sum(tf.cast(entries, tf.float32))


@contextlib.contextmanager
def activities_in_float32(network: keras.Model) -> Iterator[None]:
    """Has layers of half precision regularise their activities in float32, while a graph is traced.

    A sum over a batch of activities is soon more than float16 can hold. The layers are as they were afterwards, since
    they are saved with their regularisers.
    """
    layers = network._flatten_layers(include_self=False)  # also those inside of others, as Keras finds their losses
    found = [layer for layer in layers if layer.activity_regularizer and "16" in str(layer.compute_dtype)]
    before = [layer.activity_regularizer for layer in found]
    try:
        for layer, regulariser in zip(found, before, strict=True):
            layer.activity_regularizer = functools.partial(_regularised, regulariser)
        yield
    finally:
        for layer, regulariser in zip(found, before, strict=True):
            layer.activity_regularizer = regulariser


def _regularised(regulariser: Callable[[Any], Any], activity: Any) -> Any:
    return regulariser(tf.cast(activity, tf.float32))
