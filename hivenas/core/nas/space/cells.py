"""Cells, several layers that form one operation: their arguments and sizes. `training/cells.py` builds them; no Keras
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from hivenas.core.nas.space.layer_sizes import (
    Shape,
    Size,
    conv,
    dense,
    depthwise_conv,
    normalization,
    pooling,
    unchanged_image,
)

# Filters and kernel size of each.
Convolutions = Sequence[tuple[int, int]]
# Images are not made smaller than this: on less than 4×4 pixels a 3×3 kernel sees little but the padding.
SMALLEST = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, as configurations and the counting of sizes know it.

    Args:
        size: from the shape of its input, and those of its arguments on which it depends, to its size.
        needed: arguments that must be given.
        optional: those that may be.
    """

    size: Callable[..., Size]
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def halvings(shape: Shape, largest: int) -> int:
    """Tell how often images must be halved until their shorter side is at most so many pixels."""
    side = min(shape[:2])
    return max(0, math.ceil(math.log2(side / largest))) if side > largest else 0


def squeezed(channels: int) -> int:
    """Number of channels in the middle of squeeze-and-excitation: a quarter, at least 4."""
    return max(4, channels // 4)


def scaled(channels: int, ratio: float) -> int:
    """A number of channels times a ratio, at least 1."""
    return max(1, round(channels * ratio))


def residual_convolutions(channels: int, kernel_size: int, ratio: float, count: int) -> Convolutions:
    """The convolutions of a residual block: all but the last have `ratio` times the channels of its input."""
    inner = scaled(channels, ratio)
    return [(channels if number == count else inner, kernel_size) for number in range(1, count + 1)]


def bottleneck_convolutions(channels: int, kernel_size: int, ratio: float) -> Convolutions:
    """The convolutions of a bottleneck: 1×1, kernel_size and 1×1, the first two with `ratio` times the channels."""
    inner = scaled(channels, ratio)
    return [(inner, 1), (inner, kernel_size), (channels, 1)]


def halved(shape: Shape, ratio: float) -> tuple[int, int]:
    """Channels and strides of a down-sampling: `ratio` times as many and 2, or, where it is small already, as it is."""
    if math.ceil(min(shape[:2]) / 2) < SMALLEST:
        return shape[2], 1
    return scaled(shape[2], ratio), 2


def _normalised(size: Size) -> Size:
    return size.then(normalization(size.shape))


def _conv(shape: Shape, filters: int, kernel_size: int = 1, strides: int = 1) -> Size:
    """A convolution as blocks have it: padded, and without a bias, which a BatchNormalization makes superfluous."""
    return conv(shape, filters=filters, kernel_size=kernel_size, strides=strides, padding="same", use_bias=False)


def _squeeze(shape: Shape) -> Size:
    """Squeeze-and-excitation: two dense layers on the means of the channels."""
    inner = squeezed(shape[2])
    first = dense((1, 1, shape[2]), units=inner)
    return replace(first.then(dense(first.shape, units=shape[2])), shape=shape)


def _conv_bn_relu(shape: Shape, *, filters: int, kernel_size: Any) -> Size:
    return _normalised(conv(shape, filters=filters, kernel_size=kernel_size, padding="same"))


def _conv_bn_relu_avg_pool(
    shape: Shape, *, filters: int, kernel_size: Any, pool_size: Any = 2, pool_strides: Any = 2, l2: float = 0.0
) -> Size:
    block = _conv_bn_relu(shape, filters=filters, kernel_size=kernel_size)
    return block.then(pooling(block.shape, pool_size=pool_size, strides=pool_strides, padding="same"))


def _residual_conv_bn_relu(
    shape: Shape,
    *,
    filters: int,
    kernel_size: Any,
    block_count: int = 1,
    reg_filters: int | None = None,
) -> Size:
    size = unchanged_image(shape)
    if reg_filters:
        size = size.then(conv(shape, filters=reg_filters, kernel_size=1, padding="same"))
    for _ in range(block_count):
        size = size.then(_conv_bn_relu(size.shape, filters=filters, kernel_size=kernel_size))
    return replace(size, shape=(*shape[:2], shape[2] + size.shape[2]))


def _bn_relu(shape: Shape) -> Size:
    return normalization(unchanged_image(shape).shape)


def _conv_stem(shape: Shape, *, filters: int, largest: int = 48) -> Size:
    count = halvings(shape, largest)
    size = _conv(shape, filters, 3, strides=2 if count else 1)
    for _ in range(count - 1):
        size = _normalised(size)
        size = size.then(_conv(size.shape, filters, 3, strides=2))
    return size


def _down_sampling(shape: Shape, *, kernel_size: int = 3, ratio: float = 2.0) -> Size:
    size = _normalised(unchanged_image(shape))
    filters, strides = halved(shape, ratio)
    return size.then(_conv(shape, filters, kernel_size, strides=strides))


def _pre_activated(shape: Shape, convolutions: Convolutions) -> Size:
    size = unchanged_image(shape)
    for filters, kernel_size in convolutions:
        size = _normalised(size)
        size = size.then(_conv(size.shape, filters, kernel_size))
    return size


def _residual_block(
    shape: Shape, *, kernel_size: int = 3, ratio: float = 1.0, convolutions: int = 2, squeeze: bool = False
) -> Size:
    _, _, channels = shape
    size = _pre_activated(shape, residual_convolutions(channels, kernel_size, ratio, convolutions))
    return size.then(_squeeze(size.shape)) if squeeze else size


def _bottleneck_block(shape: Shape, *, kernel_size: int = 3, ratio: float = 0.5) -> Size:
    _, _, channels = shape
    return _pre_activated(shape, bottleneck_convolutions(channels, kernel_size, ratio))


def _inverted_residual(
    shape: Shape,
    *,
    kernel_size: int = 3,
    expansion: int = 4,
    squeeze: bool = False,
) -> Size:
    _, _, channels = shape
    size = _normalised(_conv(shape, channels * expansion))
    size = size.then(depthwise_conv(size.shape, kernel_size=kernel_size, padding="same", use_bias=False))
    size = _normalised(size)
    if squeeze:
        size = size.then(_squeeze(size.shape))
    size = size.then(_conv(size.shape, channels))
    return _normalised(size)


CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        "ConvBnReLU": Cell(_conv_bn_relu, ("filters", "kernel_size"), ("l2",)),
        "ConvBnReLUAvgPool": Cell(
            _conv_bn_relu_avg_pool, ("filters", "kernel_size"), ("pool_size", "pool_strides", "l2")
        ),
        "ResidualConvBnReLU": Cell(
            _residual_conv_bn_relu, ("filters", "kernel_size"), ("reg_filters", "block_count", "l2")
        ),
        "BnReLU": Cell(_bn_relu),
        "ConvStem": Cell(_conv_stem, ("filters",), ("largest", "l2")),
        "DownSampling": Cell(_down_sampling, (), ("kernel_size", "ratio", "l2")),
        "ResidualBlock": Cell(_residual_block, (), ("kernel_size", "ratio", "convolutions", "squeeze", "l2")),
        "BottleneckBlock": Cell(_bottleneck_block, (), ("kernel_size", "ratio", "l2")),
        "InvertedResidual": Cell(_inverted_residual, (), ("kernel_size", "expansion", "activation", "squeeze", "l2")),
    }
)
