"""The executor that calls in the driver's own process."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import IO, TypeVar

from hivenas.core.progress import Progress, telling
from hivenas.errors import WorkerDiedError
from hivenas.execution.base import TaskExecutor
from hivenas.execution.tasks import Task, exit_as_failure

T = TypeVar("T")


class SerialExecutor(TaskExecutor):
    """Carries out every task at once, in the calling process: for cheap objectives and for debugging.

    A crash in native code ends the whole process. The candidate that was being evaluated, or any task with a
    name, then fails when it is tried again, so that a resumed search gets past it; a process that was killed leaves no
    such trace.

    Args:
        crash_log: file that takes the name of the task at work and what Python says of a crash; None for none.
    """

    runs_at_once = True

    def __init__(self, crash_log: Path | None = None) -> None:
        self._log = crash_log
        self._crashed, _, self._last_words = _read_crash(crash_log)
        self._file: IO[str] | None = None
        self._was_enabled = False

    def submit(self, task: Task[T]) -> Future[T]:
        """Carries the task out and returns a future that is already done."""
        future: Future[T] = Future()
        try:
            if self._log and task.name:
                self._watch(self._log, task.name)

            def tell(progress: Progress) -> bool:
                self._hears(task.heard_as, progress)
                return True

            with telling(tell), exit_as_failure():
                future.set_result(task.run())
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the watch for crashes."""
        if self._file:
            faulthandler.disable()
            self._file.close()
            self._file = None
            if self._was_enabled:  # where is not known; the standard error may be none, or no file, by now
                with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):
                    faulthandler.enable(sys.__stderr__ or sys.stderr)

    def _watch(self, log: Path, name: str) -> None:
        if name == self._crashed:
            self._crashed = ""
            raise WorkerDiedError("the process crashed in native code while it evaluated this", self._last_words)
        if self._file is None:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._file = log.open("w", encoding="utf-8")
            self._was_enabled = faulthandler.is_enabled()
            faulthandler.enable(self._file)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{name}\n")
        self._file.flush()


def _read_crash(log: Path | None) -> tuple[str, str, str]:
    """The task at which a process crashed and what Python said of it; nothing where it ended in another way."""
    text = log.read_text(encoding="utf-8", errors="replace") if log and log.exists() else ""
    return text.partition("\n") if "Fatal Python error" in text else ("", "", "")
