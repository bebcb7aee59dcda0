"""Several sources of images, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.stored_images import Images


def taken(images: Images | JoinedImages, indices: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """The images at these positions, in their order, as an array."""
    return images[indices] if isinstance(images, np.ndarray) else images.take(indices)


@dataclass(frozen=True, slots=True)
class JoinedImages:
    """Several sources of images of one kind, one after the other."""

    parts: Sequence[Images]

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
