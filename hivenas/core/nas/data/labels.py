"""Labels as they are given: one class an image, or a line that says what they are instead and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.unicode import storable
from hivenas.errors import DatasetError
from hivenas.wording import number_of

_NUMBERS = "buif"
_NOT_SEVERAL = (
    "several labels an image are not supported (multi-label) by task: classify: set task: multilabel, or choose one "
    "for each"
)
_ONE = 1e-3  # so far from 1 may sums of shares be that were rounded
_SHOWN = 10  # labels that are named


@dataclass(frozen=True, slots=True)
class LabelReader:
    """The way from the labels of a source to those that are trained on.

    Args:
        plain: checks what one array holds, given its origin, its name, the array and the number of images; the labels
            (images, …).
        encoded: the labels of all splits as they are trained on (images,) or (images, outputs), and the names of
            classes or outputs, given the origin and the plain labels by split.
    """

    plain: Callable[[str, str, NDArray[Any], int], NDArray[Any]]
    encoded: Callable[[str, Mapping[str, NDArray[Any]]], tuple[dict[str, NDArray[Any]], tuple[str, ...]]]


def plain_labels(origin: str, name: str, given: NDArray[Any], images: int) -> NDArray[Any]:
    """Labels (count,) of whole numbers, truth values or text.

    Args:
        origin: file, folder or name of the data set, for errors.
        name: of the array.
        given: what it holds.
        images: how many there are, to tell labels of another shape from several labels an image.

    Raises:
        DatasetError: names the rule, what was found and the way out.
    """
    y = _one_kind(origin, name, given)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        found, way_out = _several(name, y, images)
        raise DatasetError(f"{origin}: {name} must hold one label for each image, got {found}; {way_out}")
    if y.dtype.kind == "S":
        try:
            y = np.strings.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise DatasetError(f"{origin}: {name} must be UTF-8 where it is bytes, got {error}; decode it") from error
    for rule in _KINDS:
        if y.dtype.kind in rule.kinds and (wrong := rule.wrong(y)).any():
            found = rule.found.format(value=y[wrong][0], images=number_of(int(wrong.sum()), "image"), dtype=y.dtype)
            raise DatasetError(
                f"{origin}: {name} must hold whole numbers or text, got {found}; {rule.way_out.format(name=name)}"
            )
    return y.astype(np.int64) if y.dtype.kind == "f" else y


def _one_kind(origin: str, name: str, y: NDArray[Any]) -> NDArray[Any]:
    """Objects of one type, as pandas gives text, and numpy's StringDType as numpy's own kinds."""
    if y.dtype.kind not in "OT" or len({type(label) for label in y.flat}) != 1:
        return y
    try:
        alike = np.array(y.tolist())
    except ValueError:  # lists of several lengths
        alike = y
    if alike.dtype.kind == "O" and isinstance(y.flat[0], Collection):
        raise DatasetError(
            f"{origin}: {name} must hold one label for each image, got a {type(y.flat[0]).__name__} for each; "
            f"{_NOT_SEVERAL}"
        )
    return alike


def _everywhere(y: NDArray[Any]) -> NDArray[np.bool_]:
    return np.ones(y.shape, np.bool_)


def _missing(y: NDArray[Any]) -> NDArray[np.bool_]:
    """None, nan and pandas' NA among labels of several types."""
    names = ("NoneType", "NAType", "NaTType")
    return np.array([type(each).__name__ in names or (isinstance(each, float) and np.isnan(each)) for each in y], bool)


def _not_whole(y: NDArray[Any]) -> NDArray[np.bool_]:
    not_whole: NDArray[np.bool_] = ~((np.floor(y) == y) & (np.abs(y) < 2.0**63))
    return not_whole


@dataclass(frozen=True, slots=True)
class _KindRule:
    """A kind of labels (count,) that are no classes.

    Args:
        kinds: of dtypes, as numpy abbreviates them.
        wrong: marks the labels that are wrong.
        found: names them; may hold {value}, the first, {count} and {dtype}.
        way_out: may hold {name}, of the array.
    """

    kinds: str
    wrong: Callable[[NDArray[Any]], NDArray[np.bool_]]
    found: str
    way_out: str


_KINDS: Sequence[_KindRule] = (
    _KindRule("f", np.isnan, "nan for {images}", "leave images out that have no label"),
    _KindRule("f", np.isinf, "{value}", "leave images out that have no label"),
    _KindRule("f", _not_whole, "{value}", "labels are classes: set task: regress, or round or bin what was measured"),
    _KindRule(
        "Mm", _everywhere, "dates or times ({dtype})", "bin them, such as {name}.astype('datetime64[Y]').astype(str)"
    ),
    _KindRule("V", _everywhere, "dtype {dtype}", "choose the field that is the class, such as {name}['label']"),
    _KindRule("c", _everywhere, "dtype {dtype}", "labels are classes: bin what was measured"),
    _KindRule(
        "OT",
        _missing,
        "dtype {dtype} with no label for {images}",
        "leave those images out, or give them a class such as 'none'",
    ),
    _KindRule("OT", _everywhere, "dtype {dtype}", "convert it, such as with {name}.astype(str)"),
)


