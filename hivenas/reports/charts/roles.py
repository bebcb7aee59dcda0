"""The chart of what each role has contributed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hivenas.core.records import Direction, Trial
from hivenas.reports.charts.chart import RIGHT, Chart, beyond_note, fitness_scale
from hivenas.reports.charts.drawing import Drawing, symbol_of
from hivenas.reports.charts.scales import Scale, brief
from hivenas.reports.findings import Role, found_figures, roles
from hivenas.wording import plural

_WIDTHS = {"wide": 1080.0, "narrow": 480.0}
_LINE, _HEAD, _FOOT = 38.0, 28.0, 26.0
_NAME = 112.0  # the width of a role's name
_GAP = 30.0
_BAR, _BOX = 6.0, 13.0


def contributions(rows: Sequence[Trial], direction: Direction) -> Chart | None:
    """A line a role: evaluations, improvements, gain, and the fitness found; None where none has succeeded."""
    found = roles(rows, direction)
    fitness = [row.fitness for row in found_figures(rows, direction)]
    if not fitness:
        return None
    label = "; ".join(f"{plural(r.bee)} have raised the best {r.improvements} × in {r.evaluations:,}" for r in found)
    label = f"{label.capitalize()} {'evaluation' if found[-1].evaluations == 1 else 'evaluations'}"
    inner = [value for role in found for value in role.quartiles[1:-1]]
    scales = {kind: fitness_scale(fitness, direction, _box_ends(kind), always=inner) for kind in _WIDTHS}
    drawings = tuple(_drawing(found, scale, label=label, kind=kind) for kind, scale in scales.items())
    note = "An improvement raises the best fitness so far, by its gain; where the search began is no gain. A box holds "
    note += "the middle half of the candidates that a role has found, as they were last trained, and its line the "
    note += "median; the thin line goes from worst to best. Where trainings are paused those that are over count."
    return Chart(
        key="roles",
        title="What each role has contributed",
        note=note + beyond_note(fitness, scales["wide"]),
        drawings=drawings,
    )


def _room(kind: str) -> float:
    """The width of a column."""
    return (_WIDTHS[kind] - _NAME - RIGHT) / (4 if kind == "wide" else 1)


def _box_ends(kind: str) -> tuple[float, float]:
    """The places of the ends of the axis of fitness, which is that of the last column."""
    right = _WIDTHS[kind] - RIGHT
    return right - _room(kind) + 4, right - 4


def _drawing(found: Sequence[Role], fitness: Scale, *, label: str, kind: str) -> Drawing:
    width, is_wide = _WIDTHS[kind], kind == "wide"
    height = _HEAD + _LINE * len(found)
    block = 0.0 if is_wide else height + 8  # narrow: one below another
    drawing = Drawing(width, (height if is_wide else 4 * height + 24) + _FOOT, label, f"{kind} table")
    room = _room(kind)
    for number, (title, values) in enumerate(_bars(found).items()):
        left = _NAME + number * room if is_wide else _NAME
        if number == 0 or not is_wide:
            _names(drawing, found, top=block * number)
        _bar_column(drawing, values, title=title, place=(left, block * number), width=room - _GAP * is_wide)
    if not is_wide:
        _names(drawing, found, top=3 * block)
    _box_column(drawing, found, fitness, top=3 * block)
    return drawing


def _bars(found: Sequence[Role]) -> dict[str, list[tuple[Role, str, float]]]:
    """The columns of bars: of each role the figure in words, and its share of the whole."""
    evaluations, improvements = sum(r.evaluations for r in found), sum(r.improvements for r in found)
    gain = sum(r.gain for r in found)
    failed = {role: f", {role.failed} failed" if role.failed else "" for role in found}
    return {
        "evaluations": [(r, f"{r.evaluations:,}{failed[r]}", _share(r.evaluations, evaluations)) for r in found],
        "improvements": [(r, f"{r.improvements:,}", _share(r.improvements, improvements)) for r in found],
        "gain": [(r, brief(r.gain), _share(r.gain, gain)) for r in found],
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole and math.isfinite(whole) else 0.0


def _names(drawing: Drawing, found: Sequence[Role], *, top: float) -> None:
    for line, role in enumerate(found):
        y = top + _HEAD + _LINE * line + 14
        drawing.symbol(symbol_of(role.bee), 6, y - 4, class_=symbol_of(role.bee))
        drawing.text(18, y, plural(role.bee), class_="value")


def _bar_column(
    drawing: Drawing,
    values: Sequence[tuple[Role, str, float]],
    *,
    title: str,
    place: tuple[float, float],
    width: float,
) -> None:
    left, top = place
    drawing.text(left, top + 14, title, class_="title")
    for line, (role, text, share) in enumerate(values):
        y = top + _HEAD + _LINE * line
        drawing.text(left, y + 14, text, class_="value")
        drawing.text(left + width, y + 14, f"{share:.0%}", class_="tick", anchor="end")
        drawing.add("rect", x=left, y=y + 19, width=width, height=_BAR, rx=3, class_="track")
        if share:
            bar = f"bar {symbol_of(role.bee)}"
            drawing.add("rect", x=left, y=y + 19, width=max(share * width, 1.0), height=_BAR, rx=3, class_=bar)


def _box_column(drawing: Drawing, found: Sequence[Role], x: Scale, *, top: float) -> None:
    bottom = top + _HEAD + _LINE * len(found)
    drawing.text(x.start, top + 14, "fitness found", class_="title")
    for value, text in x.beside(x.ticks(4)):
        drawing.add("line", x1=x(value), x2=x(value), y1=top + _HEAD - 4, y2=bottom, class_="grid")
        drawing.text(x(value), bottom + 16, text, class_="tick", anchor="middle")
    for line, role in enumerate(found):
        if not role.quartiles:
            continue
        y, symbol = top + _HEAD + _LINE * line + 6, symbol_of(role.bee)
        low, first, median, third, high = map(x, role.quartiles)
        middle = y + _BOX / 2
        drawing.add("line", x1=low, x2=high, y1=middle, y2=middle, class_=f"whisker {symbol}")
        tip = f"{plural(role.bee)}: median {role.quartiles[2]:.5g}, best {role.best:.5g}"
        box = f"box {symbol}"
        drawing.add("rect", tip=tip, x=first, y=y, width=max(third - first, 1.0), height=_BOX, rx=2, class_=box)
        drawing.add("line", x1=median, x2=median, y1=y, y2=y + _BOX, class_=f"median {symbol}")
