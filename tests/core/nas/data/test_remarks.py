from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hivenas.core.nas.data.memory import WorkerMemory
from hivenas.core.nas.data.remarks import LabelledSplit, remarks

NAMES = ("defect", "other", "sound")


def split(*counts: int, first: int = 0) -> LabelledSplit:
    """So many images of every class, no two alike; `first` is the number of the first."""
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    numbers = np.arange(first, first + len(labels), dtype=np.uint32)
    return LabelledSplit(numbers.view(np.uint8).reshape(-1, 2, 2, 1), labels)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((5, 0, 95), "95.0 % of the training images are of class 'sound', rare are 'other' (0 images), 'defect' (5"),
        ((81, 9, 10), "81.0 % of the training images are of class 'defect', rare are 'other' (9 images), 'sound' (10"),
    ],
)
def test_a_class_that_drowns_the_others_is_said_with_what_naming_it_always_is_worth(
    counts: tuple[int, ...], said: str
) -> None:
    (remark,) = remarks(split(*counts), split(1, 1, 1, first=200), split(3, 0, 1, first=300), NAMES)
    assert remark.startswith(said)
    worth = "0.2500" if counts[2] > 50 else "0.7500"
    assert f"has a test accuracy of {worth}, so" in remark
    assert "\n" not in remark


@pytest.mark.parametrize("counts", [(80, 10, 10), (33, 33, 34), (1, 0, 1)])
def test_nothing_is_said_of_classes_that_show(counts: tuple[int, ...]) -> None:
    assert remarks(split(*counts), split(1, 1, 1, first=200), split(1, 1, 1, first=300), NAMES) == []


def test_of_many_classes_the_rarest_are_named() -> None:
    names = [str(number) for number in range(8)]
    (remark,) = remarks(split(990, *range(1, 8)), split(1, first=2000), split(1, first=3000), names)
    assert "rare are '1' (1 image), '2' (2 images), '3' (3 images), '4' (4 images), '5' (5 images) and 2 more" in remark


@pytest.mark.parametrize(
    ("val", "test", "said"),
    [
        (100, 99, "4 of 4 test images and 3 of 4 validation images"),  # of train one, of the other three
        (98, 200, "0 of 4 test images and 2 of 4 validation images"),
        (100, 102, "2 of 4 test images and 2 of 4 validation images"),
        (100, 100, "4 of 4 test images and 4 of 4 validation images"),
        (0, 0, "4 of 4 test images and 4 of 4 validation images"),
    ],
)
def test_images_in_two_splits_are_counted(val: int, test: int, said: str) -> None:
    (remark,) = remarks(split(50, 50), split(2, 2, first=val), split(2, 2, first=test), NAMES[:2])
    assert remark.startswith(f"{said} are, pixel by pixel, also among those of another split")


def labelled(*columns: int, count: int = 4, first: int) -> LabelledSplit:
    """So many images, the first of which have the labels of the columns that are named."""
    rows = np.zeros((count, 8), np.float32)
    rows[0, list(columns)] = 1
    return LabelledSplit(split(count, first=first).x, rows)


@pytest.mark.parametrize(
    ("val", "test", "said"),
    [
        (range(8), range(7), "'l7' in the test split"),
        ((0, 1, 2, 3, 4, 5), range(1, 8), "'l6', 'l7' in the validation split, 'l0' in the test split"),
        ((7,), range(8), "'l0', 'l1', 'l2', 'l3', 'l4' and 2 more in the validation split"),
    ],
)
def test_labels_that_a_split_lacks_are_named(val: Sequence[int], test: Sequence[int], said: str) -> None:
    names = [f"l{number}" for number in range(8)]
    train, others = labelled(*range(8), first=0), (labelled(*val, first=100), labelled(*test, first=200))
    (remark,) = remarks(train, *others, (), names)
    assert remark.startswith(f"labels without an image are {said}: figures of such a split say nothing of them")
    whole = labelled(*range(8), first=100), labelled(*range(8), first=200)
    assert remarks(train, *whole, (), names) == []


def test_the_memory_of_a_worker_follows_from_counts_shape_and_type() -> None:
    data = {"shape": [224, 224, 3], "train": 6400, "validation": 1600, "test": 2000, "dtype": "uint8"}
    memory = WorkerMemory.of(data)
    assert memory.images == 10_000 * 224 * 224 * 3
    assert memory.peak == memory.images + 8000 * 224 * 224 * 3 * 4
    assert memory.peak <= 6 * memory.images
    assert str(memory).startswith("about 6.5 GiB a worker: 5.9 GiB for the images (1.4 GiB as they are)")
    assert WorkerMemory.of({**data, "dtype": "float64"}).peak == round(2.8 * 8 * memory.images)
    assert str(memory).endswith("0.6 GiB for TensorFlow; networks and batches come on top")
    tried = replace(memory, tried=1.5 * 2**30)
    assert str(tried).startswith(
        "about 7.4 GiB a worker: 5.9 GiB for the images (1.4 GiB as they are), 1.5 GiB for Ten"
    )
    assert "come on top" not in str(tried)
    assert tried.needed == memory.peak + 1.5 * 2**30
    assert "1 MiB as they are" in str(WorkerMemory.of({"shape": [8, 8, 1], "train": 9, "validation": 1, "test": 1}))
