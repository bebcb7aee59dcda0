"""A cell and an operation of one's own; `--import my_ops` makes their names known to a configuration."""

from __future__ import annotations

from typing import Any

import keras

from hivenas import register_cell, register_operation


@register_operation("Blur")
def blur(size: int, name: str) -> keras.layers.Layer:
    """One layer: the mean of a neighbourhood of `size` × `size` pixels."""
    return keras.layers.AveragePooling2D(size, strides=1, padding="same", name=name)


@register_cell("SqueezeExcite")
def squeeze_excite(x: Any, name: str, *, filters: int, ratio: int = 4) -> Any:
    """Several layers: a convolution whose channels are weighted by what the whole image says of them.

    Args:
        x: the images so far, (batch, height, width, channels).
        name: begins the name of every layer.
        filters: channels that come out.
        ratio: by how much the weighting network is narrower than that.

    Source: Hu, Shen and Sun, Squeeze-and-Excitation Networks (2018).
    """
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv")(x)
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    weights = keras.layers.Conv2D(max(1, filters // ratio), 1, activation="relu", name=f"{name}_narrow")(weights)
    weights = keras.layers.Conv2D(filters, 1, activation="sigmoid", name=f"{name}_excite")(weights)
    return keras.layers.Multiply(name=f"{name}_weighted")([x, weights])
