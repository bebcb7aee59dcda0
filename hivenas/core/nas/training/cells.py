"""The cells, built: several layers that form one operation. `space/cells.py` has their arguments and sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from keras import layers, regularizers

from hivenas.core.nas.space.cells import (
    Convolutions,
    bottleneck_convolutions,
    halved,
    halvings,
    residual_convolutions,
    squeezed,
)

Tensor = Any
CELL_L2 = 1e-4


def conv_bn_relu(
    x: Tensor, name: str, *, filters: int, kernel_size: int | Sequence[int], l2: float = CELL_L2
) -> Tensor:
    """Conv2D (same, L2 1e-4) → BatchNormalization (momentum 0.9, ε 1e-5) → ReLU."""
    x = layers.Conv2D(filters, kernel_size, padding="same", kernel_regularizer=_l2(l2), name=f"{name}_conv")(x)
    return _bn_act(x, name)


def conv_bn_relu_avg_pool(
    x: Tensor,
    name: str,
    *,
    filters: int,
    kernel_size: int | Sequence[int],
    pool_size: int | Sequence[int] = 2,
    pool_strides: int | Sequence[int] = 2,
    l2: float = CELL_L2,
) -> Tensor:
    """ConvBnReLU → AveragePooling2D (2, stride 2, same)."""
    x = conv_bn_relu(x, name, filters=filters, kernel_size=kernel_size, l2=l2)
    return layers.AveragePooling2D(pool_size, strides=pool_strides, padding="same", name=f"{name}_pool")(x)


def residual_conv_bn_relu(
    x: Tensor,
    name: str,
    *,
    filters: int,
    kernel_size: int | Sequence[int],
    block_count: int = 1,
    reg_filters: int | None = None,
    l2: float = CELL_L2,
) -> Tensor:
    """Optional 1×1 Conv2D (reg_filters, L2 1e-4) → block_count × ConvBnReLU, concatenated with the cell's input."""
    y = x
    if reg_filters:
        y = layers.Conv2D(reg_filters, 1, padding="same", kernel_regularizer=_l2(l2), name=f"{name}_reg")(y)
    for block in range(1, block_count + 1):
        y = conv_bn_relu(y, f"{name}_block{block}", filters=filters, kernel_size=kernel_size, l2=l2)
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def bn_relu(x: Tensor, name: str) -> Tensor:
    """BatchNormalization (momentum 0.9, ε 1e-5) → ReLU: the end of a network of pre-activation blocks."""
    return _bn_act(x, name)


def conv_stem(x: Tensor, name: str, *, filters: int, largest: int = 48, l2: float = 0.0) -> Tensor:
    """The first convolution, 3×3; images whose shorter side is above `largest` are halved until it is not.

    Every halving is a convolution of stride 2, with BnReLU between two of them.
    """
    count = halvings(x.shape[1:], largest)
    x = _conv(x, f"{name}_conv1", filters, 3, strides=2 if count else 1, l2=l2)
    for number in range(2, count + 1):
        x = _conv(_bn_act(x, f"{name}_{number}"), f"{name}_conv{number}", filters, 3, strides=2, l2=l2)
    return x


def down_sampling(x: Tensor, name: str, *, kernel_size: int = 3, ratio: float = 2.0, l2: float = 0.0) -> Tensor:
    """BnReLU → Conv2D of stride 2 and `ratio` times the channels; neither where less than 4 pixels would remain."""
    filters, strides = halved(x.shape[1:], ratio)
    return _conv(_bn_act(x, name), f"{name}_conv", filters, kernel_size, strides=strides, l2=l2)


def residual_block(
    x: Tensor,
    name: str,
    *,
    kernel_size: int = 3,
    ratio: float = 1.0,
    convolutions: int = 2,
    squeeze: bool = False,
    l2: float = 0.0,
) -> Tensor:
    """X + (BnReLU → Conv2D) × convolutions, of which all but the last have `ratio` times the channels of x.

    Source: He et al. (2016), "Identity mappings in deep residual networks", figure 4e; widths after Zagoruyko and
    Komodakis (2016), "Wide residual networks". With `squeeze`, squeeze-and-excitation before the addition.
    """
    y = _pre_activated(x, name, residual_convolutions(x.shape[-1], kernel_size, ratio, convolutions), l2)
    return layers.Add(name=f"{name}_add")([x, _squeeze(y, name) if squeeze else y])


