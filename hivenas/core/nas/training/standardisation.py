"""Standardisation of images: from raw pixels to those that networks are trained on, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Between raw pixels and those that networks are trained on: x = (raw − mean) / deviation, per channel.

    Args:
        mean: (channels,), float32.
        deviation: (channels,), float32, not 0.
        low, high: the legal range of raw pixels.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    low: float
    high: float

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """That of a training split: 0…255 is legal for uint8, else what lies between its smallest and largest pixel."""
        mean, variance = data.statistics()
        deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
        legal = (0, 255) if data.x_train.dtype == np.uint8 else (data.x_train.min(), data.x_train.max())
        return cls(mean, deviation, float(legal[0]), float(legal[1]))

    def standardise(self, raw: NDArray[Any], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """From raw pixels (…, channels) of any type.

        Args:
            raw: the pixels.
            out: takes the result, of the same shape; None for a new array.
        """
        if out is None:
            standardised = raw.astype(np.float32)
        else:
            standardised = out
            standardised[...] = raw
        # By images, not by pixels: numpy is slow where it repeats three values, and the bits are the same.
        mean, deviation = (np.array(np.broadcast_to(each, raw.shape[-3:])) for each in (self.mean, self.deviation))
        standardised -= mean
        standardised /= deviation
        return standardised

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The legal range, standardised: (channels,) each."""
        low, high = (self.standardise(np.full(self.mean.shape, value)) for value in (self.low, self.high))
        return low, high

    @property
    def is_colour(self) -> bool:
        """True for RGB images all of whose channels vary in training."""
        # A channel that is constant there has no scale: grey blended into it would become astronomical.
        return len(self.deviation) == 3 and bool(self.varying.all())

    @property
    def varying(self) -> NDArray[np.bool_]:
        """The channels that are not constant in training: (channels,)."""
        varying: NDArray[np.bool_] = self.deviation > keras.config.epsilon()
        return varying

    def restore(self, standardised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Back to raw pixels, clipped to the legal range."""
        raw: NDArray[np.float32] = np.clip(standardised * self.deviation + self.mean, self.low, self.high)
        return raw
