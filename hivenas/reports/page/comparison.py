"""Two searches side by side: what they came to, what they cost, and how soon each was as good as the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from hivenas.core.files import written_whole
from hivenas.core.records import Row
from hivenas.reports.findings import incumbents
from hivenas.reports.page.charts import NARROW, course, fitness_title, plane
from hivenas.reports.page.document import CONDITIONS, render
from hivenas.reports.page.drawing import Panel
from hivenas.reports.page.report_data import ReportData
from hivenas.reports.page.scales import Scale, scale_of, spreads
from hivenas.reports.page.tables import components_of, spent_until
from hivenas.reports.text import as_text, duration, figure, short

_LONGEST_VALUE = 48  # of a key's value in the terminal
_NONE = "–"


@dataclass(frozen=True, slots=True)
class ComparedSearch:
    """One of the two searches.

    Args:
        label: how it is called beside the other.
        data: what its records tell.
        keys: dotted keys and values that decide what it finds.
    """

    label: str
    data: ReportData
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two searches side by side."""

    one: ComparedSearch
    other: ComparedSearch

    @property
    def report_data(self) -> tuple[ReportData, ReportData]:
        """What the records of both tell."""
        return self.one.data, self.other.data

    @property
    def shares_axis(self) -> bool:
        """Whether the fitness of both is of one kind."""
        return self.one.data.objective == self.other.data.objective

    @property
    def shares_data(self) -> bool:
        """Whether both have looked at the same data, as far as is known."""
        known = {data.data for data in self.report_data} - {""}
        return len(known) < 2 and not any(key.startswith("dataset.") for key, _, _ in self.differing())

    def differing(self) -> list[tuple[str, str, str]]:
        """The keys whose values differ, with both values; a dash where one has no such key."""
        one, other = self.one.keys, self.other.keys
        return [
            (key, one.get(key, _NONE), other.get(key, _NONE))
            for key in sorted(one.keys() | other.keys())
            if one.get(key) != other.get(key)
        ]

    def warnings(self) -> list[str]:
        """Why figures of the two are not, or not quite, comparable; empty where they are."""
        one, other = self.report_data
        keys = [key for key, _, _ in self.differing()]
        if not self.shares_axis:
            return [f"The objectives differ, {one.objective} and {other.objective}: the figures are not comparable."]
        if not self.shares_data:
            return ["The data differ: the figures are not comparable."]
        measured = [key for key in keys if key.startswith(("evaluation.", "table."))]
        if measured:
            named = ", ".join(measured[:4]) + (" …" if len(measured) > 4 else "")
            return [f"Fitness was not measured alike ({named}): compare with care."]
        return []

    def table(self) -> list[list[str]]:
        """A header and what both came to and cost."""
        lines = [["", self.one.label, self.other.label]]
        for what, of in _FIGURES.items():
            pair = [of(data) for data in self.report_data]
            if set(pair) != {_NONE}:
                lines.append([what, *pair])
        if self.shares_axis and self.shares_data:
            pairs = (self.report_data, self.report_data[::-1])
            until = [_until(data, than) for data, than in pairs]
            lines.append(["evaluations until the other's best", *(evaluations for evaluations, _ in until)])
            lines.append(["time of evaluation until then", *(seconds for _, seconds in until)])
        return lines

    def as_text(self) -> str:
        """All of it for a terminal."""
        parts = [as_text(self.table())]
        differing = [[key, *(short(value, _LONGEST_VALUE) for value in pair)] for key, *pair in self.differing()]
        if differing:
            parts.append(as_text([["what differs", self.one.label, self.other.label], *differing]))
        else:
            parts.append("Every key that decides what is found is the same.")
        return "\n\n".join([*self.warnings(), *parts])


def write_comparison(comparison: Comparison, file: Path) -> Path:
    """Writes a comparison as one HTML file that works from the disk; returns the file.

    Raises:
        DiskFullError: there is no space for it.
    """
    with written_whole(file) as temporary:
        temporary.write_text(comparison_page(comparison), encoding="utf-8")
    return file


