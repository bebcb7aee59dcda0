from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.operations import reference_space
from hivenas.core.nas.space.outline import Outline, Outliner, Skip
from hivenas.reports.diagram import as_lines, as_svg, lanes

SVG = "{http://www.w3.org/2000/svg}"
REFERENCE = reference_space({})


def outline(operations: tuple[str, ...], skips: tuple[int, ...]) -> Outline:
    return Outliner(REFERENCE, shape=(8, 8, 1), classes=10, frame=Frame(output_stem=("global_avg_pool",))).of(
        Chain(operations, skips)
    )


def test_an_architecture_is_drawn_in_text() -> None:
    drawn = as_lines(outline(("sep3x3_32", "max_pool3x3", "dropout", "identity"), (4, 1, 1, 0)))
    assert "\n".join(drawn) == (
        "image            8×8×1        ──────╮ sc_4\n"
        "sep3x3_32        8×8×32   73  ──╮   │ sc_1\n"
        "max_pool3x3      8×8×32       ←─┴─╮ │ sc_1\n"
        "dropout          8×8×32       ←───╯ │\n"
        "identity         8×8×32       ←─────╯\n"
        "global_avg_pool  1×1×32\n"
        "softmax          10      330\n"
        "all, with skip connections: 2,579 parameters"
    )


def test_no_two_skip_connections_of_a_lane_touch() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        starts = rng.permutation(12)[:6]
        skips = [Skip(int(start), int(start + rng.integers(1, 6))) for start in starts]
        placed = list(zip(lanes(skips), skips, strict=True))
        for number, (lane, one) in enumerate(placed):
            for other_lane, other in placed[:number]:
                assert lane != other_lane or one.end < other.start or other.end < one.start


def test_a_picture_is_svg_with_a_box_a_layer_an_arc_a_skip_and_the_marks() -> None:
    drawn = outline(("sep3x3_32", "max_pool3x3"), (2, 0))
    picture = ElementTree.fromstring(as_svg(drawn, title="a < b & c", marked={2}, note="changed"))
    boxes = picture.findall(f"{SVG}rect")[1:]
    assert len(boxes) == len(drawn.layers)
    assert [box.get("stroke-width") for box in boxes].index("2.5") == 2
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert {"a < b & c", "changed", "sc_2", "8×8×32", "73 par."} <= set(texts)
    assert sum(path.get("marker-end") is not None for path in picture.findall(f"{SVG}path")) == 1


def test_names_of_a_recorded_table_are_drawn_without_sizes() -> None:
    drawn = Outliner({}).of(Chain(("conv3x3", "skip"), (0, 0)))
    assert as_lines(drawn) == ["input", "conv3x3", "skip", "output"]
    assert "parameters" not in as_svg(drawn)
