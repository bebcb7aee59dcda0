"""The signals that end work, and work that is not to be torn by them: an interruption waits for its end."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

logger = logging.getLogger("hivenas")


def _known(*names: str) -> tuple[signal.Signals, ...]:
    """Those that this system has."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


# Ctrl-C and kill: somebody asks, and who asks again wants the end at once.
ASKED = _known("SIGINT", "SIGTERM")
# The terminal or its window was closed, the time of a batch job is nearly over: this may come several times.
ANNOUNCED = _known("SIGHUP", "SIGBREAK", "SIGXCPU", "SIGUSR1", "SIGUSR2")


@contextlib.contextmanager
def defer_signals(waits_for: str = "") -> Iterator[None]:
    """Holds the signals that end work back until the work within is over, then lets what came take effect.

    A handler that raises does so wherever Python is. In the middle of a database transaction, the exception's frames
    keep the connection with its lock, and what is to be written in an orderly end finds the database locked.

    A second SIGINT or SIGTERM ends the process at once. Handlers that are not Python's (the default, ignored) are left
    alone, and so is every thread but the main one, in which no handler runs. It may be nested.

    Args:
        waits_for: what an interruption waits for, for people, where that may take a while; empty to say nothing.

    Raises:
        KeyboardInterrupt: or whatever else the handler of a signal that came raises, after the work.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in (*ASKED, *ANNOUNCED)}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if waits_for and not noted:
            logger.warning("%s has come and waits for %s", signal.Signals(number).name, waits_for)
        noted.append(number)
        await_end(handlers)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if noted:
            signal.raise_signal(noted[0])


def await_end(numbers: Iterable[int]) -> None:
    """Has further signals of these numbers end the process at once where they ask for it, and else do nothing."""
    for each in numbers:
        signal.signal(each, signal.SIG_DFL if each in ASKED else signal.SIG_IGN)
