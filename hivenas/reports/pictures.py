"""Pictures made of pixels, and tables beside them: how they are drawn and saved, names and raw images in them."""

from __future__ import annotations

import contextlib
import csv
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hivenas.core.files import written_whole
from hivenas.core.unicode import shown_text
from hivenas.reports.attempts import attempted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

T = TypeVar("T")

_LONGEST_NAME = 40


@contextlib.contextmanager
def plain_text() -> Iterator[None]:
    """Has what is drawn within take texts as they are: a name is no formula, whatever the user's settings say."""
    import matplotlib

    with matplotlib.rc_context({"text.usetex": False, "text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)  # a box stands for it
        yield


def shown_name(name: str) -> str:
    """A name of anyone's in a line that a picture has room for."""
    line = " ".join(shown_text(name).split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def save(figure: Figure, file: Path) -> None:
    """Writes a picture whole or not at all."""
    with written_whole(file, sync=False) as temporary:
        figure.savefig(temporary)


def all_made(answers: T, folder: Path, kinds: Mapping[str, Callable[[T, Path], Path]]) -> list[Path]:
    """The files of a folder that could be made; what cannot be is left out, with a warning.

    Args:
        answers: what is drawn or tabulated.
        folder: where the files go.
        kinds: by the name of a file what makes it, given the answers and its path.
    """
    files = (
        attempted(str(folder / name), functools.partial(make, answers, folder / name), None)
        for name, make in kinds.items()
    )
    return [file for file in files if file]


def write_table(file: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Writes a table as CSV whole or not at all, and returns its file."""
    with written_whole(file, sync=False) as temporary, temporary.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table, lineterminator="\n").writerows(rows)
    return file


def draw_titled(pictures: NDArray[Any], titles: Sequence[str], heading: str, file: Path) -> Path:
    """Draws raw images side by side, a title above each, and returns the file.

    Args:
        pictures: (images, height, width, channels).
        titles: one an image, at least one.
        heading: of all.
        file: where it goes.
    """
    from matplotlib.figure import Figure

    columns = min(5, len(titles))
    rows = math.ceil(len(titles) / columns)
    figure = Figure(figsize=(2.2 * columns, 2.5 * rows), dpi=120, layout="constrained")
    panes = figure.subplots(rows, columns, squeeze=False).ravel()
    for pane in panes:
        pane.axis("off")
    for pane, title, picture in zip(panes, titles, pictures, strict=False):
        show_image(pane, picture)
        pane.set_title(title, fontsize=8, y=1.0)  # where it is anyway; searched for, it takes as long as all else
    figure.suptitle(heading, fontsize=11)
    save(figure, file)
    return file


def show_image(axes: Axes, image: NDArray[Any]) -> None:
    """Shows a raw image, grey or RGB, whatever its range of values."""
    pixels = image if image.dtype == np.uint8 else (255 * stretched(image)).astype(np.uint8)
    axes.imshow(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, cmap="gray", vmin=0, vmax=255)


def stretched(values: NDArray[Any]) -> NDArray[np.float64]:
    """Raw values of any range and type as 0 … 1, the darkest and the brightest."""
    exact = values.astype(np.float64)
    low, high = exact.min(), exact.max()
    share: NDArray[np.float64] = (exact - low) / max(high - low, float(np.finfo(np.float32).tiny))
    return share
