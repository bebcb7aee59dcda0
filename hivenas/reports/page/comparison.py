"""Two searches side by side: results, costs, and how soon each was as good as the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hivenas.config.metrics import figure_told
from hivenas.core.files import written_whole
from hivenas.core.records import Trial
from hivenas.reports.charts import Chart, Runner, races
from hivenas.reports.findings import spent_until
from hivenas.reports.page.document import CONDITIONS, render
from hivenas.reports.page.tables import components_of
from hivenas.reports.report_data import ReportData
from hivenas.reports.text import as_text, duration, figure, kind_of, short

_LONGEST_VALUE = 48  # of a key's value in the terminal
_NONE = "–"
_SEED = "seed"


@dataclass(frozen=True, slots=True)
class ComparedSearch:
    """One of the two searches.

    Args:
        label: its name beside the other.
        data: its records and facts.
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
        """The records and facts of both."""
        return self.one.data, self.other.data

    @property
    def shares_axis(self) -> bool:
        """The fitness of both is of one kind."""
        one, other = ((data.objective, data.metric, data.direction) for data in self.report_data)
        return one == other

    @property
    def shares_data(self) -> bool:
        """Both have looked at the same data, as far as is known."""
        if self.shares_validation and all(data.data for data in self.report_data):
            return True  # wherever they lie
        keys = {key for key, _, _ in self.differing()}
        return not any(key.startswith("dataset.") for key in keys) and (self.shares_validation or _SEED in keys)

    @property
    def shares_validation(self) -> bool:
        """Both have been validated on the same images, as far as is known: with another seed others are held out."""
        return len({data.data for data in self.report_data} - {""}) < 2

    def differing(self) -> list[tuple[str, str, str]]:
        """The keys whose values differ, with both values; a dash where one has no such key."""
        one, other = self.one.keys, self.other.keys
        return [
            (key, one.get(key, _NONE), other.get(key, _NONE))
            for key in sorted(one.keys() | other.keys())
            if one.get(key) != other.get(key)
        ]

    def warnings(self) -> list[str]:
        """Reasons for which figures of the two are not, or not quite, comparable; empty where they are."""
        one, other = self.report_data
        keys = [key for key, _, _ in self.differing()]
        if not self.shares_axis:
            if one.objective != other.objective:
                return [
                    f"The objectives differ, {one.objective} and {other.objective}: the figures are not comparable."
                ]
            sought = [each.metric for each in self.report_data]
            if one.metric == other.metric:  # then it is the direction that differs
                sizes = ("a small" if each.direction.minimize else "a large" for each in self.report_data)
                sought = [f"{size} {one.metric}" for size in sizes]
            return [f"What is looked for differs, {' and '.join(sought)}: the figures are not comparable."]
        if not self.shares_data:
            return ["The data differ: the figures are not comparable."]
        if not self.shares_validation:
            return ["With another seed other images are held out for validation: compare with care."]
        measured = [key for key in keys if key.startswith(("evaluation.", "table."))]
        if measured:
            named = ", ".join(measured[:4]) + (" …" if len(measured) > 4 else "")
            return [f"Fitness was not measured alike ({named}): compare with care."]
        return []

    def table(self) -> list[list[str]]:
        """A header, then the results and the costs of both."""
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

    def as_text(self, fit: Callable[[list[list[str]]], list[list[str]]] = lambda table: table) -> str:
        """All of it for a terminal; `fit` cuts tables to its window."""
        parts = [as_text(fit(self.table()))]
        differing = [[key, *(short(value, _LONGEST_VALUE) for value in pair)] for key, *pair in self.differing()]
        if differing:
            parts.append(as_text(fit([["what differs", self.one.label, self.other.label], *differing])))
        else:
            parts.append("Every key that decides what is found is the same.")
        return "\n\n".join([*self.warnings(), *parts])


def write_comparison(comparison: Comparison, file: Path) -> Path:
    """Writes a comparison as one HTML file that works from the disk; returns the file.

    Raises:
        DiskFullError: there is no space for it.
    """
    with written_whole(file, sync=False) as temporary:
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
        kind_of=kind_of,
    )


def _charts(comparison: Comparison) -> list[Chart]:
    one, other = (Runner(label=each.label, rows=each.data.rows) for each in (comparison.one, comparison.other))
    return races((one, other), comparison.one.data.direction)


def _until(data: ReportData, other: ReportData) -> tuple[str, str]:
    """After how many evaluations, and which time, a search was as good as another one's best.

    A training that is paused is not compared with one that is over.
    """
    ranked = other.ranked
    if not ranked:
        return _NONE, _NONE
    score = data.direction.score
    goal, spent = score(ranked[0].fitness), spent_until(data.rows)
    passed_over = {"failed", "paused"} - {ranked[0].status}
    for number, row in enumerate(data.rows, start=1):
        if row.status not in passed_over and score(row.fitness) >= goal:
            return str(number), duration(spent[row.index])
    return "never", _NONE


def _best(data: ReportData) -> Trial | None:
    return next(iter(data.ranked), None)


_FIGURES: dict[str, Callable[[ReportData], str]] = {
    "condition": lambda data: CONDITIONS[data.condition][1],
    "objective": lambda data: data.objective,
    "best fitness": lambda data: figure(best) if (best := _best(data)) else _NONE,
    "parameters of the best": lambda data: f"{best.params:,}" if (best := _best(data)) and best.params else _NONE,
    "test figure that is looked for": lambda data: (
        _NONE if not data.tested or data.tested.is_accuracy else f"{data.tested.label} {data.tested.told}"
    ),
    "test accuracy": lambda data: _NONE if data.test_accuracy is None else figure_told(data.test_accuracy),
    "evaluations": lambda data: f"{data.summary.evaluations:,}",
    "failed": lambda data: str(data.summary.failed),
    "epochs": lambda data: f"{data.summary.epochs:,}" if data.summary.epochs else _NONE,
    "time of evaluation": lambda data: duration(data.summary.seconds),
    "from first start to last end": lambda data: duration(data.elapsed) if data.elapsed else _NONE,
}
