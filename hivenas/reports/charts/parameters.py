"""The chart of fitness against the number of trainable parameters, or another cost, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from hivenas.config.costs import COSTS, Cost
from hivenas.core.front import cost_of, front
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
from hivenas.reports.front import compared, cost_figure, front_keys, spread
from hivenas.reports.text import figure
from hivenas.wording import number_of

_PARAMS = COSTS["params"]


def parameters(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """Fitness against parameters; None where no network has any."""
    members = pareto_front(rows, direction)
    sized = _with_cost(rows, direction, _PARAMS)
    if not members or not sized:
        return None
    label = (
        f"Fitness against trainable parameters; {_are(members)} on the Pareto front, from "
        f"{members[0].params:,} parameters with {figure(members[0])} to {members[-1].params:,} with "
        f"{figure(members[-1])}"
    )
    panel = _panel(sized, members, _PARAMS, direction, label=label)
    note = "Ringed: the Pareto front. No candidate has a better fitness with as few parameters."
    return Chart(
        key="parameters",
        title="Fitness against size",
        note=note + beyond_note([row.fitness for row in sized], panel.y),
        drawings=(panel,),
        listed=tuple(members[-MOST_LISTED:]),
        cost=_PARAMS,
    )


def weighed(rows: Sequence[Trial], direction: Direction, costs: Sequence[Cost], cost: Cost) -> Chart | None:
    """Fitness against a cost that is weighed against it, and the front; None where no candidate has that cost.

    Args:
        rows: the records.
        direction: where a better fitness lies.
        costs: all that are weighed.
        cost: the one of them that is the horizontal axis.
    """
    members = [row for row in front(rows, direction, *costs) if cost_of(row, cost) > 0]
    sized = _with_cost(rows, direction, cost)
    if not members:
        return None
    if len(costs) > 1:
        return _of_several(sized, members, direction, costs, cost)
    first, last = members[0], members[-1]
    label = (
        f"Fitness against {cost.label}; {_are(members)} on the front, from {figure(first)} with "
        f"{cost_figure(first, cost)} {cost.label} to {figure(last)} with {cost_figure(last, cost)}"
    )
    panel = _panel(sized, members, cost, direction, label=label)
    note = f"Ringed: the front. No candidate has a better fitness with as {cost.little}."
    return Chart(
        key="front",
        title=f"Fitness against {cost.label}",
        note=note + beyond_note([row.fitness for row in sized], panel.y),
        drawings=(panel,),
        listed=tuple(spread(members, MOST_LISTED)),
        cost=cost,
    )


def _are(members: Sequence[Trial]) -> str:
    return number_of(len(members), "candidate is", "candidates are")


def _of_several(
    sized: Sequence[Trial], members: Sequence[Trial], direction: Direction, costs: Sequence[Cost], cost: Cost
) -> Chart:
    """The front of several costs as one of them sees it; the line is what is left of it by that one alone."""
    best = members[-1]
    label = (
        f"Fitness against {cost.label}; {_are(members)} on the front of fitness and {len(costs)} costs, "
        f"the best has {figure(best)} with {cost_figure(best, cost)} {cost.label}"
    )
    panel = _panel(sized, members, cost, direction, label=label, line=front(members, direction, cost))
    note = f"Ringed: the front. No candidate is better in {compared(costs)}. Dashed: the front by this cost alone."
    return Chart(
        key=front_keys(costs)[costs.index(cost)],
        title=f"Fitness against {cost.label}",
        note=note + beyond_note([row.fitness for row in sized], panel.y),
        drawings=(panel,),
        listed=tuple(spread(members, MOST_LISTED)),
        cost=cost,
    )


def _with_cost(rows: Sequence[Trial], direction: Direction, cost: Cost) -> list[Trial]:
    """The candidates that have a place on a logarithmic axis of the cost."""
    return [row for row in succeeded(drawn(rows, direction)) if cost_of(row, cost) > 0]


def _panel(
    sized: Sequence[Trial],
    members: Sequence[Trial],
    cost: Cost,
    direction: Direction,
    *,
    label: str,
    line: Sequence[Trial] | None = None,
) -> Panel:
    """Marks, the rings of the members, and the line through them, or through those that are given."""
    xs, ys = plane(NARROW)
    fitness = [row.fitness for row in sized]
    panel = Panel(
        NARROW,
        scale_of([cost_of(row, cost) for row in (*sized, *members)], *xs, log=True),
        fitness_scale(fitness, direction, ys, always=[row.fitness for row in members]),
        titles=(cost.label, fitness_title(direction)),
        label=label,
        kind="one many" if len(sized) > MANY else "one",
    )
    panel.axes()
    for row in sized:
        panel.mark(row, panel.x(cost_of(row, cost)), panel.y(row.fitness))
    through, ringed = (
        [(panel.x(cost_of(row, cost)), panel.y(row.fitness)) for row in each]
        for each in (members if line is None else line, members)
    )
    _draw_front(panel, through, ringed)
    return panel


def _draw_front(panel: Panel, through: Sequence[tuple[float, float]], places: Sequence[tuple[float, float]]) -> None:
    (x, y), *more = through
    steps = "".join(f"H{right:.1f}V{place:.1f}" for right, place in more)
    panel.add("path", d=f"M{x:.1f} {y:.1f}{steps}H{panel.x.end:.1f}", class_="front")
    for right, place in places:
        panel.add("circle", cx=right, cy=place, r=8, class_="ring")
