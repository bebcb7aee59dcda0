from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hivenas.core.nas.training.spending import Spending

pytestmark = pytest.mark.keras


@pytest.mark.skipif(not os.access(Path("/proc/self/clear_refs"), os.W_OK), reason="the peak is that of the process")
def test_a_training_is_not_charged_for_the_memory_and_the_time_of_one_before() -> None:
    first = Spending()
    block = np.ones(200 * 2**20 // 8)
    taken = dict(first.figures())
    del block
    second = Spending().figures()
    assert taken["peak_rss_mb"] - second["peak_rss_mb"] > 150
    assert taken["cpu_seconds"] > 0
    assert second.get("cpu_seconds", 0.0) < first.figures()["cpu_seconds"]
    assert "gpu_peak_mb" not in taken or taken["gpu_peak_mb"] > 0
