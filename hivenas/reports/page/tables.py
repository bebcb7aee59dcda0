"""The table of a report: every evaluation in a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hivenas.config.costs import Cost
from hivenas.config.settings import split_candidate
from hivenas.core.candidates import point_of
from hivenas.core.front import cost_of
from hivenas.core.history import standing
from hivenas.core.records import Trial
from hivenas.reports.charts import bee_class, symbol_of
from hivenas.reports.findings import are_named, drawn, succeeded
from hivenas.reports.front import cost_figure, option
from hivenas.reports.report_data import ReportData
from hivenas.reports.text import figure, kind_of, short

_MOST_COORDINATES = 4
_FIRST_COLUMNS = (("evaluation", "n", ""), ("fitness", "n", ""))
_COLUMNS = (("role", "t", ""), ("status", "t", ""), ("parameters", "n", "parameters"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An evaluation as the table of a report shows it.

    Args:
        row: the record.
        fitness: for people; a dash where it failed.
        share: of the way from the worst fitness listed to the best, in percent.
        components: the architecture's, without its ends; a point is one.
        costs: what is weighed beside the parameters, for people, one a cost; a dash where it is not known.
    """

    row: Trial
    fitness: str
    share: int
    components: tuple[str, ...]
    costs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The classes by which it is found."""
        return bee_class(self.row)

    @property
    def symbol(self) -> str:
        """The symbol of its role."""
        return symbol_of(self.row.role)

    @property
    def epochs(self) -> str:
        """Epochs of the evaluation and of its continuations; a dash where nothing was trained."""
        own, more = self.row.epochs, self.row.momentum_epochs
        return f"{own}+{more}" if more else str(own) if own else "–"

    @property
    def seconds(self) -> str:
        """Its seconds for people: one place, of less than ten three digits."""
        return f"{self.row.seconds:,.1f}" if self.row.seconds >= 10 else f"{self.row.seconds:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontLine:
    """A member of the front as a report shows it.

    Args:
        row: the record.
        costs: for people, one a cost.
        option: the option with which `hivenas train` trains it.
    """

    row: Trial
    costs: tuple[str, ...]
    option: str

    @property
    def components(self) -> tuple[str, ...]:
        """The architecture's, without its ends."""
        return components_of(self.row.encoded)


def front_lines(data: ReportData) -> list[FrontLine]:
    """The members of the front, in its order; none where the fitness alone counts."""
    return [
        FrontLine(row=row, costs=tuple(cost_figure(row, cost) for cost in data.costs), option=option(row, data.costs))
        for row in data.front
    ]


def lines(data: ReportData) -> list[Line]:
    """The evaluations of the table, best first, those that failed last; of very many as many as a page can hold."""
    rows = drawn(data.rows, data.direction)
    good = sorted(succeeded(rows), key=lambda row: standing(row, data.direction), reverse=True)
    known = {row.index for row in good}
    listed = [*good, *(row for row in rows if row.index not in known)]
    costs = _further_costs(data)
    by_fitness = sorted((row.fitness for row in good), key=data.direction.score)
    worst, best = (by_fitness[0], by_fitness[-1]) if good else (0.0, 0.0)
    return [
        _line(
            row,
            _percent(row.fitness / 2 - worst / 2, best / 2 - worst / 2) if row.index in known else 0,
            tuple(cost_figure(row, cost) if 0 < cost_of(row, cost) < math.inf else "–" for cost in costs),
        )
        for row in listed
    ]


def columns(data: ReportData) -> list[tuple[str, str, str]]:
    """The columns of that table: name, `n` of numbers or `t` of texts, the unit of what a mark's figures tell of it."""
    costs = [(cost.key, "n", cost.key) for cost in _further_costs(data)]
    candidate = (kind_of(data.rows), "t", "")
    return [
        *_FIRST_COLUMNS,
        candidate,
        *_COLUMNS,
        *costs,
        ("epochs", "n", "epochs"),
        ("seconds", "n", "s"),
        ("iteration", "n", ""),
    ]


def _further_costs(data: ReportData) -> tuple[Cost, ...]:
    """The costs that are weighed beside the parameters, which the table tells of every search."""
    return tuple(cost for cost in data.costs if cost.key != "params")


def components_of(candidate: str) -> tuple[str, ...]:
    """The components of an architecture without its ends, then its settings; a point in one, by its first numbers."""
    point = point_of(candidate)
    if point is None:
        architecture, settings = split_candidate(candidate)
        return (*short(architecture).split("|"), *(f"{key}={value}" for key, value in settings))
    head = ", ".join(f"{x:.4g}" for x in point[:_MOST_COORDINATES])
    return (f"({head}, … {len(point)} in all)" if len(point) > _MOST_COORDINATES else f"({head})",)


def chain_of(candidate: str) -> list[tuple[str, str]]:
    """The components of an architecture as kind, `skip` or `op`, and text for people."""
    return [
        ("skip", f"skip over {part.removeprefix('sc_')}") if part.startswith("sc_") else ("op", part)
        for part in components_of(split_candidate(candidate)[0])
    ]


def named(candidate: str) -> str:
    """A candidate that is no network, in a line: a point by its first numbers, choices by their names and values."""
    parts = components_of(candidate)
    if point_of(candidate) is not None:
        return f"x = {parts[0]}"
    return ", ".join(part.replace("=", " = ", 1) for part in parts) if are_named(parts) else short(candidate)


def settings_of(candidate: str) -> str:
    """The settings of a candidate for people; empty where none are searched."""
    return ", ".join(f"{key} {value}" for key, value in split_candidate(candidate)[1])


def _line(row: Trial, share: int, costs: tuple[str, ...]) -> Line:
    fitness = "–" if row.status == "failed" else figure(row)
    components = components_of(row.encoded)
    return Line(row=row, fitness=fitness, share=share, components=components, costs=costs)


def _percent(part: float, whole: float) -> int:
    return round(100 * (part / whole)) if whole and math.isfinite(whole) else 0
