"""The kinds of labels that tasks have: how they are read from arrays and tables, and how images are split by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hivenas.core.nas.data.draws import by_order, by_permutation
from hivenas.core.nas.data.label_numbers import NUMBERS as NUMBER_READER
from hivenas.core.nas.data.label_sets import LABEL_SETS, SEPARATOR
from hivenas.core.nas.data.labels import CLASS_LABELS, LabelReader
from hivenas.core.nas.data.splits import Draw, by_class


@dataclass(frozen=True, slots=True)
class LabelKind:
    """A kind of labels.

    Args:
        reader: from the arrays of a source to what is trained on.
        draw: which images a split gets.
        of_row: the label of a row of `labels.csv`, as one that the reader takes, given the names of its columns and
            their texts. What is wrong with them is a ValueError, with the rule, the value and the way out.
        are_classes: whether an image has one class, of which remarks can be made.
    """

    reader: LabelReader
    draw: Draw
    of_row: Callable[[Sequence[str], Sequence[str]], str | float]
    are_classes: bool = False


def class_of_row(columns: Sequence[str], values: Sequence[str]) -> str:
    """The one name of a row."""
    if len(columns) != 1:
        raise ValueError(
            f"must have one column of labels, got {', '.join(columns)}; leave one, or set task: multilabel"
        )
    if not values[0]:
        raise ValueError(f"must name a class in the column {columns[0]}, got nothing; fill it in or leave the row out")
    return values[0]


def labels_of_row(columns: Sequence[str], values: Sequence[str]) -> str:
    """The names of a row, separated by `;`: those of its one column, or of the columns with 1."""
    if len(columns) == 1:
        return values[0]
    for column, value in zip(columns, values, strict=True):
        if value not in ("0", "1"):
            raise ValueError(f"must have 0 or 1 in the column {column}, got {value!r}; correct it")
        if SEPARATOR in column:
            raise ValueError(f"must have names of columns without {SEPARATOR}, got {column!r}; rename it")
    return SEPARATOR.join(column for column, value in zip(columns, values, strict=True) if value == "1")


def number_of_row(columns: Sequence[str], values: Sequence[str]) -> float:
    """The one number of a row."""
    if len(columns) != 1:
        raise ValueError(f"must have one column of numbers, got {', '.join(columns)}; leave one")
    try:
        number = float(values[0])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"must have a finite number in the column {columns[0]}, got {values[0]!r}; correct it")
    return number


CLASSES = LabelKind(CLASS_LABELS, by_class, class_of_row, are_classes=True)
LABELS = LabelKind(LABEL_SETS, by_permutation, labels_of_row)
NUMBERS = LabelKind(NUMBER_READER, by_order, number_of_row)
