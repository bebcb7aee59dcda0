from __future__ import annotations

import numpy as np
import pytest

from hivenas.core.nas.data.moments import channel_moments


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 3), (5, 7, 3), (61, 28, 28), (333, 17, 19)])
def test_moments_in_blocks_are_numpys_to_the_last_bit(shape: tuple[int, ...], dtype: str, channels: int) -> None:
    images = (np.random.default_rng(0).random((*shape, channels)) * 200).astype(dtype)
    pixels = images.reshape(-1, channels).astype(np.float64)
    for block in (128, 1000, 2**18):
        mean, variance = channel_moments(images, block)
        assert np.array_equal(mean, pixels.mean(axis=0))
        assert np.array_equal(variance, pixels.var(axis=0))


def test_images_need_not_lie_in_a_row() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 8, 7), dtype=np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(channel_moments(images, 128)[1], images.reshape(-1, 3).astype(np.float64).var(axis=0))
