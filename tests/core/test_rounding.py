"""Figures that are the same but for their rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hivenas.core.rounding import reaches


@pytest.mark.parametrize("count", [3, 7, 100, 360, 1797, 10_000])
def test_every_share_reaches_itself_however_it_is_computed_and_none_the_next(count: int) -> None:
    each = np.float32(1) / np.float32(count)
    for hits in range(count + 1):
        recorded = float(np.float32(hits) * each)
        assert reaches(recorded, hits / count)
        assert reaches(hits / count, recorded)
        assert not reaches(recorded, (hits + 1) / count)


@pytest.mark.parametrize(
    ("figure", "least", "over", "expected"),
    [
        (0.91, 0.01, 0.9, True),
        (0.9099, 0.01, 0.9, False),
        (0.88, -0.02, 0.9, True),
        (-0.35, -0.35, 0.0, True),
        (1.1e-7, 1.2e-7, 0.0, False),
        (1.0e9, 1.0e9 + 1, 0.0, True),
        (0.0, 0.0, 0.0, True),
        (0.0, 1e-9, 0.0, False),
        (math.inf, 5.0, 0.0, True),
        (-math.inf, 5.0, 0.0, False),
        (-math.inf, -5.0, 1.0, False),
        (math.nan, 0.0, 0.0, False),
    ],
)
def test_the_rounding_is_that_of_the_figures_themselves(
    figure: float, least: float, over: float, expected: bool
) -> None:
    assert reaches(figure, least, over=over) is expected
