"""The progress of work on data that comes before a search, in lines now and then."""

from __future__ import annotations

import logging
import time
from pathlib import Path

_EVERY_S = 5.0

logger = logging.getLogger("hivenas")


class Preparing:
    """Says how far a preparation is, every few seconds.

    Args:
        origin: what is prepared.
        what: the things that are counted, such as `images`.
        total: how many there are; 0 where that is not known.
        folder: where they are written.
    """

    def __init__(self, origin: str, what: str, total: int, folder: Path) -> None:
        self._origin, self._what, self._total, self._folder = origin, what, total, folder
        self._before = self._done = 0
        self._since = self._said = time.monotonic()

    def begin(self, done: int = 0) -> None:
        """Says that it begins, or goes on after so many."""
        self._before = self._done = done
        so_far = f", {done:,} of which are there already" if done else ""
        count = f"{self._total:,} " if self._total else ""
        logger.info("data: preparing %s%s of %s once, in %s%s", count, self._what, self._origin, self._folder, so_far)

    def advance(self, count: int) -> None:
        """Counts so many more; says so where nothing was said for a while."""
        self._done += count
        now = time.monotonic()
        if now - self._said < _EVERY_S:
            return
        self._said = now
        line = f"{self._done:,} {self._what}"
        if self._total and self._done > self._before:
            left = (now - self._since) / (self._done - self._before) * (self._total - self._done)
            line = f"{self._done:,} of {self._total:,} {self._what} ({self._done / self._total:.0%})"
            line += f", about {max(1, round(left)):,} s left"
        logger.info("data: %s prepared", line)

    def end(self, size: int) -> None:
        """Says that it is done, and what it takes on the disk in bytes."""
        took = time.monotonic() - self._since
        logger.info("data: prepared in %.1f s, %s on the disk", took, shown_size(size))


def shown_size(count: float) -> str:
    """Bytes for people."""
    gib = 2**30
    return f"{count / gib:.1f} GiB" if count >= gib / 10 else f"{-(-count // 2**20):.0f} MiB"
