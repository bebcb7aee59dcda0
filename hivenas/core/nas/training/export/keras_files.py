"""Keras' own file, and TensorFlow's SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.core.nas.training.export.formats import Exportable


def write_keras(model: Exportable, path: Path) -> None:
    """Saves a model as Keras does."""
    model.network.save(path)


def open_keras(path: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Loads such a file; it answers through a graph that is traced once, as `predict` does."""
    network = keras.saving.load_model(path, compile=False)
    return lambda images: np.asarray(network.predict_on_batch(images))


def write_saved_model(model: Exportable, path: Path) -> None:
    """Saves a model as TensorFlow does, for batches of any size."""
    model.network.export(path, format="tf_saved_model", verbose=False)


def open_saved_model(path: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Loads such a folder, without Keras."""
    model = tf.saved_model.load(str(path))
    return lambda images: np.asarray(model.serve(tf.constant(images)))
