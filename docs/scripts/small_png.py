"""PNGs with a palette, a third as large as those of a browser."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

_EXACT = 128


def write_small_png(png: bytes, file: Path) -> None:
    """Writes a picture with 256 colours: its most frequent ones as they are, and others that cover the rest.

    Args:
        png: the picture.
        file: where it goes.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3)
    colours, places, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    frequent = colours[np.argsort(-counts)[:_EXACT]]
    # By coverage, since rare colours are those of curves and marks.
    others = image.quantize(256 - _EXACT, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = np.concatenate([frequent, np.reshape(others, (-1, 3)).astype(np.uint8)])[:256]
    apart = ((colours[:, None].astype(int) - palette[None].astype(int)) ** 2).sum(axis=2)
    indices = apart.argmin(axis=1).astype(np.uint8)[places.ravel()]
    small = Image.fromarray(indices.reshape(image.height, image.width), mode="P")
    small.putpalette(palette.ravel().tolist())
    small.save(file, optimize=True)
