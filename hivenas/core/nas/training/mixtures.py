"""Mixtures of training images and of their labels, by layers of Keras whose draws are functions of a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from hivenas.core.nas.training.draws import Draws

Tensor = Any
# From images (n, height, width, channels), shares of classes (n, classes) and a seed (2,) to images and shares.
Mix = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

WHICH = 10  # the stream that chooses among mixtures


@dataclass(frozen=True, slots=True)
class Mixture:
    """A way of mixing the images of a batch with each other, and their labels alike.

    Args:
        key: of `evaluation.augmentation`; 0 is off.
        stream: number of the stream of its draws, which is nobody else's.
        make: given the key's value, what is done.
    """

    key: str
    stream: int
    make: Callable[[float], Mix]


def _mixing(layer: keras.Layer, weight_of: Callable[[Mapping[str, Tensor]], Tensor]) -> Mix:
    """Mixes by a layer, with weights (n,) of an image's own label that are computed of what the layer draws."""

    def mix(images: Tensor, shares: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        drawn = layer.get_random_transformation(images, training=True, seed=Draws(seed))
        drawn["mix_weight"] = weight_of(drawn)
        mixed = layer.transform_images(images, drawn, training=True)
        return mixed, layer.transform_labels(shares, drawn, training=True)

    return mix


def _make_mixup(alpha: float) -> Mix:
    """After Zhang et al., mixup: Beyond Empirical Risk Minimization (2018): w·a + (1 − w)·b, w from Beta(α, α)."""
    return _mixing(layers.MixUp(alpha=alpha, seed=0, dtype="float32"), lambda drawn: drawn["mix_weight"])


def _make_cutmix(alpha: float) -> Mix:
    """After Yun et al., CutMix (2019): a rectangle of another image, a share 1 − w of the area, w from Beta(α, α)."""

    def weight(drawn: Mapping[str, Tensor]) -> Tensor:
        # Of the pixels, as in the paper's own program; Keras has it of the rectangle before it is cut to pixels.
        return 1.0 - tf.reduce_mean(tf.cast(drawn["batch_masks"], tf.float32), axis=(1, 2, 3))

    return _mixing(layers.CutMix(factor=(alpha, alpha), seed=0, dtype="float32"), weight)


MIXTURES = (Mixture("mixup", 8, _make_mixup), Mixture("cutmix", 9, _make_cutmix))
