"""Several labels an image: rows of 0 and 1, or the names of those that an image has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.text import shown
from hivenas.core.nas.data.labels import LabelReader, refuse_unknown
from hivenas.core.unicode import storable
from hivenas.errors import DatasetError

SEPARATOR = ";"  # between the names of an image, where they are one text
_BETWEEN = re.compile(r"[\s;,()\[\]]+")  # the values of a row that is written as text
_OF_ROWS = frozenset(("0", "1", "0.", "1.", "0.0", "1.0", "false", "true"))
NO_ROWS = "must have names of labels, got 0 or 1 for each label, such as {!r}; name those of an image, as in 'cat;dog'"
_WAY_OUT = (
    "give rows of 0 and 1 (images, labels), lists of names, or text with the names separated by ';'; of one class "
    "an image set task: classify"
)


def plain_sets(origin: str, name: str, given: NDArray[Any], images: int) -> NDArray[Any]:
    """Rows of 0 and 1 (images, labels), float32, or as objects the sorted names of every image (images,).

    Args:
        origin: file, folder or name of the data set, for errors.
        name: of the array.
        given: rows of two values 0 and 1, or truth values; text with names separated by `;`; lists of names; rows of
            names, an empty one for none.
        images: how many there are.

    Raises:
        DatasetError: names the rule, what was found and the way out.
    """
    if given.dtype.kind in "buif" and given.ndim == 2 and given.shape[1]:
        wrong = (given != 0) & (given != 1)  # also what is no number
        if wrong.any():
            raise DatasetError(
                f"{origin}: {name} must hold 0 or 1 for every label of an image, got {given[wrong][0]}; {_WAY_OUT}"
            )
        return given.astype(np.float32)
    if given.dtype.kind == "S":
        given = np.strings.decode(given, "utf-8", "backslashreplace")
    if given.dtype.kind in "UTO" and given.ndim in (1, 2):
        if row := row_as_names(given.tolist()):
            raise DatasetError(f"{origin}: {name} {NO_ROWS.format(row)}")
        found = np.empty(len(given), dtype=object)
        for place, each in enumerate(given.tolist()):
            found[place] = _names_of(origin, name, each)
        return found
    raise DatasetError(
        f"{origin}: {name} must hold the labels of every image, got dtype {given.dtype} of shape {given.shape}; "
        f"{_WAY_OUT}"
    )


def row_as_names(given: Iterable[Any]) -> str:
    """The first of the labels as text where all are rows of 0 and 1 that would be taken for names; else empty.

    Rows have one length, and one of them has a value twice, as no set of names has.

    Args:
        given: texts or lists.
    """
    rows = []
    for label in given:
        parts = label if isinstance(label, list | tuple) else _BETWEEN.split(str(_text(label)))
        rows.append([text for part in parts if (text := str(_text(part)).strip().lower())])
        if len(rows[-1]) < 2 or len(rows[-1]) != len(rows[0]) or not _OF_ROWS.issuperset(rows[-1]):
            return ""
    return SEPARATOR.join(rows[0]) if any(len(set(row)) < len(row) for row in rows) else ""


def _names_of(origin: str, name: str, given: Any) -> tuple[str, ...]:
    """The names of an image, sorted, each once."""
    given = _text(given)
    parts = given.split(SEPARATOR) if isinstance(given, str) else given
    if isinstance(parts, list | tuple):
        parts = [_text(part) for part in parts]
    if not isinstance(parts, Collection) or isinstance(parts, Mapping) or not all(isinstance(p, str) for p in parts):
        raise DatasetError(f"{origin}: {name} must hold names of labels, got {shown(given)} for an image; {_WAY_OUT}")
    return tuple(sorted({part.strip() for part in parts} - {""}))


def _text(given: Any) -> Any:
    """Bytes, as TensorFlow has text, as text; all else as it is."""
    return given.decode("utf-8", "backslashreplace") if isinstance(given, bytes) else given


def encoded_sets(origin: str, given: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Rows of 0 and 1, float32, and the names of the labels: the set of the training's, sorted, or numbers of columns.

    Args:
        origin: file, folder or name of the data set, for errors.
        given: plain labels by split.

    Raises:
        DatasetError: splits whose labels are others; no labels at all.
    """
    train = given["train"]
    for split, y in given.items():
        if (y.dtype, y.shape[1:]) != (train.dtype, train.shape[1:]):
            raise DatasetError(
                f"{origin}: y_{split} must be as y_train, {_told(train)}, got {_told(y)}; give both in one way"
            )
    if train.dtype != object:
        return dict(given), tuple(str(column) for column in range(train.shape[1]))
    known = sorted({label for names in train for label in names})
    if not known:
        raise DatasetError(f"{origin}: y_train must name a label of an image at least, got none; {_WAY_OUT}")
    columns = {label: column for column, label in enumerate(known)}
    labels: dict[str, NDArray[Any]] = {}
    for split, y in given.items():
        refuse_unknown(origin, f"y_{split}", sorted({label for names in y for label in names}), known)
        labels[split] = np.zeros((len(y), len(known)), np.float32)
        for row, names in zip(labels[split], y, strict=True):
            row[[columns[label] for label in names]] = 1
    return labels, tuple(storable(label) for label in known)


def _told(y: NDArray[Any]) -> str:
    return "names of labels" if y.dtype == object else f"rows of {y.shape[1]} labels"


LABEL_SETS = LabelReader(plain_sets, encoded_sets)
