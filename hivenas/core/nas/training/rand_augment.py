"""RandAugment: operations of Keras' layers, drawn anew for every batch.

After Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space (2020), whose ranges
these are. `keras.layers.RandAugment` computes every operation twice and takes two, and turns images by up to half a
circle at magnitude 0.5; here the drawn operations alone are computed, by the layers that it is made of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hivenas.core.nas.training.draws import Draws
from hivenas.core.nas.training.standardisation import Standardisation

NUMBER = 2  # operations that a batch goes through, as in the paper
_APART = 16  # more draws than an operation makes
Tensor = Any
# From images of 0…255 (n, height, width, channels), and what to draw with, to the same shape.
Change = Callable[[Tensor, Draws], Tensor]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation on pixels of 0…255.

    Args:
        name: as in the paper.
        make: what is done at a magnitude of 0…1.
        of_colour: whether it is for RGB images alone.
    """

    name: str
    make: Callable[[float], Change]
    of_colour: bool = False


def _by(kind: Callable[..., keras.Layer], **fixed: Any) -> Callable[..., Change]:
    """The change that a layer of Keras makes, given the arguments that depend on the magnitude."""

    def made(*args: Any, **arguments: Any) -> Change:
        layer = kind(*args, **arguments, **fixed, dtype="float32")

        def change(pixels: Tensor, draws: Draws) -> Tensor:
            drawn = layer.get_random_transformation(pixels, training=True, seed=draws)
            return layer.transform_images(pixels, drawn, training=True)

        return change

    return made


def _solarize(magnitude: float) -> Change:
    """Inverts what is above a threshold; Keras' layer reaches thresholds near 0 at every magnitude."""

    def change(pixels: Tensor, draws: Draws) -> Tensor:
        drawn = tf.random.stateless_uniform((tf.shape(pixels)[0], 1, 1, 1), draws.next(), alg="philox")
        return tf.where(pixels < 255.0 * (1.0 - magnitude * drawn), pixels, 255.0 - pixels)

    return change


_EDGE = {"fill_mode": "nearest", "seed": 0}
_RANGE = {"value_range": (0, 255), "seed": 0}
_shear, _translate, _rotate = (
    _by(kind, **_EDGE) for kind in (layers.RandomShear, layers.RandomTranslation, layers.RandomRotation)
)
_brightness, _contrast, _sharpness, _posterize, _colour = (
    _by(kind, **_RANGE)
    for kind in (
        layers.RandomBrightness,
        layers.RandomContrast,
        layers.RandomSharpness,
        layers.RandomPosterization,
        layers.RandomColorDegeneration,
    )
)
_auto_contrast = _by(layers.AutoContrast, value_range=(0, 255))
# Equalization is not among them: Keras' layer takes a batch for one image.
OPERATIONS = (
    Operation("shear", lambda m: _shear((0.0, 0.3 * m), (0.0, 0.3 * m))),
    Operation("translate", lambda m: _translate(0.45 * m, 0.45 * m)),
    Operation("rotate", lambda m: _rotate(30 / 360 * m)),
    Operation("brightness", lambda m: _brightness(0.5 * m)),
    Operation("contrast", lambda m: _contrast((0.9 * m, 0.9 * m))),
    Operation("sharpness", lambda m: _sharpness((0.5 - 0.45 * m, 0.5 + 0.45 * m))),
    Operation("posterize", lambda m: _posterize((8 - round(4 * m), 8 - round(4 * m)))),
    Operation("solarize", _solarize),
    Operation("auto_contrast", lambda m: _auto_contrast()),
    Operation("colour", lambda m: _colour((0.0, 0.9 * m)), of_colour=True),
)


def make_rand_augment(magnitude: float, standardisation: Standardisation) -> Callable[[Tensor, Tensor], Tensor]:
    """Two operations, drawn for a batch, with parameters that are drawn for each of its images.

    Args:
        magnitude: 0…1, how far the parameters reach of the paper's ranges.
        standardisation: of the images: the operations are done to raw pixels, their legal range as 0…255.

    Returns:
        A function of images (n, height, width, channels) and a seed (2,).
    """
    colour = standardisation.is_colour
    chosen = [(at, each.make(magnitude)) for at, each in enumerate(OPERATIONS) if colour or not each.of_colour]
    scale = 255.0 / max(standardisation.high - standardisation.low, keras.config.epsilon())
    factor = standardisation.deviation * np.float32(scale)
    offset = (standardisation.mean - np.float32(standardisation.low)) * np.float32(scale)

    def change(images: Tensor, seed: Tensor) -> Tensor:
        numbers = tf.random.stateless_uniform((NUMBER,), seed, 0, len(chosen), tf.int32, alg="philox")

        def one(turn: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
            own = tf.stack([seed[0] + _APART * len(OPERATIONS) * (turn + 1), seed[1]])
            branches = [functools.partial(each, pixels, Draws(own, _APART * at)) for at, each in chosen]
            return turn + 1, tf.ensure_shape(tf.switch_case(numbers[turn], branches), images.shape)

        start = tf.clip_by_value(images * factor + offset, 0.0, 255.0)
        # A loop of the graph: half as long to trace as its two turns one after the other.
        _, pixels = tf.while_loop(lambda turn, _: turn < NUMBER, one, (0, start))
        changed = (tf.clip_by_value(pixels, 0.0, 255.0) - offset) / factor
        # A channel that is constant in training has no scale.
        return tf.where(standardisation.varying, changed, images)

    return change
