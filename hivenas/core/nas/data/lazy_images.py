"""Images that are not in memory: read when, and as many as, they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class LazyImages(Protocol):
    """Images (count, height, width, channels) of which parts become arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Count, height, width and channels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a value."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]: ...

    def take(self, indices: NDArray[np.integer[Any]], /) -> NDArray[Any]:
        """The images at these positions, in their order."""
        ...


def is_lazy(images: NDArray[Any] | LazyImages) -> bool:
    """True for images that are not in memory."""
    return not isinstance(images, np.ndarray)


def taken(images: NDArray[Any] | LazyImages, indices: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """The images at these positions, in their order, as an array."""
    return images[indices] if isinstance(images, np.ndarray) else images.take(indices)


def bytes_of_one(images: NDArray[Any] | LazyImages) -> int:
    """The size of one image, in bytes."""
    return max(1, int(np.prod(images.shape[1:])) * images.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class JoinedImages:
    """Several sources of images of one kind, one after the other."""

    parts: Sequence[NDArray[Any] | LazyImages]

    @property
    def shape(self) -> tuple[int, ...]:
        """Count, height, width and channels."""
        return (len(self), *self.parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a value."""
        return self.parts[0].dtype

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        return self.take(np.arange(len(self))[part])

    def take(self, indices: NDArray[np.integer[Any]], /) -> NDArray[Any]:
        """The images at these positions, in their order."""
        found = np.empty((len(indices), *self.shape[1:]), self.dtype)
        begin = 0
        for each in self.parts:
            here = (indices >= begin) & (indices < begin + len(each))
            found[here] = taken(each, indices[here] - begin)
            begin += len(each)
        return found
