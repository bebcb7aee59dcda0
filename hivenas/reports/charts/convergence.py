"""The chart of convergence: every evaluation in its order, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hivenas.core.history import improvements
from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import (
    MANY,
    NARROW,
    WIDE,
    Chart,
    beyond_note,
    course,
    fitness_scale,
    fitness_title,
    plane,
)
from hivenas.reports.charts.drawing import Panel
from hivenas.reports.charts.scales import Scale
from hivenas.reports.findings import bands, drawn, succeeded
from hivenas.reports.text import figure
from hivenas.wording import number_of

_MOST_BANDS = 100


def convergence(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """Fitness over evaluations; None where none has succeeded."""
    steps = improvements(rows, direction)
    if not steps:
        return None
    label = (
        f"Fitness of {number_of(len(rows), 'evaluation')} and the best so far; the best, {figure(steps[-1])}, came "
        f"with evaluation {steps[-1].index}"
    )
    panels = tuple(_panel(rows, direction, label=label, kind=kind) for kind in ("wide", "narrow"))
    return Chart(key="convergence", title="Convergence", note=_note(rows, panels[0].y), drawings=panels)


def _panel(rows: Sequence[Trial], direction: Direction, *, label: str, kind: str) -> Panel:
    marked = drawn(rows, direction)
    size = WIDE if kind == "wide" else NARROW
    xs, ys = plane(size)
    x = Scale(-0.5, max(rows[-1].index + 0.5, 1.0), *xs)
    y = fitness_scale([row.fitness for row in succeeded(rows)], direction, ys)
    panel = Panel(
        size,
        x,
        y,
        titles=("evaluation", fitness_title(direction)),
        label=label,
        kind=f"{kind} many" if len(marked) > MANY else kind,
    )
    _bands(rows, panel)
    panel.axes()
    course(rows, direction, {row.index: row.index for row in rows}, panel, class_="best")
    for row in marked:
        is_good = row.status != "failed" and math.isfinite(row.fitness)
        panel.mark(row, x(row.index), y(row.fitness) if is_good else ys[0] - 7)
    return panel


def _note(rows: Sequence[Trial], y: Scale) -> str:
    note = "Each mark is an evaluation, the line is the best so far, the stripes are iterations of the colony."
    note += beyond_note([row.fitness for row in succeeded(rows)], y)
    if any(row.phase == "momentum" for row in rows):
        note += " Hollow marks are trainings that were continued."
    if any(row.status == "failed" for row in rows):
        note += " Crosses at the foot have failed."
    return note


def _bands(rows: Sequence[Trial], panel: Panel) -> None:
    iterations = bands(rows)
    if len(iterations) > _MOST_BANDS:
        return
    top, bottom = panel.y.end, panel.y.start
    for number, band in enumerate(iterations):
        left, right = panel.x(band.first - 0.5), panel.x(band.last + 0.5)
        if number % 2:
            panel.add("rect", x=left, y=top, width=right - left, height=bottom - top, class_="band")
        if right - left > 18:
            panel.text((left + right) / 2, top - 5, str(band.iteration + 1), class_="iteration", anchor="middle")
