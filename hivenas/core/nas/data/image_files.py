"""Image files of one's own: a folder of class folders, and single images to be classified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.class_folders import list_images
from hivenas.core.nas.data.decoding import Colour, Target, read_header, read_pixels
from hivenas.core.nas.data.labelled_files import FileImages, Form, read_directly


def read_image_folder(
    path: str,
    image_size: tuple[int, int] | None,
    *,
    background: Colour = (255, 255, 255),
    leave_out: bool = False,
) -> FileImages:
    """Reads class folders of images, or train[, val, test] with class folders in each, in alphabetical order.

    Args:
        path: the folder, see `list_images`; images are turned as their EXIF data say.
        image_size: height and width in pixels to which images are resized (bilinear); None: all must be of one size.
        background: what transparent pixels become.
        leave_out: whether images that cannot be read are left out instead of refused.
        listing: the images and their labels; None for those of class folders.

    Raises:
        DatasetError: folders of another layout, an image that cannot be read, images of several sizes.
    """
    listing = list_images(Path(path).expanduser(), leave_out=leave_out)
    return read_directly(listing, Form(size=image_size, background=background, leave_out=leave_out))


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
