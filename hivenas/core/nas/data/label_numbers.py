"""A number an image: finite, in one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.labels import LabelReader
from hivenas.errors import DatasetError

NUMBER = "number"  # the name of the one output
_STEPS = 100  # to which labels are rounded, that their deviation is at least: rounding is below half a percent of it


def plain_numbers(origin: str, name: str, given: NDArray[Any], images: int) -> NDArray[Any]:
    """Numbers (images, 1), float32.

    Args:
        origin: file, folder or name of the data set, for errors.
        name: of the array.
        given: numbers of any kind, (images,) or (images, 1).
        images: how many there are, to tell labels of another shape from several an image.

    Raises:
        DatasetError: names the rule, what was found and the way out.
    """
    y = given
    if y.dtype.kind == "O" and y.ndim == 1 and all(isinstance(label, int | float | np.number) for label in y):
        y = y.astype(np.float64)
    if y.dtype.kind not in "uif":
        text = f"text such as {str(y.flat[0])!r}" if y.dtype.kind in "UST" and y.size else f"dtype {y.dtype}"
        raise DatasetError(
            f"{origin}: {name} must hold numbers with task: regress, got {text}; convert it, or set task: classify"
        )
    if y.ndim == 1:
        y = y[:, np.newaxis]
    if y.ndim != 2 or y.shape[1] != 1:
        flat = f"flatten it: {name}.ravel()" if y.size == images else f"choose one, such as {name}[:, 0]"
        raise DatasetError(f"{origin}: {name} must hold one number for each image, got shape {given.shape}; {flat}")
    with np.errstate(over="ignore"):
        numbers = y.astype(np.float32)
    if wrong := int((~np.isfinite(numbers)).sum()):
        raise DatasetError(
            f"{origin}: {name} must hold finite 32-bit numbers, got {wrong} that are NaN or infinite; leave images out "
            "that have no label"
        )
    return numbers


def encoded_numbers(origin: str, given: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """The numbers as they are; the name of the one output.

    Args:
        origin: file, folder or name of the data set, for errors.
        given: plain labels by split.

    Raises:
        DatasetError: all training images have the same number, or numbers whose differences 32 bits do not keep.
    """
    train = given["train"]
    if train.size and (train == train[0]).all():
        raise DatasetError(
            f"{origin}: y_train must hold two numbers or more, got {train[0, 0]:g} for all images; look at what was "
            "saved in it"
        )
    largest, deviation = float(np.abs(train).max(initial=0.0)), float(np.std(train, dtype=np.float64))
    if train.size and deviation < _STEPS * (step := float(np.spacing(np.float32(largest)))):
        raise DatasetError(
            f"{origin}: y_train must hold numbers that differ by more than 32 bits round them, got "
            f"numbers up to {largest:g} with a standard deviation of {deviation:g}, rounded to steps of {step:g}; "
            "subtract a base, such as the smallest"
        )
    return dict(given), (NUMBER,)


NUMBERS = LabelReader(plain_numbers, encoded_numbers)
