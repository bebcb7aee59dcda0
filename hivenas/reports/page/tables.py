"""The tables of a report: every evaluation, operations by layer, what roles have contributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hivenas.core.records import Row, decode_candidate
from hivenas.reports.findings import BEES, Role, operation_map, roles, succeeded
from hivenas.reports.page.drawing import SYMBOLS, bee_class
from hivenas.reports.page.report_data import ReportData, shown
from hivenas.reports.page.scales import brief
from hivenas.reports.text import figure, short

LEVELS = 10  # of colour in the map of operations; the style sheet has as many
_MOST_COORDINATES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """An evaluation as the table of a report shows it.

    Args:
        row: the record.
        rank: its place among those that are listed, from 1.
        fitness: for people; a dash where it failed.
        share: of the way from the worst fitness listed to the best, in percent.
        components: the architecture's, without its ends; of a point its first coordinates.
        title: the evaluation in one line.
    """

    row: Row
    rank: int
    fitness: str
    share: int
    components: tuple[str, ...]
    title: str

    @property
    def kind(self) -> str:
        """The classes by which it is found."""
        return bee_class(self.row)

    @property
    def symbol(self) -> str:
        """The symbol of its role."""
        return SYMBOLS.get(self.row.bee, "s")

    @property
    def epochs(self) -> str:
        """Epochs of the evaluation and of its continuations; a dash where nothing was trained."""
        own, more = self.row.epochs, self.row.momentum_epochs
        return f"{own}+{more}" if more else str(own) if own else "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean fitness of candidates with an operation in a layer, of how many, and its level of colour."""

    mean: float
    count: int
    level: int

    @property
    def text(self) -> str:
        """The mean, short."""
        size = abs(self.mean)
        return f"{self.mean:.2f}" if size < 10 else f"{self.mean:.1f}" if size < 1000 else brief(self.mean)


@dataclass(frozen=True, slots=True)
class Share:
    """What a role has contributed, and its shares in percent."""

    role: Role
    evaluations: int
    improvements: int
    gain: int


def lines(data: ReportData) -> list[Line]:
    """The evaluations of the table, best first, those that failed last; of very many as many as a page can hold."""
    rows = shown(data.rows, minimize=data.minimize)
    good = sorted(succeeded(rows), key=lambda row: row.fitness if data.minimize else -row.fitness)
    known = {row.index for row in good}
    listed = [*good, *(row for row in rows if row.index not in known)]
    worst, best = (good[-1].fitness, good[0].fitness) if good else (0.0, 0.0)
    return [
        _line(row, rank, _percent(row.fitness / 2 - worst / 2, best / 2 - worst / 2) if row.index in known else 0)
        for rank, row in enumerate(listed, start=1)
    ]


def heat(data: ReportData) -> tuple[tuple[str, ...], list[list[Cell | None]]]:
    """The operations, and for each of them a line of cells, None where no candidate has it; nothing of points."""
    found = operation_map(data.rows, minimize=data.minimize)
    means = [mean for line in found.means for mean in line if not math.isnan(mean)]
    low, high = min(means, default=0.0), max(means, default=0.0)

    def cell(mean: float, count: int) -> Cell | None:
        if math.isnan(mean):
            return None
        share = (mean - low) / (high - low) if high > low else 0.5
        return Cell(mean, count, min(int((1 - share if data.minimize else share) * LEVELS), LEVELS - 1))

    cells = [[cell(*pair) for pair in zip(*line, strict=True)] for line in zip(found.means, found.counts, strict=True)]
    return found.operations, cells


def contributions(data: ReportData) -> list[Share]:
    """What each role has contributed, in the order in which a colony sends them."""
    found = roles(data.rows, minimize=data.minimize)
    evaluations, improvements = sum(r.evaluations for r in found), sum(r.improvements for r in found)
    gain = math.fsum(r.gain for r in found)
    return [
        Share(r, _percent(r.evaluations, evaluations), _percent(r.improvements, improvements), _percent(r.gain, gain))
        for r in sorted(found, key=lambda r: BEES.index(r.bee))
    ]


def components_of(candidate: str) -> tuple[str, ...]:
    """The components of an architecture without its ends; the first coordinates of a point."""
    if not candidate.startswith("["):
        return tuple(short(candidate).split("|"))
    point = decode_candidate(candidate)
    head = tuple(f"{float(x):.4g}" for x in point[:_MOST_COORDINATES])
    return (*head, f"… {len(point)} in all") if len(point) > _MOST_COORDINATES else head


def chain_of(candidate: str) -> list[tuple[str, str]]:
    """The components of an architecture as kind, `skip` or `op`, and text for people."""
    return [
        ("skip", f"skip over {part.removeprefix('sc_')}") if part.startswith("sc_") else ("op", part)
        for part in components_of(candidate)
    ]


def _line(row: Row, rank: int, share: int) -> Line:
    fitness = "–" if row.status == "failed" else figure(row)
    title = f"evaluation {row.index}, {row.bee}{', continued' if row.phase == 'momentum' else ''}"
    return Line(row, rank, fitness, share, components_of(row.candidate), title)


def _percent(part: float, whole: float) -> int:
    return round(100 * (part / whole)) if whole and math.isfinite(whole) else 0


def spent_until(rows: Sequence[Row]) -> dict[int, float]:
    """Seconds of evaluation that a search had spent by the end of each one, by its index."""
    total, sums = 0.0, {}
    for row in rows:
        total += row.seconds
        sums[row.index] = total
    return sums
