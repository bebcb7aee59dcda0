"""The executor whose tasks are refused by processes that have loaded other data than the search began with."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

from hivenas.config import Config
from hivenas.execution.base import Hears, TaskExecutor
from hivenas.execution.tasks import Task, on_data

T = TypeVar("T")


class SameDataExecutor(TaskExecutor):
    """Hands tasks on to another executor, with the digest of the data that they must be carried out on.

    Args:
        executor: carries them out.
        config: the configuration, with the run's seed, of the data.
        digest: of the data.
    """

    def __init__(self, executor: TaskExecutor, config: Config, digest: str) -> None:
        self._executor = executor
        self._config = config
        self._digest = digest
        self.runs_at_once = executor.runs_at_once

    def submit(self, task: Task[T]) -> Future[T]:
        """Hands a task on; its future has a DatasetError where the data are others."""
        return self._executor.submit(on_data(task, self._config, self._digest))

    def follow(self, hears: Hears) -> None:
        """Follows the other executor."""
        self._executor.follow(hears)

    def cpu_seconds(self) -> float:
        """That of the other executor."""
        return self._executor.cpu_seconds()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the other executor."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)
