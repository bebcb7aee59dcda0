"""Mean and variance of every channel of images, in blocks: the very bits that numpy gives, without its copies.

`numpy.var` of bytes takes two copies of all of them in 64 bits, sixteen times the images. Here no more than a block is
copied at a time, and what is added is added in numpy's own order, so that networks come out as they did.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.stored_images import Images, StoredImages

Sums = NDArray[np.float64]
_BLOCK = 2**18  # rows of pixels; at least numpy's own block of 128, below which it no longer halves


def channel_moments(images: Images, block: int = _BLOCK) -> tuple[Sums, Sums]:
    """Mean and variance of every channel, those of `numpy.mean` and `numpy.var` in 64 bits to the last bit.

    Args:
        images: (…, channels).
        block: pixels that are copied at a time.

    Returns:
        (channels,) each.
    """
    pixels = _stored_pixels(images) if isinstance(images, StoredImages) else _pixels(images)
    add = _halves if images.shape[-1] == 1 else _in_turn

    def as_they_are(start: int, end: int) -> Sums:
        return pixels(start, end).astype(np.float64)

    def squares(start: int, end: int) -> Sums:
        distances = pixels(start, end).astype(np.float64)
        distances -= mean
        distances *= distances
        return distances

    count = math.prod(images.shape[:-1])
    mean = add(as_they_are, 0, count, block) / count
    return mean, add(squares, 0, count, block) / count


def _pixels(images: NDArray[Any]) -> Callable[[int, int], NDArray[Any]]:
    """Gives the pixels from one to another (pixels, channels)."""
    pixels = images.reshape(-1, images.shape[-1])
    return lambda start, end: pixels[start:end]


def _stored_pixels(images: StoredImages) -> Callable[[int, int], NDArray[Any]]:
    """As of arrays; the images that they are of are read, and no others."""
    each = math.prod(images.shape[1:-1])

    def pixels(start: int, end: int) -> NDArray[Any]:
        first = start // each
        read = images[first : -(-end // each)].reshape(-1, images.shape[-1])
        return read[start - first * each : end - first * each]

    return pixels


def _in_turn(part: Callable[[int, int], Sums], start: int, end: int, block: int) -> Sums:
    """The sum as numpy adds rows of several columns: one after the other."""
    total: Sums | None = None
    for first in range(start, end, block):
        rows = part(first, min(first + block, end))
        total = np.add.reduce(rows if total is None else np.concatenate([total[np.newaxis], rows]), axis=0)
    assert total is not None
    return total


def _halves(part: Callable[[int, int], Sums], start: int, end: int, block: int) -> Sums:
    """The sum as numpy adds a single column: pairwise, by halves of a multiple of eight (`pairwise_sum`)."""
    count = end - start
    if count <= block:
        total: Sums = np.add.reduce(part(start, end), axis=0)
        return total
    half = count // 2
    half -= half % 8
    return _halves(part, start, start + half, block) + _halves(part, start + half, end, block)
