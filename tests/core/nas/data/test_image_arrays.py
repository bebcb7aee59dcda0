from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.nas.data.image_arrays import LabelledImages, check_names
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.errors import DatasetError

X = np.zeros((4, 6, 5, 3), np.uint8)
Y = np.array([0, 1, 0, 1])
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


def checked(**arrays: Any) -> LabelledImages:
    return LabelledImages.checked("mine", {"x_train": X, "y_train": Y} | arrays)


@settings(deadline=None, max_examples=100)
@given(st.one_of(*(st.lists(kind, min_size=2, max_size=30) for kind in (INT64, TEXT, st.booleans()))), st.booleans())
def test_class_names_give_the_original_labels_back(labels: list[Any], column: bool) -> None:
    if len(set(labels)) < 2:
        labels = [*labels, "other"] if isinstance(labels[0], str) else [*labels, type(labels[0])(not labels[0])]
    y = np.array(labels).reshape(-1, 1) if column else np.array(labels)
    data = checked(x_train=np.zeros((len(labels), 2, 2), np.uint8), y_train=y)
    assert [data.class_names[code] for code in data.labels["train"]] == [str(label) for label in labels]
    assert list(data.class_names) == [str(label) for label in sorted(set(labels))]
    assert data.labels["train"].dtype == np.int32


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array([b"owl", "früh".encode(), b"owl", b"owl"]), ("früh", "owl")),
        (np.array([10.0, -3.0, 10.0, 10.0], np.float32), ("-3", "10")),
        (np.array(["b", "a", "b", "b"], dtype=object), ("a", "b")),
        (np.array(["b", "a", "b", "b"], dtype=np.dtypes.StringDType()), ("a", "b")),
        (np.array([2**64 - 1, 5, 5, 5], np.uint64), ("5", str(2**64 - 1))),
        ([True, False, True, True], ("False", "True")),
    ],
)
def test_labels_may_be_of_any_kind_that_tells_classes_apart(labels: Any, names: tuple[str, ...]) -> None:
    data = checked(y_train=labels)
    assert data.class_names == names
    assert sorted(data.labels["train"].tolist()) in ([0, 0, 0, 1], [0, 1, 1, 1])


def test_names_of_classes_can_be_stored_whatever_the_labels_are() -> None:
    labels = np.array(["caf\udce9", "half \ud83d", "$a$", "猫\n", "猫\n"])
    images = np.zeros((5, 2, 2))
    given = LabelledImages.checked("data", {"x_train": images, "y_train": labels})
    assert given.class_names == ("$a$", r"caf\xe9", r"half \ud83d", "猫\n")
    assert given.labels["train"].tolist() == [1, 2, 0, 3, 3]


def test_classes_are_those_of_the_training_labels_in_every_split() -> None:
    data = checked(y_train=[30, -1, 7, 30], x_test=X[:2], y_test=[30, 7])
    assert data.class_names == ("-1", "7", "30")
    assert data.labels["train"].tolist() == [2, 0, 1, 2]
    assert data.labels["test"].tolist() == [2, 1]


def test_large_labels_are_not_rounded() -> None:
    y_test = np.array([2**62 + 1], np.uint64)
    with pytest.raises(DatasetError, match=rf"out of range: {2**62 + 1}, where those of y_train are 0, {2**62};"):
        checked(y_train=[2**62, 0, 0, 0], x_test=X[:1], y_test=y_test)


def test_masked_arrays_without_a_masked_value_are_plain_ones() -> None:
    data = checked(x_train=np.ma.masked_array(X), y_train=np.ma.masked_array(Y, [False] * 4))
    assert not np.ma.isMaskedArray(data.labels["train"])
    assert np.array_equal(data.labels["train"], Y)


def test_grey_images_gain_a_channel_and_foreign_byte_orders_are_turned() -> None:
    grey = np.arange(4 * 6 * 5, dtype=">f4").reshape(4, 6, 5)
    x = in_memory(checked(x_train=grey).images["train"])
    assert x.shape == (4, 6, 5, 1)
    assert x.dtype == np.float32
    assert x.dtype.isnative
    assert np.array_equal(x[..., 0], grey)


