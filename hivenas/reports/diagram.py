"""An architecture drawn: as lines of text, and as a picture (SVG). No Keras, no system package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape

from hivenas.core.nas.space.outline import Layer, Outline, Skip

# Lines of a box by where they lead: up, down, left, right.
_BOX = {
    "ud": "│",
    "lr": "─",
    "ul": "╯",
    "dl": "╮",
    "udl": "┤",
    "ulr": "┴",
    "dlr": "┬",
    "udlr": "┼",
    "": " ",
}
# Kinds of operations in one colour each: the box's, and that of its edge and its text.
_COLOURS = {
    "ends": ("#f1f3f5", "#868e96"),
    "convolution": ("#e7f1fd", "#2a6f97"),
    "block": ("#e6f5ee", "#2b8a6e"),
    "pooling": ("#fdf1dc", "#b5790a"),
    "normalisation": ("#f1ebfa", "#7048a8"),
    "dropping": ("#fbe9e7", "#b3513f"),
    "other": ("#ffffff", "#868e96"),
}
_KINDS = (
    ("ResidualConvBnReLU", "block"),
    ("ConvBnReLU", "convolution"),
    ("Conv", "convolution"),
    ("Pool", "pooling"),
    ("Normalization", "normalisation"),
    ("Drop", "dropping"),
    ("Noise", "dropping"),
)
_SKIP = "#c2410c"
_FONT = "font-family=\"ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif\""
_HEIGHT, _GAP, _MARGIN, _TOP, _LANE = 34, 16, 18, 62, 38
_COLUMN = 86  # of outputs, and of parameters
_LETTER = 8.6  # a wide one of an operation's name


def lanes(skips: Sequence[Skip]) -> list[int]:
    """For every skip connection a lane beside the layers, such that no two in one lane touch; shorter ones inside."""
    taken: list[list[Skip]] = []
    found = [0] * len(skips)
    for number in sorted(range(len(skips)), key=lambda n: (skips[n].end - skips[n].start, skips[n].start)):
        skip = skips[number]
        lane = next((i for i, others in enumerate(taken) if not any(_touch(skip, o) for o in others)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(skip)
        found[number] = lane
    return found


def _touch(one: Skip, other: Skip) -> bool:
    return one.start <= other.end and other.start <= one.end


def as_lines(outline: Outline) -> list[str]:
    r"""An architecture as lines of text for a fixed-width font: operation, output, parameters, skip connections.

    Example:
        >>> from hivenas.core.nas.space.outline import Outliner
        >>> from hivenas.core.nas.space.architecture import Chain
        >>> print("\n".join(as_lines(Outliner({}).of(Chain(("conv", "pool"), (0, 1))))))
        input
        conv    ──╮ sc_1
        pool    ←─╯
        output
    """
    cells = [[layer.name, shape_text(layer), _count_text(layer.params)] for layer in outline.layers]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    columns = [column for column in range(3) if widths[column]]
    lines = []
    for place, line in enumerate(cells):
        texts = [line[c].rjust(widths[c]) if c == 2 else line[c].ljust(widths[c]) for c in columns]
        lines.append(f"{'  '.join(texts)}  {_rail(outline.skips, place)}".rstrip())
    total = outline.params
    if total is not None:
        # What the skip connections' convolutions add stands in no line of its own.
        lines.append(f"{'all, with skip connections' if outline.skips else 'all'}: {total:,} parameters")
    return lines


def shape_text(layer: Layer) -> str:
    """The output of a layer for people, such as 8×8×32; empty where it is not known."""
    return "×".join(str(extent) for extent in layer.shape) if layer.shape else ""


def _count_text(params: int | None) -> str:
    return f"{params:,}" if params else ""


def _rail(skips: Sequence[Skip], place: int) -> str:
    """The marks right of a line: the skip connections that begin, pass or end there."""
    by_lane = list(zip(lanes(skips), skips, strict=True))
    touching = [lane for lane, skip in by_lane if place in (skip.start, skip.end)]
    reach = max(touching, default=-1)
    text = ("←─" if any(skip.end == place for skip in skips) else "──") if touching else "  "
    for lane in range(max((lane for lane, _ in by_lane), default=-1) + 1):
        here = [skip for other, skip in by_lane if other == lane and skip.start <= place <= skip.end]
        ways = "".join(
            way
            for way, leads in (
                ("u", any(skip.start < place for skip in here)),
                ("d", any(skip.end > place for skip in here)),
                ("l", lane <= reach),
                ("r", lane < reach),
            )
            if leads
        )
        text += _BOX[ways] + ("─" if lane < reach else " ")
    begun = [f"sc_{skip.end - skip.start}" for skip in skips if skip.start == place]
    return f"{text.rstrip()} {begun[0]}" if begun else text.rstrip()


def as_svg(outline: Outline, *, title: str = "", marked: Collection[int] = (), note: str = "") -> str:
    """An architecture as a picture: a box a layer from the image down to the classes, skip connections as arcs.

    Args:
        outline: what is drawn.
        title: stands above.
        marked: layers that were searched for, from 1, to be marked: those in which it differs from its parent.
        note: says under the title what the marks mean.
    """
    by_lane = list(zip(lanes(outline.skips), outline.skips, strict=True))
    box = max(160, round(_LETTER * max(len(layer.name) for layer in outline.layers)) + 24)
    box += _COLUMN * (any(layer.shape for layer in outline.layers) + (outline.params is not None))
    reach = (max((lane for lane, _ in by_lane), default=-1) + 1) * _LANE
    width = max(2 * _MARGIN + box + reach + 10 * bool(by_lane), round(6.4 * len(note)) + 2 * _MARGIN)
    height = _TOP + len(outline.layers) * (_HEIGHT + _GAP) + 24
    first = next((i for i, layer in enumerate(outline.layers) if layer.part == "operation"), 0)
    total = outline.params
    foot = f"{total:,} trainable parameters" if total is not None else ""
    body = [
        _text(_MARGIN, 27, title, size=14, weight=600),
        _text(_MARGIN, 46, note, size=11.5, colour=_SKIP),
        *(_arrow(place) for place in range(len(outline.layers) - 1)),
        *(_arc(box, lane, skip) for lane, skip in by_lane),
        *(
            _box(box, place, layer, is_marked=place - first + 1 in marked and layer.part == "operation")
            for place, layer in enumerate(outline.layers)
        ),
        _text(_MARGIN + box, height - 14, foot, size=12, colour="#495057", anchor="end"),
    ]
    return "\n".join(_document(width, height, body)) + "\n"


def _document(width: int, height: int, body: Iterable[str]) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f"{_FONT}>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{_SKIP}"/></marker></defs>',
        # White whatever the page's colour is: the text is dark.
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        *(part for part in body if part),
        "</svg>",
    ]


def _y(place: int) -> int:
    return _TOP + place * (_HEIGHT + _GAP)


def _box(width: int, place: int, layer: Layer, *, is_marked: bool) -> str:
    fill, edge = _COLOURS[_group(layer)]
    y, right = _y(place), _MARGIN + width
    stroke = f'stroke="{_SKIP}" stroke-width="2.5"' if is_marked else f'stroke="{edge}" stroke-width="1"'
    middle = y + _HEIGHT / 2 + 4
    count = f"{_count_text(layer.params)} par." if layer.params else ""
    return (
        f'<rect x="{_MARGIN}" y="{y}" width="{width}" height="{_HEIGHT}" rx="6" fill="{fill}" {stroke}/>'
        + _text(_MARGIN + 12, middle, layer.name, size=13, weight=600 if layer.part == "operation" else 400)
        + _text(right - 12 - _COLUMN, middle, shape_text(layer), size=12, colour="#495057", anchor="end")
        + _text(right - 12, middle, count, size=12, colour="#495057", anchor="end")
    )


def _group(layer: Layer) -> str:
    if layer.part in ("image", "classes"):
        return "ends"
    # Of a recorded table nothing but the name is known.
    known = layer.kind or layer.name.replace("_", "").title()
    return next((group for part, group in _KINDS if part in known), "other")


def _arrow(place: int) -> str:
    x, y = _MARGIN + 26, _y(place) + _HEIGHT
    return (
        f'<path d="M{x} {y}v{_GAP - 6}" stroke="#868e96" stroke-width="1.4"/>'
        f'<path d="M{x - 3.5} {y + _GAP - 7}h7l-3.5 6z" fill="#868e96"/>'
    )


def _arc(box: int, lane: int, skip: Skip) -> str:
    """From the right edge of one box to that of a later one; where one ends and another begins, a little apart."""
    x, out = _MARGIN + box, 16 + _LANE * lane
    begin, end, bend = _y(skip.start) + _HEIGHT * 0.7, _y(skip.end) + _HEIGHT * 0.3, 7
    path = f"M{x} {begin:g}h{out - bend}q{bend} 0 {bend} {bend}V{end - bend:g}q0 {bend} {-bend} {bend}H{x + 2}"
    label = _text(x + out + 4, (begin + end) / 2 + 4, f"sc_{skip.end - skip.start}", size=11, colour=_SKIP)
    return f'<path d="{path}" fill="none" stroke="{_SKIP}" stroke-width="1.8" marker-end="url(#tip)"/>{label}'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    weight: int = 400,
    colour: str = "#212529",
    anchor: str = "start",
) -> str:
    if not text:
        return ""
    style = f'font-size="{size:g}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
