"""Tables as wide as the window that they are printed in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

Table = list[list[str]]

_LEAST_SHOWN = 24  # characters of an architecture, or of a file's name, before other columns give way


def shown(table: Table, fit: Callable[[Table, int], Table] | None = None) -> Table:
    """A table as wide as the window, where there is one; `fit` says how it is cut, where not as `fitted` does."""
    return (fit or fitted)(table, shutil.get_terminal_size().columns) if sys.stdout.isatty() else table


def fitted(table: Table, width: int) -> Table:
    """A table cut to a window: of its columns those between the second and the last give way, from the right."""
    wanted = min(_LEAST_SHOWN, max(len(line[-1]) for line in table))
    while (room := _room(table, width)) < wanted and len(table[0]) > 3:
        table = [[*line[:-2], line[-1]] for line in table]
    room = max(4, room)
    return [[*line[:-1], _cut(line[-1], room)] for line in table]


def side_by_side(table: Table, width: int) -> Table:
    """A table cut to a window whose columns after the first are of one width."""
    room = max(4, (width - max(len(line[0]) for line in table)) // (len(table[0]) - 1) - 2)
    return [[line[0], *(_cut(cell, room) for cell in line[1:])] for line in table]


def answers_fitted(table: Table, width: int) -> Table:
    """A table of answers cut to a window: of a file's name the end is left, then columns give way from the right."""
    name, last = (max(len(line[place]) for line in table) for place in (0, -1))
    room = max(min(name, _LEAST_SHOWN), name + _room(table, width) - last)
    table = [[line[0] if len(line[0]) <= room else f"…{line[0][1 - room :]}", *line[1:]] for line in table]
    while len(table[0]) > 3 and _room(table, width) < max(len(line[-1]) for line in table):
        table = [line[:-1] for line in table]
    room = max(_LEAST_SHOWN, _room(table, width))
    return [[*line[:-1], _cut(line[-1], room)] for line in table]


def _cut(cell: str, room: int) -> str:
    return cell if len(cell) <= room else f"{cell[: room - 1]}…"


def _room(table: Table, width: int) -> int:
    """The space that is left of a window for the last column of a table."""
    return width - sum(max(map(len, column)) + 2 for column in list(zip(*table, strict=True))[:-1])
