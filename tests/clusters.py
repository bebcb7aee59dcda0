"""A dask scheduler and dask workers as processes of their own, each in a folder that no other one knows."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Self

from tests.processes import LIMIT_S, Process, environment


class Cluster:
    """A scheduler on 127.0.0.1 and workers, each the leader of a group of processes.

    Args:
        folder: holds a folder for each of them.
        workers: number of workers.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._file = folder / "scheduler" / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        while not self._file.exists() or not self._file.read_text():
            assert self.scheduler.is_running, self.scheduler.output
            assert self.scheduler.seconds < LIMIT_S
            time.sleep(0.05)
        self.address = str(json.loads(self._file.read_text())["address"])
        self.workers = [self._start(f"worker-{number}", self.address) for number in range(workers)]

    def files(self, number: int) -> list[Path]:
        """The files in a worker's folder, which come and go."""
        return [Path(place) / name for place, _, names in os.walk(self._folder / f"worker-{number}") for name in names]

    def _start(self, name: str, *arguments: str) -> Process:
        folder = self._folder / name
        folder.mkdir(parents=True)
        kind = name.partition("-")[0]
        own = {
            "scheduler": ["--scheduler-file", str(self._file)],
            "worker": ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)],
        }[kind]
        command = [sys.executable, "-m", "dask", kind, *arguments, *own]
        return Process(command, folder, environment(), folder / "output.txt")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process.is_running:
                process.kill()
