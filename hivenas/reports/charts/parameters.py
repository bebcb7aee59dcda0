"""The chart of fitness against the number of trainable parameters, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import (
    MANY,
    MOST_LISTED,
    NARROW,
    Chart,
    beyond_note,
    fitness_scale,
    fitness_title,
    plane,
)
from hivenas.reports.charts.drawing import Panel
from hivenas.reports.charts.scales import scale_of
from hivenas.reports.findings import drawn, pareto_front, succeeded
from hivenas.reports.text import figure


def parameters(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """Fitness against parameters; None where no network has any."""
    front = pareto_front(rows, direction)
    sized = [row for row in succeeded(drawn(rows, direction)) if row.params > 0]
    if not front or not sized:
        return None
    label = (
        f"Fitness against trainable parameters; {len(front)} candidates are on the Pareto front, from "
        f"{front[0].params:,} parameters with {figure(front[0])} to {front[-1].params:,} with {figure(front[-1])}"
    )
    fitness = [row.fitness for row in sized]
    xs, ys = plane(NARROW)
    panel = Panel(
        NARROW,
        scale_of([row.params for row in (*sized, *front)], *xs, log=True),
        fitness_scale(fitness, direction, ys, always=[row.fitness for row in front]),
        titles=("trainable parameters", fitness_title(direction)),
        label=label,
        kind="one many" if len(sized) > MANY else "one",
    )
    panel.axes()
    for row in sized:
        panel.mark(row, panel.x(row.params), panel.y(row.fitness))
    _front(panel, front)
    note = "Ringed: the Pareto front. No candidate has a better fitness with as few parameters."
    return Chart(
        key="parameters",
        title="Fitness against size",
        note=note + beyond_note(fitness, panel.y),
        drawings=(panel,),
        listed=tuple(front[-MOST_LISTED:]),
    )


def _front(panel: Panel, front: Sequence[Trial]) -> None:
    (x, y), *more = [(panel.x(row.params), panel.y(row.fitness)) for row in front]
    steps = "".join(f"H{right:.1f}V{place:.1f}" for right, place in more)
    panel.add("path", d=f"M{x:.1f} {y:.1f}{steps}H{panel.x.end:.1f}", class_="front")
    for right, place in ((x, y), *more):
        panel.add("circle", cx=right, cy=place, r=8, class_="ring")
