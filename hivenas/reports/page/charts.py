"""The pictures of a report, as inline SVG, from the figures in `findings`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hivenas.core.records import Row
from hivenas.reports.findings import (
    LearningCurve,
    bands,
    incumbents,
    learning_curves,
    pareto_front,
    succeeded,
    timeline,
)
from hivenas.reports.page.drawing import Drawing, Panel, bee_class
from hivenas.reports.page.report_data import ReportData, shown
from hivenas.reports.page.scales import Scale, scale_of, spreads
from hivenas.reports.text import duration, figure

WIDE, NARROW = (1080.0, 330.0), (480.0, 330.0)
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 16.0, 42.0, 50.0
_LANES_TOP = 14.0
_MANY = 200  # marks, from where on they are drawn smaller
_ENOUGH = 50
_MOST_BANDS = 100
_MOST_LANES = 40
_LABEL_HEIGHT = 15.0


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and what is said of it.

    Args:
        key: its anchor in the page.
        title: its heading.
        note: how to read it.
        drawings: one, or one for wide and one for narrow screens.
        curves: the learning curves that it shows, if it does.
    """

    key: str
    title: str
    note: str
    drawings: tuple[Markup, ...]
    curves: tuple[LearningCurve, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether it takes the page's whole width."""
        return len(self.drawings) > 1 or bool(self.curves)


def charts(data: ReportData) -> list[Chart]:
    """Every picture that the records of a search allow."""
    rows = shown(data.rows, minimize=data.minimize)
    drawn = [_convergence(data, rows), _parameters(data, rows), _learning(data), _timeline(data, rows)]
    return [chart for chart in drawn if chart]


def plane(size: tuple[float, float], kind: str) -> tuple[tuple[float, float], tuple[float, float], str]:
    """The places of the ends of both axes in a picture of a size, and its kind."""
    return (_LEFT, size[0] - _RIGHT), (size[1] - _BOTTOM, _TOP), kind


def fitness_title(minimize: bool) -> str:
    """The title of an axis of fitness."""
    return f"fitness ({'lower' if minimize else 'higher'} is better)"


def course(data: ReportData, x_of: Mapping[int, float], panel: Panel, *, class_: str, until: float) -> None:
    """Draws the best fitness so far as steps, up to a place on the x axis."""
    path = ""
    for each in incumbents(data.rows, minimize=data.minimize):
        if each.improves:
            x, y = panel.x(x_of[each.index]), panel.y(each.fitness)
            path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    panel.add("path", d=f"{path}H{panel.x(until):.1f}", class_=class_)


def _convergence(data: ReportData, rows: Sequence[Row]) -> Chart | None:
    good = succeeded(data.rows)
    if not good:
        return None
    best = (min if data.minimize else max)(good, key=lambda row: row.fitness)
    label = (
        f"Fitness of {len(data.rows)} evaluations and the best so far; the best, {figure(best)}, came with "
        f"evaluation {best.index}"
    )
    drawings = []
    values = _in_focus([row.fitness for row in good], data.minimize)
    many = " many" if len(rows) > _MANY else ""
    for size, kind in ((WIDE, f"wide{many}"), (NARROW, f"narrow{many}")):
        xs, ys, _ = plane(size, kind)
        x = Scale(-0.5, max(data.rows[-1].index + 0.5, 1.0), *xs)
        y = scale_of(values, *ys, log=spreads(values))
        panel = Panel(size, label, x, y, ("evaluation", fitness_title(data.minimize)), kind)
        _bands(data.rows, panel)
        panel.axes()
        course(data, {row.index: row.index for row in data.rows}, panel, class_="best", until=data.rows[-1].index)
        for row in rows:
            is_good = row.status != "failed" and math.isfinite(row.fitness)
            panel.mark(row, x(row.index), y(row.fitness) if is_good else ys[0] - 7)
        drawings.append(panel.markup())
    note = "Each mark is an evaluation, the line is the best so far, the stripes are iterations of the colony."
    note += _beyond(good, y, data.minimize)
    if any(row.phase == "momentum" for row in rows):
        note += " Hollow marks are trainings that were continued."
    if any(row.status == "failed" for row in rows):
        note += " Crosses at the foot have failed."
    return Chart("convergence", "Convergence", note, tuple(drawings))


def _in_focus(values: Sequence[float], minimize: bool) -> list[float]:
    """The values that an axis must have room for: without the weakest, where these would take most of it."""
    ordered = sorted(values, reverse=minimize)
    weaker = len(ordered) // 10 if len(ordered) >= _ENOUGH and not spreads(ordered) else 0
    is_much = abs(ordered[-1] - ordered[weaker]) < 0.6 * abs(ordered[-1] - ordered[0])
    return ordered[weaker:] if is_much else ordered


def _beyond(rows: Sequence[Row], y: Scale, minimize: bool) -> str:
    """Says how many stand at an end of an axis that lie beyond it."""
    count = sum(not y.low <= row.fitness <= y.high for row in rows)
    return f" The {count} weakest stand at the picture's {'top' if minimize else 'foot'}." if count else ""


def _bands(rows: Sequence[Row], panel: Panel) -> None:
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


def _parameters(data: ReportData, rows: Sequence[Row]) -> Chart | None:
    sized = [row for row in rows if row.params > 0 and row.status != "failed" and math.isfinite(row.fitness)]
    if not sized:
        return None
    front = pareto_front(data.rows, minimize=data.minimize)
    xs, ys, kind = plane(NARROW, "one many" if len(rows) > _MANY else "one")
    values = _in_focus([row.fitness for row in sized], data.minimize)
    x = scale_of([row.params for row in sized], *xs, log=True)
    y = scale_of([*values, *(row.fitness for row in front)], *ys)
    label = (
        f"Fitness against trainable parameters; {len(front)} candidates are on the Pareto front, from "
        f"{front[0].params:,} parameters with {figure(front[0])} to {front[-1].params:,} with {figure(front[-1])}"
    )
    panel = Panel(NARROW, label, x, y, ("trainable parameters", fitness_title(data.minimize)), kind)
    panel.axes()
    steps = "".join(f"H{x(row.params):.1f}V{y(row.fitness):.1f}" for row in front[1:])
    panel.add("path", d=f"M{x(front[0].params):.1f} {y(front[0].fitness):.1f}{steps}H{xs[1]:.1f}", class_="front")
    for row in sized:
        panel.mark(row, x(row.params), y(row.fitness))
    for row in front:
        panel.add("circle", cx=x(row.params), cy=y(row.fitness), r=8, class_="ring")
    note = "Ringed: the Pareto front. No candidate has a better fitness with as few parameters."
    note += _beyond(sized, y, data.minimize)
    return Chart("parameters", "Fitness against size", note, (panel.markup(),))


def _learning(data: ReportData) -> Chart | None:
    curves = learning_curves(data.rows, minimize=data.minimize)
    if not curves:
        return None
    xs, ys, kind = plane(NARROW, "one")
    epochs = [epoch for curve in curves for epoch in curve.epochs]
    x = scale_of(epochs, xs[0], xs[1] - 24, margin=0.02) if len(set(epochs)) > 1 else scale_of(epochs, *xs)
    y = scale_of([accuracy for curve in curves for accuracy in curve.accuracies], *ys)
    best = curves[0]
    label = (
        f"Validation accuracy by epoch of the {len(curves)} best candidates; the best ends at "
        f"{best.accuracies[-1]:.4f} after epoch {best.epochs[-1]}"
    )
    panel = Panel(NARROW, label, x, y, ("epoch", "validation accuracy"), kind)
    first, last = min(epochs), max(epochs)
    stride = 1 + (last - first) // 10
    panel.axes(x_ticks=[(epoch, str(epoch)) for epoch in range(first, last + 1, stride)])
    for rank, curve in reversed(list(enumerate(curves, start=1))):
        _curve(panel, curve, rank)
    _rank_labels(panel, curves)
    note = "The ten best candidates by rank, continuations included; with their architectures."
    return Chart("learning", "Learning curves", note, (panel.markup(),), tuple(curves))


def _curve(panel: Panel, curve: LearningCurve, rank: int) -> None:
    points = [
        (panel.x(epoch), panel.y(accuracy))
        for epoch, accuracy in zip(curve.epochs, curve.accuracies, strict=True)
        if math.isfinite(accuracy)
    ]
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    class_ = f"curve{' first' if rank == 1 else ''}"
    panel.add("polyline", points=places, class_=class_, data_c=str(curve.row.index))
    for x, y in points:
        panel.add(
            "circle", cx=x, cy=y, r=2.6, class_=f"dot{' first' if rank == 1 else ''}", data_i=str(curve.row.index)
        )


def _rank_labels(panel: Panel, curves: Sequence[LearningCurve]) -> None:
    """Writes the ranks at the ends of the curves, one above another where these end close together."""
    ends = sorted(
        (panel.y(curve.accuracies[-1]), panel.x(curve.epochs[-1]), rank) for rank, curve in enumerate(curves, start=1)
    )
    before: dict[float, float] = {}
    room = panel.y.start - _LABEL_HEIGHT * len(ends)
    for number, (y, x, rank) in enumerate(ends):
        place = max(min(y, room + _LABEL_HEIGHT * number), before.get(x, 0.0) + _LABEL_HEIGHT)
        before[x] = place
        panel.text(x + 8, place + 4, str(rank), class_="rank")


def _timeline(data: ReportData, rows: Sequence[Row]) -> Chart | None:
    lanes = timeline(data.rows)
    if not lanes:
        return None
    kept, visible = lanes[:_MOST_LANES], {row.index for row in rows}
    end = max(end for lane in lanes for _, end, _ in lane.spans)
    label = f"When each of {len(lanes)} workers trained, over {duration(end)}"
    drawings = []
    for size, kind in ((WIDE, "wide"), (NARROW, "narrow")):
        height = _LANES_TOP + 26.0 * len(kept) + _BOTTOM
        left = 92.0 if kind == "wide" else 76.0
        x = Scale(0.0, max(end, 1e-3), left, size[0] - _RIGHT)
        drawing = Drawing(size[0], height, label, kind)
        _lanes(drawing, x, [(lane.worker, lane.spans) for lane in kept], visible)
        drawings.append(drawing.markup())
    note = "One line a worker process; a long search has several, as they are replaced before their memory has grown."
    if len(lanes) > len(kept):
        note += f" The first {len(kept)} of {len(lanes)} are shown."
    return Chart("timeline", "Workers over time", note, tuple(drawings))


def _lanes(
    drawing: Drawing, x: Scale, lanes: Sequence[tuple[str, Sequence[tuple[float, float, Row]]]], visible: set[int]
) -> None:
    bottom = drawing.height - _BOTTOM
    unit, name = next(
        (u, n) for u, n in ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds")) if x.high > 3 * u or u == 1
    )
    scale = Scale(0.0, x.high / unit, x.start, x.end)
    for value, text in scale.ticks(7 if x.end > 600 else 4):
        drawing.add("line", x1=scale(value), x2=scale(value), y1=_LANES_TOP - 6, y2=bottom, class_="grid")
        drawing.text(scale(value), bottom + 18, text, class_="tick", anchor="middle")
    drawing.text(
        (x.start + x.end) / 2, drawing.height - 4, f"{name} since the first training", class_="title", anchor="middle"
    )
    for number, (worker, spans) in enumerate(lanes):
        top = _LANES_TOP + 26.0 * number
        host, _, process = worker.rpartition("-")
        drawing.text(x.start - 8, top + 13, process or host, class_="tick", anchor="end")
        for begin, end, row in spans:
            if row.index in visible:
                left, width = x(begin), max(x(end) - x(begin) - 0.6, 1.2)
                drawing.add(
                    "rect",
                    x=left,
                    y=top,
                    width=width,
                    height=18,
                    class_=f"span {bee_class(row)}",
                    data_i=str(row.index),
                )
