"""What was recorded so far, ready for the questions of strategies, stopping rules and views."""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence

from hivenas.core.records import Row


class Curves:
    """The accuracies of many trainings, so that what they had at an epoch costs no walk over all of them.

    Args:
        curves: the first of them, accuracy by epoch.
    """

    def __init__(self, curves: Iterable[Mapping[int, float]] = ()) -> None:
        self._seen: dict[int, array[float]] = {}
        for curve in curves:
            self.add(curve)

    def add(self, curve: Mapping[int, float]) -> None:
        """Takes one more."""
        for epoch, accuracy in curve.items():
            insort(self._seen.setdefault(epoch, array("d")), accuracy)

    def at(self, epoch: int) -> Sequence[float]:
        """What they had at an epoch, those that came so far, in ascending order."""
        return self._seen.get(epoch, array("d"))


class History:
    """What a search was told before a phase: its records, ready for the questions that a phase has.

    Args:
        rows: the first of them, oldest first.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.curves = Curves()  # of every training that did not fail; no continuations
        self._trained: dict[str, Row] = {}
        self._count = 0
        self.extend(rows)

    def __len__(self) -> int:
        return self._count

    def extend(self, rows: Iterable[Row]) -> None:
        """Takes those of another phase."""
        for row in rows:
            self._count += 1
            if row.phase == "evaluate":
                self._trained[row.candidate] = row
                if row.status != "failed":
                    self.curves.add(row.accuracies())

    def trained(self, candidate: str) -> Row | None:
        """The record of a candidate's training, without its continuations; None where there is none, or it failed."""
        row = self._trained.get(candidate)
        return row if row and row.status != "failed" else None


def ranking(rows: Iterable[Row], minimize: bool = False) -> list[Row]:
    """The latest line of every candidate that did not fail, best first; the earlier of two equals stands first."""
    latest: dict[str, Row] = {}
    for row in rows:
        if row.status != "failed":
            latest[row.candidate] = row
    return sorted(latest.values(), key=lambda row: row.fitness if minimize else -row.fitness)
