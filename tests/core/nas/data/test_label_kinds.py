"""Labels that are no classes: how they are read, what is refused, and how images are split by them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import DatasetConfig
from hivenas.core.nas.data import label_kinds
from hivenas.core.nas.data.datasets import Dataset, load_dataset
from hivenas.core.nas.data.draws import by_order
from hivenas.core.nas.data.image_arrays import LabelledImages
from hivenas.core.nas.data.label_kinds import LABELS, NUMBERS
from hivenas.core.nas.data.label_sets import SEPARATOR
from hivenas.core.nas.data.splits import Wanted
from hivenas.errors import DatasetError

ROWS = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
X = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)


def objects(*labels: Any) -> np.ndarray[Any, Any]:
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


@pytest.mark.parametrize(
    ("labels", "rows", "names"),
    [
        (ROWS, ROWS, ("0", "1", "2")),
        (ROWS.astype(bool), ROWS, ("0", "1", "2")),
        (ROWS[:, :1].astype(float), ROWS[:, :1], ("0",)),
        (np.array(["dog; owl", "cat", "", "dog"]), ROWS, ("cat", "dog", "owl")),
        (np.array([b"dog;owl", b"cat", b"", b"dog"]), ROWS, ("cat", "dog", "owl")),
        (np.array([["owl", "dog"], ["cat", ""], ["", ""], ["dog", "dog"]]), ROWS, ("cat", "dog", "owl")),
        (objects(["owl", "dog"], ("cat",), set(), ["dog"]), ROWS, ("cat", "dog", "owl")),
        (objects("owl;dog", "cat", "", "dog"), ROWS, ("cat", "dog", "owl")),
    ],
)
def test_several_labels_an_image_become_rows(labels: Any, rows: Any, names: tuple[str, ...]) -> None:
    given = LabelledImages.checked("mine", {"x_train": X, "y_train": labels}, LABELS.reader)
    assert given.class_names == names
    assert given.labels["train"].tolist() == rows.tolist()
    assert given.labels["train"].dtype == np.float32


@pytest.mark.parametrize("labels", [np.array([1, 2, 3, 2.5]), np.array([[1], [2], [3], [2.5]]), objects(1, 2, 3, 2.5)])
def test_numbers_become_a_column(labels: Any) -> None:
    given = LabelledImages.checked("mine", {"x_train": X, "y_train": labels}, NUMBERS.reader)
    assert given.labels["train"].tolist() == [[1], [2], [3], [2.5]]
    assert given.labels["train"].dtype == np.float32
    assert given.class_names == ("number",)


@pytest.mark.parametrize(
    ("kind", "labels", "said"),
    [
        (LABELS, 2 * ROWS, "y_train must hold 0 or 1 for every label of an image, got 2; give rows of 0 and 1"),
        (LABELS, np.where(ROWS > 0, np.nan, 0), "must hold 0 or 1 for every label of an image, got nan"),
        (LABELS, np.arange(4), r"y_train must hold the labels of every image, got dtype int64 of shape \(4,\)"),
        (LABELS, objects(["a"], [1], ["b"], ["a"]), r"y_train must hold names of labels, got \[1\] for an image"),
        (LABELS, np.array([""] * 4), "y_train must name a label of an image at least, got none"),
        (NUMBERS, np.array(["a", "b", "a", "b"]), "must hold numbers with task: regress, got text such as 'a'"),
        (NUMBERS, objects("a", 1, 2, 3), "must hold numbers with task: regress, got dtype object"),
        (
            NUMBERS,
            ROWS,
            r"must hold one number for each image, got shape \(4, 3\); choose one, such as y_train\[:, 0\]",
        ),
        (NUMBERS, np.arange(4)[np.newaxis], r"got shape \(1, 4\); flatten it: y_train.ravel\(\)"),
        (NUMBERS, np.array([1, 2, np.nan, np.inf]), "must hold finite 32-bit numbers, got 2 that are NaN or infinite"),
        (NUMBERS, np.full(4, 7), "y_train must hold two numbers or more, got 7 for all images"),
    ],
)
def test_labels_of_another_kind_are_refused_in_a_line(kind: Any, labels: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=said) as caught:
        LabelledImages.checked("mine", {"x_train": X, "y_train": labels}, kind.reader)
    assert "\n" not in str(caught.value)


def test_labels_of_another_split_are_those_of_the_training() -> None:
    arrays = {"x_train": X, "y_train": np.array(["a", "b", "a;b", ""]), "x_val": X[:1]}
    with pytest.raises(DatasetError, match=r"y_val has labels out of range: 'c', where those of y_train are 'a', 'b'"):
        LabelledImages.checked("mine", {**arrays, "y_val": np.array(["c"])}, LABELS.reader)
    with pytest.raises(DatasetError, match="y_val must be as y_train, names of labels, got rows of 3 labels"):
        LabelledImages.checked("mine", {**arrays, "y_val": ROWS[:1]}, LABELS.reader)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["0;1;1", "1;0;0", "0;0;0", "0;1;0"]),
        np.array(["0;1", "1;0", "0;0", "1;1"]),
        np.array(["0 1 1", "1 0 0", "0 0 0", "0 1 0"]),
        np.array(["[0, 1, 1]", "[1, 0, 0]", "[0, 0, 0]", "[0, 1, 0]"]),
        np.array([b"0.0,1.0,1.0", b"1.0,0.0,0.0", b"0.0,0.0,0.0", b"0.0,1.0,0.0"]),
        ROWS.astype(str),
        objects(["0", "1", "1"], ["1", "0", "0"], ["0", "0", "0"], ("0", b"1", "0")),
    ],
)
def test_rows_of_0_and_1_that_are_text_are_not_taken_for_names(labels: Any) -> None:
    message = r"mine: y_train must have names of labels, got 0 or 1 for each label, such as '0.*'; name those of an im"
    with pytest.raises(DatasetError, match=message):
        LabelledImages.checked("mine", {"x_train": X, "y_train": labels}, LABELS.reader)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["0;1", "1;0", "0;1", "1;0"], ("0", "1")),  # sets, as none has a name twice
        (["0;1;1", "1;0", "0", "0;1;0"], ("0", "1")),
        (["0;1;2", "1;0;0", "0;0;0", "0;1;0"], ("0", "1", "2")),
        (["0", "1", "1", "0"], ("0", "1")),
    ],
)
def test_numbers_that_are_no_rows_of_0_and_1_are_names(labels: list[str], names: tuple[str, ...]) -> None:
    given = LabelledImages.checked("mine", {"x_train": X, "y_train": np.array(labels)}, LABELS.reader)
    assert given.class_names == names


@pytest.mark.parametrize(
    "given",
    [
        [[0, 1, 1], [1, 0, 0]],
        [[0.0, 1.0], [1.0, 1.0]],
        [[False, True, True], [True, False, False]],
        ["0;1;1", "1;0;0"],
        ["[0, 1, 1]", "[1, 0, 0]"],
    ],
)
def test_rows_of_0_and_1_in_a_table_or_in_records_are_refused_as_names(given: list[Any]) -> None:
    message = r"must have names of labels, got 0 or 1 for each label, such as '(0|false)"
    with pytest.raises(ValueError, match=message):
        LABELS.of_column(given)
    if isinstance(given[0], list):
        with pytest.raises(ValueError, match=message):
            LABELS.of_records([(numbers, []) for numbers in given])


def test_labels_that_a_split_lacks_are_said_of_this_task_alone(tmp_path: Path) -> None:
    rows = np.zeros((100, 2), int)
    rows[::2, 0] = rows[0, 1] = 1
    (remark,) = load(tmp_path, "multilabel", rows).describe()["remarks"]
    assert remark.startswith("labels without an image are '1' in the ")
    assert load(tmp_path, "regress", rows[:, 1]).describe()["remarks"] == []


def load(folder: Path, task: str, labels: Any, seed: int = 1, **more: Any) -> Dataset:
    images = np.random.default_rng(0).integers(0, 255, (len(labels), 2, 2, 1)).astype(np.uint8)
    np.savez(folder / "x.npz", x_train=images, y_train=labels, **more)
    return load_dataset(DatasetConfig(name="npz", path=str(folder / "x.npz")), seed, task)


@pytest.mark.parametrize("task", ["multilabel", "regress"])
def test_splits_are_a_seeds_and_the_test_split_everybodys(tmp_path: Path, task: str) -> None:
    labels = np.arange(100.0) if task == "regress" else (np.arange(300).reshape(100, 3) % 7 < 3).astype(int)
    one, same, other = (load(tmp_path, task, labels, seed) for seed in (1, 1, 2))
    assert [len(y) for y in (one.y_train, one.y_val, one.y_test)] == [64, 16, 20]
    assert one.digest() == same.digest() != other.digest()
    assert one.test_digest() == other.test_digest()
    assert one.describe()["task"] == one.task == task
    assert one.describe()["remarks"] == []
    assert one.classes == labels[0].size
    if task == "regress":
        together = np.concatenate([one.y_train, one.y_val, one.y_test])
        assert sorted(together.ravel().tolist()) == labels.tolist()


def test_numbers_that_rounding_moves_by_much_of_their_deviation_are_refused(tmp_path: Path) -> None:
    labels = np.arange(0.0, 1000.0, 10.0)
    assert load(tmp_path, "regress", labels + 1e6).classes == 1
    with pytest.raises(DatasetError, match=r"y_train must hold numbers .* rounded to steps of 128; subtract a base"):
        load(tmp_path, "regress", labels + 1.7e9)


@pytest.mark.parametrize(("size", "count"), [(80, 100), (20, 100), (1, 2), (2, 3), (7, 7)])
def test_numbers_of_every_size_are_on_both_sides(size: int, count: int) -> None:
    numbers = np.random.default_rng(3).permutation(count).astype(np.float32)[:, None]
    wanted = Wanted(size=size, seed=5, names=("number",), way_out="add some", rest_is_used=size < count)
    part, rest = by_order(numbers, wanted)
    assert len(part) == size
    assert sorted([*part, *rest]) == list(range(count))
    if count == 100:
        few = np.sort(numbers[min(part, rest, key=len), 0])
        assert (few // 5).tolist() == list(range(20))  # one of every five neighbours


def test_too_few_images_are_said(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"2 images cannot be split 1 to 1 with one on both sides; add images to npz"
    ):
        load(tmp_path, "regress", np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["1_12", "11_2", "2_3"], ["1_12", "11_2", "2_3"]),
        (["1E4", "10E3"], ["1E4", "10E3"]),
        (["10", " 9", "+3"], [10, 9, 3]),
        (["1.5", ".5", "2."], [1.5, 0.5, 2.0]),
        (["1", "b"], ["1", "b"]),
        (["007", "008"], ["007", "008"]),
        (["1", "+1", "2"], ["1", "+1", "2"]),
        (["1.5", "1.50"], ["1.5", "1.50"]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
    ],
)
def test_only_plain_numbers_are_numbers_among_the_labels_of_a_table(given: list[str], labels: list[Any]) -> None:
    assert label_kinds.CLASSES.of_column(given) == labels


def test_numbers_of_a_table_may_have_exponents_and_nothing_else() -> None:
    assert label_kinds.NUMBERS.of_column(["1e3", ["2"], 5]) == [1000.0, 2.0, 5]
    assert label_kinds.NUMBERS.of_column(["83_5", "7"]) == ["83_5", "7"]
    with pytest.raises(ValueError, match="a finite number in the column weight, got '83_5'"):
        label_kinds.number_of_row(["weight"], ["83_5"])
    with pytest.raises(ValueError, match="must have names without ;, got None"):
        label_kinds.LABELS.of_column([["cat", None], ["cat"]])
    with pytest.raises(ValueError, match="must have names, an empty text for none, got nan"):
        label_kinds.LABELS.of_column(["cat", math.nan])


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (
            "CLASSES",
            [([3, 5], []), ([1], [])],
            r"one label, got \[3, 5\]; leave one, or set task: multilabel",
        ),
        ("CLASSES", [([3], ["cat", "dog"]), ([1], ["cat"])], r"must have one label, got \['cat', 'dog'\]"),
        ("LABELS", [([3], ["cat;dog"]), ([], ["cat"])], "must have names without ;, got 'cat;dog'"),
        ("NUMBERS", [([3.0, 5.0], [])], r"must have one number, got \[3.0, 5.0\]; leave one"),
        ("LABELS", [([3], []), ([], ["cat"])], "must have its labels as texts, or every one as numbers, got both"),
    ],
)
def test_records_of_which_a_label_would_be_lost_are_refused(kind: str, given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        getattr(label_kinds, kind).of_records(given)


def test_labels_of_records_are_those_that_all_have() -> None:
    assert label_kinds.LABELS.of_records([([3, 5], []), ([3], ["cat"]), ([], [])]) == [f"3{SEPARATOR}5", "3", ""]
    assert label_kinds.LABELS.of_records([([3, 5], ["cat", "dog"]), ([], ["cat"])]) == [f"cat{SEPARATOR}dog", "cat"]
