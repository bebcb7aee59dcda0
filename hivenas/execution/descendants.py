"""The processes that a process has started, where the system lists them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROCESSES = Path("/proc")  # of Linux


def descendants(pid: int) -> Iterator[int]:
    """The ids of the children of a process, of theirs, and so on; none where the system does not tell them.

    Once the process is gone they are another's children, and nobody knows any more whose they were.
    """
    for file in _PROCESSES.glob(f"{pid}/task/*/children"):
        with contextlib.suppress(OSError):  # it ends just now
            for child in map(int, file.read_text().split()):
                yield child
                yield from descendants(child)


def kill(pids: Iterable[int]) -> None:
    """Ends processes at once; those that have ended by themselves are none any more."""
    for pid in list(pids):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
