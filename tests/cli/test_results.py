from __future__ import annotations

import pytest

from hivenas.cli.results import fitted
from hivenas.core.records import Direction
from hivenas.reports import as_text, best_table, short
from tests.trials import trial

LONG = "input|sep3x3_64|max_pool3x3|conv3x3_32bnrelu|dropout|identity|output"


@pytest.mark.parametrize("width", [12, 24, 38, 60, 200])
def test_a_table_fits_the_window_and_keeps_what_matters(width: int) -> None:
    table = best_table([trial(7, 0.98765, LONG, role="onlooker", epochs=3, params=12345)], Direction.MAXIMIZE)
    shown = as_text(fitted(table, width)).splitlines()
    assert max(map(len, shown)) <= max(width, 1 + 2 + 7 + 2 + 4)
    assert shown[1].startswith("1  0.9877 ")
    assert ("12,345" in shown[1]) is (width >= 60)
    assert (short(LONG) in shown[1]) is (width == 200)
