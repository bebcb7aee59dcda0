from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from hivenas.core.nas.data.image_arrays import LabelledImages
from hivenas.core.nas.data.labels import plain_labels
from hivenas.errors import DatasetError

ROWS = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])
SEVERAL = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]])
NONE = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])


def objects(*labels: Any) -> np.ndarray[Any, Any]:
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


@pytest.mark.parametrize(
    ("labels", "plain"),
    [
        (np.array([[3], [1], [3], [1]]), [3, 1, 3, 1]),
        (np.array([-1.0, 1.0, 1.0, -1.0]), [-1, 1, 1, -1]),
        (np.array([True, False, False, True]), [True, False, False, True]),
        (np.array([["a"], ["b"], ["a"], ["b"]]), ["a", "b", "a", "b"]),
        (objects("a", "b", "a", "b"), ["a", "b", "a", "b"]),
        (objects(1, 2, 1, 2), [1, 2, 1, 2]),
    ],
)
def test_labels_of_one_class_an_image_are_taken_as_they_are(labels: Any, plain: list[Any]) -> None:
    assert plain_labels("mine", "y_train", labels, images=4).tolist() == plain


@pytest.mark.parametrize(
    ("labels", "found", "way_out"),
    [
        *[
            (marked, r"got one-hot rows of shape \(4, 3\)", r"use y_train\.argmax\(axis=1\)$")
            for marked in (ROWS, ROWS.astype(float), ROWS.astype(bool), 2 * ROWS - 1, 255 * ROWS.astype(np.uint8))
        ],
        (ROWS[:, np.newaxis], r"one-hot rows of shape \(4, 1, 3\)", r"y_train\.squeeze\(\)\.argmax\(axis=1\)$"),
        *[
            (marked, r"rows of shape \(4, 3\) with several ones", r"not supported \(multi-label\).*y_train\[:, 0\]$")
            for marked in (SEVERAL, SEVERAL.astype(np.float32), SEVERAL > 0, 2 * SEVERAL - 1)
        ],
        (NONE, "some without a one", r"leave images out that have no label, .* y_train\.argmax\(axis=1\)$"),
        (np.full((4, 3), 1 / 3), "soft labels", r"the likeliest class with y_train\.argmax\(axis=1\)$"),
        (0.9 * ROWS + 1 / 30, "soft labels", "not supported"),
        (np.where(ROWS > 0, np.nan, 0.0), "with nan", "leave images out"),
        (np.linspace(-3, 9, 16).reshape(4, 4), "measured numbers", r"digitize\(y_train\[:, 0\], edges\)$"),
        (np.array([[3, 4]] * 4), r"2 labels an image, of shape \(4, 2\)", r"choose the column .* y_train\[:, 0\]$"),
        (np.array([["a", "b"]] * 4), "2 labels an image", "choose the column"),
        (objects(("a", 1), ("b", 2), ("a", 3), ("b", 4)), "2 labels an image", "choose the column"),
        (objects([1], [1, 2], [3], [1]), "got a list for each", "multi-label"),
        (objects({"cat"}, {"cat", "dog"}, {"dog"}, {"cat"}), "got a set for each", "multi-label"),
        (np.zeros((4, 8, 8), int), r"shape \(4, 8, 8\), a label for each pixel", "segmentation is not supported"),
        (np.zeros((4, 8, 8, 1), int), "a label for each pixel", "segmentation is not supported"),
        (np.array([[0, 1, 0, 1]]), r"got shape \(1, 4\)", r"flatten it: y_train\.ravel\(\)$"),
        (np.array([[0, 1], [0, 1]]), r"got shape \(2, 2\)", "flatten it"),
        (np.array(3), r"got shape \(\)", "one for each image"),
        (np.array([0.5, 1.25, 3.0, 2.0]), r"got 0\.5", "round or bin"),
        (np.array([0, 1, np.nan, np.nan]), "got nan for 2 images", "leave images out"),
        (np.array([0, 1, np.inf, 1]), "got inf", "leave images out"),
        (objects("a", None, "b", None), "no label for 2 images", "leave those images out"),
        (objects("a", float("nan"), "b", "a"), "no label for 1 image", "leave those images out"),
        (objects("a", 1, "b", 2), "got dtype object", r"convert it, such as with y_train\.astype\(str\)$"),
        (np.array(["2024-01-01"] * 4, "datetime64[D]"), "got dates", r"astype\('datetime64\[Y\]'\)"),
        (objects(*[datetime.date(2024, 1, 1)] * 4), "got dtype object", "convert it"),
        (np.zeros(4, [("label", int)]), "got dtype", r"choose the field .* y_train\['label'\]$"),
        (np.array([1j, 0, 1, 1]), "got dtype complex128", "bin"),
    ],
)
def test_labels_that_are_no_classes_are_named_with_their_own_way_out(labels: Any, found: str, way_out: str) -> None:
    with pytest.raises(DatasetError, match=f"^mine: y_train must hold .*{found}.*; .*{way_out}") as caught:
        plain_labels("mine", "y_train", labels, images=4)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [ROWS, 2 * ROWS - 1])
def test_the_advice_for_one_hot_rows_leads_to_labels_that_are_taken(rows: Any) -> None:
    images = np.zeros((4, 2, 2), np.uint8)
    data = LabelledImages.checked("mine", {"x_train": images, "y_train": rows.argmax(axis=1)})
    assert data.labels["train"].tolist() == [1, 0, 2, 1]
