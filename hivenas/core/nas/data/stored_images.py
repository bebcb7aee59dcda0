"""Images that stay where they are stored, read by rows: for more of them than memory holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.pages import array_in_pages

Rows = NDArray[np.int64]
_BLOCK = 2**23  # bytes that are read at a time where all images are gone through


class StoredImages:
    """Rows of a stored array of images, in an order of their own; what is read is copied, the rest is not touched.

    Args:
        source: all images (stored, height, width, channels), as a rule a memory map, whose pages all processes share.
        rows: which of them these are, in their order (count,).
    """

    __slots__ = ("_rows", "_source")

    def __init__(self, source: NDArray[Any], rows: Rows) -> None:
        self._source = np.asarray(source)  # of a memory map a view, whose rows are plain arrays
        self._rows = np.asarray(rows, np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, height, width and channels."""
        return (len(self._rows), *self._source.shape[1:])

    @property
    def file(self) -> Path | None:
        """The file that is mapped; None for an array in memory."""
        found: Any = self._source
        while found is not None and not isinstance(found, np.memmap):
            found = getattr(found, "base", None)
        return Path(found.filename) if found is not None and found.filename else None

    @property
    def rows(self) -> Rows:
        """Their places among all that are stored (count,)."""
        return self._rows

    @property
    def ndim(self) -> int:
        """The number of dimensions, that of the images included."""
        return self._source.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._source.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | slice | NDArray[Any]) -> NDArray[Any]:
        """One image, or a copy of several."""
        found: NDArray[Any] = self._source[self._rows[key]]
        return found

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self.blocks():
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.whole().astype(dtype or self.dtype, copy=False)

    def take(self, indices: NDArray[Any]) -> NDArray[Any]:
        """A contiguous copy of the images at these positions (count, height, width, channels), in their order."""
        taken: NDArray[Any] = np.take(self._source, self._rows[indices], axis=0)
        return taken

    def whole(self) -> NDArray[Any]:
        """All of them in memory."""
        found = array_in_pages(self.shape, self.dtype)
        return np.take(self._source, self._rows, axis=0, out=found, mode="clip")  # which writes to it at once

    def select(self, positions: NDArray[Any]) -> StoredImages:
        """The images at these positions, still stored."""
        return StoredImages(self._source, self._rows[positions])

    def with_channel(self) -> StoredImages:
        """The same images (count, height, width) with their one channel as the last dimension."""
        return StoredImages(self._source[..., np.newaxis], self._rows)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All of them in their order, some MiB at a time."""
        return (self[start : start + step] for step in [block_length(self)] for start in range(0, len(self), step))

    def min(self) -> Any:
        """The lowest value."""
        return np.min([block.min() for block in self.blocks()])

    def max(self) -> Any:
        """The highest value."""
        return np.max([block.max() for block in self.blocks()])


Images = NDArray[Any] | StoredImages


def all_of(source: NDArray[Any]) -> StoredImages:
    """All images of an array, in its order."""
    return StoredImages(source, np.arange(len(source)))


def block_length(images: Images) -> int:
    """The number of images that are worked on at a time, where a copy of all would take too much memory."""
    return max(1, _BLOCK // max(1, images.dtype.itemsize * math.prod(images.shape[1:])))


def blocks(images: Images) -> Iterator[NDArray[Any]]:
    """All images in their order: arrays whole, stored ones some MiB at a time."""
    return images.blocks() if isinstance(images, StoredImages) else iter([images])


def at(images: Images, positions: NDArray[Any]) -> Images:
    """The images at these positions: a copy of arrays, and of stored ones no copy."""
    return images.select(positions) if isinstance(images, StoredImages) else images[positions]


def in_memory(images: Images) -> NDArray[Any]:
    """The images as an array: arrays are what they are, stored ones are read."""
    return images.whole() if isinstance(images, StoredImages) else images
