"""The data sets: raw images split into training, validation and test, loaded in the process that trains."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from hivenas.config import DatasetConfig
from hivenas.core.seeds import derive_seed
from hivenas.errors import DatasetError

Images = NDArray[Any]
Labels = NDArray[np.int32]
TEST_SEED = 0  # one test split for every run of every user, or test accuracies could not be compared


@dataclass(frozen=True, slots=True)
class Dataset:
    """Raw images and labels, split; what is computed from them comes from the training split alone.

    Args:
        name: as in the configuration.
        x_train, x_val, x_test: images (count, height, width, channels) with the values that the source gives.
        y_train, y_val, y_test: classes as whole numbers from 0.
        classes: number of classes.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_val: Images
    y_val: Labels
    x_test: Images
    y_test: Labels
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.x_train.shape[1:]
        return int(height), int(width), int(channels)

    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and variance of every channel over the training split."""
        pixels = self.x_train.reshape(-1, self.shape[2]).astype(np.float64)
        return pixels.mean(axis=0).astype(np.float32), pixels.var(axis=0).astype(np.float32)

    def digest(self) -> str:
        """A hash of every image and label, in order: the same data give the same digest on every machine."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_val, self.y_val, self.x_test, self.y_test):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What a search records of its data: name, digest, image shape, classes and sizes of the splits."""
        return {
            "name": self.name,
            "digest": self.digest(),
            "shape": list(self.shape),
            "dtype": str(self.x_train.dtype),
            "classes": self.classes,
            "train": len(self.x_train),
            "validation": len(self.x_val),
            "test": len(self.x_test),
        }


Source = Callable[[], tuple[Images, NDArray[Any], Images, NDArray[Any]]]


def _digits() -> tuple[Images, NDArray[Any], Images, NDArray[Any]]:
    """scikit-learn's 1,797 digits of 8×8 pixels with values 0 to 16; a fifth of each class is the test split."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images[..., np.newaxis].astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=TEST_SEED
    )
    return x_train, y_train, x_test, y_test


def _keras_source(name: str) -> Source:
    def load() -> tuple[Images, NDArray[Any], Images, NDArray[Any]]:
        module = importlib.import_module(f"keras.datasets.{name}")
        try:
            (x_train, y_train), (x_test, y_test) = module.load_data()
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise DatasetError(
                f"dataset.name {name} could not be loaded: {reason}; it is downloaded on first use, or found "
                "offline where its files lie in ~/.keras/datasets"
            ) from error
        x_train, x_test = (x[..., np.newaxis] if x.ndim == 3 else x for x in (x_train, x_test))
        return x_train, y_train.reshape(-1), x_test, y_test.reshape(-1)

    return load


SOURCES: Mapping[str, Source] = MappingProxyType(
    {"digits": _digits, **{name: _keras_source(name) for name in ("mnist", "fashion_mnist", "cifar10")}}
)


_SHAPES: Mapping[str, tuple[tuple[int, int, int], int]] = MappingProxyType(
    {
        "digits": ((8, 8, 1), 10),
        "mnist": ((28, 28, 1), 10),
        "fashion_mnist": ((28, 28, 1), 10),
        "cifar10": ((32, 32, 3), 10),
    }
)


def image_shape_and_classes(config: DatasetConfig, seed: int) -> tuple[tuple[int, int, int], int]:
    """Height, width and channels of an image, and the number of classes; loads only data that are not built in.

    Raises:
        DatasetError: data that cannot be loaded.
    """
    if config.name in _SHAPES:
        return _SHAPES[config.name]
    data = load_dataset(config, seed)
    return data.shape, data.classes


def load_dataset(config: DatasetConfig, seed: int) -> Dataset:
    """Loads a data set and holds out its validation split, stratified by class.

    Args:
        config: the `dataset` section of a configuration.
        seed: the run's seed; it decides which training images are held out.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on.
    """
    x_train, y_train, x_test, y_test = SOURCES[config.name]()
    check_arrays(config.name, x_train, y_train)
    check_arrays(config.name, x_test, y_test)
    classes = int(max(y_train.max(), y_test.max())) + 1
    y_train, y_test = y_train.astype(np.int32), y_test.astype(np.int32)
    split_seed = derive_seed(seed, "validation split")
    if config.train_limit and config.train_limit < len(x_train):
        x_train, y_train = _stratified(config, x_train, y_train, config.train_limit, split_seed)[:2]
    kept = len(x_train) - max(1, round(len(x_train) * config.validation_split))
    x_train, y_train, x_val, y_val = _stratified(config, x_train, y_train, kept, split_seed)
    return Dataset(config.name, x_train, y_train, x_val, y_val, x_test, y_test, classes)


def _stratified(
    config: DatasetConfig, x: Images, y: Labels, size: int, seed: int
) -> tuple[Images, Labels, Images, Labels]:
    try:
        x_first, x_rest, y_first, y_rest = train_test_split(x, y, train_size=size, stratify=y, random_state=seed)
    except ValueError as error:
        raise DatasetError(
            f"{len(x)} images of {len(np.unique(y))} classes cannot be split {size} to {len(x) - size} with every "
            f"class on both sides (dataset.validation_split={config.validation_split}, "
            f"train_limit={config.train_limit}): {error}; change one of them"
        ) from error
    return x_first, y_first, x_rest, y_rest


def check_arrays(name: str, x: Images, y: NDArray[Any]) -> None:
    """Refuses data on which training would fail or, worse, silently go wrong.

    Raises:
        DatasetError: names the rule and what was found.
    """
    if x.ndim != 4 or len(x) == 0:
        raise DatasetError(f"{name}: images must be (count, height, width, channels) with at least one, got {x.shape}")
    if len(x) != len(y):
        raise DatasetError(f"{name}: every image needs one label, got {len(x)} images and {len(y)} labels")
    if not np.isfinite(x).all():
        raise DatasetError(
            f"{name}: pixels must be finite, got {int((~np.isfinite(x)).sum())} that are not; clean the images first"
        )
    if y.min() < 0 or len(np.unique(y)) < 2:
        raise DatasetError(f"{name}: labels must be whole numbers from 0 with two classes or more, got {np.unique(y)}")
