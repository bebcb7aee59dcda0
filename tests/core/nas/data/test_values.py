from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hivenas.core.nas.data.stored_images import StoredImages
from hivenas.core.nas.data.values import BYTES, UNIT, check_scale, known_scale
from hivenas.errors import DatasetError


def images(lowest: float, highest: float, dtype: str, *, whole: bool = True) -> np.ndarray[Any, Any]:
    values = np.linspace(lowest, highest, 600 * 12)
    return (np.rint(values) if whole else values).astype(dtype).reshape(600, 2, 2, 3)


@pytest.mark.parametrize(
    ("given", "scale"),
    [
        *[(images(0, top, dtype), BYTES) for top in (119, 255, 16, 2) for dtype in ("uint8", "int32", "float32")],
        (images(0, 255, "uint16"), BYTES),
        (images(30, 127, "int8"), BYTES),
        *[(images(0, 1, dtype, whole=False), UNIT) for dtype in ("float16", "float32", "float64")],
        (images(0.2, 0.8, "float32", whole=False), UNIT),
        (images(-1, 1, "float32", whole=False), None),
        (images(-1, 1, "int8"), None),
        (images(-2.3, 3.1, "float32", whole=False), None),
        (images(0, 255, "float32", whole=False), None),
        (images(0, 1000, "float32"), None),
        (images(0, 65535, "uint16"), None),
        *[(images(0, 1, dtype), None) for dtype in ("uint8", "int64", "float32")],
    ],
)
def test_bytes_are_known_by_exact_rules_and_never_by_the_range(
    given: np.ndarray[Any, Any], scale: tuple[float, float] | None
) -> None:
    assert known_scale(given) == scale


def test_one_fraction_in_the_last_image_makes_no_bytes() -> None:
    given = images(0, 255, "float32")
    given[-1, -1, -1, -1] = 100.5
    assert known_scale(given) is None


@pytest.mark.parametrize(("lowest", "highest"), [(0, 1.5), (-0.1, 1), (0, 255)])
def test_values_beyond_a_scale_are_refused(lowest: float, highest: float) -> None:
    check_scale("mine", images(0, 1, "float32", whole=False), (0, 1))
    with pytest.raises(DatasetError, match=r"mine must have values within dataset.scale=\[0, 1\], got "):
        check_scale("mine", images(lowest, highest, "float32", whole=False), (0, 1))


def test_bytes_are_told_by_the_first_images_that_are_not_black() -> None:
    read = []

    class Watched(StoredImages):
        def blocks(self) -> Iterator[NDArray[Any]]:
            for block in super().blocks():
                read.append(len(block))
                yield block

    stored = np.zeros((6, 2_000, 2_000, 1), np.uint8)  # two of them are read at a time
    stored[3, 0, 0] = 2
    assert known_scale(Watched(stored, np.arange(6))) == BYTES
    assert read == [2, 2]
    stored[3, 0, 0] = 1
    assert known_scale(Watched(stored, np.arange(6))) is None
