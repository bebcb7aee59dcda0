"""CPU seconds of a process and its workers, for benchmarks of whole searches."""

from __future__ import annotations

import os


def cpu_seconds() -> float:
    """The spending of this process and its children, those that have ended included."""
    import psutil  # type: ignore[import-untyped]

    own = os.times()
    alive = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        alive += times.user + times.system + times.children_user + times.children_system
    return own.user + own.system + own.children_user + own.children_system + alive
