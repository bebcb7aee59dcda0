"""The chart of the best candidates' learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hivenas.config.metrics import figure_told
from hivenas.core.measured import metric_of
from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import NARROW, Chart, plane
from hivenas.reports.charts.drawing import Panel
from hivenas.reports.charts.scales import scale_of
from hivenas.reports.findings import LearningCurve, figure_label, learning_curves
from hivenas.wording import number_of

_LABEL_HEIGHT = 15.0


def learning(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """The validation figure that is looked for by epoch; None where nothing was trained."""
    curves = learning_curves(rows, direction)
    if not curves:
        return None
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})
    best, figure = curves[0], figure_label(rows)
    told = figure_told(best.accuracies[-1], metric_of(best.row.evaluation.extra))
    label = (
        f"{figure[0].upper()}{figure[1:]} by epoch of the {number_of(len(curves), 'best candidate')}; the best ends at "
        f"{told} after epoch {best.epochs[-1]}"
    )
    (left, right), ys = plane(NARROW)
    panel = Panel(
        NARROW,
        scale_of(epochs, left, right - 24, margin=0.02) if len(epochs) > 1 else scale_of(epochs, left, right),
        scale_of([accuracy for curve in curves for accuracy in curve.accuracies], *ys),
        titles=("epoch", figure),
        label=label,
    )
    stride = 1 + (epochs[-1] - epochs[0]) // 10
    panel.axes(x_ticks=[(epoch, str(epoch)) for epoch in range(epochs[0], epochs[-1] + 1, stride)])
    for rank, curve in reversed(list(enumerate(curves, start=1))):
        _curve(panel, curve, " first" if rank == 1 else "")
    _rank_labels(panel, curves)
    return Chart(
        key="learning_curves",
        title="Learning curves",
        note="The ten best candidates by rank, continuations included; with their architectures.",
        drawings=(panel,),
        listed=tuple(curve.row for curve in curves),
        is_listed=True,
    )


def _curve(panel: Panel, curve: LearningCurve, first: str) -> None:
    points = [
        (panel.x(epoch), panel.y(accuracy))
        for epoch, accuracy in zip(curve.epochs, curve.accuracies, strict=True)
        if math.isfinite(accuracy)
    ]
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    panel.add("polyline", points=places, class_=f"curve{first}", data_c=str(curve.row.index))
    for x, y in points:
        panel.add("circle", cx=x, cy=y, r=2.6, class_=f"dot{first}", data_i=str(curve.row.index))


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
