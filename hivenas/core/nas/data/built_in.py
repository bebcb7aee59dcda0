"""The data sets that come with hivenas: each one record, with all that is known of it without loading it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hivenas.core.files import user_path
from hivenas.core.nas.data.values import BYTES, Scale
from hivenas.errors import DatasetError, first_line


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A data set that comes with hivenas.

    Args:
        load: gives x_train, y_train[, x_test, y_test].
        shape: height, width and channels of its images.
        classes: how many there are.
        train: images to train and validate with.
        test: images to test with.
        class_names: in the order of their numbers; none where the numbers say it all.
        scale: the values that stand for the bytes 0 and 255 in image files.
        stored_as: the names of its files in Keras' folder of data sets, a pattern; empty where it is a library's.
    """

    load: Callable[[], dict[str, Any]]
    shape: tuple[int, int, int]
    classes: int
    train: int
    test: int
    class_names: tuple[str, ...] = ()
    scale: Scale = BYTES
    stored_as: str = ""

    @property
    def files(self) -> list[Path]:
        """Its files on this machine, and folders; none where it is not there yet."""
        return sorted(_keras_folder().glob(self.stored_as)) if self.stored_as else []


def _keras_folder() -> Path:
    return user_path(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"


def _digits() -> dict[str, Any]:
    """scikit-learn's 1,797 digits of 8×8 pixels with values 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return {"x_train": digits.images.astype(np.float32), "y_train": digits.target}


@dataclass(frozen=True, slots=True)
class _KerasSource:
    """A data set that Keras downloads on first use.

    Args:
        name: of its module in keras.datasets.
        files: what has to lie in Keras' folder of data sets instead, where nothing can be downloaded.
    """

    name: str
    files: str

    def __call__(self) -> dict[str, Any]:
        module = importlib.import_module(f"keras.datasets.{self.name}")
        try:
            (x_train, y_train), (x_test, y_test) = module.load_data()
        except Exception as error:
            raise DatasetError(
                f"dataset.name={self.name} could not be downloaded or read ({first_line(error)}); put {self.files} "
                f"into the writable folder {_keras_folder()} (KERAS_HOME chooses another)"
            ) from error
        return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


_IDX = ", ".join(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))

BUILT_IN: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "digits": BuiltIn(load=_digits, shape=(8, 8, 1), classes=10, train=1_437, test=360, scale=(0.0, 16.0)),
        "mnist": BuiltIn(
            load=_KerasSource("mnist", "mnist.npz"),
            shape=(28, 28, 1),
            classes=10,
            train=60_000,
            test=10_000,
            stored_as="mnist.npz",
        ),
        "fashion_mnist": BuiltIn(
            load=_KerasSource(
                "fashion_mnist",
                f"fashion-mnist/ with {_IDX} (Debian's package dataset-fashion-mnist has them in "
                "/usr/share/datasets/fashion-mnist)",
            ),
            shape=(28, 28, 1),
            classes=10,
            train=60_000,
            test=10_000,
            class_names=(
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
            stored_as="fashion-mnist",
        ),
        "cifar10": BuiltIn(
            load=_KerasSource("cifar10", "cifar-10-python.tar.gz, renamed to cifar-10-batches-py-target_archive,"),
            shape=(32, 32, 3),
            classes=10,
            train=50_000,
            test=10_000,
            class_names=(
                *("airplane", "automobile", "bird", "cat", "deer"),
                *("dog", "frog", "horse", "ship", "truck"),
            ),
            stored_as="cifar-10-batches-py-target_archive",  # what Keras unpacks beside it is not looked for
        ),
    }
)
