"""The progress of work on data that comes before a search: drawn, or a line now and then, if it takes longer."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from hivenas.core.preparation import Preparation, shown

_SOON_S = 2.0
_EVERY_S = 10.0

logger = logging.getLogger("hivenas")


class Preparing:
    """Says how far a preparation is.

    Args:
        origin: what is prepared.
        what: the things that are counted, such as `images`.
        total: how many there are.
        folder: where they are written.
        done: how many are there already.
    """

    def __init__(self, origin: str, what: str, total: int, folder: Path, done: int = 0) -> None:
        self._origin, self._what, self._total, self._folder = origin, what, total, folder
        self._before = self._done = done
        self._since = time.monotonic()
        self._next = self._since + _SOON_S
        self._is_said = False

    def advance(self, count: int) -> None:
        """Counts so many more; says so where nothing was said for a while."""
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        if not self._is_said:
            logger.info("data: preparing %s %s once, in %s", self._what, self._origin, self._folder)
            self._is_said = True
        left = (now - self._since) / (self._done - self._before) * (self._total - self._done)
        reached = Preparation(self._what.partition(" ")[0], self._done, self._total, left)
        if show := shown():
            show(reached)
            return
        self._next = now + _EVERY_S
        logger.info("data: %s", reached)

    def end(self, size: int) -> None:
        """Says, where anything was said, that it is done, and what it takes on the disk in bytes."""
        if show := shown():
            show(None)
        if self._is_said:
            took = time.monotonic() - self._since
            logger.info("data: prepared in %s s, %s on the disk", f"{took:,.0f}", shown_size(size))


def shown_size(count: float) -> str:
    """Bytes for people."""
    gib = 2**30
    return f"{count / gib:.1f} GiB" if count >= gib / 10 else f"{-(-count // 2**20):.0f} MiB"
