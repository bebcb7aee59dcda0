"""The unit of numbers in a file of whole numbers: taken off the network, and put behind what was written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from hivenas.core.nas.training.heads import UNIT
from hivenas.core.nas.training.precision import layers_of


@contextlib.contextmanager
def in_deviations(network: keras.Model) -> Iterator[tuple[float, float] | None]:
    """Has a network of numbers answer in deviations from their mean, while it is entered.

    Gives by what such answers are to be multiplied, and what is then added, for them to be in the labels' unit; None
    of other networks, and of several whose units differ, which stay as they are. A mean of several networks is in
    deviations where each of them is.
    """
    units = [layer for layer in layers_of(network) if layer.name == UNIT and isinstance(layer, keras.layers.Rescaling)]
    found = {(float(layer.scale), float(layer.offset)) for layer in units}
    if len(found) != 1:
        yield None
        return
    (unit,) = found
    try:
        for layer in units:
            layer.scale, layer.offset = 1.0, 0.0
        yield unit
    finally:
        for layer in units:
            layer.scale, layer.offset = unit


def append_unit(path: Path, scale: float, offset: float) -> None:
    """Has a LiteRT file of one output multiply what it answers, and then add to that, in float32.

    Args:
        path: the file, which is written anew.
        scale: factor.
        offset: what is added.

    Source: tensorflow/compiler/mlir/lite/schema/schema.fbs.
    """
    model = flatbuffer_utils.read_model(str(path))
    (graph,) = model.subgraphs
    steps = (
        (schema.BuiltinOperator.MUL, schema.BuiltinOptions.MulOptions, schema.MulOptionsT(), scale),
        (schema.BuiltinOperator.ADD, schema.BuiltinOptions.AddOptions, schema.AddOptionsT(), offset),
    )
    (last,) = graph.outputs
    answer = last
    for code, kind, options, value in steps:
        constant = _tensor(model, graph, [], np.float32(value).tobytes())
        after = _tensor(model, graph, list(graph.tensors[last].shape), b"")
        step = schema.OperatorT()
        step.opcodeIndex = _code(model, code)
        step.inputs, step.outputs = [answer, constant], [after]
        step.builtinOptionsType, step.builtinOptions = kind, options
        graph.operators.append(step)
        answer = after
    graph.outputs = [answer]
    for signature in model.signatureDefs or ():
        for output in signature.outputs:
            output.tensorIndex = answer
    flatbuffer_utils.write_model(model, str(path))


def _tensor(model: Any, graph: Any, shape: list[int], data: bytes) -> int:
    """A further tensor of float32, with its values where it is a constant; its place."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = shape, schema.TensorType.FLOAT32, len(model.buffers) - 1
    tensor.name = f"{UNIT}_{len(graph.tensors)}".encode()
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _code(model: Any, builtin: int) -> int:
    """The place of an operation among those that a model uses."""
    for place, known in enumerate(model.operatorCodes):
        if known.builtinCode == builtin:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
