"""A small renderer of SVG: elements with escaped texts and short numbers, axes, marks that stand for evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from hivenas.core.records import Trial
from hivenas.reports.charts.scales import LETTER, Scale
from hivenas.wording import plural

# Of roles; `x` is that of a failure. Others, of strategies of somebody's own, share the scout's.
SYMBOLS = {"employee": "e", "onlooker": "o", "scout": "s", "child": "o", "sample": "s"}
STATUSES = {"complete": "c", "paused": "t", "stopped": "t", "failed": "f"}
_SHAPES = {
    "e": '<circle r="4.2"',
    "o": '<path d="M0-5.4 5 3.6H-5z"',
    "s": '<rect x="-3.9" y="-3.9" width="7.8" height="7.8"',
    "x": '<path d="M-4-4 4 4M4-4-4 4"',
}
_ROLES = {"still": 'role="img"', "table": 'role="group"'}


def symbol_of(role: str) -> str:
    """The symbol of a role."""
    return SYMBOLS.get(role, "s")


def role_names(rows: Iterable[Trial]) -> dict[str, str]:
    """The names of the roles that have proposed, by their symbols."""
    found: dict[str, list[str]] = {}
    for role in dict.fromkeys(row.role for row in rows):
        found.setdefault(symbol_of(role), []).append(plural(role))
    return {symbol: " and ".join(found[symbol]) for symbol in "eos" if symbol in found}


def symbols(scale: float = 1.0) -> str:
    """The definitions of the symbols to which marks refer, for the start of a page or a file."""
    changed = "" if scale == 1 else f' transform="scale({scale:g})"'
    return "<defs>" + "".join(f'{shape} id="b-{name}"{changed}/>' for name, shape in _SHAPES.items()) + "</defs>"


class Drawing:
    """A picture that grows with the page; jinja puts it into a template as it is, every part was escaped when added.

    Args:
        width, height: of its coordinates; it is shown as wide as there is room.
        label: a line for those who do not see it.
        kind: its class, such as `wide` for one that phones do not show, `still` for one that answers to no pointer, and
            `table` for one whose texts are read.
    """

    def __init__(self, width: float, height: float, label: str, kind: str = "one") -> None:
        self.width = width
        self.height = height
        self.label = label
        self.kind = kind
        self.used: set[str] = set()
        self._parts: list[str] = []

    def __html__(self) -> str:
        """The picture as an element of a page."""
        role = _ROLES.get(self.kind.split()[-1], 'role="group" tabindex="0" aria-roledescription="chart"')
        # What is no drawing for a width of screen keeps about its size, and scrolls.
        size = f"min-width:{self.width:.0f}px;max-width:{1.25 * self.width:.0f}px"
        style = f' style="{size}"' if self.kind == "table" else ""
        return f"<svg {self.attributes()} {role}{style}>{self.content()}</svg>"

    def attributes(self) -> str:
        """The attributes that the picture has wherever it is shown."""
        size = f"{short_number(self.width)} {short_number(self.height)}"
        return f'class="chart {escape(self.kind)}" viewBox="0 0 {size}" aria-label="{escape(self.label)}"'

    def content(self) -> str:
        """The elements, without the one around them."""
        return "".join(self._parts)

    def add(self, tag: str, text: str = "", *, tip: str = "", **attributes: str | float) -> None:
        """Adds an element; `class_` stands for `class`, `text_anchor` for `text-anchor`; a pointer is shown the tip."""
        inner = escape(text) + (f"<title>{escape(tip)}</title>" if tip else "")
        named = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items()
        )
        self._parts.append(f"<{tag}{named}>{inner}</{tag}>" if inner else f"<{tag}{named}/>")

    def text(self, x: float, y: float, text: str, *, class_: str = "", anchor: str = "start") -> None:
        """Writes at a place."""
        named = {"class_": class_} if class_ else {}
        if anchor != "start":
            named["text_anchor"] = anchor
        self.add("text", text, x=x, y=y, **named)

    def symbol(self, name: str, x: float, y: float, *, class_: str, **attributes: str) -> None:
        """Puts a symbol at a place."""
        self.add("use", href=f"#b-{name}", x=x, y=y, class_=class_, **attributes)

    def mark(self, row: Trial, x: float, y: float) -> None:
        """Puts the symbol of an evaluation at a place; the page's script finds the evaluation by its number."""
        name = "x" if row.status == "failed" else symbol_of(row.role)
        is_continued = row.phase == "momentum"
        self.used |= {name, "m"} if is_continued else {name}
        self.symbol(name, x, y, class_=f"{bee_class(row)}{' m' if is_continued else ''}", data_i=str(row.index))

    def place(self, other: Drawing, x: float, y: float) -> None:
        """Puts another picture into this one."""
        self._parts.append(f'<g transform="translate({short_number(x)} {short_number(y)})">{other.content()}</g>')


class Panel(Drawing):
    """A picture with two axes.

    Args:
        size: width and height.
        x, y: scales, whose places are those of the picture.
        titles: of the two axes.
        label, kind: see `Drawing`.
    """

    def __init__(
        self, size: tuple[float, float], x: Scale, y: Scale, *, titles: tuple[str, str], label: str, kind: str = "one"
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
            # A label with more digits than there is room for would be cut off at the picture's edge.
            fitted = {"textLength": short_number(left - 8), "lengthAdjust": "spacingAndGlyphs"}
            more = fitted if LETTER * len(label) > left - 8 else {}
            self.add("text", label, x=left - 7, y=place + 4, class_="tick", text_anchor="end", **more)
        self.add("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis")
        if x_ticks is None:
            x_ticks = self.x.beside(self.x.ticks(7 if right - left > 600 else 5))
        for value, label in x_ticks:
            place = self.x(value)
            self.add("line", x1=place, x2=place, y1=bottom, y2=bottom + 4, class_="axis")
            self.text(place, bottom + 18, label, class_="tick", anchor="middle")
        self.text((left + right) / 2, self.height - 4, self._titles[0], class_="title", anchor="middle")
        self.text(4, top - 26, self._titles[1], class_="title")


def bee_class(row: Trial) -> str:
    """The class by which a row, or its mark, is found: its role and how it ended, a letter each."""
    return f"{symbol_of(row.role)} {STATUSES.get(row.status, 'f')}"


def short_number(value: float) -> str:
    """A coordinate to a tenth."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else short_number(value)
