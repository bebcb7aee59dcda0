"""The picture of what augmentation does to training images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.config import AugmentationConfig
from hivenas.reports.pictures import plain_text, save, stretched

if TYPE_CHECKING:
    from numpy.typing import NDArray


@plain_text()
def draw_augmentation(examples: NDArray[Any], config: AugmentationConfig, folder: Path) -> Path:
    """Draws training images as they are and augmented, a row an image, so that a person sees what is trained on.

    Args:
        examples: (images, 1 + versions, height, width, channels) of raw values, originals first; what is not RGB is
            shown by its first channel. The page's darkest and brightest values are black and white.
        config: what was on, for the title.
        folder: where augmentation.png goes.
    """
    from matplotlib.figure import Figure

    images, versions, height, width, channels = examples.shape
    shown = examples if channels == 3 else examples[..., :1].repeat(3, axis=-1)
    gap = max(1, round(0.06 * width))
    tiles = np.pad(
        stretched(shown),
        ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)),
        constant_values=1.0,
    )
    page = tiles.swapaxes(1, 2).reshape(images * (height + gap), versions * (width + gap), 3)
    figure = Figure(figsize=(versions, 0.7 + images * height / width), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(page, interpolation="nearest")
    axes.set_xticks([(width - 1) / 2 + (width + gap) * n for n in range(versions)])
    axes.set_xticklabels(["original", *map(str, range(1, versions))])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(_augmentation_title(config), fontsize="medium")
    save(figure, folder / "augmentation.png")
    return folder / "augmentation.png"


def _augmentation_title(config: AugmentationConfig) -> str:
    on = [name if value is True else f"{name} {value:g}" for name, value in config.on.items()]
    return "augmentation: " + (", ".join(on) or "off")
