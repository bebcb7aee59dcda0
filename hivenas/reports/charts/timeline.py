"""The chart of the workers over time: which one trained what, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import BOTTOM, NARROW, RIGHT, WIDE, Chart
from hivenas.reports.charts.drawing import Drawing, bee_class, symbol_of
from hivenas.reports.charts.scales import Scale
from hivenas.reports.findings import Lane, drawn, timeline
from hivenas.reports.text import duration
from hivenas.wording import number_of

_TOP = 14.0
_LANE = 26.0
_MOST_LANES = 40


def workers(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """A line a worker, a bar a training; None where nothing was trained."""
    lanes = timeline(rows)
    if not lanes:
        return None
    kept, visible = lanes[:_MOST_LANES], {row.index for row in drawn(rows, direction)}
    spans = [span for lane in lanes for span in lane.spans]
    until = max(end for _, end, _ in spans)
    at_once = math.fsum(end - begin for begin, end, _ in spans) / max(until, 1e-9)
    workers = number_of(len(lanes), "worker")
    label = f"When each of {workers} trained, over {duration(until)}; on average {at_once:.1f} at a time"
    drawings = []
    for (width, _), left, kind in ((WIDE, 92.0, "wide"), (NARROW, 76.0, "narrow")):
        drawing = Drawing(width, _TOP + _LANE * len(kept) + BOTTOM, label, kind)
        scale = Scale(0.0, max(until, 1e-3), left, width - RIGHT)
        _axis(drawing, scale)
        for number, lane in enumerate(kept):
            _lane(drawing, scale, lane, top=_TOP + _LANE * number, visible=visible)
        drawings.append(drawing)
    note = "One line a worker process; a long search has several, as they are replaced before their memory has grown."
    if any(row.status != "complete" for _, _, row in spans):
        pale = "paused or stopped early" if any(row.status == "paused" for _, _, row in spans) else "stopped early"
        note += f" Pale: {pale}; dashed: failed."
    if len(lanes) > len(kept):
        note += f" The first {len(kept)} of {len(lanes)} are shown."
    return Chart(key="timeline", title="Workers over time", note=note, drawings=tuple(drawings))


def _axis(drawing: Drawing, x: Scale) -> None:
    bottom = drawing.height - BOTTOM
    unit, name = next(
        (u, n) for u, n in ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds")) if x.high > 3 * u or u == 1
    )
    scale = Scale(0.0, x.high / unit, x.start, x.end)
    for value, text in scale.ticks(7 if x.end > 600 else 4):
        drawing.add("line", x1=scale(value), x2=scale(value), y1=_TOP - 6, y2=bottom, class_="grid")
        drawing.text(scale(value), bottom + 18, text, class_="tick", anchor="middle")
    title = f"{name} since the first training"
    drawing.text((x.start + x.end) / 2, drawing.height - 4, title, class_="title", anchor="middle")


def _lane(drawing: Drawing, x: Scale, lane: Lane, *, top: float, visible: set[int]) -> None:
    host, _, process = lane.worker.rpartition("-")
    drawing.text(x.start - 8, top + 13, process or host, class_="tick", anchor="end")
    for begin, end, row in lane.spans:
        if row.index not in visible:
            continue
        drawing.used.add("x" if row.status == "failed" else symbol_of(row.role))
        width = max(x(end) - x(begin) - 0.6, 1.2)
        class_ = f"span {bee_class(row)}"
        drawing.add("rect", x=x(begin), y=top, width=width, height=18, class_=class_, data_i=str(row.index))
