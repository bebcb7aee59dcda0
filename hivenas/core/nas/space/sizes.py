"""The size of a network, computed without building it: trainable parameters and multiply-adds. No Keras here.

A multiply-add (MAC) is one multiplication with its addition in a convolution or a dense layer, for one image.
Normalisation, activation, pooling, resizing and additions count 0, and so do biases. Parameters are the trainable ones:
of a BatchNormalization gamma and beta, not the moving averages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.operations import OpSpec
from hivenas.errors import ArchitectureError, ConfigError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an operation, or of everything up to and with it.

    Args:
        shape: of what it gives for one image: height, width and channels, or features alone.
        params: trainable parameters.
        macs: multiply-adds for one image.
    """

    shape: Shape
    params: int = 0
    macs: int = 0

    def then(self, other: Size) -> Size:
        """This with another one behind it."""
        return Size(other.shape, self.params + other.params, self.macs + other.macs)


# Measures an operation on an input shape by building it; raises DoesNotBuildError.
Measure = Callable[[OpSpec, Shape], Size]


class DoesNotBuildError(Exception):
    """An operation cannot be built on a shape; the text says what went wrong, if that is more than not fitting."""


def _whole(value: Any) -> int:
    """A whole number ≥ 1; everything else is left to Keras to judge."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"must be a whole number ≥ 1, got {value!r}")
    return value


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return _whole(first), _whole(second)


def _window(shape: Shape, kernel: Any, strides: Any, padding: str, dilation: Any = 1) -> tuple[int, int]:
    """Rows and columns of the positions that a kernel takes on an image."""
    if padding not in ("same", "valid"):
        raise ValueError(f"padding must be same or valid, got {padding!r}")
    height, width, _ = shape
    positions = []
    for size, length, stride, step in zip((height, width), _pair(kernel), _pair(strides), _pair(dilation), strict=True):
        room = size if padding == "same" else size - step * (length - 1)
        if room < 1:
            raise DoesNotBuildError
        positions.append(math.ceil(room / stride))
    return positions[0], positions[1]


def _conv(
    shape: Shape,
    *,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    use_bias: bool = True,
) -> Size:
    rows, columns = _window(shape, kernel_size, strides=strides, padding=padding, dilation=dilation_rate)
    if shape[2] % _whole(groups) or _whole(filters) % groups:
        raise DoesNotBuildError
    if max(_pair(strides)) > 1 and max(_pair(dilation_rate)) > 1:
        raise DoesNotBuildError
    kernel = math.prod(_pair(kernel_size)) * shape[2] // groups * filters
    return Size((rows, columns, filters), kernel + filters * bool(use_bias), kernel * rows * columns)


def _depthwise_conv(
    shape: Shape,
    *,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    depth_multiplier: int = 1,
    dilation_rate: Any = 1,
    use_bias: bool = True,
) -> Size:
    rows, columns = _window(shape, kernel_size, strides=strides, padding=padding, dilation=dilation_rate)
    channels = shape[2] * _whole(depth_multiplier)
    kernel = math.prod(_pair(kernel_size)) * channels
    return Size((rows, columns, channels), kernel + channels * bool(use_bias), kernel * rows * columns)


def _separable_conv(shape: Shape, *, filters: int, use_bias: bool = True, **depthwise: Any) -> Size:
    first = _depthwise_conv(shape, use_bias=False, **depthwise)
    return first.then(_conv(first.shape, filters=filters, kernel_size=1, use_bias=use_bias))


def _dense(shape: Shape, *, units: int, use_bias: bool = True) -> Size:
    params = shape[-1] * _whole(units) + units * bool(use_bias)
    return Size((*shape[:-1], units), params, math.prod(shape) * units)


def _flatten(shape: Shape) -> Size:
    return Size((math.prod(shape),))


def _pooling(shape: Shape, *, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid") -> Size:
    return Size((*_window(shape, pool_size, pool_size if strides is None else strides, padding), shape[2]))


def _global_pooling(shape: Shape, *, keepdims: bool = False) -> Size:
    _, _, channels = shape
    return Size((1, 1, channels) if keepdims else (channels,))


def _normalization(shape: Shape, *, center: bool = True, scale: bool = True) -> Size:
    return Size(shape, shape[-1] * (bool(center) + bool(scale)))


def _group_normalization(shape: Shape, *, groups: int = 32, center: bool = True, scale: bool = True) -> Size:
    if groups != -1 and shape[-1] % _whole(groups):
        raise DoesNotBuildError
    return _normalization(shape, center=center, scale=scale)


def _unchanged(shape: Shape) -> Size:
    return Size(shape)


def _unchanged_image(shape: Shape) -> Size:
    height, width, channels = shape
    return Size((height, width, channels))


def _conv_bn_relu(shape: Shape, *, filters: int, kernel_size: Any) -> Size:
    conv = _conv(shape, filters=filters, kernel_size=kernel_size, padding="same")
    return conv.then(_normalization(conv.shape))


def _conv_bn_relu_avg_pool(
    shape: Shape, *, filters: int, kernel_size: Any, pool_size: Any = 2, pool_strides: Any = 2
) -> Size:
    block = _conv_bn_relu(shape, filters=filters, kernel_size=kernel_size)
    return block.then(_pooling(block.shape, pool_size=pool_size, strides=pool_strides, padding="same"))


def _residual_conv_bn_relu(
    shape: Shape,
    *,
    filters: int,
    kernel_size: Any,
    block_count: int = 1,
    reg_filters: int | None = None,
) -> Size:
    size = _unchanged_image(shape)
    if reg_filters:
        size = size.then(_conv(shape, filters=reg_filters, kernel_size=1, padding="same"))
    for _ in range(block_count):
        size = size.then(_conv_bn_relu(size.shape, filters=filters, kernel_size=kernel_size))
    return replace(size, shape=(*shape[:2], shape[2] + size.shape[2]))


LAYER_SIZES: Mapping[str, Callable[..., Size]] = MappingProxyType(
    {
        "Activation": _unchanged,
        "AveragePooling2D": _pooling,
        "BatchNormalization": _normalization,
        "Conv2D": _conv,
        "Dense": _dense,
        "DepthwiseConv2D": _depthwise_conv,
        "Dropout": _unchanged,
        "Flatten": _flatten,
        "GaussianDropout": _unchanged,
        "GaussianNoise": _unchanged,
        "GlobalAveragePooling2D": _global_pooling,
        "GlobalMaxPooling2D": _global_pooling,
        "GroupNormalization": _group_normalization,
        "Identity": _unchanged,
        "LayerNormalization": _normalization,
        "LeakyReLU": _unchanged,
        "MaxPooling2D": _pooling,
        "ReLU": _unchanged,
        "SeparableConv2D": _separable_conv,
        "SpatialDropout2D": _unchanged_image,
    }
)
CELL_SIZES: Mapping[str, Callable[..., Size]] = MappingProxyType(
    {
        "ConvBnReLU": _conv_bn_relu,
        "ConvBnReLUAvgPool": _conv_bn_relu_avg_pool,
        "ResidualConvBnReLU": _residual_conv_bn_relu,
    }
)
# Arguments of layers on which no size depends.
_OTHER_ARGUMENTS = frozenset(
    ("activation", "rate", "seed", "stddev", "momentum", "epsilon", "negative_slope", "max_value", "threshold")
)
_OTHER_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def _has_size(name: str, value: Any) -> bool:
    # A mapping describes an object, which might have weights of its own.
    return isinstance(value, Mapping) or not (name in _OTHER_ARGUMENTS or name.endswith(_OTHER_ENDINGS))


def operation_size(spec: OpSpec, shape: Shape, measure: Measure) -> Size:
    """Size of one operation on an input of a shape, for one image.

    Args:
        spec: the layer or cell and its arguments.
        shape: height, width and channels of its input, or features alone.
        measure: asked for what the tables do not know: registered operations, and rare arguments of layers.

    Raises:
        DoesNotBuildError: it does not fit.
    """
    arguments = spec.arguments
    if spec.op in LAYER_SIZES:
        arguments = {name: value for name, value in arguments.items() if _has_size(name, value)}
    count = LAYER_SIZES.get(spec.op) or CELL_SIZES.get(spec.op)
    if count is None:
        return measure(spec, shape)
    try:
        return count(shape, **arguments)
    except (TypeError, ValueError):
        return measure(spec, shape)


class NetworkSizes:
    """Sizes of the networks that `build_network` builds, without building them.

    Args:
        reference: what operation keys stand for.
        shape: height, width and channels of an image.
        classes: number of classes.
        input_stem: operation keys before every architecture.
        output_stem: operation keys after it.
        measure: builds and measures operations that the tables do not know; None where there are none.
    """

    def __init__(
        self,
        reference: Mapping[str, OpSpec],
        *,
        shape: tuple[int, int, int],
        classes: int,
        input_stem: Sequence[str] = (),
        output_stem: Sequence[str] = (),
        measure: Measure | None = None,
    ) -> None:
        self._reference = reference
        self._image: Shape = shape
        self._classes = classes
        self._input_stem = tuple(input_stem)
        self._output_stem = tuple(output_stem)
        self._measure = measure or _nothing_to_measure_with
        self._operations: dict[tuple[str, Shape], Size | str] = {}

    def of(self, chain: Chain) -> Size:
        """Size of a whole network: stems, operations, skip connections and the classes' dense layer.

        Raises:
            ArchitectureError: it does not build, since an operation does not fit its input.
        """
        shape = self._image
        steps: list[Size] = []
        ends: dict[int, list[Shape]] = {}
        for key in self._input_stem:
            steps.append(self._step(key, shape, chain))
            shape = steps[-1].shape
        for layer, (key, span) in enumerate(zip(chain.operations, chain.skips, strict=True), start=1):
            if span:
                ends.setdefault(layer + span - 1, []).append(shape)
            steps.append(self._step(key, shape, chain))
            shape = steps[-1].shape
            steps += [_skip(start, shape, chain) for start in ends.get(layer, ())]
        for key in self._output_stem:
            steps.append(self._step(key, shape, chain))
            shape = steps[-1].shape
        steps.append(_dense(_flatten(shape).shape, units=self._classes))
        return Size((self._classes,), sum(step.params for step in steps), sum(step.macs for step in steps))

    def _step(self, key: str, shape: Shape, chain: Chain) -> Size:
        place = (key, shape)
        if place not in self._operations:
            try:
                self._operations[place] = operation_size(self._reference[key], shape, self._measure)
            except DoesNotBuildError as error:
                self._operations[place] = str(error)
        size = self._operations[place]
        if isinstance(size, str):
            raise _does_not_build(chain, repr(key), shape)
        return size

    @property
    def built(self) -> dict[str, Shape]:
        """The operation keys that have been built so far, with the first shape that each has been built on."""
        return {key: shape for (key, shape), size in reversed(self._operations.items()) if isinstance(size, Size)}

    def never_built(self) -> list[tuple[str, Shape, str]]:
        """Operation keys that were tried and built on no shape so far, with the shapes and what went wrong."""
        return [(key, shape, str(size)) for (key, shape), size in self._operations.items() if key not in self.built]


def _skip(start: Shape, end: Shape, chain: Chain) -> Size:
    """A skip connection: a 1×1 convolution from where it starts, and an addition; strides and resizing are free."""
    if len(start) != 3 or len(end) != 3:
        raise _does_not_build(chain, "a skip connection", start)
    kernel = start[2] * end[2]
    return Size(end, kernel + end[2], kernel * end[0] * end[1])


def _does_not_build(chain: Chain, what: str, shape: Shape) -> ArchitectureError:
    return ArchitectureError(
        f"every architecture must build where space.max_params or max_macs is set, got {chain.encode()!r}, in which "
        f"{what} does not fit an input of {'×'.join(map(str, shape))}; choose another operation there"
    )


def _nothing_to_measure_with(spec: OpSpec, shape: Shape) -> Size:
    raise ConfigError(
        f"the size of {spec.op} with {dict(spec.arguments)!r} is known only by building it, got no measure; give "
        "network.measure_operation"
    )


@dataclass(frozen=True, slots=True)
class SizeGuards:
    """The limits of `space.max_params` and `space.max_macs`; None means no limit.

    An architecture that does not build on the images is outside, whatever its size would be.
    """

    sizes: NetworkSizes
    max_params: int | None
    max_macs: int | None

    def admits(self, chain: Chain) -> bool:
        """True where an architecture builds and is within the limits."""
        try:
            size = self.sizes.of(chain)
        except ArchitectureError:
            return False
        fits = self.max_params is None or size.params <= self.max_params
        return fits and (self.max_macs is None or size.macs <= self.max_macs)

    def check(self, chain: Chain) -> None:
        """Refuses what is outside.

        Raises:
            ArchitectureError: with the count, the limit and its key.
        """
        for key, what, count, limit in self._compared(self.sizes.of(chain)):
            if count > limit:
                raise ArchitectureError(
                    f"an architecture of this space has at most {limit:,} {what} (space.{key}), got {count:,} in "
                    f"{chain.encode()!r}; raise the limit or choose smaller operations"
                )

    def smallest(self, chains: Iterator[Chain]) -> str:
        """The smallest figures among some architectures, for people."""
        figures: dict[str, int] = {}
        for chain in chains:
            try:
                size = self.sizes.of(chain)
            except ArchitectureError:
                continue
            for _, what, count, _ in self._compared(size):
                figures[what] = min(count, figures.get(what, count))
        return " and ".join(f"{count:,} {what}" for what, count in figures.items())

    def __str__(self) -> str:
        limits = (("max_params", self.max_params), ("max_macs", self.max_macs))
        return " and ".join(f"space.{key}={limit:,}" for key, limit in limits if limit is not None)

    def _compared(self, size: Size) -> Iterator[tuple[str, str, int, int]]:
        """Key, name, count and limit of everything that is limited."""
        if self.max_params is not None:
            yield "max_params", "trainable parameters", size.params, self.max_params
        if self.max_macs is not None:
            yield "max_macs", "multiply-adds", size.macs, self.max_macs
