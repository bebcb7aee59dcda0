"""ONNX, by tf2onnx.

Keras' own way there (`Model.export(format="onnx")`) makes inputs of the mean and variance of a `Normalization`, which
nobody gives: here images are the only input.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.core.nas.training.export.formats import Exportable

_OPSET = 18  # what runtimes of the last years read


def write(model: Exportable, path: Path) -> None:
    """Writes a model for batches of any size, from `raw_image` to `probabilities`, or to `numbers`."""
    from tf2onnx import convert, tf_loader

    network = model.network
    (raw,) = network.inputs
    images = tf.TensorSpec((None, *raw.shape[1:]), raw.dtype, name=raw.name)
    serve = tf.function(lambda x: network(x, training=False), input_signature=[images]).get_concrete_function()
    answers = "probabilities" if model.known.get("answer", "class") else "numbers"
    given, found = serve.inputs[0].name, serve.outputs[0].name
    graph = tf_loader.from_function(serve, [given], [found])
    convert.from_graph_def(
        graph,
        input_names=[given],
        output_names=[found],
        opset=_OPSET,
        tensors_to_rename={given: raw.name, found: answers},
        output_path=str(path),
    )


def opened(path: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Opens such a file in ONNX Runtime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda images: np.asarray(session.run(None, {given.name: images})[0])
