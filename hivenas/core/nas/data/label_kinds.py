"""The kinds of labels that tasks have: how they are read from arrays and tables, and how images are split by them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hivenas.core.nas.data.draws import by_order, by_permutation
from hivenas.core.nas.data.label_numbers import NUMBERS as NUMBER_READER
from hivenas.core.nas.data.label_sets import LABEL_SETS, NO_ROWS, SEPARATOR, row_as_names
from hivenas.core.nas.data.labelled_files import Label
from hivenas.core.nas.data.labels import CLASS_LABELS, LabelReader
from hivenas.core.nas.data.splits import Draw, by_class

_WHOLE, _DECIMAL = r"[+-]?(0|[1-9][0-9]*)", r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)"
_LARGEST = 2**63  # numpy's whole numbers are below it
Recorded = tuple[Sequence[int | float], Sequence[str]]  # the numbers and the texts of a record


@dataclass(frozen=True, slots=True)
class LabelKind:
    """A kind of labels.

    Args:
        reader: from the arrays of a source to what is trained on.
        draw: which images a split gets.
        of_row: the label of a row of `labels.csv`, as one that the reader takes, given the names of its columns and
            their texts. What is wrong with them is a ValueError, with the rule, the value and the way out.
        of_column: the labels of a table's column `label`, which may be texts, numbers or lists of them. What is wrong
            with them is a ValueError, as before.
        of_records: the labels of TFRecords, given the numbers and the texts of each.
        are_classes: whether an image has one class, of which remarks can be made.
        may_be_none: whether an image may have no label at all.
    """

    reader: LabelReader
    draw: Draw
    of_row: Callable[[Sequence[str], Sequence[str]], str | float]
    of_column: Callable[[Sequence[Any]], Sequence[Label]]
    of_records: Callable[[Sequence[Recorded]], Sequence[Label]]
    are_classes: bool = False
    may_be_none: bool = False


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
        number = math.nan if "_" in values[0] else float(values[0])  # Python reads 1_12 as 112
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"must have a finite number in the column {columns[0]}, got {values[0]!r}; correct it")
    return number


def numbers_where_all_are(given: Sequence[Any]) -> Sequence[Label]:
    """Labels as numbers where all of them are: a csv has text alone, and 10 comes after 9."""
    several = next((label for label in given if isinstance(label, list)), None)
    if several is not None:
        raise ValueError(f"must have one label, got {several!r}; leave one, or set task: multilabel")
    # Python reads 1_12 as 112, 007 as 7, and 1E4 and 10E3, or 1 and +1, as one number: these are names.
    texts = [label.strip() if isinstance(label, str) else "" for label in given]
    for number, written in ((int, _WHOLE), (float, _DECIMAL)):
        if all(re.fullmatch(written, text) for text in texts):
            numbers = [number(text) for text in texts]
            if len(set(numbers)) == len(set(texts)) and max(map(abs, numbers)) < _LARGEST:
                return numbers
    return given


def single_numbers(given: Sequence[Any]) -> Sequence[Label]:
    """One number for each image, also where it is a list of one."""
    lists = [label for label in given if isinstance(label, list)]
    if wrong := [label for label in lists if len(label) != 1]:
        raise ValueError(f"must have one number, got {wrong[0]!r}; leave one")
    single = [label[0] if isinstance(label, list) else label for label in given]
    texts = [label for label in single if isinstance(label, str)]
    try:
        return single if any("_" in text for text in texts) else [_number(label) for label in single]
    except ValueError:
        return single


def _number(label: Any) -> Label:
    return float(label) if isinstance(label, str) else label


def joined_names(given: Sequence[Any]) -> Sequence[Label]:
    """The names of each image as one text, of lists, of texts, or of numbers, which are names here."""
    for name in (name for label in given if isinstance(label, list) for name in label):
        if name is None or SEPARATOR in str(name):
            raise ValueError(f"must have names without {SEPARATOR}, got {name!r}; rename it or leave it out")
    if any(isinstance(label, float) and math.isnan(label) for label in given):
        raise ValueError("must have names, an empty text for none, got nan; write one of them")
    if row := row_as_names(given):
        raise ValueError(NO_ROWS.format(row))
    return [SEPARATOR.join(map(str, label)) if isinstance(label, list) else str(label) for label in given]


def _texts_before_numbers(given: Sequence[Recorded]) -> Sequence[Label]:
    # The text of a class says more than its number, where every image has it.
    if all(texts and texts[0] for _, texts in given):
        named = _only([texts for _, texts in given], "label", ", or set task: multilabel")
        numbers_of: dict[Label, set[int | float]] = {}
        for name, (numbers, _) in zip(named, given, strict=True):
            numbers_of.setdefault(name, set()).update(numbers)
        # Classes may share a text, such as the bird and the machine that are both called crane.
        return [
            f"{name} ({numbers[0]})" if len(numbers_of[name]) > 1 and numbers else name
            for name, (numbers, _) in zip(named, given, strict=True)
        ]
    return _only([numbers for numbers, _ in given], "label", ", or set task: multilabel")


def _only(given: Sequence[Sequence[Any]], what: str, more: str = "") -> Sequence[Label]:
    """The one value of each."""
    if several := next((values for values in given if len(values) > 1), None):
        raise ValueError(f"must have one {what}, got {list(several)!r}; leave one{more}")
    return [values[0] for values in given]


def _all_names(given: Sequence[Recorded]) -> Sequence[Label]:
    has_texts = any(texts for _, texts in given)
    if has_texts and any(numbers and not texts for numbers, texts in given):
        has_texts = False  # which some records lack
        if any(texts and not numbers for numbers, texts in given):
            raise ValueError("must have its labels as texts, or every one as numbers, got both; write them anew")
    return joined_names([list(texts if has_texts else numbers) for numbers, texts in given])


CLASSES = LabelKind(
    CLASS_LABELS, by_class, class_of_row, numbers_where_all_are, _texts_before_numbers, are_classes=True
)
LABELS = LabelKind(LABEL_SETS, by_permutation, labels_of_row, joined_names, _all_names, may_be_none=True)
NUMBERS = LabelKind(
    NUMBER_READER, by_order, number_of_row, single_numbers, lambda given: _only([each for each, _ in given], "number")
)
