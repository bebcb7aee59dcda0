"""The time as trackers are told it."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return int(time.time() * 1000)
