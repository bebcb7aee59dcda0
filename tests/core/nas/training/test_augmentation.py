from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from scipy import ndimage, stats

from hivenas.config import AugmentationConfig
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.augmentation import Augmentation, augmented_examples
from hivenas.core.nas.training.standardisation import Standardisation
from hivenas.core.nas.training.transformations import LUMA, Affine, Recolouring

pytestmark = pytest.mark.keras

SHAPES = [(8, 8, 1), (28, 28, 1), (20, 32, 3), (9, 5, 3)]
SEED = (11, 3)
ALL: dict[str, Any] = {"affine": True, "cutout": 1.0, "saturation": 1.0, "contrast": 1.0}


def scale(channels: int) -> Standardisation:
    mean, deviation = np.array([120.0, 100.0, 90.0], np.float32), np.array([60.0, 50.0, 70.0], np.float32)
    return Standardisation(mean[:channels], deviation[:channels], 0.0, 255.0)


def pictures(count: int, shape: tuple[int, int, int], low: int = 1, high: int = 256) -> NDArray[Any]:
    return np.random.default_rng(5).integers(low, high, (count, *shape)).astype(np.float32)


def augmented(raw: NDArray[Any], *, seed: tuple[int, int] = SEED, **config: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Standardised images before and after."""
    standard = scale(raw.shape[-1])
    before = standard.standardise(raw)
    augmentation = Augmentation(AugmentationConfig(**{"shift": 0.0, **config}), standard)
    return before, augmentation.apply(tf.constant(before), tf.constant(seed, tf.int32)).numpy()


def affine(**changes: float) -> Affine:
    nothing = dict.fromkeys(("shear", "rotation", "shift_y", "shift_x"), 0.0)
    values = {"zoom_y": 1.0, "zoom_x": 1.0, "flip": 1.0} | nothing | changes
    return Affine(**{name: tf.constant([value]) for name, value in values.items()})


def within(hits: int, count: int, probability: float) -> bool:
    """True where a count of successes lies within four standard deviations of what is expected."""
    return bool(abs(hits - count * probability) <= 4 * math.sqrt(count * probability * (1 - probability)))


def changed(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    differs: NDArray[np.bool_] = (before != after).any(axis=(1, 2, 3))
    return differs


@pytest.mark.parametrize("shape", SHAPES)
def test_with_nothing_to_do_images_stay_the_same_to_the_last_bit(shape: tuple[int, int, int]) -> None:
    before, after = augmented(pictures(4, shape))
    assert np.array_equal(before, after)
    assert np.array_equal(affine().warp(before).numpy(), before)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_flip_mirrors_left_and_right_exactly(shape: tuple[int, int, int]) -> None:
    images = pictures(1, shape)
    assert np.array_equal(affine(flip=-1.0).warp(images).numpy(), images[:, :, ::-1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("down", "right"), [(0, 2), (3, 0), (-1, 1)])
def test_a_shift_moves_pixels_and_repeats_the_edge(shape: tuple[int, int, int], down: int, right: int) -> None:
    images, (height, width) = pictures(1, shape), shape[:2]
    moved = affine(shift_y=down / height, shift_x=right / width).warp(images).numpy()
    rows, columns = (np.arange(height) - down).clip(0, height - 1), (np.arange(width) - right).clip(0, width - 1)
    assert moved == pytest.approx(images[:, rows][:, :, columns], abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "changes",
    [
        {"zoom_y": 0.8, "zoom_x": 1.1},
        {"shear": 0.17},
        {"rotation": -0.26},
        {"zoom_y": 1.05, "zoom_x": 0.9, "shear": -0.1, "rotation": 0.2, "shift_y": 0.07, "shift_x": -0.1, "flip": -1.0},
    ],
    ids=["zoom", "shear", "rotation", "all"],
)
def test_the_composed_transformation_is_that_of_its_parts(
    shape: tuple[int, int, int], changes: dict[str, float]
) -> None:
    images, (height, width) = pictures(1, shape), shape[:2]
    p = {"zoom_y": 1.0, "zoom_x": 1.0, "shear": 0.0, "rotation": 0.0, "shift_y": 0.0, "shift_x": 0.0, "flip": 1.0}
    p |= changes
    turn = np.array([[np.cos(p["rotation"]), np.sin(p["rotation"])], [-np.sin(p["rotation"]), np.cos(p["rotation"])]])
    shear, zoom = np.array([[1, 0], [np.tan(p["shear"]), 1]]), np.diag([p["zoom_y"], p["zoom_x"] * p["flip"]])
    inverse = np.linalg.inv(turn @ shear @ zoom)  # over (y, x)
    centre, shift = np.array([height - 1, width - 1]) / 2, np.array([p["shift_y"] * height, p["shift_x"] * width])
    offset = centre - inverse @ (centre + shift)
    expected = [
        ndimage.affine_transform(images[0, ..., c].astype(np.float64), inverse, offset, order=1, mode="nearest")
        for c in range(shape[2])
    ]
    assert affine(**changes).warp(images).numpy()[0] == pytest.approx(np.stack(expected, -1), abs=0.01)


def test_a_rotation_is_clockwise_and_a_zoom_above_one_enlarges() -> None:
    image = np.zeros((1, 9, 9, 1), np.float32)
    image[0, 0, 4] = 1.0
    assert affine(rotation=np.pi / 2).warp(image).numpy()[0, 4, 8, 0] == pytest.approx(1.0, abs=1e-4)
    image[0, 3:6, 3:6] = 1.0
    assert affine(zoom_y=2.0, zoom_x=2.0).warp(image).numpy()[0, 3:6, 2:7].min() > 0.5


def test_affine_parameters_fill_their_ranges() -> None:
    count = 20_000
    drawn = Affine.draw(count, tf.constant(SEED))
    limits = {"zoom": (0.8, 1.1), "shear": (-10.0, 10.0), "rotation": (-15.0, 15.0), "shift": (-0.1, 0.1)}
    uniform = {name: np.asarray(values) for name, values in drawn._asdict().items() if name != "flip"}
    for name, values in uniform.items():
        low, high = limits[name.split("_")[0]]
        share = ((np.rad2deg(values) if name in ("shear", "rotation") else values) - low) / (high - low)
        assert -1e-6 <= share.min() < 0.001 < 0.999 < share.max() <= 1 + 1e-6, name
        assert abs(share.mean() - 0.5) < 4 / np.sqrt(12 * count), name
    assert set(np.asarray(drawn.flip)) == {-1.0, 1.0}
    assert within(int((np.asarray(drawn.flip) < 0).sum()), count, 0.5)
    correlations = np.corrcoef([*uniform.values(), np.asarray(drawn.flip)]) - np.eye(7)
    assert np.abs(correlations).max() < 5 / np.sqrt(count)


@pytest.mark.parametrize("channels", [1, 3])
def test_recolouring_is_saturation_then_contrast_then_clipping_of_raw_pixels(channels: int) -> None:
    raw, standard = pictures(5, (7, 6, channels)), scale(channels)
    saturation = np.array([1.0, 0.2, 3.0, 2.5, 1.0]) if channels == 3 else np.ones(5)
    contrast = np.array([2.0, 1.0, 0.5, 1.7, 0.6])
    s, k = saturation[:, None, None, None], contrast[:, None, None, None]
    grey = (raw @ np.array(LUMA))[..., None] if channels == 3 else raw
    expected = grey + s * (raw - grey)
    mean = expected.mean(axis=(1, 2), keepdims=True)
    expected = np.clip(mean + k * (expected - mean), 0, 255)
    factors = (tf.constant(values, tf.float32) for values in (saturation, contrast))
    result = Recolouring(standard).apply(standard.standardise(raw), *factors).numpy()
    assert result * standard.deviation + standard.mean == pytest.approx(expected, abs=0.01)
    assert standard.restore(result) == pytest.approx(expected, abs=0.01)
    assert result.min() == standard.limits()[0].min()


@pytest.mark.parametrize("name", ["cutout", "saturation", "contrast"])
@pytest.mark.parametrize("probability", [0.0, 0.03, 0.5, 0.9, 1.0])
def test_each_image_is_changed_with_exactly_the_probability(name: str, probability: float) -> None:
    before, after = augmented(pictures(5000, (6, 5, 3)), **dict[str, Any]({name: probability}))
    assert within(int(changed(before, after).sum()), 5000, probability)


def test_images_that_nothing_is_drawn_for_are_not_even_clipped() -> None:
    before, after = augmented(pictures(200, (6, 5, 3), -50, 400), saturation=0.3, contrast=0.3)
    touched = changed(before, after)
    low, high = scale(3).limits()
    assert 50 < touched.sum() < 150
    assert ((after[touched] >= low) & (after[touched] <= high)).all()
    assert (after[~touched] < low).any()


def test_colour_factors_fill_their_ranges() -> None:
    count = 5000
    raw = pictures(count, (4, 4, 3), 125, 131)
    before, after = augmented(raw, contrast=1.0)
    contrast = (after.std(axis=(1, 2)) / before.std(axis=(1, 2)))[:, 0]
    before, after = augmented(raw, saturation=1.0)
    saturation = chroma(after) / chroma(before)
    for factors, low, high in ((contrast, 0.5, 2.0), (saturation, 0.2, 3.0)):
        share = (factors - low) / (high - low)
        assert -0.02 <= share.min() < 0.02 < 0.98 < share.max() <= 1.02
        assert abs(share.mean() - 0.5) < 0.01 + 4 / np.sqrt(12 * count)


def chroma(standardised: NDArray[Any]) -> NDArray[Any]:
    """The distance of each image from grey."""
    raw = standardised * scale(3).deviation + scale(3).mean
    distance: NDArray[Any] = np.abs(raw[..., 0] - raw[..., 2]).mean(axis=(1, 2))
    return distance


def test_saturation_is_for_rgb_images_whose_channels_all_vary() -> None:
    before, after = augmented(pictures(20, (6, 5, 1)), saturation=1.0)
    assert np.array_equal(before, after)
    flat = Standardisation(np.full(3, 9.0, np.float32), np.array([50.0, 60.0, 1e-7], np.float32), 0.0, 255.0)
    augmentation, colours = Augmentation(AugmentationConfig(shift=0.0, saturation=1.0), flat), pictures(20, (6, 5, 3))
    assert np.array_equal(augmentation.apply(tf.constant(colours), tf.constant(SEED)), colours)


@pytest.mark.parametrize(
    ("shape", "heights", "widths"),
    [((20, 32, 3), {2, 3, 4}, {4, 5, 6}), ((28, 28, 1), {3, 4, 5}, {3, 4, 5}), ((8, 3, 1), {1}, {1})],
)
def test_cutout_fills_one_rectangle_inside_with_the_mean(
    shape: tuple[int, int, int], heights: set[int], widths: set[int]
) -> None:
    before, after = augmented(pictures(3000, shape, 1, 80), cutout=1.0)
    hole = (after == 0).all(axis=-1)
    assert np.array_equal(after[~hole], before[~hole])
    for seen, sizes, side in ((hole.any(axis=2), heights, shape[0]), (hole.any(axis=1), widths, shape[1])):
        assert set(seen.sum(axis=1)) == sizes
        assert ((np.diff(seen.astype(int), axis=1, prepend=0) == 1).sum(axis=1) == 1).all()  # in one stretch
        first = seen.argmax(axis=1)
        for size in sizes:
            places = np.bincount(first[seen.sum(axis=1) == size], minlength=side - size + 1)
            assert len(places) == side - size + 1
            assert stats.chisquare(places).pvalue > 1e-3
    assert np.array_equal(hole, hole.any(axis=2)[:, :, None] & hole.any(axis=1)[:, None, :])


@pytest.mark.parametrize("others", [{"affine": True}, {"saturation": 0.7}, {"contrast": 0.4}, ALL])
def test_what_is_cut_out_does_not_depend_on_what_else_is_on(others: dict[str, Any]) -> None:
    raw = pictures(50, (12, 10, 3), 1, 80)
    alone, together = (augmented(raw, **(config | {"cutout": 0.5}))[1] for config in ({}, others))
    assert np.array_equal((alone == 0).all(axis=-1), (together == 0).all(axis=-1))


@pytest.mark.parametrize("others", [{"affine": True}, {"saturation": 0.7}, {"cutout": 0.4}, ALL])
def test_contrast_factors_do_not_depend_on_what_else_is_on(others: dict[str, Any]) -> None:
    # A dark half and a bright one, both grey: saturation changes neither, warping and cutout not all of either.
    raw = np.full((50, 20, 20, 3), 120, np.float32)
    raw[:, 10:] = 140
    first, second = (
        augmented(raw, **(config | {"contrast": 1.0}))[1][..., 0].reshape(50, -1) for config in ({}, others)
    )
    alone, together = (np.ptp(np.sort(pixels)[:, [60, -60]], axis=1) for pixels in (first, second))
    assert alone == pytest.approx(together, rel=0.05)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 1), (2, 40, 3)])
def test_everything_at_once_fits_any_shape_and_is_a_function_of_the_seed(shape: tuple[int, int, int]) -> None:
    raw = pictures(30, shape)
    before, first = augmented(raw, **ALL)
    assert first.shape == before.shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.array_equal(first, augmented(raw, **ALL)[1])
    low, high = scale(shape[2]).limits()
    assert ((first >= low) & (first <= high)).all()
    if shape[0] > 1:
        for other in ((SEED[0] + 1, SEED[1]), (SEED[0], SEED[1] + 1), (SEED[1], SEED[0])):
            assert not np.array_equal(first, augmented(raw, seed=other, **ALL)[1])


def test_a_constant_image_stays_constant() -> None:
    before, after = augmented(np.full((40, 9, 12, 3), 77.0, np.float32), affine=True, contrast=1.0)
    assert after == pytest.approx(before, abs=1e-5)


def test_batches_of_any_size_share_one_trace() -> None:
    augmentation = Augmentation(AugmentationConfig(**{"shift": 0.0, **ALL}), scale(3))
    images = tf.TensorSpec((None, 8, 6, 3), tf.float32)
    compiled = tf.function(augmentation.apply, input_signature=[images, tf.TensorSpec((2,), tf.int32)])
    for count in (7, 3):
        before = scale(3).standardise(pictures(count, (8, 6, 3)))
        eager = augmentation.apply(tf.constant(before), tf.constant(SEED)).numpy()
        assert compiled(before, tf.constant(SEED)).numpy() == pytest.approx(eager, abs=1e-5)
    assert compiled.experimental_get_tracing_count() == 1


def dataset(images: NDArray[Any]) -> Dataset:
    labels = np.zeros(len(images), np.int32)
    return Dataset("pictures", images, labels, images, labels, images, labels, 2, ("a", "b"))


def test_the_legal_range_is_that_of_bytes_or_of_the_training_split() -> None:
    raw = pictures(6, (4, 5, 3), 10, 200)
    floats, octets = (Standardisation.of(dataset(raw.astype(kind))) for kind in (np.float32, np.uint8))
    assert (floats.low, floats.high) == (raw.min(), raw.max())
    assert (octets.low, octets.high) == (0.0, 255.0)
    assert octets.standardise(raw).mean(axis=(0, 1, 2)) == pytest.approx(np.zeros(3), abs=1e-5)
    assert octets.standardise(raw).std(axis=(0, 1, 2)) == pytest.approx(np.ones(3), abs=1e-5)
    assert octets.restore(octets.standardise(raw)) == pytest.approx(raw, abs=1e-3)


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_examples_have_the_original_first_and_versions_in_the_raw_range(kind: type) -> None:
    data = dataset(pictures(3, (6, 7, 3)).astype(kind))
    config = AugmentationConfig(**{"shift": 0.0, **ALL})
    examples = augmented_examples(data, config, seed=1, count=5, versions=4)
    assert examples.shape == (3, 5, 6, 7, 3)
    assert np.array_equal(examples[:, 0], data.x_train)
    assert examples.min() >= 0.0
    assert examples.max() <= 255.0
    assert len(np.unique(examples.reshape(15, -1), axis=0)) == 15
    assert np.array_equal(examples, augmented_examples(data, config, seed=1, count=5, versions=4))
    assert not np.array_equal(examples, augmented_examples(data, config, seed=2, count=5, versions=4))
