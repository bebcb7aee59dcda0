"""The memory that a worker needs for its images, known before any are prepared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hivenas.core.nas.data.preparing import shown_size

_GIB = 2**30
_WHILE_LOADED = 2.8  # times the images: as they came, a split of them, and the split of that; measured
_TENSORFLOW = 0.6 * _GIB  # measured, with Keras and before the first network
_SHOWN = shown_size(_TENSORFLOW)
_STANDARDISED = np.dtype(np.float32).itemsize


def kept_bytes(images: int, values: int) -> int:
    """Bytes that images take while networks are trained on them: as they are, and standardised.

    Args:
        images: bytes of all of them as they are.
        values: how many pixels there are of training and validation, each channel counted.
    """
    return images + values * _STANDARDISED


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """The memory of a worker, estimated.

    Args:
        images: bytes of the images as they are.
        peak: bytes that images take at the most, while they are split or once they are standardised beside that; 0
            where they stay on the disk.
        stored: bytes of the images that stay on the disk.
        tried: bytes that a worker took with networks and batches and few images, where candidates were tried.
    """

    images: int
    peak: int
    stored: int = 0
    tried: float | None = None

    @property
    def needed(self) -> float:
        """Bytes of a worker in all; without networks and batches where no candidates were tried."""
        return self.peak + (self.tried or _TENSORFLOW)

    @classmethod
    def of(cls, data: Mapping[str, Any], *, mapped: bool = False) -> WorkerMemory:
        """The memory for images of which `shape` and the counts `train`, `validation` and `test` are given.

        Args:
            data: as `describe_dataset` says; images without a `dtype` are bytes.
            mapped: whether images that are held are read from a mapped file, of which splits need no copies.
        """
        pixels = math.prod(data["shape"])
        trained = data["train"] + data["validation"]
        images = (trained + data["test"]) * pixels * np.dtype(data.get("dtype", np.uint8)).itemsize
        if stored := data.get("stored", {}).get("bytes", 0):  # then none are standardised beforehand
            return cls(images, round(_WHILE_LOADED * (images - stored)), stored)
        kept = kept_bytes(images, trained * pixels)
        return cls(images, kept if mapped else max(round(_WHILE_LOADED * images), kept))

    def __str__(self) -> str:
        """A line for people."""
        needed, given = shown_size(self.needed), shown_size(self.images - self.stored)
        images = f"{shown_size(self.peak)} for the images ({given} as they are)"
        if not self.peak:
            images = f"none for the images, which stay on the disk ({shown_size(self.stored)})"
        elif self.stored:
            images += f", others stay on the disk ({shown_size(self.stored)})"
        rest = f"{_SHOWN} for TensorFlow; networks and batches come on top"
        if self.tried:
            rest = f"{shown_size(self.tried)} for TensorFlow, networks and batches, as in those that were tried"
        return f"about {needed} a worker: {images}, {rest}"
