"""LiteRT, TensorFlow Lite by its present name: in float32, and in whole numbers of 8 bits.

Source of the latter: B. Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.core.nas.training.export.formats import Exportable
from hivenas.core.nas.training.export.unit import append_unit, in_deviations

_NATIVE = (tf.lite.OpsSet.TFLITE_BUILTINS,)
_WHOLE_NUMBERS = (tf.lite.OpsSet.TFLITE_BUILTINS_INT8,)


def write(model: Exportable, path: Path) -> None:
    """Writes a model for one image at a time, with the operations that every LiteRT has: none of TensorFlow's own."""
    _export(model.network, path, {"target_spec": {"supported_ops": _NATIVE}})


def write_int8(model: Exportable, path: Path) -> None:
    """Writes a model whose weights, and all that it computes, are whole numbers of 8 bits.

    It takes images and gives answers of the same types as the others, so that it can take their place. Of numbers the
    last step, from deviations to the labels' unit, stays in float32: in 8 bits zero would have to be among their
    values, and of numbers between 1,000 and 1,010 nothing would be left.

    Args:
        model: whose training images tell between which values the numbers lie.
        path: file to write.
    """

    def each() -> Iterator[list[NDArray[Any]]]:
        for index in range(len(model.examples)):
            yield [model.examples[index : index + 1]]

    with in_deviations(model.network) as unit:
        _export(
            model.network,
            path,
            {
                "optimizations": [tf.lite.Optimize.DEFAULT],
                "representative_dataset": each,
                "target_spec": {"supported_ops": _WHOLE_NUMBERS},
            },
        )
    if unit:
        append_unit(path, *unit)


def opened(path: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Opens such a file on one thread; it answers an image at a time."""
    interpreter = _interpreter(path)
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answers(images: NDArray[Any]) -> NDArray[Any]:
        rows = []
        for index in range(len(images)):
            interpreter.set_tensor(given["index"], images[index : index + 1])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(found["index"])[0])
        return np.stack(rows)

    return answers


def _export(network: keras.Model, path: Path, settings: dict[str, Any]) -> None:
    (raw,) = network.inputs
    one = tf.TensorSpec((1, *raw.shape[1:]), raw.dtype, name=raw.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter: that types at the ends stay as they are
        network.export(path, format="litert", verbose=False, input_signature=[one], **settings)


def _interpreter(path: Path) -> Any:
    """The runtime by itself where that is installed, else the one inside TensorFlow."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter  # noqa: N806
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's is to go one day
        return Interpreter(str(path), num_threads=1)
