"""Memory for large arrays of images, which the system gives page by page as they are filled."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Small pages: numpy asks for large ones, for which a system whose memory is in use moves others out of the way first.
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


def array_in_pages(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of zeros to be filled once and kept; it begins with a page.

    Args:
        shape: of the array.
        dtype: of its values.
    """
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return np.zeros(shape, dtype)
    found: NDArray[Any] = np.frombuffer(mmap.mmap(-1, size, **_PRIVATE), dtype).reshape(shape)
    return found
