"""The charts of two searches side by side: how soon each was how good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hivenas.core.history import improvements
from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import NARROW, Chart, course, fitness_title, plane
from hivenas.reports.charts.drawing import Panel
from hivenas.reports.charts.scales import Scale, scale_of, spreads
from hivenas.reports.findings import spent_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A search in a race: its label and its records."""

    label: str
    rows: Sequence[Trial]


def races(runners: tuple[Runner, Runner], direction: Direction) -> list[Chart]:
    """The best fitness of both so far, by evaluation and, where that is known, by time spent."""
    counted = [{row.index: float(n) for n, row in enumerate(each.rows, start=1)} for each in runners]
    spent = [spent_until(each.rows) for each in runners]
    longest = max((max(times.values(), default=0.0) for times in spent), default=0.0)
    unit, name = next(((u, n) for u, n in ((3600.0, "hours"), (60.0, "minutes")) if longest > 3 * u), (1.0, "seconds"))
    scaled = [{index: seconds / unit for index, seconds in times.items()} for times in spent]
    fitness = [row.fitness for each in runners for row in improvements(each.rows, direction)]
    if not fitness:
        return []
    (left, right), ys = plane(NARROW)
    y = scale_of(fitness, *ys, log=spreads(fitness))
    axes = [("by-evaluation", "By evaluation", "evaluations", counted)]
    if longest > 0:
        axes.append(("by-time", "By time spent", f"{name} of evaluation", scaled))
    drawn = []
    for key, title, axis, places in axes:
        label = f"Best fitness so far of {runners[0].label} and of {runners[1].label}, by {axis}"
        x = Scale(0.0, max(max(of.values(), default=1e-3) for of in places), left, right - 16)
        panel = Panel(NARROW, x, y, titles=(axis, fitness_title(direction)), label=label, kind="still")
        panel.axes()
        for letter, runner, of in zip("ab", runners, places, strict=True):
            _run(panel, runner, direction, of, letter=letter)
        drawn.append(Chart(key=key, title=title, note="", drawings=(panel,)))
    return drawn


def _run(panel: Panel, runner: Runner, direction: Direction, places: Mapping[int, float], *, letter: str) -> None:
    steps = course(runner.rows, direction, places, panel, class_=f"course {letter}")
    for row in steps:
        symbol = "e" if letter == "a" else "o"
        panel.symbol(symbol, panel.x(places[row.index]), panel.y(row.fitness), class_=letter)
    if steps:
        x, y = panel.x(max(places.values())) + 6, panel.y(steps[-1].fitness)
        panel.text(x, y + (4 if letter == "a" else 16), letter.upper(), class_=f"end {letter}")
