"""PNGs with a palette, a third as large as those of a browser."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image


def write_small_png(png: bytes, file: Path) -> None:
    """Writes a picture with the 256 colours that cover all of its own.

    Args:
        png: the picture.
        file: where it goes.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB")
    # By coverage, since rare colours are those of curves and marks, and without dots in place of the missing ones.
    small = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
