"""The private memory of a process: looked at now, and its peak while something else is done, from Linux' /proc."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType


def anonymous_mb(pid: int | str = "self") -> float:
    """The anonymous memory of a process in MiB, this one's by default; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0.0


class MemoryPeak(contextlib.AbstractContextManager["MemoryPeak"]):
    """Watches a process in a thread, while it is entered.

    Args:
        pid: of the process.
        look_s: seconds between two looks.

    Attributes:
        mb: the largest anonymous memory so far, in MiB.
    """

    def __init__(self, pid: int, look_s: float = 0.1) -> None:
        self.mb = 0.0
        self._pid = pid
        self._look_s = look_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryPeak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._look_s):
            self.mb = max(self.mb, anonymous_mb(self._pid))
