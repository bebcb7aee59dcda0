"""The progress of work on data that comes before a search: drawn, or a line now and then, if it takes longer."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from hivenas.core.preparation import Preparation, shown

_SOON_S = 2.0
_EVERY_S = 10.0

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Deed:
    """The work on data in words.

    Args:
        goes_on: as it goes on.
        is_done: as it is done.
    """

    goes_on: str
    is_done: str


PREPARED = Deed("preparing", "prepared")
FETCHED = Deed("fetching", "fetched")
LOOKED_AT = Deed("looking at", "looked at")
READ = Deed("reading", "read")
MEASURED = Deed("measuring", "measured")


class Preparing:
    """Says how far a preparation is, while it is entered, and that it is done where nothing was raised.

    `size`, what it takes on the disk in bytes, is said as well if it is set by then.

    Args:
        origin: what is prepared.
        what: the things that are counted, such as `images of`.
        total: how many there are.
        folder: where they are written; None where nothing is.
        done: how many are there already.
        deed: what is done with them.
    """

    def __init__(
        self, origin: str, what: str, total: int, folder: Path | None, done: int = 0, deed: Deed = PREPARED
    ) -> None:
        self._origin, self._what, self._total, self._folder = origin, what, total, folder
        self._deed = deed
        self._before = self._done = done
        self._since = time.monotonic()
        self._next = self._since + _SOON_S
        self._is_said = False
        self.size: int | None = None

    def __enter__(self) -> Preparing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if show := shown():
            show(None)
        if self._is_said and kind is None:
            took = time.monotonic() - self._since
            room = "" if self.size is None else f", {shown_size(self.size)} on the disk"
            logger.info("data: %s in %s s%s", self._deed.is_done, f"{took:,.0f}", room)

    def advance(self, count: int) -> None:
        """Counts so many more; says so where nothing was said for a while."""
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        if not self._is_said:
            place = f" once, in {self._folder}" if self._folder else ""
            logger.info("data: %s %s %s%s", self._deed.goes_on, self._what, self._origin, place)
            self._is_said = True
        left = (now - self._since) / (self._done - self._before) * (self._total - self._done)
        reached = Preparation(self._what.partition(" ")[0], self._done, self._total, left, self._deed.is_done)
        if show := shown():
            show(reached)
            return
        self._next = now + _EVERY_S
        logger.info("data: %s", reached)


def shown_size(count: float) -> str:
    """Bytes for people."""
    gib = 2**30
    return f"{count / gib:.1f} GiB" if count >= gib / 10 else f"{-(-count // 2**20):.0f} MiB"
