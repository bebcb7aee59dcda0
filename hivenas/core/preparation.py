"""The progress of work on data that comes before a search, as whoever does it shows it while it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preparation:
    """The point that a preparation has reached.

    Args:
        what: the things that are counted, such as `images`.
        done: how many there are.
        total: how many there will be.
        left_s: seconds that the others will take, by what was done so far.
        deed: what is done with each, such as `fetched`.
    """

    what: str
    done: int
    total: int
    left_s: float
    deed: str = "prepared"

    def __str__(self) -> str:
        """A line for people."""
        share = f"{self.done / self.total:.0%}"
        left = f"about {max(1, round(self.left_s)):,} s left"
        return f"{self.done:,} of {self.total:,} {self.what} {self.deed} ({share}), {left}"


# Takes the point that is reached, and None at the end.
Show = Callable[[Preparation | None], None]
# Of the thread that prepares: data are loaded in many ways, none of which need pass it on.
_SHOW: ContextVar[Show | None] = ContextVar("hivenas_show", default=None)


@contextlib.contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Has preparations of this thread drawn in the place of lines now and then, while it is entered.

    Args:
        show: is called often; it raises nothing and takes no time.
    """
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


def shown() -> Show | None:
    """The one that draws; None where nothing is drawn."""
    return _SHOW.get()
