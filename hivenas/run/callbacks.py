"""Who is told of a search's progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivenas.core.records import Proposal, Row


class SearchListener:
    """Is told of progress, in order, and says nothing; subclasses say what they are for."""

    def started(self, planned: int, done: int) -> None:
        """A search begins, with so many evaluations planned at the most and so many recorded before."""

    def flying(self, proposals: Sequence[Proposal]) -> None:
        """A phase begins: these are being evaluated, in this order; the first may be of the phase before."""

    def evaluated(self, row: Row, best: Row | None) -> None:
        """An evaluation was recorded; best is the best so far, None where all have failed."""

    def training(self, candidate: str, epochs: int) -> None:
        """An architecture is trained fully, for so many epochs; this may take long."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def warn(self, text: str) -> None:
        """Something that a person should know: a store that does not answer, say, and that it answers again."""
