"""Augmentation of training batches: a few batched operations inside the compiled epoch.

An augmented batch is a function of the batch and a seed alone. Each transformation has streams of its own: switching
one on leaves the draws of the others as they were.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import AugmentationConfig
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.mixtures import MIXTURES, WHICH
from hivenas.core.nas.training.standardisation import Standardisation
from hivenas.core.nas.training.transformations import TRANSFORMATIONS, Tensor
from hivenas.core.seeds import derive_seed

_FIRST, _FURTHER = 4, 8  # streams whose seeds are not negative, and those whose are


class Augmentation:
    """The changes made to every training batch: those of `TRANSFORMATIONS`, in their order, then one of `MIXTURES`.

    Args:
        config: what is on, and how probable or how strong it is.
        standardisation: of the images that it is applied to.
    """

    def __init__(self, config: AugmentationConfig, standardisation: Standardisation) -> None:
        self._changes = [
            (each.make(config, standardisation), each.streams)
            for each in TRANSFORMATIONS
            if any(getattr(config, key) for key in each.keys)
        ]
        on = {each: getattr(config, each.key) for each in MIXTURES}
        self._mixtures = [(each.make(value), each.stream) for each, value in on.items() if value]

    def apply(self, images: Tensor, seed: Tensor) -> Tensor:
        """Augments the images of a batch each by itself; the result depends on nothing but the arguments.

        Args:
            images: standardised, (n, height, width, channels), float32; all but n known to the graph.
            seed: (2,), int32, the second from 0 to below 2²⁸.

        Returns:
            The same shape and type; images that nothing was drawn for are the same to the last bit.
        """
        for change, streams in self._changes:
            images = change(images, [_seed_of(stream, seed) for stream in streams])
        return images

    def batch(self, images: Tensor, labels: Tensor, seed: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
        """Augments a batch, and mixes its images and labels where a mixture is on: of two one, each with p ½.

        Args:
            images: as for `apply`.
            labels: (n,), int32; or rows of what may be mixed as shares are (n, outputs), float32.
            seed: as for `apply`.
            classes: how many there are.

        Returns:
            The images, and the labels as they are, or the shares of the classes (n, classes), or rows, float32.
        """
        images = self.apply(images, seed)
        if not self._mixtures:
            return images, labels
        shares = labels if len(labels.shape) == 2 else tf.one_hot(labels, classes)
        mixed = [functools.partial(mix, images, shares, _seed_of(at, seed)) for mix, at in self._mixtures]
        drawn = tf.random.stateless_uniform((), _seed_of(WHICH, seed), 0, len(mixed), tf.int32, alg="philox")
        images, shares = mixed[0]() if len(mixed) == 1 else tf.switch_case(drawn, mixed)
        return images, shares


def _seed_of(stream: int, seed: Tensor) -> Tensor:
    """The seed of a stream: of every seed and every stream another; `tf.random.fold_in` would take 200 operations."""
    if stream < _FIRST:
        return seed * (1, _FIRST) + (0, stream)
    return seed * (1, -_FURTHER) - (0, stream - _FIRST + 1)


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
    augmentation = Augmentation(config, scale)
    originals = data.x_train[:count].astype(np.float32)
    images, labels = tf.constant(scale.standardise(originals)), tf.zeros(len(originals), tf.int32)
    first = derive_seed(seed, "augmented examples")
    pages = [originals]
    # A version is a batch of its own: some of what is drawn is drawn for a batch.
    for version in range(versions):
        changed, _ = augmentation.batch(images, labels, tf.constant([first, version], tf.int32), classes=2)
        pages.append(scale.restore(changed.numpy()))
    return np.stack(pages, axis=1)
