"""Sizes of layers, computed without building them: shape, trainable parameters and multiply-adds. No Keras here.

A multiply-add (MAC) is one multiplication with its addition in a convolution or a dense layer, for one image.
Normalisation, activation, pooling, resizing and additions count 0, and so do biases. Parameters are the trainable ones:
of a BatchNormalization gamma and beta, not the moving averages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

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


def conv(
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
    """Size of Conv2D."""
    rows, columns = _window(shape, kernel_size, strides=strides, padding=padding, dilation=dilation_rate)
    if shape[2] % _whole(groups) or _whole(filters) % groups:
        raise DoesNotBuildError
    if max(_pair(strides)) > 1 and max(_pair(dilation_rate)) > 1:
        raise DoesNotBuildError
    kernel = math.prod(_pair(kernel_size)) * shape[2] // groups * filters
    return Size((rows, columns, filters), kernel + filters * bool(use_bias), kernel * rows * columns)


def depthwise_conv(
    shape: Shape,
    *,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    depth_multiplier: int = 1,
    dilation_rate: Any = 1,
    use_bias: bool = True,
) -> Size:
    """Size of DepthwiseConv2D."""
    rows, columns = _window(shape, kernel_size, strides=strides, padding=padding, dilation=dilation_rate)
    channels = shape[2] * _whole(depth_multiplier)
    kernel = math.prod(_pair(kernel_size)) * channels
    return Size((rows, columns, channels), kernel + channels * bool(use_bias), kernel * rows * columns)


def _separable_conv(shape: Shape, *, filters: int, use_bias: bool = True, **depthwise: Any) -> Size:
    first = depthwise_conv(shape, use_bias=False, **depthwise)
    return first.then(conv(first.shape, filters=filters, kernel_size=1, use_bias=use_bias))


def dense(shape: Shape, *, units: int, use_bias: bool = True) -> Size:
    """Size of Dense."""
    params = shape[-1] * _whole(units) + units * bool(use_bias)
    return Size((*shape[:-1], units), params, math.prod(shape) * units)


def flatten(shape: Shape) -> Size:
    """Size of Flatten."""
    return Size((math.prod(shape),))


def pooling(shape: Shape, *, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid") -> Size:
    """Size of MaxPooling2D and AveragePooling2D."""
    return Size((*_window(shape, pool_size, pool_size if strides is None else strides, padding), shape[2]))


def global_pooling(shape: Shape, *, keepdims: bool = False) -> Size:
    """Size of GlobalAveragePooling2D and GlobalMaxPooling2D."""
    _, _, channels = shape
    return Size((1, 1, channels) if keepdims else (channels,))


def normalization(shape: Shape, *, center: bool = True, scale: bool = True) -> Size:
    """Size of BatchNormalization and LayerNormalization."""
    return Size(shape, shape[-1] * (bool(center) + bool(scale)))


def _group_normalization(shape: Shape, *, groups: int = 32, center: bool = True, scale: bool = True) -> Size:
    if groups != -1 and shape[-1] % _whole(groups):
        raise DoesNotBuildError
    return normalization(shape, center=center, scale=scale)


def _unchanged(shape: Shape) -> Size:
    return Size(shape)


def unchanged_image(shape: Shape) -> Size:
    """Size of a layer that takes images only and leaves their shape as it is."""
    height, width, channels = shape
    return Size((height, width, channels))


LAYER_SIZES: Mapping[str, Callable[..., Size]] = MappingProxyType(
    {
        "Activation": _unchanged,
        "AveragePooling2D": pooling,
        "BatchNormalization": normalization,
        "Conv2D": conv,
        "Dense": dense,
        "DepthwiseConv2D": depthwise_conv,
        "Dropout": _unchanged,
        "Flatten": flatten,
        "GaussianDropout": _unchanged,
        "GaussianNoise": _unchanged,
        "GlobalAveragePooling2D": global_pooling,
        "GlobalMaxPooling2D": global_pooling,
        "GroupNormalization": _group_normalization,
        "Identity": _unchanged,
        "LayerNormalization": normalization,
        "LeakyReLU": _unchanged,
        "MaxPooling2D": pooling,
        "ReLU": _unchanged,
        "SeparableConv2D": _separable_conv,
        "SpatialDropout2D": unchanged_image,
    }
)
