"""The processor cores that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The number of cores that this process may use, as taskset or a batch system grants them; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
