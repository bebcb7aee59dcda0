"""The part of the images that candidates are trained on and validated by, where full trainings have all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.image_arrays import Labels
from hivenas.core.nas.data.splits import Draw, Positions, Wanted
from hivenas.core.nas.data.stored_images import at
from hivenas.core.seeds import derive_seed


def part_sizes(limit: int | None, train: int, validation: int) -> tuple[int, int]:
    """The images of a part that are trained on, and those that are validated by, in the proportion of all.

    Args:
        limit: images of the part, both together; as many as there are where there are fewer, or for None.
        train: images of the training split.
        validation: images of the validation split.
    """
    total = train + validation
    if limit is None or limit >= total:
        return train, validation
    validated = min(max(1, round(limit * validation / total)), limit - 1)
    return limit - validated, validated


def part_told(part: tuple[int, int], whole: tuple[int, int]) -> dict[str, Any]:
    """The sizes of a part, as a description of data has them; nothing where it is all.

    Args:
        part: its images to train on, and to validate by.
        whole: those of the splits.
    """
    return {} if part == whole else {"candidates": {"train": part[0], "validation": part[1]}}


def drawn_part(data: Dataset, limit: int | None, *, seed: int, draw: Draw) -> Dataset:
    """The data with a part of the images to train on and to validate by; the test split is whole.

    Args:
        data: all of them.
        limit: images of the part, for both together; None for all.
        seed: the run's seed; it decides which.
        draw: which images a part gets.

    Returns:
        The data themselves where they have no more images than that.

    Raises:
        DatasetError: fewer training images than classes.
    """
    whole = len(data.x_train), len(data.x_val)
    train, validation = part_sizes(limit, *whole)
    if (train, validation) == whole:
        return data
    drawn, every = derive_seed(seed, "images of candidates"), len(data.class_names)
    way_out = f"raise evaluation.train_limit={limit} or leave it out"

    def chosen(y: Labels, size: int, least: int) -> Positions:
        wanted = Wanted(size=size, seed=drawn, least=least, rest_is_used=False, names=data.class_names, way_out=way_out)
        return draw(y, wanted)[0]

    # A class that no image is validated by is one that the whole split has, and full trainings are chosen by that.
    trained, validated = chosen(data.y_train, train, 1), chosen(data.y_val, validation, int(validation >= every))
    return replace(
        data,
        x_train=at(data.x_train, trained),
        y_train=data.y_train[trained],
        x_val=at(data.x_val, validated),
        y_val=data.y_val[validated],
    )
