"""The processor time of a process's descendants, living and ended, from Linux' /proc; nothing beside Python is needed.

What ended without being waited for counts as long as its parent lives, or becomes the root's own child by `adopt`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    is_over: bool
    own: float
    waited_for: float


def adopt() -> None:
    """Has descendants whose parent ends become children of this process, so that none leaves its tree."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def cpu_below(root: int) -> float:
    """CPU seconds, in user mode and in the kernel, of all descendants of a process, ended ones included.

    Parents are read before their children: one that ends meanwhile is missed this time, never counted twice.

    Args:
        root: its pid; what it spends itself is left out.
    """
    first = _read(root)
    ended = first.waited_for if first else 0.0
    return ended + sum(each.own + each.waited_for for each in descendants(root))


def kill_below(root: int) -> None:
    """Kills all descendants of a process, and those that they start meanwhile."""
    while alive := [each for each in descendants(root) if not each.is_over]:
        for each in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        time.sleep(0.02)


def descendants(root: int) -> Iterator[_Process]:
    """The descendants of a process, parents first; those that have ended and were not waited for are among them."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and (process := _read(int(entry))):
            children[process.parent].append(process.pid)
    waiting = deque(children[root])
    while waiting:
        pid = waiting.popleft()
        if process := _read(pid):
            yield process
        waiting.extend(children[pid])


def _read(pid: int) -> _Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it is gone
        return None
    fields = text.rpartition(")")[2].split()  # from the third one of proc(5) on: state, ppid …
    user, system, children_user, children_system = (int(ticks) / _TICK for ticks in fields[11:15])
    return _Process(pid, int(fields[1]), fields[0] in "ZX", user + system, children_user + children_system)
