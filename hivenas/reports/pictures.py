"""Saving of pictures made of pixels, and raw images in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.core.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


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
