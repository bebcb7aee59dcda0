"""The time that a task may take in a worker process; time in which a process is suspended is none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Self

from hivenas.execution.descendants import descendants, kill

_TICK_S = 0.25
_SUSPENDED_S = 1.0  # between two ticks: then this process slept, with its container or its machine
_LAST_WORDS_S = 5.0
# A worker answers it with a traceback of every thread, whatever native code it is in, and ends.
FAREWELL = getattr(signal, "SIGVTALRM", None)


class TimeLimit(contextlib.AbstractContextManager["TimeLimit"]):
    """Ends a worker process in which a task takes too long, and what it has started, while it is entered.

    No clock of the system stands still while a process is stopped, as by `kill -STOP`, Ctrl-Z or `docker pause`, and
    at the next moment too much time would have gone. So this counts its own ticks: a gap between two of them, and the
    time in which the worker alone is stopped, are left out.

    Args:
        process: a child of this process.
        seconds: that the task may take.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process = process
        self._seconds = seconds
        self._done = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._watch, name="hivenas-time-limit", daemon=True)
        self.spent = 0.0
        self.is_over = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while self.spent < self._seconds:
            if self._done.wait(max(0.01, min(_TICK_S, self._seconds - self.spent))):
                return
            now = time.monotonic()
            gap, before = now - before, now
            if not self._worker_is_stopped():
                self.spent += gap if gap < _SUSPENDED_S else _TICK_S
        self.is_over = True
        started = descendants(self._process.pid)
        if FAREWELL is not None:
            self._process.send_signal(FAREWELL)
            self._done.wait(_LAST_WORDS_S)
        self._process.kill()
        kill(started)

    def _worker_is_stopped(self) -> bool:
        """True while the worker alone is stopped, where the system tells; its end is left for others to hear."""
        if sys.platform == "win32" or not hasattr(os, "waitid"):
            return False
        with contextlib.suppress(ChildProcessError):
            while change := os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG):
                self._is_stopped = change.si_code != os.CLD_CONTINUED
        return self._is_stopped
