"""Flips, shifts, RandAugment and mixtures: what they do to images and labels, and what they draw."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import AugmentationConfig
from hivenas.core.nas.training.augmentation import Augmentation, _seed_of
from hivenas.core.nas.training.draws import Draws
from hivenas.core.nas.training.mixtures import MIXTURES, WHICH
from hivenas.core.nas.training.rand_augment import OPERATIONS
from hivenas.core.nas.training.standardisation import Standardisation
from hivenas.core.nas.training.transformations import TRANSFORMATIONS

pytestmark = pytest.mark.keras

SEED = tf.constant((11, 3), tf.int32)
SHAPES = [(8, 8, 1), (5, 9, 3), (1, 1, 1), (6, 4, 2)]


def scale(channels: int) -> Standardisation:
    return Standardisation(np.full(channels, 120, np.float32), np.full(channels, 60, np.float32), 0.0, 255.0)


def pictures(count: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    raw = np.random.default_rng(5).integers(0, 256, (count, *shape))
    standardised: NDArray[np.float32] = scale(shape[-1]).standardise(raw)
    return standardised


def augmentation(channels: int = 1, **config: Any) -> Augmentation:
    return Augmentation(AugmentationConfig(**{"shift": 0.0, **config}), scale(channels))


def test_every_stream_is_of_one_transformation_and_no_two_seeds_are_alike() -> None:
    streams = [at for each in TRANSFORMATIONS for at in each.streams] + [each.stream for each in MIXTURES] + [WHICH]
    assert len(set(streams)) == len(streams)
    keys = [key for each in TRANSFORMATIONS for key in each.keys] + [each.key for each in MIXTURES]
    assert keys == list(AugmentationConfig.model_fields)
    batches = [*range(40), 2**28 - 1]
    seeds = {tuple(_seed_of(at, tf.constant((7, batch))).numpy()) for at, batch in itertools.product(streams, batches)}
    assert len(seeds) == len(streams) * len(batches)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flip_mirrors_half_of_the_images(shape: tuple[int, int, int]) -> None:
    images = pictures(400, shape)
    after = augmentation(shape[-1], flip=True).apply(images, SEED).numpy()
    same, mirrored = ((after == each).all(axis=(1, 2, 3)) for each in (images, images[:, :, ::-1]))
    assert (same | mirrored).all()
    assert shape[1] == 1 or 160 < mirrored.sum() < 240


@pytest.mark.parametrize(("shape", "reach"), [((8, 10, 1), (2, 2)), ((5, 9, 3), (1, 2)), ((1, 1, 1), (0, 0))])
def test_a_shift_moves_whole_pixels_up_to_its_share_of_a_side_and_repeats_the_edge(
    shape: tuple[int, int, int], reach: tuple[int, int]
) -> None:
    images = pictures(1500, shape)
    after = augmentation(shape[-1], shift=0.25).apply(images, SEED).numpy()
    moved = {}
    for down, right in itertools.product(*(range(-most, most + 1) for most in reach)):
        rows, columns = ((np.arange(n) - by).clip(0, n - 1) for n, by in zip(shape, (down, right), strict=False))
        moved[down, right] = (after == images[:, rows][:, :, columns]).all(axis=(1, 2, 3))
    assert np.any(list(moved.values()), axis=0).all()
    expected = len(images) / len(moved)
    assert all(abs(each.sum() - expected) < 5 * np.sqrt(expected) for each in moved.values())


def test_the_smallest_shift_is_of_a_pixel() -> None:
    images = pictures(200, (8, 8, 1))
    after = augmentation(shift=0.01).apply(images, SEED).numpy()
    assert 150 < (after != images).any(axis=(1, 2, 3)).sum() < 200


@pytest.mark.parametrize("others", [{"affine": True}, {"cutout": 1.0}, {"mixup": 0.4}, {"rand_augment": 0.5}])
def test_what_is_flipped_and_shifted_does_not_depend_on_what_else_is_on(others: dict[str, Any]) -> None:
    # Pictures of two halves: what is drawn shows in where they meet, whatever is done to their greys.
    own = {"flip": True, "shift": 0.2}
    images, drawn = pictures(30, (10, 10, 1)), []
    for config in (own, own | others):
        both = augmentation(**config)
        found = dict(
            zip((each.keys for each in TRANSFORMATIONS if {*each.keys} & {*config}), both._changes, strict=True)
        )
        for key in own:
            change, streams = found[key,]
            drawn.append(change(images, [_seed_of(at, SEED) for at in streams]).numpy())
    assert np.array_equal(drawn[0], drawn[2])
    assert np.array_equal(drawn[1], drawn[3])


# -- mixtures ------------------------------------------------------------------------------------------------------


def mixed(seed: int = 0, count: int = 300, **config: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The classes of images that are all of the number of their class, the images mixed, and the shares of classes."""
    labels = (np.arange(count) % 5).astype(np.int32)
    images = np.broadcast_to(labels[:, None, None, None], (count, 8, 8, 1)).astype(np.float32)
    after, shares = augmentation(**config).batch(images, labels, tf.constant((seed, 1)), classes=5)
    assert after.shape == images.shape
    assert shares.numpy().sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    return labels, after.numpy(), shares.numpy()


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_mixup_mixes_images_and_labels_by_the_same_weight(alpha: float) -> None:
    labels, images, shares = mixed(mixup=alpha)
    assert np.ptp(images, axis=(1, 2, 3)) == pytest.approx(0, abs=1e-5)
    assert images[:, 0, 0, 0] == pytest.approx(shares @ np.arange(5), abs=1e-5)
    own = shares[np.arange(len(labels)), labels]
    partners = own < 0.999
    # The fewer images are themselves or their partner alone, the larger α is.
    between = ((own > 0.01) & (own < 0.99)).sum() / partners.sum()
    assert between == pytest.approx({0.05: 0.3, 1.0: 0.98, 20.0: 1.0}[alpha], abs=0.1)
    assert own[partners].mean() == pytest.approx({0.05: 0.28, 1.0: 0.5, 20.0: 0.5}[alpha], abs=0.1)


