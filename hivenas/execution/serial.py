"""The executor that calls in the driver's own process."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

from hivenas.core.records import Proposal, encode_candidate
from hivenas.errors import WorkerDiedError

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs every call at once, in the calling process: for cheap objectives and for debugging.

    A crash in native code ends the whole process. The candidate that was being evaluated then fails when it is
    evaluated again, so that a resumed search gets past it; a process that was killed leaves no such trace.

    Args:
        crash_log: file that takes the name of the candidate at work and what Python says of a crash; None for none.
    """

    def __init__(self, crash_log: Path | None = None) -> None:
        self._log = crash_log
        self._crashed, _, self._last_words = _read_crash(crash_log)
        self._file: IO[str] | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls the function and returns a future that is already done."""
        future: Future[T] = Future()
        try:
            if self._log and args and isinstance(args[0], Proposal):
                self._watch(args[0])
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the watch for crashes."""
        if self._file:
            faulthandler.disable()
            self._file.close()
            self._file = None

    def _watch(self, proposal: Proposal) -> None:
        assert self._log
        name = f"{proposal.label} {encode_candidate(proposal.candidate)}"
        if name == self._crashed:
            self._crashed = ""
            raise WorkerDiedError("the process crashed in native code while it evaluated this", self._last_words)
        if self._file is None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._log.open("w", encoding="utf-8")
            faulthandler.enable(self._file)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{name}\n")
        self._file.flush()


def _read_crash(log: Path | None) -> tuple[str, str, str]:
    """The candidate at which a process crashed and what Python said of it; nothing where it ended in another way."""
    text = log.read_text(encoding="utf-8", errors="replace") if log and log.exists() else ""
    return text.partition("\n") if "Fatal Python error" in text else ("", "", "")
