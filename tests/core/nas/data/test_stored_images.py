"""Images that stay where they are stored: all that is computed of them is that of the whole array, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hivenas.core.nas.data import stored_images
from hivenas.core.nas.data.image_arrays import LabelledImages, checked_images
from hivenas.core.nas.data.moments import channel_moments
from hivenas.core.nas.data.remarks import LabelledSplit, remarks
from hivenas.core.nas.data.sameness import digest_of
from hivenas.core.nas.data.stored_images import StoredImages, all_of, at, block_length, in_memory
from hivenas.core.nas.data.values import are_alike, classes_alike, is_whole, known_scale
from hivenas.errors import DatasetError

ROWS = np.array([4, 0, 2, 2, 9])
Pair = tuple[NDArray[Any], StoredImages]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 2, 1)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    return images[ROWS], StoredImages(np.load(tmp_path / "images.npy", mmap_mode="r"), ROWS)


def test_stored_rows_are_those_of_the_array_in_their_order(pair: Pair) -> None:
    wanted, found = pair
    assert (found.shape, found.ndim, found.nbytes, len(found)) == ((5, 3, 2, 1), 4, 30, 5)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.whole(), wanted)
    np.testing.assert_array_equal(np.asarray(found), wanted)
    np.testing.assert_array_equal(list(found), wanted)
    np.testing.assert_array_equal(found[1:4], wanted[1:4])
    np.testing.assert_array_equal(found[-1], wanted[-1])
    np.testing.assert_array_equal(found.take(np.array([3, 1])), wanted[[3, 1]])
    np.testing.assert_array_equal(found[np.array([3, 1])], wanted[[3, 1]])
    np.testing.assert_array_equal(in_memory(at(found, np.array([4, 4, 0]))), wanted[[4, 4, 0]])
    assert (found.min(), found.max()) == (wanted.min(), wanted.max())


def test_what_is_read_is_a_plain_array_of_its_own(pair: Pair) -> None:
    _, found = pair
    for read in (found[:2], found.take(np.array([0])), found.whole(), at(found, np.array([1]))[:]):
        assert type(read) is np.ndarray
        assert read.flags.c_contiguous
        assert read.flags.writeable


def test_blocks_hold_every_image_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, found = pair
    monkeypatch.setattr(stored_images, "_BLOCK", 13)
    assert block_length(found) == 2
    assert [len(block) for block in found.blocks()] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(list(found.blocks())), wanted)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_figures_are_those_of_the_array_to_the_last_bit(
    dtype: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_images, "_BLOCK", 3000)
    rng = np.random.default_rng(1)
    source = (rng.random((90, 7, 5, channels)) * 200).astype(dtype)
    source[3:9] = source[0]
    stored = StoredImages(source, rng.permutation(90)[:81])
    images, labels = stored.whole(), np.arange(81, dtype=np.int32) % 40
    assert digest_of(stored, labels) == digest_of(images, labels)
    for block in (128, 2**18):
        for ours, whole in zip(channel_moments(stored, block), channel_moments(images, block), strict=True):
            assert np.array_equal(ours, whole)
    assert (known_scale(stored), is_whole(stored)) == (known_scale(images), is_whole(images))
    splits = [
        [LabelledSplit(at(x, np.arange(start, 81, 3)), labels[start::3]) for start in range(3)]
        for x in (stored, images)
    ]
    names = [str(code) for code in range(40)]
    said = remarks(splits[0][0], splits[0][1], splits[0][2], names)
    assert said == remarks(splits[1][0], splits[1][1], splits[1][2], names)
    assert any("pixel by pixel" in line for line in said)


def test_images_that_are_alike_are_found_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_images, "_BLOCK", 8)
    source = np.zeros((12, 2, 2, 1), np.uint8)
    source[7] = 1
    stored = all_of(source)
    assert not are_alike(stored)
    assert are_alike(at(stored, np.array([0, 6, 11])))
    assert classes_alike(stored, np.array([0] * 6 + [1] * 6)) == [0]


def test_stored_images_are_checked_as_arrays_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_images, "_BLOCK", 64)
    grey = np.arange(10 * 4 * 3, dtype=np.float32).reshape(10, 4, 3)
    labels = ["a", "b"] * 5
    kept = LabelledImages.checked("x.npz", {"x_train": all_of(grey), "y_train": labels}).images["train"]
    assert isinstance(kept, StoredImages)
    assert np.array_equal(kept.whole(), grey[..., np.newaxis])
    grey[8, 1, 1] = np.nan
    with pytest.raises(DatasetError, match="x_train must hold finite 32-bit pixels, got 1 that are NaN"):
        checked_images("x.npz", "x_train", all_of(grey))
    with pytest.raises(DatasetError, match=r"x_train must be images .* got shape \(10, 4, 3, 2\)"):
        checked_images("x.npz", "x_train", all_of(np.zeros((10, 4, 3, 2))))
