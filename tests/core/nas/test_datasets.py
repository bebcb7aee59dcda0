from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hivenas.config import DatasetConfig
from hivenas.core.nas.datasets import check_arrays, load_dataset
from hivenas.errors import DatasetError


def test_digits_are_split_without_overlap_and_stratified() -> None:
    data = load_dataset(DatasetConfig(), seed=1)
    parts = (data.x_train, data.x_val, data.x_test)
    assert sum(map(len, parts)) == 1797
    # As often as in the source, no image stands in the three splits together: none was taken twice.
    together = np.concatenate([part.reshape(len(part), -1) for part in parts])
    source = load_digits().images.reshape(1797, -1).astype(np.float32)
    assert np.array_equal(together[np.lexsort(together.T)], source[np.lexsort(source.T)])
    assert data.shape == (8, 8, 1)
    assert data.classes == 10
    assert len(data.x_val) == round(0.2 * (1797 - len(data.x_test)))
    for labels in (data.y_train, data.y_val, data.y_test):
        shares = np.bincount(labels, minlength=10) / len(labels)
        assert shares.min() > 0.085
        assert shares.max() < 0.115


def test_the_seed_moves_the_validation_split_and_never_the_test_split() -> None:
    one, same, other = (load_dataset(DatasetConfig(), seed=seed) for seed in (1, 1, 2))
    assert one.digest() == same.digest()
    assert not np.array_equal(one.x_val, other.x_val)
    assert np.array_equal(one.x_test, other.x_test)


def test_train_limit_keeps_every_class_and_the_test_split() -> None:
    data = load_dataset(DatasetConfig(train_limit=100), seed=1)
    assert len(data.x_train) + len(data.x_val) == 100
    assert set(data.y_train) == set(range(10))
    assert len(data.x_test) == 360


def test_statistics_come_from_the_training_split_alone() -> None:
    data = load_dataset(DatasetConfig(), seed=1)
    mean, variance = data.statistics()
    assert mean == pytest.approx(data.x_train.mean(), rel=1e-5)
    assert variance == pytest.approx(data.x_train.var(), rel=1e-5)


IMAGES = np.zeros((4, 8, 8, 1), np.float32)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.where(np.arange(4)[:, None, None, None] == 2, np.nan, IMAGES), LABELS, "pixels must be finite, got 64"),
        (IMAGES[..., 0], LABELS, "images must be"),
        (IMAGES[:0], LABELS[:0], "images must be"),
        (IMAGES, LABELS[:3], "4 images and 3 labels"),
        (IMAGES, np.zeros(4, int), "two classes or more"),
        (IMAGES, LABELS - 1, "whole numbers from 0"),
    ],
)
def test_data_that_would_ruin_training_are_refused(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_arrays("mine", images, labels)


def test_a_split_that_cannot_hold_every_class_is_refused() -> None:
    with pytest.raises(DatasetError, match="validation_split"):
        load_dataset(DatasetConfig(train_limit=12, validation_split=0.1), seed=1)
