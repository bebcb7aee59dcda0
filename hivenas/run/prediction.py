"""Image files classified by a trained model, prepared as the images that it was trained on."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.image_arrays import checked_images
from hivenas.core.nas.data.image_files import read_images, read_unlabelled
from hivenas.errors import DatasetError

if TYPE_CHECKING:
    from hivenas.tracking.models import TrackedModel

_ARCHIVE = ".npz"

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The class that a model takes an image for.

    Args:
        file: where the image came from, as given.
        index: its place in an npz file; None for an image file.
        name: of the most probable class.
        probability: of that class, 0…1.
        next_name: the second most probable class.
        next_probability: of that class.
    """

    file: str
    index: int | None
    name: str
    probability: float
    next_name: str
    next_probability: float

    def to_json(self) -> str:
        """A line of JSON, with the class names under `class` and `next`."""
        renamed = {"name": "class", "next_name": "next"}
        data = {renamed.get(key, key): value for key, value in asdict(self).items() if value is not None}
        return json.dumps(data, ensure_ascii=False)

    def cells(self) -> list[str]:
        """A line of a table: image, class, probability, next best class and its probability."""
        image = self.file if self.index is None else f"{self.file}[{self.index}]"
        return [image, self.name, f"{self.probability:.4f}", self.next_name, f"{self.next_probability:.4f}"]


def classify(model: TrackedModel, files: Sequence[str]) -> list[Prediction]:
    """Classifies the images of files, in their order.

    Image files are read as a folder of classes is: turned upright, in the model's colours, resized (bilinear) to its
    size; where the model was trained on other values than bytes, 0…255 becomes the range of those values. Arrays of an
    npz file are taken as they are.

    Args:
        model: the classifier.
        files: image files, and npz files with an array `images`, `x_test`, or a single one.

    Raises:
        DatasetError: a file that cannot be read, or images that the model cannot take.
        MissingResultsError: the model cannot be loaded here.
        TrackingError: the MLflow store does not answer.
    """
    pictures = [Path(file) for file in files if Path(file).suffix.lower() != _ARCHIVE]
    read = iter(_pictures(model, pictures)) if pictures else iter(())
    images: list[NDArray[Any]] = []
    places: list[tuple[str, int | None]] = []
    for file in files:
        if Path(file).suffix.lower() == _ARCHIVE:
            found = _array(model, file)
            images.extend(found)
            places.extend((file, index) for index in range(len(found)))
        else:
            images.append(next(read))
            places.append((file, None))
    probabilities = model.probabilities(np.stack(images))
    names = model.class_names or tuple(str(code) for code in range(probabilities.shape[1]))
    return [_prediction(*place, row, names) for place, row in zip(places, probabilities, strict=True)]


def _prediction(file: str, index: int | None, row: NDArray[np.float32], names: Sequence[str]) -> Prediction:
    best, second = (int(code) for code in np.argsort(-row, kind="stable")[:2])
    return Prediction(
        file,
        index,
        name=names[best],
        probability=float(row[best]),
        next_name=names[second],
        next_probability=float(row[second]),
    )


def _pictures(model: TrackedModel, files: Sequence[Path]) -> NDArray[Any]:
    pixels, resized = read_images(files, model.shape)
    if resized:
        size = f"{model.shape[0]}×{model.shape[1]}"
        some = f"{resized[0]} was" if len(resized) == 1 else f"{len(resized)} images, such as {resized[0]}, were"
        logger.warning("%s resized to %s (height × width), the size that the model takes", some, size)
    if model.dtype == np.uint8 or model.values is None:
        return pixels.astype(model.dtype)
    low, high = model.values
    values = f"{low:g}…{high:g}"
    logger.warning("pixels of 0…255 were taken as %s, the values of the images that the model was trained on", values)
    scaled = low + pixels.astype(np.float64) / 255 * (high - low)
    return (np.rint(scaled) if model.dtype.kind in "ui" else scaled).astype(model.dtype)


def _array(model: TrackedModel, file: str) -> NDArray[Any]:
    name, given = read_unlabelled(file)
    images = checked_images(file, name, given)
    if images.shape[1:] != model.shape:
        raise DatasetError(
            f"{file}: {name} must hold images of {_by(model.shape)}, as the model was trained on, got "
            f"{_by(images.shape[1:])}; resize them, or give image files, which are resized"
        )
    kept = images.astype(model.dtype)
    if model.dtype.kind in "ui" and not np.array_equal(kept, images):
        limits = np.iinfo(model.dtype)
        raise DatasetError(
            f"{file}: {name} must hold whole numbers {limits.min}…{limits.max}, as the model was trained on, got "
            f"{images.min():g}…{images.max():g} of dtype {images.dtype}; give the images as they were for training"
        )
    return kept


def _by(shape: Sequence[int]) -> str:
    return "×".join(str(side) for side in shape) + " (height × width × channels)"
