"""Measurements in processes of their own, with one thread each, and the files that keep them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
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
    # A ProcessPoolExecutor of Python 3.11 hangs at the first replacement (https://github.com/python/cpython/issues/115634).
    with get_context("spawn").Pool(processes, _begin, maxtasksperchild=10) as at_work:
        yield from at_work.imap_unordered(_call, [(function, task) for task in tasks])


def _call(work: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
    function, task = work
    return function(*task)


def read_lines(*files: Path) -> list[dict[str, Any]]:
    """The lines of JSON in files; nothing of one that is not there yet."""
    found = [file.read_text(encoding="utf-8").splitlines() for file in files if file.exists()]
    return [json.loads(line) for lines in found for line in lines]


def add_line(file: Path, line: Mapping[str, Any]) -> None:
    """Adds a line of JSON to a file."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps(line) + "\n")


def _begin() -> None:
    choose_onednn()
    limit_threads(1)
