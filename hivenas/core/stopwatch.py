"""The time that an evaluation takes, and the process in which it is carried out."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace

from hivenas.core.records import Evaluation


class Stopwatch:
    """Runs from when it is made, in the process that evaluates."""

    def __init__(self) -> None:
        self._began, self._from = time.time(), time.monotonic()

    def note(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with the wall time until now, when that began, and its worker."""
        worker = f"{socket.gethostname()}-{os.getpid()}"
        return replace(evaluation, seconds=time.monotonic() - self._from, started=self._began, worker=worker)
