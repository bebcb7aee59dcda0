"""Measurements in processes of their own, with one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from hivenas.core.onednn import choose_onednn
from hivenas.execution import limit_threads


def in_processes(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], processes: int) -> Iterator[Any]:
    """The results of a function for every task, as they come.

    Args:
        function: importable.
        tasks: its arguments.
        processes: at work at the same time; each is replaced after ten tasks, which gives back the memory that
            TensorFlow keeps.
    """
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, max_tasks_per_child=10)
    with pool as at_work:
        for future in as_completed([at_work.submit(function, *task) for task in tasks]):
            yield future.result()


def _begin() -> None:
    choose_onednn()
    limit_threads(1)
