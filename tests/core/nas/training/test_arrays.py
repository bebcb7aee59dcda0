"""Images on their way to the device: the values that they would have if they went there in one piece."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.core.nas.training import arrays as module
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.standardisation import Standardisation

pytestmark = pytest.mark.keras


def dataset(images: np.ndarray) -> Dataset:
    labels = (np.arange(len(images)) % 2).astype(np.int32)
    few = images[:7], labels[:7]
    return Dataset("mine", images, labels, *few, *few, classes=2, class_names=("a", "b"))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 3)])
@pytest.mark.parametrize("block", [1, 1000, 10**6])
def test_images_are_standardised_in_blocks_to_the_last_bit(
    shape: tuple[int, int, int], dtype: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_CACHED", block)
    data = dataset((np.random.default_rng(1).random((53, *shape)) * 255).astype(dtype))
    arrays, scale = Arrays.of(data), Standardisation.of(data)
    pixels = in_memory(data.x_train).reshape(-1, shape[2]).astype(np.float64)
    deviation = np.sqrt(pixels.var(axis=0).astype(np.float32))
    for tensor, raw in ((arrays.x_train, data.x_train), (arrays.x_val, data.x_val)):
        whole = (in_memory(raw).astype(np.float32) - pixels.mean(axis=0).astype(np.float32)) / deviation
        assert np.array_equal(tensor.numpy(), whole)
        assert np.array_equal(module._moved(scale, in_memory(raw)).numpy(), whole)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float16", "float32", "float64"])
def test_images_are_standardised_in_the_graph_to_the_last_bit(dtype: str) -> None:
    data = dataset((np.random.default_rng(1).random((53, 5, 9, 3)) * 255).astype(dtype))
    scale = Standardisation.of(data)
    read = Arrays(data.x_train, tf.constant(data.y_train), data.x_val, tf.constant(data.y_val), scale).training
    chosen = np.random.default_rng(2).permutation(53).astype(np.int32)
    graph = tf.function(lambda *given: read.batch(7, 50, given)).get_concrete_function(*read.specs)
    x, y = graph(*read.take(chosen))
    assert np.array_equal(x.numpy(), scale.standardise(data.x_train[chosen[7:50]]))
    assert np.array_equal(y.numpy(), data.y_train[chosen[7:50]])
    assert np.array_equal(read.first(5), scale.standardise(data.x_train[:5]))


def test_beside_the_images_and_their_standardised_form_there_is_next_to_nothing() -> None:
    data = dataset(np.random.default_rng(1).integers(0, 256, (3000, 64, 64, 3), dtype=np.uint8))
    tracemalloc.start()  # of numpy's arrays; those that tensors are made in are not seen
    try:
        data.digest()
        data.remarks()
        Arrays.of(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < data.x_train.nbytes
