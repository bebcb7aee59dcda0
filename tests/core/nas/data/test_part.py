"""The part of the images that candidates see: so many, drawn by class in the proportion of the splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hivenas.config import DatasetConfig, from_mapping
from hivenas.config.tasks import TASKS
from hivenas.core.nas.data.datasets import Dataset, load_dataset
from hivenas.core.nas.data.part import drawn_part, part_sizes
from hivenas.core.nas.data.splits import by_class
from hivenas.core.nas.data.stored_images import StoredImages, all_of, in_memory
from hivenas.errors import DatasetError
from hivenas.run.data import describe_data
from hivenas.run.data_summary import summary

DIGITS = load_dataset(DatasetConfig(), 1)


def places(part: Dataset, whole: Dataset, split: str) -> list[int]:
    """The positions in the whole split of a part's images."""
    known = {image.tobytes(): place for place, image in enumerate(getattr(whole, f"x_{split}"))}
    return [known[image.tobytes()] for image in getattr(part, f"x_{split}")]


@given(st.integers(10, 10**6), st.integers(1, 10**5), st.integers(1, 10**5))
def test_a_part_has_the_proportion_of_the_splits_and_one_image_of_each_at_least(
    limit: int, train: int, validation: int
) -> None:
    sizes = part_sizes(limit, train, validation)
    assert sum(sizes) == min(limit, train + validation)
    assert min(sizes) >= 1
    assert abs(sizes[1] - sum(sizes) * validation / (train + validation)) <= 1


@pytest.mark.parametrize(
    ("limit", "sizes"), [(6_000, (4_800, 1_200)), (60_000, (48_000, 12_000)), (10**9, (48_000, 12_000))]
)
def test_the_sizes_of_a_part_of_fashion_mnist(limit: int, sizes: tuple[int, int]) -> None:
    assert part_sizes(limit, 48_000, 12_000) == sizes


def test_a_part_is_drawn_by_class_by_the_seed_from_each_split_and_leaves_the_test_split_whole() -> None:
    part, same, other = (drawn_part(DIGITS, 300, seed=seed, draw=by_class) for seed in (5, 5, 6))
    for split, size in (("train", 240), ("val", 60)):
        found, labels = places(part, DIGITS, split), getattr(part, f"y_{split}")
        assert len(set(found)) == size
        assert found == places(same, DIGITS, split)
        assert found != places(other, DIGITS, split)
        np.testing.assert_array_equal(labels, getattr(DIGITS, f"y_{split}")[found])
        shares = np.bincount(getattr(DIGITS, f"y_{split}")) / len(getattr(DIGITS, f"y_{split}"))
        assert np.abs(np.bincount(labels, minlength=10) - size * shares).max() <= 1
    assert part.x_test is DIGITS.x_test


def test_data_with_no_more_images_than_that_are_what_they_are() -> None:
    total = len(DIGITS.x_train) + len(DIGITS.x_val)
    assert drawn_part(DIGITS, total, seed=5, draw=by_class) is DIGITS
    assert len(drawn_part(DIGITS, total - 1, seed=5, draw=by_class).x_train) + len(DIGITS.x_val) == total - 1


def test_a_part_of_stored_images_stays_stored() -> None:
    stored = replace(DIGITS, x_train=all_of(in_memory(DIGITS.x_train)), x_val=all_of(in_memory(DIGITS.x_val)))
    part, held = (drawn_part(data, 100, seed=5, draw=by_class) for data in (stored, DIGITS))
    assert isinstance(part.x_train, StoredImages)
    np.testing.assert_array_equal(np.asarray(part.x_train), held.x_train)
    np.testing.assert_array_equal(np.asarray(part.x_val), held.x_val)


def test_a_part_smaller_than_the_classes_is_refused_with_the_key() -> None:
    with pytest.raises(DatasetError, match=r"cannot be split 8 to .*; raise evaluation.train_limit=10 or leave it out"):
        drawn_part(DIGITS, 10, seed=5, draw=by_class)
    few = drawn_part(DIGITS, 20, seed=5, draw=by_class)  # of which four classes have no image to validate by
    assert (len(set(few.y_train.tolist())), len(few.y_val)) == (10, 4)


@pytest.mark.parametrize("task", ["multilabel", "regress"])
def test_labels_that_are_no_classes_are_drawn_as_their_task_splits_them(task: str) -> None:
    rng, outputs = np.random.default_rng(0), 3 if task == "multilabel" else 1
    numbers = (rng.random((len(x), outputs), np.float32) for x in (DIGITS.x_train, DIGITS.x_val))
    y_train, y_val = (each.round() if task == "multilabel" else each for each in numbers)
    data = replace(DIGITS, y_train=y_train, y_val=y_val, task=task, class_names=("a", "b", "c")[:outputs])
    part = drawn_part(data, 100, seed=5, draw=TASKS[task].piece("labels").draw)
    assert (len(part.y_train), len(part.y_val)) == (80, 20)
    np.testing.assert_array_equal(part.y_train, y_train[places(part, data, "train")])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "1,150 images to train, 287 to validate, 360 to test"),
        ({"evaluation": {"train_limit": 300}}, "287 to validate (candidates: 240 and 60), 360 to test"),
        ({"evaluation": {"train_limit": 5_000}}, "1,150 images to train, 287 to validate, 360 to test"),
        (
            {"evaluation": {"train_limit": 100}, "dataset": {"train_limit": 1_000}},
            "800 images to train, 200 to validate (candidates: 80 and 20), 360 to test",
        ),
    ],
)
def test_the_data_say_what_candidates_see_of_them(settings: Mapping[str, Any], said: str) -> None:
    assert said in summary(describe_data(from_mapping(settings)))
