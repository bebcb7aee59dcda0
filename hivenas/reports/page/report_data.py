"""What a report tells of a search, whoever asks for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hivenas.core.history import ranking
from hivenas.core.records import Row
from hivenas.reports.findings import succeeded
from hivenas.reports.text import Summary

Condition = Literal["finished", "running", "ended", "loose"]

MOST_SHOWN = 2000  # evaluations in one page: a browser draws so many at once
_BEST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class ReportData:
    """A search as its report tells it.

    Args:
        name: of the search.
        objective: as configured.
        condition: `finished`, `running` (a process is at work), `ended` (killed or failed before it was finished) or
            `loose` (evaluations that were asked for from Python).
        minimize: whether a smaller fitness is better.
        rows: the records, oldest first.
        reused: how often a record was used again in place of an evaluation.
        planned: evaluations at the most; 0 where that is not known.
        config_yaml: the resolved configuration.
        folder: the results folder.
        data: digest of what the search looked at; empty without.
        reason: why it ended early; empty where it did not, or where nobody knows.
        written: when the page is written, in seconds since 1970.
        store: address of the MLflow server, http or https; empty where there is none to link to.
        run_id: the search's run there.
        test_accuracy: of the fully trained best; None without.
        test_interval: its confidence interval of 95 %; None without.
        model_uri: of the registered model; empty without.
    """

    name: str
    objective: str
    condition: Condition
    minimize: bool
    rows: tuple[Row, ...]
    reused: int = 0
    planned: int = 0
    config_yaml: str = ""
    folder: str = ""
    data: str = ""
    reason: str = ""
    written: float = 0.0
    store: str = ""
    run_id: str = ""
    test_accuracy: float | None = None
    test_interval: tuple[float, float] | None = None
    model_uri: str = ""

    @property
    def ranked(self) -> list[Row]:
        """The latest record of every candidate that did not fail, best first."""
        return succeeded(ranking(self.rows, self.minimize))

    @property
    def summary(self) -> Summary:
        """What was done and spent."""
        return Summary.of(self.rows, reused=self.reused, seconds=math.fsum(row.seconds for row in self.rows))

    @property
    def elapsed(self) -> float:
        """Seconds from the first training's start to the last one's end, pauses included; 0 where none is known."""
        trained = [row for row in self.rows if row.started]
        ends = (row.started + row.seconds for row in trained)
        return max(ends, default=0.0) - min((row.started for row in trained), default=0.0)

    @property
    def failures(self) -> list[tuple[str, list[Row]]]:
        """What went wrong and whom it hit, the most frequent first."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.status == "failed":
                found.setdefault(row.reason or "no reason was recorded", []).append(row)
        return sorted(found.items(), key=lambda each: len(each[1]), reverse=True)


def shown(rows: Sequence[Row], *, minimize: bool) -> list[Row]:
    """The evaluations that a page lists and draws, oldest first: all, or of very many the best and some of the others.

    Args:
        rows: the records.
        minimize: whether a smaller fitness is better.
    """
    if len(rows) <= MOST_SHOWN:
        return list(rows)
    best = {row.index for row in ranking(rows, minimize)[:_BEST_SHOWN]}
    others = [row for row in rows if row.index not in best]
    count = MOST_SHOWN - len(best)
    some = {others[number * len(others) // count].index for number in range(count)}
    return [row for row in rows if row.index in best or row.index in some]