def test_cutmix_puts_in_a_rectangle_of_another_image_and_its_share_of_the_label() -> None:
    labels, images, shares = mixed(cutmix=1.0)
    foreign = images[..., 0] != labels[:, None, None]
    assert np.array_equal(foreign, foreign.any(axis=2)[:, :, None] & foreign.any(axis=1)[:, None, :])
    own = shares[np.arange(len(labels)), labels]
    changed = foreign.any(axis=(1, 2))
    assert changed.mean() > 0.5
    assert 1 - foreign[changed].mean(axis=(1, 2)) == pytest.approx(own[changed], abs=1e-6)
    sides = foreign[changed].any(axis=2).sum(axis=1), foreign[changed].any(axis=1).sum(axis=1)
    assert all({*each} >= {*range(1, 7)} for each in sides)


def test_of_two_mixtures_a_batch_gets_one_each_as_often() -> None:
    alone = {key: [mixed(seed, 10, **{key: 1.0})[1] for seed in range(16)] for key in ("mixup", "cutmix")}
    both = [mixed(seed, 10, mixup=1.0, cutmix=1.0)[1] for seed in range(16)]
    which = [np.array_equal(each, alone["mixup"][at]) for at, each in enumerate(both)]
    assert all(
        one or np.array_equal(each, alone["cutmix"][at]) for at, (one, each) in enumerate(zip(which, both, strict=True))
    )
    assert 3 < sum(which) < 13


def test_a_batch_of_one_is_mixed_with_itself_and_without_a_mixture_labels_stay() -> None:
    for config in ({"mixup": 1.0}, {"cutmix": 1.0}):
        _, images, shares = mixed(0, 1, **config)
        assert (images == 0).all()
        assert shares[0] == pytest.approx([1, 0, 0, 0, 0])
    labels = np.arange(4)
    assert augmentation(flip=True).batch(pictures(4, (8, 8, 1)), labels, SEED, classes=5)[1] is labels


# -- RandAugment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        pytest.param(each, shape, id=f"{each.name} {shape[-1]}")
        for each in OPERATIONS
        for shape in SHAPES[:2]
        if shape[-1] == 3 or not each.of_colour
    ],
)
def test_every_operation_of_rand_augment_keeps_pixels_and_grows_with_the_magnitude(
    operation: Any, shape: tuple[int, int, int]
) -> None:
    pixels = tf.constant(np.random.default_rng(1).integers(30, 220, (20, *shape)).astype(np.float32))
    distances = []
    for magnitude in (0.01, 1.0):
        after = operation.make(magnitude)(pixels, Draws(SEED)).numpy()
        assert after.shape == pixels.shape
        assert after.min() >= -1e-3
        assert after.max() <= 255.001
        distances.append(float(np.abs(after - pixels).mean()))
    assert distances[1] > 3
    assert distances[0] < 0.2 * distances[1] or operation.name == "auto_contrast"


@pytest.mark.parametrize("shape", SHAPES)
def test_rand_augment_is_a_function_of_the_seed_within_the_legal_range(shape: tuple[int, int, int]) -> None:
    images, own = pictures(6, shape), augmentation(shape[-1], rand_augment=0.8)
    low, high = (float(each[0]) for each in scale(shape[-1]).limits())
    seen = []
    for batch in range(8):
        once, twice = (own.apply(images, tf.constant((5, batch))).numpy() for _ in range(2))
        assert np.array_equal(once, twice)
        assert low - 1e-4 <= once.min() <= once.max() <= high + 1e-4
        seen.append(once.tobytes())
    assert len(set(seen)) > 4 or shape == (1, 1, 1)


def test_rand_augment_leaves_a_channel_alone_that_is_constant_in_training() -> None:
    flat = Standardisation(np.full(3, 9, np.float32), np.array([50, 60, 1e-7], np.float32), 0.0, 255.0)
    images = pictures(6, (8, 8, 3))
    images[..., 2] = 0
    own = Augmentation(AugmentationConfig(shift=0.0, rand_augment=1.0), flat)
    for batch in range(4):
        after = own.apply(images, tf.constant((5, batch))).numpy()
        assert np.array_equal(after[..., 2], images[..., 2])
        assert np.isfinite(after).all()


def test_batches_in_a_graph_are_those_outside_of_one() -> None:
    own = augmentation(flip=True, shift=0.2, rand_augment=0.6, mixup=0.4, cutmix=0.5)
    labels, images = tf.range(7) % 3, pictures(7, (8, 8, 1))
    specs = tf.TensorSpec((None, 8, 8, 1)), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((2,), tf.int32)
    graph = tf.function(lambda *batch: own.batch(*batch, classes=3), input_signature=specs)
    for batch in range(6):
        seed = tf.constant((3, batch))
        for one, other in zip(graph(images, labels, seed), own.batch(images, labels, seed, classes=3), strict=True):
            assert one.numpy() == pytest.approx(other.numpy(), abs=1e-4)
