"""A small renderer of SVG: elements with escaped texts and short numbers, axes, marks that stand for evaluations."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from hivenas.core.records import Row
from hivenas.reports.page.scales import Scale

# The symbol of a role; `x` is that of a failure. The page's template draws them once.
SYMBOLS = {"employee": "e", "onlooker": "o", "scout": "s"}
STATUSES = {"complete": "c", "stopped": "t", "failed": "f"}


class Drawing:
    """A picture that grows with the page.

    Args:
        width, height: of its coordinates; it is shown as wide as there is room.
        label: what it shows, for those who do not see it.
        kind: its class, such as `wide` for one that phones do not show, or `still` for one that answers to no pointer.
    """

    def __init__(self, width: float, height: float, label: str, kind: str = "one") -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []
        role = 'role="img"' if kind == "still" else 'role="group" tabindex="0" aria-roledescription="chart"'
        self._head = (
            f'<svg class="chart {escape(kind)}" viewBox="0 0 {short_number(width)} {short_number(height)}" '
            f'{role} aria-label="{escape(label)}">'
        )

    def add(self, tag: str, text: str = "", **attributes: str | float) -> None:
        """Adds an element; `class_` stands for `class`, `text_anchor` for `text-anchor`."""
        self._parts.append(_element(tag, text, attributes))

    def text(self, x: float, y: float, text: str, *, class_: str = "", anchor: str = "start") -> None:
        """Writes at a place."""
        named = {"class_": class_} if class_ else {}
        self.add("text", text, x=x, y=y, text_anchor=anchor, **named)

    def mark(self, row: Row, x: float, y: float) -> None:
        """Puts the symbol of an evaluation at a place; the page's script finds the evaluation by its number."""
        symbol = "x" if row.status == "failed" else SYMBOLS.get(row.bee, "s")
        kind = f"{bee_class(row)}{' m' if row.phase == 'momentum' else ''}"
        self._parts.append(
            f'<use href="#b-{symbol}" x="{short_number(x)}" y="{short_number(y)}" class="{kind}" data-i="{row.index}"/>'
        )

    def markup(self) -> Markup:
        """The whole picture; every part of it was escaped where it was made."""
        return Markup(self._head + "".join(self._parts) + "</svg>")


class Panel(Drawing):
    """A picture with two axes.

    Args:
        size: width and height.
        label: what it shows, for those who do not see it.
        x, y: scales, whose places are those of the picture.
        titles: of the two axes.
        kind: its class.
    """

    def __init__(
        self, size: tuple[float, float], label: str, x: Scale, y: Scale, titles: tuple[str, str], kind: str = "one"
    ) -> None:
        super().__init__(*size, label, kind)
        self.x = x
        self.y = y
        self._titles = titles

    def axes(self, *, x_ticks: Iterable[tuple[float, str]] | None = None) -> None:
        """Draws the grid, the ticks and the titles."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        for value, label in self.y.ticks(5):
            place = self.y(value)
            self.add("line", x1=left, x2=right, y1=place, y2=place, class_="grid")
            self.text(left - 7, place + 4, label, class_="tick", anchor="end")
        self.add("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis")
        for value, label in self.x.ticks(7 if right - left > 600 else 5) if x_ticks is None else x_ticks:
            place = self.x(value)
            self.add("line", x1=place, x2=place, y1=bottom, y2=bottom + 4, class_="axis")
            self.text(place, bottom + 18, label, class_="tick", anchor="middle")
        self.text((left + right) / 2, self.height - 4, self._titles[0], class_="title", anchor="middle")
        self.text(4, top - 26, self._titles[1], class_="title")


def bee_class(row: Row) -> str:
    """The class by which a row, or its mark, is found: its role and how it ended, a letter each."""
    return f"{SYMBOLS.get(row.bee, 's')} {STATUSES.get(row.status, 'f')}"


def short_number(value: float) -> str:
    """A coordinate to a tenth."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _element(tag: str, text: str, attributes: dict[str, str | float]) -> str:
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else short_number(value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{named}>{escape(text)}</{tag}>" if text else f"<{tag}{named}/>"
