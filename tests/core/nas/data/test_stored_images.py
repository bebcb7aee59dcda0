import numpy as np
import pytest

from hivenas.core.nas.data.stored_images import StoredImages, at, block_length, in_memory

ROWS = np.array([4, 0, 2, 2, 9])


@pytest.fixture
def stored(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 2, 1)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    return images, StoredImages(np.load(tmp_path / "images.npy", mmap_mode="r"), ROWS)


def test_stored_rows_are_those_of_the_array_in_their_order(stored):
    images, found = stored
    wanted = images[ROWS]
    assert (found.shape, found.ndim, found.dtype, found.nbytes, len(found)) == ((5, 3, 2, 1), 4, np.uint8, 30, 5)
    np.testing.assert_array_equal(found.whole(), wanted)
    np.testing.assert_array_equal(np.asarray(found), wanted)
    np.testing.assert_array_equal(list(found), wanted)
    np.testing.assert_array_equal(found[1:4], wanted[1:4])
    np.testing.assert_array_equal(found[-1], wanted[-1])
    np.testing.assert_array_equal(found.take(np.array([3, 1])), wanted[[3, 1]])
    np.testing.assert_array_equal(found[np.array([3, 1])], wanted[[3, 1]])
    np.testing.assert_array_equal(in_memory(at(found, np.array([4, 4, 0]))), wanted[[4, 4, 0]])
    assert (found.min(), found.max()) == (wanted.min(), wanted.max())


def test_what_is_read_is_a_plain_array_of_its_own(stored):
    _, found = stored
    for read in (found[:2], found.take(np.array([0])), found.whole(), at(found, np.array([1]))[:]):
        assert type(read) is np.ndarray
        assert read.flags.c_contiguous
        assert read.flags.writeable


def test_blocks_hold_every_image_once(stored, monkeypatch):
    images, found = stored
    monkeypatch.setattr("hivenas.core.nas.data.stored_images._BLOCK", 13)
    assert block_length(found) == 2
    assert [len(block) for block in found.blocks()] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(list(found.blocks())), images[ROWS])
