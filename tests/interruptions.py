"""A signal in the middle of a database transaction."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import event


@contextlib.contextmanager
def ctrl_c_in_a_transaction() -> Iterator[list[str]]:
    """Sends SIGINT right after the first row that any database is given; yields the statements from that one on."""
    statements: list[str] = []

    def send(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        if statements or statement.startswith(("INSERT", "UPDATE")):
            statements.append(statement)
        if len(statements) == 1:
            signal.raise_signal(signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    event.listen(sqlalchemy.Engine, "after_cursor_execute", send)
    try:
        yield statements
    finally:
        event.remove(sqlalchemy.Engine, "after_cursor_execute", send)
        signal.signal(signal.SIGINT, handler)
