"""Single image files of one's own, to be classified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.decoding import Colour, Target, read_header, read_pixels


def read_images(
    files: Sequence[Path], shape: tuple[int, int, int], background: Colour
) -> tuple[NDArray[np.uint8], list[Path], list[Path]]:
    """Reads single images as those of class folders are read: turned upright, in given colours and size.

    Args:
        files: the images.
        shape: height and width in pixels, and 1 channel for grey or 3 for RGB.
        background: what transparent pixels become.

    Returns:
        The images (count, height, width, channels), the files whose images were resized (bilinear), and those that
        were laid over the background.

    Raises:
        DatasetError: an image that cannot be read.
    """
    target = Target((shape[0], shape[1]), shape[2] == 1, background)
    resized = [file for file in files if read_header(file).size != target.size]
    pixels, transparent = np.empty((len(files), *target.shape), np.uint8), []
    for index, file in enumerate(files):
        pixels[index], was_transparent = read_pixels(file, target)
        transparent += [file] if was_transparent else []
    return pixels, resized, transparent
