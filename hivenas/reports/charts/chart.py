"""The record of a chart, and what charts have in common: sizes, the axis of fitness, the course of the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hivenas.config.costs import Cost
from hivenas.core.history import improvements
from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.drawing import Drawing, Panel
from hivenas.reports.charts.scales import Scale, scale_of, spreads

Ends = tuple[float, float]

WIDE, NARROW = (1080.0, 330.0), (480.0, 330.0)
LEFT, RIGHT, TOP, BOTTOM = 62.0, 16.0, 42.0, 50.0
MANY = 200  # marks, from where on they are drawn smaller
MOST_LISTED = 14  # candidates beside a chart
_ENOUGH = 20
_WEAKEST = 10  # of so many one may lie beyond the axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, drawn once for the page and for its file.

    Args:
        key: its anchor in the page, and the stem of its file.
        title: its heading.
        note: how to read it.
        drawings: one, or one for wide and one for narrow screens; the first is that of the file.
        listed: the candidates that are listed beside it, in the file.
        cost: that is told of each of them; None for the fitness alone.
        is_listed: they are listed in the page too.
    """

    key: str
    title: str
    note: str
    drawings: tuple[Drawing, ...]
    listed: tuple[Trial, ...] = ()
    cost: Cost | None = None
    is_listed: bool = False

    @property
    def scrolls(self) -> bool:
        """It keeps about its size, and is scrolled where there is less room."""
        return self.drawings[0].kind == "table"

    @property
    def is_wide(self) -> bool:
        """It takes the page's whole width."""
        return self.is_listed or self.drawings[0].width > NARROW[0]


def plane(size: tuple[float, float]) -> tuple[Ends, Ends]:
    """The places of the ends of both axes in a picture of a size."""
    return (LEFT, size[0] - RIGHT), (size[1] - BOTTOM, TOP)


def fitness_title(direction: Direction) -> str:
    """The title of an axis of fitness."""
    return f"fitness ({'lower' if direction.minimize else 'higher'} is better)"


def fitness_scale(fitness: Sequence[float], direction: Direction, ends: Ends, *, always: Sequence[float] = ()) -> Scale:
    """The axis of fitness: logarithmic over decades; otherwise without the weakest, where these would take most of it.

    Args:
        fitness: of the candidates, finite.
        direction: where a better one lies.
        ends: the places of the axis's lower and upper end.
        always: what it has room for in any case.
    """
    ordered = sorted(fitness, key=direction.score)
    is_log = spreads(ordered)
    weaker = len(ordered) // _WEAKEST if len(ordered) >= _ENOUGH and not is_log else 0
    if ordered and abs(ordered[-1] - ordered[weaker]) < 0.6 * abs(ordered[-1] - ordered[0]):
        ordered = ordered[weaker:]
    return scale_of([*ordered, *always], *ends, log=is_log)


def beyond_note(fitness: Sequence[float], scale: Scale) -> str:
    """A sentence on how many candidates stand at the end of an axis because they lie beyond it; empty where none do."""
    count = sum(not scale.low <= each <= scale.high for each in fitness)
    many = f"{count} weakest stand" if count > 1 else "weakest stands"
    return f" The {many} at the picture's edge." if count else ""


def course(
    rows: Sequence[Trial], direction: Direction, x_of: Mapping[int, float], panel: Panel, *, class_: str
) -> list[Trial]:
    """Draws the best fitness so far as steps, up to the last place; returns the evaluations that raised it.

    Args:
        rows: the records.
        direction: where a better fitness lies.
        x_of: where an evaluation stands on the x axis, by its index.
        panel: draws.
        class_: of the line.
    """
    steps = improvements(rows, direction)
    places = [(panel.x(x_of[row.index]), panel.y(row.fitness)) for row in steps]
    if places:
        (x, y), *more = places
        path = f"M{x:.1f} {y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in more)
        panel.add("path", d=f"{path}H{panel.x(max(x_of.values())):.1f}", class_=class_)
    return steps
