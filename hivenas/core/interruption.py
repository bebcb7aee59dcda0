"""Work that is not to be torn by Ctrl-C: an interruption waits for its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Holds SIGINT and SIGTERM back until the work within is over, then lets what came take effect.

    A handler that raises does so wherever Python is. In the middle of a database transaction, the exception's frames
    keep the connection with its lock, and what is to be written in an orderly end finds the database locked.

    A second signal ends the process at once. Handlers that are not Python's (the default, ignored) are left alone, and
    so is every thread but the main one, in which no handler runs. It may be nested.

    Raises:
        KeyboardInterrupt: or whatever else the handler of a signal that came raises, after the work.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in _INTERRUPTIONS}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        for each in handlers:
            signal.signal(each, signal.SIG_DFL)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if noted:
            signal.raise_signal(noted[0])
