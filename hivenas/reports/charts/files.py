"""Charts as files of their own: SVG with its style, its legend and its note inside."""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from hivenas.config.costs import Cost
from hivenas.core.files import written_whole
from hivenas.core.records import Direction, Trial
from hivenas.core.unicode import shown_text
from hivenas.reports.attempts import attempted
from hivenas.reports.charts.chart import Chart
from hivenas.reports.charts.drawing import Drawing, role_names, short_number, symbols
from hivenas.reports.charts.kinds import charts
from hivenas.reports.findings import succeeded
from hivenas.reports.front import cost_figure
from hivenas.reports.text import figure, short

_MARGIN = 24.0
_LINE, _LETTER = 17.0, 6.2  # the height of a line of the small print, and the mean width of a letter
_LARGER = 1.22  # a file is often shown smaller than it is, so its texts and marks are larger than those of the page
_LISTED = 576.0  # the width of the list of candidates
_LONGEST_NAME = 50
_FIGURE = 84.0  # the room of a cost in that list
_LEAST = 480.0  # as wide as a file is shown at the least
_ENDS = {"m": "continued", "x": "failed"}


def draw_plots(rows: Sequence[Trial], folder: Path, direction: Direction, costs: Sequence[Cost] = ()) -> list[Path]:
    """Draws the charts of a search, those of its page, as files.

    Args:
        rows: the records; nothing is drawn where none has succeeded.
        folder: where the SVG files go.
        direction: where a better fitness lies.
        costs: what is weighed against the fitness; none where that alone counts.

    Returns:
        The files: convergence.svg and roles.svg; of architectures also operations.svg; where networks have parameters
        parameters.svg, or front.svg where a cost is weighed against the fitness, of further ones front_macs.svg and
        the like; where any were trained learning_curves.svg and timeline.svg.
    """
    roles = role_names(rows)
    made = (
        attempted(str(file := folder / f"{chart.key}.svg"), functools.partial(_write, chart, roles, file), None)
        for chart in (charts(rows, direction, costs) if succeeded(rows) else [])
    )
    return [file for file in made if file]


def _write(chart: Chart, roles: Mapping[str, str], file: Path) -> Path:
    with written_whole(file, sync=False) as temporary:
        temporary.write_text(standalone(chart, roles), encoding="utf-8")
    return file


@functools.cache
def style() -> str:
    """The style sheet of charts, of the page and of files alike."""
    return (Path(__file__).parent / "chart.css").read_text(encoding="utf-8")


def standalone(chart: Chart, roles: Mapping[str, str]) -> str:
    """A chart as a document: on a light ground whatever shows it, with everything that the page says beside it.

    Args:
        chart: the chart.
        roles: the names of roles by their symbols, see `role_names`.
    """
    drawing = chart.drawings[0]
    scale = 1.0 if chart.scrolls else _LARGER
    listed = _LISTED + (_FIGURE if chart.cost else 0.0) if chart.listed else 0.0
    line, width = _LINE * scale, drawing.width + listed
    head, foot = (textwrap.wrap(text, round(width / _LETTER / scale)) for text in (drawing.label, chart.note))
    legend = {key: name for key, name in {**roles, **_ENDS}.items() if key in drawing.used}
    top = 44 + line * (len(head) + 1.4 * bool(legend)) + 14
    bottom = top + max(drawing.height, 20.0 * (len(chart.listed) + 3)) + 1.4 * line
    sheet = Drawing(width + 2 * _MARGIN, bottom + line * len(foot) + _MARGIN / 2, chart.title, "one")
    sheet.add("rect", width=sheet.width, height=sheet.height, class_="sheet")
    sheet.text(_MARGIN, 38, chart.title, class_="headline")
    for number, text in enumerate(head):
        sheet.text(_MARGIN, 44 + line * (number + 1), text, class_="note")
    _legend(sheet, legend, y=44 + line * (len(head) + 1.2), scale=scale)
    sheet.place(drawing, _MARGIN, top)
    _list(sheet, chart.listed, chart.cost, _MARGIN + drawing.width + 34, top + 40)
    for number, text in enumerate(foot):
        sheet.text(_MARGIN, bottom + line * number, text, class_="note")
    many = 0.8 if "many" in drawing.kind.split() else 1.0
    return shown_text(_document(sheet, drawing.label, scale=scale, mark=many * scale))


def _document(sheet: Drawing, description: str, *, scale: float, mark: float) -> str:
    factor = max(1.0, _LEAST / sheet.width)
    size = f'width="{short_number(factor * sheet.width)}" height="{short_number(factor * sheet.height)}"'
    rules = f"{_resolved(style())}svg.chart {{ font-size: {11.5 * scale:.3g}px; }}\n"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {sheet.attributes()} {size} role="img">'
        f"<title>{escape(sheet.label)}</title><desc>{escape(description)}</desc>"
        f"<style>{rules}</style>{symbols(mark)}{sheet.content()}</svg>\n"
    )


def _resolved(sheet: str) -> str:
    """A style sheet with the values of its variables in their places: not every viewer of SVG knows variables."""
    values = dict(re.findall(r"--([\w-]+): ([^;]+);", sheet))
    rules = re.sub(r":root \{.*?\}\n", "", sheet, flags=re.DOTALL)
    return re.sub(r"var\(--([\w-]+)\)", lambda found: values[found[1]], rules)


def _legend(sheet: Drawing, legend: Mapping[str, str], *, y: float, scale: float) -> None:
    x = _MARGIN + 6
    for key, name in legend.items():
        symbol, class_ = {"m": ("e", "m e"), "x": ("x", "f")}.get(key, (key, key))
        sheet.symbol(symbol, x, y - 4 * scale, class_=class_)
        sheet.text(x + 11 * scale, y, name, class_="value")
        x += scale * (34 + 7 * len(name))


def _list(sheet: Drawing, listed: Sequence[Trial], cost: Cost | None, x: float, top: float) -> None:
    figures = [cost_figure(row, cost) if cost else "" for row in listed]
    names = x + 82 + (_FIGURE if cost else 0)
    if cost:
        sheet.text(x + 12, top, "fitness", class_="tick")
        sheet.text(names - 14, top, cost.key, class_="tick", anchor="end")
    for number, (row, told) in enumerate(zip(listed, figures, strict=True), start=1):
        y = top + 20.0 * number
        sheet.text(x, y, str(number), class_="rank", anchor="end")
        sheet.text(x + 12, y, figure(row), class_="value")
        if told:
            sheet.text(names - 14, y, told, class_="value", anchor="end")
        sheet.text(names, y, f"{row.index:04d}  {short(row.encoded, _LONGEST_NAME)}", class_="name")