def comparison_page(comparison: Comparison) -> str:
    """A comparison as HTML."""
    searches = (comparison.one, comparison.other)
    return render(
        "compare.html",
        comparison=comparison,
        searches=searches,
        charts=_charts(comparison) if comparison.shares_axis else [],
        parts_of=components_of,
    )


def _charts(comparison: Comparison) -> list[tuple[str, str, Markup]]:
    counted = [{row.index: float(n) for n, row in enumerate(s.rows, start=1)} for s in comparison.report_data]
    spent = [spent_until(data.rows) for data in comparison.report_data]
    longest = max((max(times.values(), default=0.0) for times in spent), default=0.0)
    unit, name = next(((u, n) for u, n in ((3600.0, "hours"), (60.0, "minutes")) if longest > 3 * u), (1.0, "seconds"))
    scaled = [{index: seconds / unit for index, seconds in times.items()} for times in spent]
    drawn = [
        ("by-evaluation", "By evaluation", _race(comparison, counted, "evaluations")),
        ("by-time", "By time spent", _race(comparison, scaled, f"{name} of evaluation")),
    ]
    return [(key, title, picture) for key, title, picture in drawn if picture]


def _race(comparison: Comparison, places: Sequence[Mapping[int, float]], title: str) -> Markup:
    """The best fitness of both so far, along one axis."""
    report_data = comparison.report_data
    courses = [incumbents(data.rows, minimize=data.minimize) for data in report_data]
    values = [each.fitness for steps in courses for each in steps]
    if not values:
        return Markup()
    (left, right), ys, _ = plane(NARROW, "")
    x = Scale(0.0, max(*(max(of.values(), default=0.0) for of in places), 1e-3), left, right - 16)
    label = f"Best fitness so far of {comparison.one.label} and of {comparison.other.label}, by {title}"
    y = scale_of(values, *ys, log=spreads(values))
    panel = Panel(NARROW, label, x, y, (title, fitness_title(report_data[0].minimize)), "still")
    panel.axes()
    for letter, data, of, steps in zip("ab", report_data, places, courses, strict=True):
        if not steps:
            continue
        last = max(of.values())
        course(data, of, panel, class_=f"course {letter}", until=last)
        for step in (each for each in steps if each.improves):
            panel.add(
                "use", href=f"#b-{'e' if letter == 'a' else 'o'}", x=x(of[step.index]), y=y(step.fitness), class_=letter
            )
        panel.text(
            x(last) + 6, y(steps[-1].fitness) + (4 if letter == "a" else 16), letter.upper(), class_=f"end {letter}"
        )
    return panel.markup()


def _until(data: ReportData, other: ReportData) -> tuple[str, str]:
    """After how many evaluations, and which time, a search was as good as another one's best."""
    ranked = other.ranked
    if not ranked:
        return _NONE, _NONE
    goal, spent = ranked[0].fitness, spent_until(data.rows)
    for number, row in enumerate(data.rows, start=1):
        if row.status != "failed" and (row.fitness <= goal if data.minimize else row.fitness >= goal):
            return str(number), duration(spent[row.index])
    return "never", _NONE


def _best(data: ReportData) -> Row | None:
    return next(iter(data.ranked), None)


_FIGURES: dict[str, Callable[[ReportData], str]] = {
    "condition": lambda data: CONDITIONS[data.condition][1],
    "objective": lambda data: data.objective,
    "best fitness": lambda data: figure(best) if (best := _best(data)) else _NONE,
    "parameters of the best": lambda data: f"{best.params:,}" if (best := _best(data)) and best.params else _NONE,
    "test accuracy": lambda data: _NONE if data.test_accuracy is None else f"{data.test_accuracy:.4f}",
    "evaluations": lambda data: f"{data.summary.evaluations:,}",
    "failed": lambda data: str(data.summary.failed),
    "epochs": lambda data: f"{data.summary.epochs:,}" if data.summary.epochs else _NONE,
    "time of evaluation": lambda data: duration(data.summary.seconds),
    "from first start to last end": lambda data: duration(data.elapsed) if data.elapsed else _NONE,
}