BAD_PIXEL = np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, X).astype(np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X[:0], "y_train": Y[:0]}, r"x_train must hold at least one image of one pixel, got shape \(0, 6"),
        ({"x_train": X[:, :0]}, r"at least one image of one pixel, got shape \(4, 0"),
        ({"x_train": X[..., :2]}, r"1 or 3 channels, got shape \(4, 6, 5, 2\); reshape it"),
        (
            {"x_train": X[..., [0, 1, 2, 2]]},
            r"1 or 3 channels, got shape \(4, 6, 5, 4\); blend the fourth where it is tr",
        ),
        ({"x_train": np.moveaxis(X, 3, 1)}, r"got shape \(4, 3, 6, 5\); .* x_train.transpose\(0, 2, 3, 1\)"),
        ({"x_train": X.reshape(4, -1)}, r"must be images .* got shape \(4, 90\)"),
        ({"x_train": X > 0}, "x_train must hold numbers .* got dtype bool"),
        ({"x_train": X.astype(str)}, "x_train must hold numbers .* got dtype <U"),
        ({"x_train": X.astype(np.complex64)}, "x_train must hold numbers .* got dtype complex64"),
        ({"x_train": X.astype(object)}, "x_train must hold numbers .* got dtype object"),
        ({"x_train": None}, "x_train must hold numbers .* got dtype object"),
        ({"x_train": [[[1]], [[1, 2]]]}, "x_train must be an array, got list"),
        ({"x_train": np.ma.masked_equal(X, X[0, 0, 0, 0])}, "x_train must have a value everywhere, got an array with"),
        (
            {"y_train": np.ma.masked_array(Y, [False, True, True, False])},
            "y_train must have a value .* with 2 masked values; fill them",
        ),
        ({"x_train": BAD_PIXEL}, "x_train must hold finite 32-bit pixels, got 1 that"),
        ({"x_train": np.full(X.shape, 1e300)}, "x_train must hold finite 32-bit pixels, got 360 that"),
        ({"y_train": Y[:3]}, "every image needs one label, got 4 images in x_train and 3 labels in y_train"),
        ({"y_train": Y * 0}, r"y_train must have two classes or more, got \[0\]"),
        ({"y_train": Y + 0.5}, r"whole numbers or text, got 0\.5; .* round or bin"),
        ({"y_train": [0, 1, np.nan, 1]}, "whole numbers or text, got nan"),
        ({"y_train": ["a", "b", np.nan, "a"]}, "whole numbers or text, got dtype object"),
        ({"y_train": ["a", 1, 2.5, True]}, "whole numbers or text, got dtype object"),
        ({"y_train": np.eye(4)}, r"got one-hot rows of shape \(4, 4\); use y_train.argmax\(axis=1\)"),
        ({"y_train": np.array([0, "a", None, 1], dtype=object)}, "whole numbers or text, got dtype object"),
        ({"y_train": np.array([b"\xff", b"a", b"a", b"a"])}, "y_train must be UTF-8"),
        ({"x_val": X[:, :3], "y_val": Y}, r"x_val must have the shape of x_train, \(6, 5, 3\), got \(3, 5, 3\)"),
        ({"x_test": X / 255, "y_test": Y}, "x_test must have the dtype of x_train, uint8, got float64"),
        ({"x_val": X, "y_val": [0, 1, 5, 9]}, "y_val has labels out of range: 5, 9, where those of y_train are 0, 1;"),
        ({"x_test": X, "y_test": ["0", "1"] * 2}, "y_test has labels out of range: '0', '1', where .* are 0, 1;"),
        ({"x_test": X.repeat(4, 0), "y_test": range(16)}, "2, 3, .*, 11 and 4 more, where"),
    ],
)
def test_data_that_would_ruin_training_are_refused(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=f"^mine: .*{message}"):
        checked(**arrays)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x_train", "y_train", "x_tset"], "got 'x_tset'; did you mean 'x_test'"),
        (["x_train", "y_train", "x_val"], "without y_val; add"),
        (["x_train", "y_train", "y_test"], "without x_test; add"),
        (["x_train"], "got x_train without y_train"),
        ([], "got no arrays without x_train and y_train"),
    ],
)
def test_arrays_go_in_pairs_with_known_names(names: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_names("mine", names)
