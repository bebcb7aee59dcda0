from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.core.nas.pooling import max_pool, quick_max_pooling


def gradient(pool: Callable[[Any], Any], images: Any, upstream: Any) -> tuple[Any, Any]:
    with tf.GradientTape() as tape:
        tape.watch(images)
        pooled = pool(images)
    return pooled.numpy(), tape.gradient(pooled, images, upstream).numpy()


@pytest.mark.parametrize("size", [(3, 3), (2, 2), (4, 5), (1, 3), (3, 1), (5, 4)])
@pytest.mark.parametrize("shape", [(4, 8, 7, 3), (2, 5, 5, 1), (3, 5, 9, 2)])
def test_values_and_gradients_are_those_of_tensorflow_also_where_pixels_are_equal(
    size: tuple[int, int], shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    # Few different values: most windows have several largest pixels, as after a ReLU.
    images = tf.constant(rng.integers(0, 3, shape).astype(np.float32))
    upstream = tf.constant(rng.integers(-8, 8, shape).astype(np.float32))
    values, gradients = gradient(lambda x: max_pool(x, size), images, upstream)
    expected_values, expected = gradient(lambda x: tf.nn.max_pool2d(x, size, 1, "SAME"), images, upstream)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(gradients, expected)  # sums of small whole numbers are exact in any order


def test_an_image_smaller_than_the_window_is_left_to_tensorflow() -> None:
    images = tf.constant(np.random.default_rng(0).normal(size=(2, 2, 6, 1)).astype(np.float32))
    np.testing.assert_array_equal(max_pool(images, (3, 3)), tf.nn.max_pool2d(images, 3, 1, "SAME"))


def test_half_precision_stays_half_precision() -> None:
    images = tf.cast(tf.reshape(tf.range(2 * 4 * 4), (2, 4, 4, 1)), tf.float16)
    values, gradients = gradient(lambda x: max_pool(x, (3, 3)), images, tf.ones_like(images))
    assert values.dtype == gradients.dtype == np.float16
    assert gradients.sum() == 2 * 4 * 4


def test_a_network_is_left_as_it_was() -> None:
    inner = keras.Sequential([keras.layers.Input((6, 6, 2)), keras.layers.MaxPooling2D(3, strides=1, padding="same")])
    inputs = keras.layers.Input((6, 6, 2))
    outputs = keras.layers.MaxPooling2D(2)(inner(inputs))
    network = keras.Model(inputs, outputs)
    slow, fast = inner.layers[0], network.layers[-1]
    with quick_max_pooling(network):
        assert slow.call.func is max_pool
        assert "call" not in vars(fast)
        assert network(np.ones((1, 6, 6, 2), np.float32)).shape == (1, 3, 3, 2)
    assert "call" not in vars(slow)
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(slow)).pool_size == (3, 3)