def _several(name: str, y: NDArray[Any], images: int) -> tuple[str, str]:
    """The name of what labels of more than one dimension are, and the way out."""
    if y.size == images:
        return f"shape {y.shape}", f"flatten it: {name}.ravel()"
    if y.size < 2:
        return f"shape {y.shape}", "give one for each image"
    rows, spelt = y, name
    if y.ndim > 2 and 1 in y.shape[1:]:
        rows, spelt = y.reshape(len(y), *(side for side in y.shape[1:] if side != 1)), f"{name}.squeeze()"
    if rows.ndim > 2:
        return (
            f"shape {y.shape}, a label for each pixel or step (masks)",
            "segmentation is not supported: give each image as a whole one class",
        )
    rules = _ROWS if rows.dtype.kind in _NUMBERS else _ROWS[-1:]
    found, way_out = next(said for applies, *said in rules if applies(rows))
    return found.format(shape=y.shape, columns=rows.shape[1]), way_out.format(name=spelt)


def _signs(rows: NDArray[Any]) -> NDArray[np.int64] | None:
    """The number of marks in each row, where all entries are one of two values, such as −1 and 1; else None."""
    low, high = rows.min(), rows.max()
    marked = rows == high
    if low == high or low not in {0, -1} or not (marked | (rows == low)).all():
        return None
    marks: NDArray[np.int64] = marked.sum(axis=1)
    return marks


def _are_marked(rows: NDArray[Any], test: Callable[[NDArray[np.int64]], bool]) -> bool:
    marks = _signs(rows)
    return marks is not None and test(marks)


def _is_soft(rows: NDArray[Any]) -> bool:
    shares = rows.dtype.kind == "f" and bool(((rows >= 0) & (rows <= 1)).all())
    return shares and bool((np.abs(rows.sum(axis=1) - 1) < _ONE).all())


# The first that applies is what is said: the test of the rows, what they are, the way out.
_ROWS: Sequence[tuple[Callable[[NDArray[Any]], bool], str, str]] = (
    (
        lambda rows: rows.dtype.kind == "f" and bool(np.isnan(rows).any()),
        "rows of shape {shape} with nan",
        "leave images out that have no label, and give the others one class",
    ),
    (
        lambda rows: _are_marked(rows, lambda marks: bool((marks == 1).all())),
        "one-hot rows of shape {shape}",
        "use {name}.argmax(axis=1)",
    ),
    (
        lambda rows: _are_marked(rows, lambda marks: bool((marks > 1).any())),
        "rows of shape {shape} with several ones",
        _NOT_SEVERAL + ", or search for each label by itself, such as {name}[:, 0]",
    ),
    (
        lambda rows: _are_marked(rows, lambda marks: True),
        "one-hot rows of shape {shape}, some without a one",
        "leave images out that have no label, or give them a class of their own, then use {name}.argmax(axis=1)",
    ),
    (
        _is_soft,
        "soft labels, rows of shape {shape} that add up to 1",
        "soft labels are not supported: take the likeliest class with {name}.argmax(axis=1)",
    ),
    (
        lambda rows: rows.dtype.kind == "f" and bool((np.floor(rows) != rows).any()),
        "rows of shape {shape} of measured numbers (regression)",
        "labels are classes: choose one column and bin it, such as numpy.digitize({name}[:, 0], edges)",
    ),
    (
        lambda rows: True,
        "{columns} labels an image, of shape {shape}",
        "choose the column that is the class, such as {name}[:, 0]",
    ),
)


def encoded_classes(origin: str, given: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Classes as whole numbers from 0, in the sorted order of the training labels, and these as text.

    Args:
        origin: file, folder or name of the data set, for errors.
        given: plain labels by split.

    Raises:
        DatasetError: fewer than two classes; labels of another split that training images do not have.
    """
    known = np.unique(given["train"]).tolist()
    if len(known) < 2:
        raise DatasetError(f"{origin}: y_train must have two classes or more, got {known}; add images of another")
    codes = {label: code for code, label in enumerate(known)}
    labels = {split: _encoded(origin, f"y_{split}", y, codes) for split, y in given.items()}
    return labels, tuple(storable(str(label)) for label in known)


def _encoded(origin: str, name: str, y: NDArray[Any], codes: Mapping[Any, int]) -> NDArray[Any]:
    # Python's own equality, as numpy compares int64 with uint64 by rounding both.
    labels, inverse = np.unique(y, return_inverse=True)
    refuse_unknown(origin, name, labels.tolist(), list(codes))
    return np.array([codes[label] for label in labels.tolist()], dtype=np.int32)[inverse]


def refuse_unknown(origin: str, name: str, labels: Sequence[Any], known: Sequence[Any]) -> None:
    """Refuses labels of a split that no training image has.

    Raises:
        DatasetError: names them.
    """
    there = set(known)
    unknown = [label for label in labels if label not in there]
    if unknown:
        raise DatasetError(
            f"{origin}: {name} has labels out of range: {_listed(unknown)}, where those of y_train are "
            f"{_listed(known)}; add training images of these classes or leave them out"
        )


def _listed(labels: Sequence[Any]) -> str:
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(map(repr, labels[:_SHOWN])) + more


CLASS_LABELS = LabelReader(plain_labels, encoded_classes)
