"""Pictures made of pixels: how they are drawn and saved, names and raw images in them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.core.files import written_whole
from hivenas.core.unicode import shown_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


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
    with written_whole(file) as temporary:
        figure.savefig(temporary)


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
