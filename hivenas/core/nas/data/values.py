"""The values of pixels: whether there is anything to learn from them, and what bytes of image files are in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.image_arrays import Labels
from hivenas.core.nas.data.stored_images import Images, at, block_length, blocks
from hivenas.errors import DatasetError

Scale = tuple[float, float]
BYTES: Scale = (0.0, 255.0)
UNIT: Scale = (0.0, 1.0)
_BLOCK = 256


def known_scale(images: Images) -> Scale | None:
    """The values that stand for the bytes 0 and 255 in image files, where the images leave no doubt about it.

    Whole numbers of 0…255 are bytes as they are, other numbers of 0…1 are bytes divided by 255. Whole numbers of 0
    and 1 alone, as in masks, may be either.

    Args:
        images: (count, height, width, channels).

    Returns:
        The two values; None where only whoever made the images can tell.
    """
    if images.dtype == np.uint8:
        return BYTES if any(block.max() > 1 for block in blocks(images)) else None  # as a rule told by the first
    lowest, highest = float(images.min()), float(images.max())
    if lowest < 0 or highest > BYTES[1]:
        return None
    if highest > 1:
        return BYTES if is_whole(images) else None
    return None if is_whole(images) else UNIT


def is_whole(images: Images) -> bool:
    """True where every value is a whole number."""
    if images.dtype.kind in "ui":
        return True
    return all(bool((np.floor(block) == block).all()) for block in _blocks(images))


def check_scale(whose: str, images: Images, scale: Scale) -> None:
    """Refuses a `dataset.scale` beyond which there are values.

    Args:
        whose: says which images.
        images: a split.
        scale: the values that stand for the bytes 0 and 255.

    Raises:
        DatasetError: names the values.
    """
    lowest, highest = float(images.min()), float(images.max())
    if not scale[0] <= lowest <= highest <= scale[1]:
        raise DatasetError(
            f"{whose} must have values within dataset.scale={[*scale]}, got {lowest:g}…{highest:g}; give the values "
            "that stand for the bytes 0 and 255, and bring all splits to one scale"
        )


def refuse_alike(origin: str, images: Images, background: str) -> None:
    """Refuses training images that are all one picture: there is nothing to learn from.

    Args:
        origin: file, folder or name of the data set.
        images: the training split.
        background: what transparent pixels became, in words; empty where no image had any.

    Raises:
        DatasetError: says what the pixels are.
    """
    if not are_alike(images):
        return
    first = images[0]
    pixel = first[0, 0].tolist()
    if bool((first == first[0, 0]).all()):
        got = f"{pixel if len(pixel) > 1 else pixel[0]} in all of {len(images)} images"
    else:
        got = f"{len(images)} times the same picture"
    hint = f"choose another dataset.background than {background}, or " if background else ""
    raise DatasetError(
        f"{origin}: the training images must differ in some pixel, got {got}; {hint}look at what was saved in them"
    )


def classes_alike(images: Images, labels: Labels) -> list[int]:
    """Classes of several images which are all one picture."""
    found = []
    for label in np.unique(labels).tolist():
        positions = np.flatnonzero(labels == label)
        # Most classes are told by their first two.
        if len(positions) > 1 and are_alike(images[positions[:2]]) and are_alike(at(images, positions)):
            found.append(label)
    return found


def are_alike(images: Images) -> bool:
    """True where every image is the same picture."""
    first = images[0]
    return all(bool((block == first).all()) for block in _blocks(images))


def _blocks(images: Images) -> Iterator[NDArray[Any]]:
    length = min(_BLOCK, block_length(images))
    return (images[start : start + length] for start in range(0, len(images), length))
