"""Whose saved states are kept: `results.keep_weights`."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from hivenas.core.history import ranking
from hivenas.core.records import Row


class Retention:
    """Says of a search's evaluations, as they come, whose saved states are not to be kept any longer.

    Nothing that the search may still start from is given up. Momentum evaluation may continue any candidate, and a
    neighbour may inherit from any food source, until the last iteration has been flown: with either, every state is
    kept until then. Without them nothing starts from a saved state, and what is not among the best falls out at once.
    Neither a resumption nor the full training of a search needs one: a killed training goes on from its checkpoint, the
    full one starts from scratch; `hivenas train --from-weights` needs that of the best candidate.

    Args:
        keep: of how many candidates, the best ones; None for all.
        needed_later: whether the search may start from saved states, with momentum evaluation or inheritance.
        minimize: whether a smaller fitness is better.
    """

    def __init__(self, keep: int | None, *, needed_later: bool = False, minimize: bool = False) -> None:
        self.keep = keep
        self.needed_later = needed_later
        self._minimize = minimize
        self._best: list[tuple[float, int, Row]] = []

    def take(self, row: Row) -> list[Row]:
        """Takes the next evaluation; returns whose states are to go now, perhaps its own."""
        if self.keep is None or self.needed_later or row.status == "failed" or not row.weights_filename:
            return []
        insort(self._best, (row.fitness if self._minimize else -row.fitness, row.index, row))
        fallen = [row for _, _, row in self._best[self.keep :]]
        del self._best[self.keep :]
        return fallen

    def left_out(self, rows: Sequence[Row]) -> list[Row]:
        """Whose states do not outlast the search: all but those of the best candidates' latest evaluations."""
        if self.keep is None:
            return []
        kept = {row.index for row in ranking(rows, self._minimize)[: self.keep]}
        return [row for row in rows if row.weights_filename and row.index not in kept]
