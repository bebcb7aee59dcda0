"""Transformations of training batches: each described once, with its keys, its draws and what it does.

Every draw comes from a stateless operation, so a transformed batch is a function of the batch and a seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import AugmentationConfig
from hivenas.core.nas.training.rand_augment import make_rand_augment
from hivenas.core.nas.training.standardisation import Standardisation

ZOOM = (0.8, 1.1)
SHEAR = (-np.deg2rad(10.0), np.deg2rad(10.0))
ROTATION = (-np.deg2rad(15.0), np.deg2rad(15.0))
SHIFT = (-0.1, 0.1)
SATURATION = (0.2, 3.0)
CONTRAST = (0.5, 2.0)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

Tensor = Any
# From standardised images (n, height, width, channels), and a seed (2,) for each stream, to images of that shape.
Change = Callable[[Tensor, Sequence[Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Transformation:
    """Something that is done to the images of training batches.

    Args:
        keys: of `evaluation.augmentation`; it is done where one of them is on.
        streams: numbers of the streams of its draws, which are nobody else's: what else is on changes none of them.
        make: given the section and the standardisation of the images, what is done.
    """

    keys: tuple[str, ...]
    streams: tuple[int, ...]
    make: Callable[[AugmentationConfig, Standardisation], Change]


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


@dataclass(frozen=True, slots=True)
class Recolouring:
    """Saturation and contrast of raw pixels, done to standardised images.

    Args:
        standardisation: of the images.
    """

    standardisation: Standardisation

    def apply(self, images: Any, saturation: Any, contrast: Any) -> Any:
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
        if not self.standardisation.is_colour:
            return np.eye(channels, dtype=np.float32), np.zeros(channels, np.float32)
        mean, deviation, luma = (
            np.asarray(x, np.float64) for x in (self.standardisation.mean, self.standardisation.deviation, LUMA)
        )
        matrix = np.outer(luma * deviation, 1 / deviation)
        offset = (luma @ mean - mean) / deviation
        return matrix.astype(np.float32), offset.astype(np.float32)


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


def _make_affine(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    return lambda images, seeds: Affine.draw(tf.shape(images)[0], seeds[0]).warp(images)


def _make_flip(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    """Mirrors an image left and right with probability 1/2."""

    def flip(images: Tensor, seeds: Sequence[Tensor]) -> Tensor:
        places = tf.range(images.shape[2])
        happens = _uniform((tf.shape(images)[0], 1), seeds[0]) < 0.5
        # A gather takes half of the time, at 32×32×3, of a reversal of all images of which half are then taken.
        return tf.gather(images, tf.where(happens, places[::-1], places), axis=2, batch_dims=1)

    return flip


def _make_shift(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    """Moves an image by whole pixels, uniform along each axis; what comes from outside is the nearest edge."""

    def shift(images: Tensor, seeds: Sequence[Tensor]) -> Tensor:
        sides = images.shape[1:3]
        draws = tf.unstack(_uniform((2, tf.shape(images)[0], 1), seeds[0]))
        places = [_moved(side, config.shift, draw) for side, draw in zip(sides, draws, strict=True)]
        rows = tf.gather(images, places[0], axis=1, batch_dims=1)
        return tf.gather(rows, places[1], axis=2, batch_dims=1)

    return shift


def _moved(side: int, fraction: float, draw: Tensor) -> Tensor:
    """The places (n, side) that images get their rows or columns from: the largest shift is at least one pixel."""
    largest = max(1, int(side * fraction))
    by = tf.cast(tf.floor(draw * (2 * largest + 1)), tf.int32) - largest
    return tf.clip_by_value(tf.range(side) - by, 0, side - 1)


def _make_recolouring(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    saturation = config.saturation if standardisation.is_colour else 0.0
    recolouring = Recolouring(standardisation)

    def recolour(images: Tensor, seeds: Sequence[Tensor]) -> Tensor:
        if max(saturation, config.contrast) == 0:
            return images
        count = tf.shape(images)[0]
        return recolouring.apply(
            images,
            _factors(saturation, SATURATION, count, seeds[0]),
            _factors(config.contrast, CONTRAST, count, seeds[1]),
        )

    return recolour


def _make_rand_augment(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    change = make_rand_augment(config.rand_augment, standardisation)
    return lambda images, seeds: change(images, seeds[0])


def _make_cutout(config: AugmentationConfig, standardisation: Standardisation) -> Change:
    return lambda images, seeds: _cut(images, config.cutout, seeds[0])


# In the order in which they happen. A new one takes streams of its own: 0 to 10 are taken, 8 to 10 by mixtures.
TRANSFORMATIONS = (
    Transformation(("affine",), (0,), _make_affine),
    Transformation(("flip",), (4,), _make_flip),
    Transformation(("shift",), (5,), _make_shift),
    Transformation(("rand_augment",), (6,), _make_rand_augment),
    Transformation(("saturation", "contrast"), (1, 2), _make_recolouring),
    Transformation(("cutout",), (3,), _make_cutout),
)
