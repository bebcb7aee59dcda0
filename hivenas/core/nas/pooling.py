"""Max pooling whose gradient costs what it should while a network is trained.

TensorFlow's gradient of overlapping max pooling on a processor visits every window of every pixel, one channel after
the other: at 3×3 and stride 1 it takes ten times as long as a convolution. Here the maximum is taken along rows, then
along columns, and each gradient is a few vectorised passes. The same pixel of a window gets the gradient, the first one
where several are largest; only the order in which a pixel's gradients are added up differs.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def quick_max_pooling(network: keras.Model) -> Iterator[None]:
    """Has a network's overlapping max pooling layers use `max_pool` while it is traced; it is left as it was.

    Concerns layers of stride 1 that pad `same` over channels-last images no smaller than the window; the others stay
    with Keras' own, which do not visit a pixel more than once or twice.
    """
    layers = [layer for layer in network._flatten_layers() if _is_slow(layer)]
    try:
        for layer in layers:
            layer.call = functools.partial(max_pool, size=tuple(layer.pool_size))
        yield
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _is_slow(layer: keras.layers.Layer) -> bool:
    if not isinstance(layer, keras.layers.MaxPooling2D) or layer.data_format != "channels_last":
        return False
    return tuple(layer.strides) == (1, 1) and layer.padding == "same" and max(layer.pool_size) > 1


def max_pool(inputs: Any, size: Sequence[int]) -> Any:
    """Max pooling of stride 1 with padding `same`.

    Args:
        inputs: (n, height, width, channels), the sides known.
        size: height and width of the window.

    Returns:
        The same shape, the same values as `tf.nn.max_pool2d`.
    """
    if any(side is None or side < window for side, window in zip(inputs.shape[1:3], size, strict=True)):
        return tf.nn.max_pool2d(inputs, size, 1, "SAME")
    for axis in (2, 1):  # rows first: among equals the first in reading order is then the one that is found
        if size[axis - 1] > 1:
            inputs = _max_along(inputs, axis, size[axis - 1])
    return inputs


def _max_along(inputs: Any, axis: int, size: int) -> Any:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def pooled(x: Any) -> tuple[Any, Any]:
        largest = tf.nn.max_pool2d(x, (size, 1) if axis == 1 else (1, size), 1, "SAME")
        return largest, lambda upstream: _gradient_along(x, largest, upstream, axis, size)

    return pooled(inputs)


def _gradient_along(x: Any, largest: Any, upstream: Any, axis: int, size: int) -> Any:
    """Gives each window's gradient to the first of its pixels that is its maximum."""
    nothing = tf.zeros((), upstream.dtype)
    first, left, parts = -((size - 1) // 2), upstream, []
    for offset in range(first, first + size - 1):
        hit = tf.equal(_shifted(x, axis, -offset, x.dtype.min), largest)
        taken = tf.where(hit, left, nothing)
        left = left - taken
        parts.append(_shifted(taken, axis, offset, 0))
    return tf.add_n([*parts, _shifted(left, axis, first + size - 1, 0)])


def _shifted(tensor: Any, axis: int, by: int, fill: float) -> Any:
    """A tensor moved along an axis, towards larger places; what moves in is `fill`."""
    if by == 0:
        return tensor
    side = tensor.shape[axis]
    kept = slice(0, side - by) if by > 0 else slice(-by, side)
    kept_part, edge = (tensor[:, s] if axis == 1 else tensor[:, :, s] for s in (kept, slice(0, abs(by))))
    new = tf.fill(tf.shape(edge), tf.constant(fill, tensor.dtype))
    return tf.concat([new, kept_part] if by > 0 else [kept_part, new], axis)
