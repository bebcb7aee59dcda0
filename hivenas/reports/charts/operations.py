"""The chart of operations by layer, or of choices: the mean fitness of the candidates that have one there."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import Chart
from hivenas.reports.charts.drawing import Drawing
from hivenas.reports.charts.scales import brief
from hivenas.reports.findings import HeatMap, operation_map
from hivenas.reports.text import kind_of
from hivenas.wording import number_of, plural

LEVELS = 10  # of colour; the style sheet has as many
_ON_DARK = 6  # the level from where on colours are so strong that text on them is light
_CELL, _LINE, _HEAD = 48.0, 36.0, 22.0
_ALONE = 80.0  # the width of a cell that is its line: there is room for more digits
_LETTER = 7.3  # the width of a letter of an operation's name
_LONGEST_NAME = 26


def operations(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """A line an operation, a column a layer; where there are no layers, a line a choice; None of points."""
    found = operation_map(rows, direction)
    if not found.operations:
        return None
    names = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in found.operations]
    left = 10 + _LETTER * max(9, *map(len, names))
    has_layers = kind_of(rows) == "architecture"
    what, place = ("operation", "layer") if has_layers else ("choice", "place")
    is_one = not has_layers and found.layers == 1
    label = f"Mean fitness of {number_of(len(found.operations), what)}"
    label += "" if is_one else f" in {number_of(found.layers, place)}"
    size = left + (_ALONE if is_one else _CELL * found.layers), _HEAD + _LINE * len(names)
    drawing = Drawing(*size, label, "table")
    drawing.text(0, 14, what, class_="tick")
    for layer in range(0 if is_one else found.layers):
        drawing.text(left + _CELL * (layer + 0.5), 14, str(layer + 1), class_="tick", anchor="middle")
    for line, name in enumerate(names):
        drawing.text(0, _HEAD + _LINE * line + 22, name, class_="name")
    _cells(drawing, found, direction, left, "" if is_one else place)
    having = f"{'an' if has_layers else 'a'} {what}{'' if is_one else f' in a {place}'}"
    note = f"Mean fitness of the candidates that have {having}, and how many these are; "
    note += "the stronger the colour, the better."
    title = "Choices" if is_one else f"{plural(what).capitalize()} by {place}"
    return Chart(key="operations", title=title, note=note, drawings=(drawing,))


def _cells(drawing: Drawing, found: HeatMap, direction: Direction, left: float, place: str) -> None:
    level = _levels(found, direction)
    width = _CELL if place else _ALONE
    for line, operation in enumerate(found.operations):
        for layer, (mean, count) in enumerate(zip(found.means[line], found.counts[line], strict=True)):
            x, y = left + width * layer, _HEAD + _LINE * line
            cell = functools.partial(drawing.add, "rect", x=x + 1, y=y + 1, width=width - 2, height=_LINE - 2, rx=4)
            if not count:
                cell(class_="none")
                continue
            where = f" in {place} {layer + 1}" if place else ""
            tip = f"{operation}{where}: mean fitness {mean:.5g} of {number_of(count, 'candidate')}"
            cell(class_=f"l{level(mean)}", tip=tip)
            dark = " on" if level(mean) >= _ON_DARK else ""
            shown = _short(mean) if place else brief(mean, 5)
            drawing.text(x + width / 2, y + 16, shown, class_=f"mean{dark}", anchor="middle")
            drawing.text(x + width / 2, y + 29, str(count), class_=f"count{dark}", anchor="middle")


def _levels(found: HeatMap, direction: Direction) -> Callable[[float], int]:
    """The level of colour of a mean, the best being the strongest."""
    scores = [direction.score(mean) for line in found.means for mean in line if not math.isnan(mean)]
    low, high = min(scores), max(scores)

    def level(mean: float) -> int:
        # Divided first: the difference of two huge values may be infinite.
        share = (direction.score(mean) / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return min(int(share * LEVELS), LEVELS - 1)

    return level


def _short(mean: float) -> str:
    size = abs(mean)
    if 0 < size < 0.01:
        return f"{mean:.2g}"
    return f"{mean:.2f}" if size < 10 else f"{mean:.1f}" if size < 1000 else brief(mean)
