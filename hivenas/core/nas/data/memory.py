"""The memory that a worker needs for its images, known before any are prepared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_GIB = 2**30
_WHILE_LOADED = 2.8  # times the images: as they came, a split of them, and the split of that; measured
_TENSORFLOW = 0.6 * _GIB  # measured, with Keras and before the first network
_STANDARDISED = np.dtype(np.float32).itemsize


def kept_bytes(values: int, itemsize: int) -> int:
    """Bytes that images take while networks are trained on them: as they are, and standardised.

    Args:
        values: how many pixels there are, each channel counted.
        itemsize: bytes of each.
    """
    return values * (itemsize + _STANDARDISED)


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """The memory of a worker, estimated.

    Args:
        images: bytes of the images as they are.
        peak: bytes that images take at the most, while they are split or once they are standardised beside that.
    """

    images: int
    peak: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> WorkerMemory:
        """The memory for images of which `shape` and the counts `train`, `validation` and `test` are given.

        Args:
            data: as `Dataset.describe`; images without a `dtype` are bytes.
        """
        pixels = math.prod(data["shape"])
        trained = data["train"] + data["validation"]
        images = (trained + data["test"]) * pixels * np.dtype(data.get("dtype", np.uint8)).itemsize
        return cls(images, max(round(_WHILE_LOADED * images), images + trained * pixels * _STANDARDISED))

    def __str__(self) -> str:
        """A line for people."""
        images = f"{_shown(self.peak)} for the images ({_shown(self.images)} as they are)"
        return (
            f"about {_shown(self.peak + _TENSORFLOW)} a worker: {images}, {_shown(_TENSORFLOW)} for TensorFlow; "
            "networks and batches come on top"
        )


def _shown(count: float) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB / 10 else f"{math.ceil(count / 2**20)} MiB"
