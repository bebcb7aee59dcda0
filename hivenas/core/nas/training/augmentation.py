"""Augmentation of training batches: a few batched operations inside the compiled epoch.

Every draw comes from a stateless operation, so an augmented batch is a function of the batch and a seed alone. Each
transformation has a stream of its own: switching one on leaves the draws of the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import AugmentationConfig
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.seeds import derive_seed

ZOOM = (0.8, 1.1)
SHEAR = (-np.deg2rad(10.0), np.deg2rad(10.0))
ROTATION = (-np.deg2rad(15.0), np.deg2rad(15.0))
SHIFT = (-0.1, 0.1)
SATURATION = (0.2, 3.0)
CONTRAST = (0.5, 2.0)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


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

    def standardise(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """From raw pixels (…, channels) of any type."""
        standardised = raw.astype(np.float32)
        standardised -= self.mean
        standardised /= self.deviation
        return standardised

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The legal range, standardised: (channels,) each."""
        low, high = (self.standardise(np.full(self.mean.shape, value)) for value in (self.low, self.high))
        return low, high

    def restore(self, standardised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Back to raw pixels, clipped to the legal range."""
        raw: NDArray[np.float32] = np.clip(standardised * self.deviation + self.mean, self.low, self.high)
        return raw


class Affine(NamedTuple):
    """An affine transformation of each of n images about its centre: flip, zoom, shear, rotation, shift, in this order.

    Args:
        zoom_y, zoom_x: (n,), how much larger the content becomes along each axis.
        shear: (n,), radians; rows move sideways by their distance from the centre times its tangent.
        rotation: (n,), radians, clockwise.
        shift_y, shift_x: (n,), downwards and to the right, as fractions of the sides.
        flip: (n,), −1 mirrors left and right, 1 does not.
    """

    zoom_y: Any
    zoom_x: Any
    shear: Any
    rotation: Any
    shift_y: Any
    shift_x: Any
    flip: Any

    @classmethod
    def draw(cls, count: Any, seed: Any) -> Affine:
        """Every parameter uniform in its range, a flip with probability 1/2."""
        low, high = np.array([ZOOM, ZOOM, SHEAR, ROTATION, SHIFT, SHIFT, (-1.0, 1.0)], np.float32).T
        drawn = cls(*tf.unstack(_between(low, high, _uniform((count, 7), seed)), axis=1))
        return drawn._replace(flip=tf.where(drawn.flip < 0, -1.0, 1.0))

    def warp(self, images: Any) -> Any:
        """Transforms images (n, height, width, channels), bilinearly; what comes from outside is the nearest edge."""
        height, width = images.shape[1:3]
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=self._transforms(height, width),
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    def _transforms(self, height: int, width: int) -> Any:
        """From the pixels of the result to those of the image, (n, 8): one composed matrix, row by row."""
        sine, cosine, tangent = tf.sin(self.rotation), tf.cos(self.rotation), tf.tan(self.shear)
        across, down = self.flip / self.zoom_x, 1 / self.zoom_y
        xx, xy = across * (cosine + tangent * sine), across * (sine - tangent * cosine)
        yx, yy = -down * sine, down * cosine
        x, y = (width - 1) / 2, (height - 1) / 2
        moved_x, moved_y = x + self.shift_x * width, y + self.shift_y * height
        nothing = tf.zeros_like(xx)
        rows = (xx, xy, x - (xx * moved_x + xy * moved_y), yx, yy, y - (yx * moved_x + yy * moved_y), nothing, nothing)
        return tf.stack(rows, axis=1)


@dataclass(frozen=True)
class Augmentation:
    """The changes made to every training batch: affine, then saturation and contrast, then cutout.

    Args:
        config: what is on, and how probable it is for an image.
        standardisation: of the images that it is applied to.
    """

    config: AugmentationConfig
    standardisation: Standardisation

    def apply(self, images: Any, seed: Any) -> Any:
        """Augments a batch; the result depends on nothing but the arguments.

        Args:
            images: standardised, (n, height, width, channels), float32; all but n known to the graph.
            seed: (2,), int32, the second below 2²⁹.

        Returns:
            The same shape and type; images that nothing was drawn for are the same to the last bit.
        """
        count = tf.shape(images)[0]
        # Four seeds of every seed, none of them another's; tf.random.fold_in would take 200 operations.
        affine, saturation, contrast, cutout = tf.unstack(seed * (1, 4) + [(0, stream) for stream in range(4)])
        if self.config.affine:
            images = Affine.draw(count, affine).warp(images)
        saturates = self.config.saturation if self._is_colour else 0.0
        if max(saturates, self.config.contrast) > 0:
            images = self.recolour(
                images,
                _factors(saturates, SATURATION, count, saturation),
                _factors(self.config.contrast, CONTRAST, count, contrast),
            )
        if self.config.cutout > 0:
            images = _cut(images, self.config.cutout, cutout)
        return images

    @property
    def _is_colour(self) -> bool:
        # A channel that is constant in training has no scale: grey blended into it would become astronomical.
        deviation = self.standardisation.deviation
        return len(deviation) == 3 and bool((deviation > keras.config.epsilon()).all())

    def recolour(self, images: Any, saturation: Any, contrast: Any) -> Any:
        """Saturation, then contrast, then clipping to the legal range, as one product with a matrix an image.

        Saturation blends each pixel with its grey (BT.601 luma); contrast stretches the distance from the image's
        mean of each channel, as `tf.image.adjust_contrast` does. Both happen to raw pixels.

        Args:
            images: standardised, (n, height, width, channels), float32.
            saturation: (n,), 1 leaves an image as it is, 0 makes it grey; only 1 where images are not RGB.
            contrast: (n,), 1 leaves an image as it is, 0 makes it its mean.

        Returns:
            The same shape; images with both factors 1 are the same to the last bit.
        """
        height, width, channels = images.shape[1:]
        saturation, contrast = (tf.reshape(factor, (-1, 1, 1)) for factor in (saturation, contrast))
        changed = (saturation != 1.0) | (contrast != 1.0)
        to_grey, offset = self._to_grey()
        blend = saturation * tf.eye(channels) + (1.0 - saturation) * to_grey
        mean = tf.reduce_mean(tf.reduce_mean(images, 1), 1, keepdims=True)
        moved = (1.0 - contrast) * (mean @ blend) + (1.0 - saturation) * offset
        black, white = self.standardisation.limits()
        lowest, highest = tf.where(changed, black, -np.inf), tf.where(changed, white, np.inf)
        pixels = tf.reshape(images, (-1, height * width, channels)) @ (contrast * blend)
        # Rows of pixels at once: broadcasting over three channels takes three times as long.
        moved, lowest, highest = (tf.tile(values, (1, 1, width)) for values in (moved, lowest, highest))
        rows = tf.reshape(pixels, (-1, height, width * channels)) + moved
        return tf.reshape(tf.minimum(tf.maximum(rows, lowest), highest), (-1, height, width, channels))

    def _to_grey(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The map of standardised pixels, as row vectors, to those of their grey: a matrix and an offset."""
        channels = len(self.standardisation.mean)
        if not self._is_colour:
            return np.eye(channels, dtype=np.float32), np.zeros(channels, np.float32)
        mean, deviation, luma = (
            np.asarray(x, np.float64) for x in (self.standardisation.mean, self.standardisation.deviation, LUMA)
        )
        matrix = np.outer(luma * deviation, 1 / deviation)
        offset = (luma @ mean - mean) / deviation
        return matrix.astype(np.float32), offset.astype(np.float32)


def augmented_examples(
    data: Dataset, config: AugmentationConfig, *, seed: int, count: int = 8, versions: int = 7
) -> NDArray[np.float32]:
    """The first training images, each as it is and augmented several times, for people to look at.

    Args:
        data: raw images.
        config: what is on.
        seed: of the draws.
        count: how many images; fewer where there are fewer.
        versions: how often each is augmented.

    Returns:
        (count, 1 + versions, height, width, channels) of raw values, clipped to the legal range; originals first.
    """
    scale = Standardisation.of(data)
    originals = data.x_train[:count].astype(np.float32)
    batch = tf.constant(np.repeat(scale.standardise(originals), versions, axis=0))
    pair = tf.constant([derive_seed(seed, "augmented examples"), 0], tf.int32)
    augmented = scale.restore(Augmentation(config, scale).apply(batch, pair).numpy())
    return np.concatenate([originals[:, None], augmented.reshape(len(originals), versions, *data.shape)], axis=1)


def _uniform(shape: Any, seed: Any) -> Any:
    # Named, because the default generator differs from device to device.
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def _between(low: Any, high: Any, draw: Any) -> Any:
    return low + (high - low) * draw


def _factors(probability: float, limits: tuple[float, float], count: Any, seed: Any) -> Any:
    """(n,): uniform between the limits with the probability, else 1."""
    if probability == 0:
        return tf.ones((count,))
    happens, draw = tf.unstack(_uniform((count, 2), seed), axis=1)
    return tf.where(happens < probability, _between(*limits, draw), 1.0)


def _cut(images: Any, probability: float, seed: Any) -> Any:
    """Fills a rectangle of an image with 0, the training split's mean, with the probability.

    Its sides are uniform among the whole numbers of pixels that are 10–20 % of the image's, at least one; it lies
    inside, anywhere. After DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout
    (2017).
    """
    height, width, channels = images.shape[1:]
    happens, *draws = tf.unstack(_uniform((5, tf.shape(images)[0], 1, 1), seed))
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32).repeat(channels)
    hole = _stretch(rows, height, *draws[:2]) & (happens < probability) & _stretch(columns, width, *draws[2:])
    cut = tf.where(hole, 0.0, tf.reshape(images, (-1, height, width * channels)))
    return tf.reshape(cut, (-1, height, width, channels))


def _stretch(places: NDArray[np.float32], side: int, size_draw: Any, place_draw: Any) -> Any:
    """Tell of each place if it lies in a stretch of 10–20 % of a side."""
    shortest = -(-side // 10)
    longest = max(shortest, side // 5)
    size = shortest + tf.floor(size_draw * (longest - shortest + 1))
    first = tf.floor(place_draw * (side - size + 1))
    return (places >= first) & (places < first + size)
