"""The processes that a process has started, where the system lists them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PROCESSES = Path("/proc")  # of Linux


def descendants(pid: int) -> list[int]:
    """The ids of the children of a process, of theirs, and so on; none where the system does not tell them.

    Once the process is gone they are another's children, and nobody knows any more whose they were.
    """
    found: list[int] = []
    with contextlib.suppress(OSError):  # it, or a thread of it, ends just now
        for thread in os.listdir(_PROCESSES / str(pid) / "task"):
            with contextlib.suppress(OSError):
                text = (_PROCESSES / str(pid) / "task" / thread / "children").read_text()
                for child in map(int, text.split()):
                    found += [child, *descendants(child)]
    return found


def kill(pids: Iterable[int]) -> None:
    """Ends processes at once; those that have ended by themselves are none any more."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
