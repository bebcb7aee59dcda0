"""Images that come in batches, as of a tf.data.Dataset, a keras.utils.PyDataset or an iterator: gone through once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.files import disk_full_said
from hivenas.core.nas.data.image_arrays import SPLITS, labels_as_array, refuse_masked
from hivenas.core.nas.data.memory import kept_bytes
from hivenas.core.nas.data.placement import sweep_copies, written_to
from hivenas.core.nas.data.stored_images import Images, all_of
from hivenas.errors import DatasetError
from hivenas.wording import number_of

_OF_BATCHES = ("as_numpy_iterator", "num_batches")  # of a tf.data.Dataset, and of a keras.utils.PyDataset
_ENDLESS = -1  # as tf.data says it


def by_split(given: Any) -> Mapping[str, Any] | None:
    """The batches that were given, by the split that they are of; None for arrays, and for whatever else there is."""
    if isinstance(given, Mapping):
        return given if given and set(given) <= set(SPLITS) else None
    is_batches = isinstance(given, Iterator) or any(hasattr(given, name) for name in _OF_BATCHES)
    return {"train": given} if is_batches else None


def drained(
    origin: str, batches: Mapping[str, Any], budget: float, cache: Path | None, *, in_rows: bool
) -> dict[str, Any]:
    """Goes through batches (x, y) once, and gives their images and labels as arrays named as in an npz file.

    Args:
        origin: of the data, for errors.
        batches: by split.
        budget: bytes that the images of all splits may take in memory; more are written to files.
        cache: the folder of those files, which are named by their content; None to keep all in memory.
        in_rows: whether the labels of an image are a row of numbers or names; else it has one.

    Raises:
        DatasetError: something else than batches, none, or no end of them; a folder that cannot be written.
        DiskFullError: there is no space for the file.
    """
    arrays: dict[str, Any] = {}
    for split, given in batches.items():
        with contextlib.closing(_Gathered(f"{origin}: the batches of {split}", budget, cache)) as gathered:
            for batch in _batches(gathered.origin, given):
                gathered.add(batch, in_rows=in_rows)
            arrays[f"x_{split}"], arrays[f"y_{split}"] = gathered.images(), gathered.labels()
            budget -= gathered.held
    return arrays


def _batches(origin: str, given: Any) -> Iterable[Any]:
    if hasattr(given, "as_numpy_iterator"):
        if int(given.cardinality()) == _ENDLESS:
            raise DatasetError(f"{origin} must end, got a tf.data.Dataset that repeats for ever; leave out .repeat()")
        batches: Iterable[Any] = given.as_numpy_iterator()
        return batches
    if hasattr(given, "num_batches"):
        return (given[number] for number in range(given.num_batches))
    if not isinstance(given, Iterable):
        raise DatasetError(f"{origin} must be pairs (x, y), got {type(given).__name__}; give an iterator of them")
    return given


def _is_image(x: NDArray[Any]) -> bool:
    """True for one image, grey or with its channels; else there are several."""
    return x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (1, 3))


def _one_row(y: NDArray[Any]) -> NDArray[Any]:
    """The labels of one image as those of a batch of it; its names as one object, of which others may have more."""
    if y.dtype.kind in "buif" and y.size:
        return y[np.newaxis]
    row = np.empty(1, dtype=object)
    row[0] = y.tolist()
    return row


class _Gathered:
    """Images and labels out of batches, in memory, or where they are too many in a file.

    Args:
        origin: of the batches, for errors.
        budget: bytes that the images may take in memory.
        cache: the folder of the file; None for none.
    """

    def __init__(self, origin: str, budget: float, cache: Path | None) -> None:
        self.origin = origin
        self._budget, self._cache = budget, cache
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        self._x: list[NDArray[Any]] = []
        self._y: list[NDArray[Any]] = []
        self._kept = 0
        self._file: _SpooledImages | None = None

    def add(self, batch: Any, *, in_rows: bool) -> None:
        """Takes a batch (x, y), or a single image with its label.

        Args:
            batch: the pair.
            in_rows: whether labels in one dimension are those of a single image, where that is one.
        """
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise DatasetError(f"{self.origin} must be pairs (x, y), got {type(batch).__name__}; give both")
        if len(batch) > 2:
            raise DatasetError(
                f"{self.origin} must be pairs (x, y), got {len(batch)} parts; leave out weights of images, which are "
                "not taken, and weigh classes by evaluation.class_weight"
            )
        for name, part in zip("xy", batch, strict=True):
            refuse_masked(self.origin, name, part)
        x, y = np.array(batch[0]), labels_as_array(batch[1])  # copies: some give the same memory for every batch
        x = x.astype(x.dtype.newbyteorder("="), copy=False)
        if y.ndim == 0 or (in_rows and y.ndim == 1 and _is_image(x)):
            x, y = x[np.newaxis], _one_row(y) if y.ndim else y[np.newaxis]
        images, labels = (len(part) if part.ndim else 0 for part in (x, y))
        if images != labels:  # totals may agree all the same, with labels of other images
            raise DatasetError(
                f"{self.origin} must have as many labels as images, got {number_of(images, 'image')} and "
                f"{number_of(labels, 'label')} in batch {len(self._y) + 1}; give both of the same images"
            )
        kind = self._kind = self._kind or (x.shape[1:], x.dtype)
        if (x.shape[1:], x.dtype) != kind:
            raise DatasetError(
                f"{self.origin} must have images of one shape and type, got {x.shape[1:]} {x.dtype} after {kind[0]} "
                f"{kind[1]}; prepare all alike"
            )
        self._y.append(y)
        self._x.append(x)
        self._kept += kept_bytes(x.nbytes, x.size)
        if self._cache and self._kept > self._budget and x.dtype.kind in "uif":
            self._file = self._file or _SpooledImages(self._cache, *kind)
            while self._x:
                self._file.write(self._x.pop(0))

    @property
    def held(self) -> int:
        """Bytes that the images take in memory."""
        return 0 if self._file else self._kept

    def images(self) -> Images:
        """The images of all batches."""
        if not self._y:
            raise DatasetError(
                f"{self.origin} must hold images, got none; make an iterator anew in every call of the loader"
            )
        return self._file.finished() if self._file else np.concatenate(self._x)

    def labels(self) -> NDArray[Any]:
        """The labels of all batches."""
        try:
            return np.concatenate(self._y)
        except ValueError:  # names, of which images have different numbers
            return labels_as_array([label for y in self._y for label in y])

    def close(self) -> None:
        """Removes what was not finished."""
        if self._file:
            self._file.close()


class _SpooledImages:
    """Images that are written to a file, whose name is a digest of them: processes with the same ones share it.

    Args:
        folder: of the file.
        shape: of an image.
        dtype: of the values.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._folder, self._shape, self._dtype = folder, shape, dtype
        self._digest = hashlib.sha256(f"{shape}{dtype.str}".encode())
        self._count = 0
        with written_to(folder), disk_full_said(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sweep_copies(folder)
            number, name = tempfile.mkstemp(prefix=f".tmp-{os.getpid()}-", suffix=".images", dir=folder)
        self._path, self._stream = Path(name), os.fdopen(number, "wb")

    def write(self, images: NDArray[Any]) -> None:
        """Adds images."""
        data = np.ascontiguousarray(images).data
        self._digest.update(data)
        self._count += len(images)
        with disk_full_said(self._folder):
            self._stream.write(data)

    def finished(self) -> Images:
        """All of them, mapped."""
        with disk_full_said(self._folder):
            self._stream.flush()
            os.fsync(self._stream.fileno())  # it is taken for whole wherever it is found
            self._stream.close()
        target = self._folder / f"{self._digest.hexdigest()[:16]}.images"
        if target.exists() and target.stat().st_size == self._path.stat().st_size:
            self._path.unlink()
        else:
            self._path.replace(target)
        return all_of(np.memmap(target, self._dtype, "r", shape=(self._count, *self._shape)))

    def close(self) -> None:
        """Removes the file where it was not finished."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self._path.unlink(missing_ok=True)
