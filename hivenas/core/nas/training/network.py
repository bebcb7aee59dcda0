"""From operations to a Keras model: the only place where networks are built."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

from hivenas.config import registry
from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.frame import BARE, Frame
from hivenas.core.nas.space.layer_sizes import DoesNotBuildError, Shape, Size
from hivenas.core.nas.space.operations import OpSpec
from hivenas.core.nas.training.cells import CELL_BUILDERS
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.heads import Ending, softmax
from hivenas.errors import innermost

Tensor = Any
_NORMALISATIONS = (layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization)


def apply_operation(spec: OpSpec, x: Tensor, name: str) -> Tensor:
    """Applies a layer or cell to a tensor; its layers are named after `name`."""
    builder = CELL_BUILDERS.get(spec.op) or registry.CELLS.get(spec.op)
    if builder is not None:
        return builder(x, name, **spec.arguments)
    if spec.op in registry.OPERATIONS:
        return _registered_layer(registry.OPERATIONS[spec.op], spec.arguments, name)(x)
    return getattr(layers, spec.op)(**spec.arguments, name=name)(x)


def register_layers(classes: Mapping[str, type]) -> None:
    """Tells Keras of classes, by the names under which another process has registered them there."""
    for name, each in classes.items():
        package, _, short = name.rpartition(">")
        keras.saving.register_keras_serializable(package or "Custom", short)(each)


def _registered_layer(factory: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> Any:
    """A layer of the user's, named by its place also where the factory takes no name: weights are found by it."""
    parameters = inspect.signature(factory).parameters.values()
    if any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters):
        return factory(**arguments, name=name)
    layer = factory(**arguments)
    layer.name = name
    return layer


def add_skip(start: Tensor, end: Tensor, name: str) -> Tensor:
    """Adds the tensor where a skip connection starts to the one where it ends, through a 1×1 convolution.

    Where the span pools or strides, the projection strides too; where no stride gives the right size, the start is
    resized first. So every architecture builds.
    """
    size, target = start.shape[1:3], end.shape[1:3]
    strides = tuple(max(1, math.ceil(a / b)) for a, b in zip(size, target, strict=True))
    if tuple(math.ceil(a / s) for a, s in zip(size, strides, strict=True)) != tuple(target):
        start = layers.Resizing(*target, interpolation="nearest", name=f"{name}_resize")(start)
        strides = (1, 1)
    projected = layers.Conv2D(end.shape[-1], 1, strides=strides, padding="same", name=f"{name}_projection")(start)
    return layers.Add(name=f"{name}_add")([end, projected])


def build_network(
    chain: Chain,
    reference: Mapping[str, OpSpec],
    *,
    shape: tuple[int, int, int],
    classes: int,
    frame: Frame = BARE,
    seed: int,
    end: Ending = softmax,
) -> keras.Model:
    """Builds Input → input stem → components, stage by stage → output stem → Dense (classes, softmax).

    Args:
        chain: the decoded architecture.
        reference: what its operation keys, and those of the frame, stand for.
        shape: height, width and channels of an image.
        classes: number of classes, or of outputs.
        frame: the operations around it, and between its stages.
        seed: of every initial weight and every dropout mask; Keras' and TensorFlow's global seeds are set to it.
        end: the last layers.

    Returns:
        A model from standardised images to class probabilities, or what else the last layers answer. Its layers are
        named by their place in the chain, so that two builds of one architecture are equal.

    Raises:
        ValueError: an operation that does not fit, such as an unpadded kernel larger than its input.
    """
    keras.utils.set_random_seed(seed)
    inputs = x = layers.Input(shape, name="image")
    for position, key in enumerate(frame.input_stem, start=1):
        x = apply_operation(reference[key], x, f"input{position}")
    ends: dict[int, list[tuple[str, Tensor]]] = {}
    starts = frame.starts(len(chain.operations))
    for layer, (key, span) in enumerate(zip(chain.operations, chain.skips, strict=True), start=1):
        for position, before in enumerate(frame.stage_stem if layer in starts else (), start=1):
            x = apply_operation(reference[before], x, f"stage{starts[layer]}_{position}")
        if span:
            ends.setdefault(layer + span - 1, []).append((f"skip{layer}", x))
        x = apply_operation(reference[key], x, f"layer{layer}")
        for name, start in ends.get(layer, ()):
            x = add_skip(start, x, name)
    for position, key in enumerate(frame.output_stem, start=1):
        x = apply_operation(reference[key], x, f"output{position}")
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, end(x, classes), name="candidate")


def copy_matching_weights(source: keras.Model, target: keras.Model) -> float:
    """Copies every weight that both networks have at the same place in the same shape, moving averages included.

    Returns:
        The copied share of the target's weights, counted in numbers, 0…1.
    """
    known = {weight.path: weight for weight in source.weights}
    copied = total = 0
    for weight in target.weights:
        size = math.prod(weight.shape)
        total += size
        origin = known.get(weight.path)
        if origin is not None and tuple(origin.shape) == tuple(weight.shape):
            weight.assign(origin)
            copied += size
    return copied / total if total else 0.0


def count_params(network: keras.Model) -> int:
    """Trainable parameters."""
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def count_macs(network: keras.Model) -> int:
    """Multiply-adds of one image's way through a network.

    Every weight of rank 2 or more is a kernel and is used once at every position of its layer's output: exact for
    convolutions and dense layers, and a convention for layers of one's own. A layer that is applied more than once
    counts once.
    """
    macs = 0
    for layer in network.layers:
        if isinstance(layer, type(network) | keras.Sequential):
            macs += count_macs(layer)
            continue
        if isinstance(layer, _NORMALISATIONS):  # their weights are of rank 2 and more over several axes
            continue
        kernels = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) >= 2)
        if kernels:
            macs += kernels * math.prod(keras.tree.flatten(layer.output)[0].shape[1:-1])
    return macs


@exclusive
def measure_operation(spec: OpSpec, shape: Shape) -> Size:
    """Size of one operation, found by building it alone: for operations that `sizes` does not know.

    Args:
        spec: the layer or cell and its arguments.
        shape: of its input for one image.

    Returns:
        Its trainable parameters, exactly, and its multiply-adds as `count_macs` has them.

    Raises:
        DoesNotBuildError: with what went wrong, in a line.
    """
    inputs = layers.Input(shape)
    try:
        outputs = apply_operation(spec, inputs, "operation")
        alone = keras.Model(inputs, outputs)
    except Exception as error:  # an operation of one's own may raise anything
        raise DoesNotBuildError(innermost(error)) from error
    return Size(tuple(outputs.shape[1:]), count_params(alone), count_macs(alone))


def serving_model(network: keras.Model, mean: Any, variance: Any, dtype: str) -> keras.Model:
    """The network with its standardisation in front: from raw images, as the data set gives them, to its answers.

    Args:
        network: what `build_network` gave, trained.
        mean: of every channel over the training split.
        variance: of every channel over the training split.
        dtype: of the raw images.
    """
    raw = layers.Input(network.input_shape[1:], dtype=dtype, name="raw_image")
    x = layers.Normalization(mean=mean, variance=variance, name="standardise")(raw)
    return keras.Model(raw, network(x), name="serving")