def bottleneck_block(x: Tensor, name: str, *, kernel_size: int = 3, ratio: float = 0.5, l2: float = 0.0) -> Tensor:
    """X + (BnReLU → Conv2D) of 1×1, kernel_size and 1×1, the first two with `ratio` times the channels of x.

    Source: He et al. (2016), "Identity mappings in deep residual networks".
    """
    y = _pre_activated(x, name, bottleneck_convolutions(x.shape[-1], kernel_size, ratio), l2)
    return layers.Add(name=f"{name}_add")([x, y])


def inverted_residual(
    x: Tensor,
    name: str,
    *,
    kernel_size: int = 3,
    expansion: int = 4,
    activation: str = "relu",
    squeeze: bool = False,
    l2: float = 0.0,
) -> Tensor:
    """X + 1×1 Conv2D to `expansion` times the channels → DepthwiseConv2D → 1×1 Conv2D, BatchNormalization after each.

    Source: Sandler et al. (2018), "MobileNetV2"; `squeeze` and `activation: hard_swish` after Howard et al. (2019),
    "Searching for MobileNetV3".
    """
    channels = x.shape[-1]
    y = _bn_act(_conv(x, f"{name}_expand", channels * expansion, 1, l2=l2), f"{name}_1", activation)
    y = layers.DepthwiseConv2D(
        kernel_size,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        depthwise_regularizer=_l2(l2),
        name=f"{name}_depthwise",
    )(y)
    y = _bn_act(y, f"{name}_2", activation)
    if squeeze:
        y = _squeeze(y, name)
    y = _bn(_conv(y, f"{name}_project", channels, 1, l2=l2), f"{name}_3")
    return layers.Add(name=f"{name}_add")([x, y])


def _pre_activated(x: Tensor, name: str, convolutions: Convolutions, l2: float) -> Tensor:
    """BnReLU → Conv2D, as often as there are convolutions."""
    for number, (filters, kernel_size) in enumerate(convolutions, start=1):
        x = _conv(_bn_act(x, f"{name}_{number}"), f"{name}_conv{number}", filters, kernel_size, l2=l2)
    return x


def _l2(factor: float) -> Any:
    return regularizers.L2(factor) if factor else None


def _conv(x: Tensor, name: str, filters: int, kernel_size: int, *, strides: int = 1, l2: float) -> Tensor:
    """A convolution without a bias, which a BatchNormalization before or after it makes superfluous."""
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=_l2(l2),
        name=name,
    )(x)


def _bn(x: Tensor, name: str) -> Tensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def _bn_act(x: Tensor, name: str, activation: str = "relu") -> Tensor:
    x = _bn(x, name)
    if activation == "relu":
        return layers.ReLU(name=f"{name}_relu")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x)


def _squeeze(x: Tensor, name: str) -> Tensor:
    """Squeeze-and-excitation: every channel times a factor that follows from the means of all of them.

    Source: Hu et al. (2018), "Squeeze-and-excitation networks".
    """
    channels = x.shape[-1]
    factors = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    factors = layers.Dense(squeezed(channels), activation="relu", name=f"{name}_squeeze")(factors)
    factors = layers.Dense(channels, activation="sigmoid", name=f"{name}_excite")(factors)
    return layers.Multiply(name=f"{name}_scale")([x, factors])


CELL_BUILDERS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "ConvBnReLU": conv_bn_relu,
        "ConvBnReLUAvgPool": conv_bn_relu_avg_pool,
        "ResidualConvBnReLU": residual_conv_bn_relu,
        "BnReLU": bn_relu,
        "ConvStem": conv_stem,
        "DownSampling": down_sampling,
        "ResidualBlock": residual_block,
        "BottleneckBlock": bottleneck_block,
        "InvertedResidual": inverted_residual,
    }
)
