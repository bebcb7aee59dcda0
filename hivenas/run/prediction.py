"""Image files answered by a trained model, prepared as the images that it was trained on."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.image_arrays import checked_images
from hivenas.core.nas.data.image_files import read_images
from hivenas.core.nas.data.npz_files import read_unlabelled
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.core.nas.data.values import BYTES, Scale, is_whole
from hivenas.errors import ConfigError, DatasetError
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.tracking.models import TrackedModel

_ARCHIVE = ".npz"
_WHITE = (255, 255, 255)

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

    head: ClassVar[tuple[str, ...]] = ("image", "class", "probability", "next best", "probability")

    def to_json(self) -> str:
        """A line of JSON, with the class names under `class` and `next`."""
        renamed = {"name": "class", "next_name": "next"}
        return json_line({renamed.get(key, key): value for key, value in asdict(self).items()})

    def cells(self) -> list[str]:
        """A line of a table: image, class, probability, next best class and its probability."""
        return [
            place_of(self.file, self.index),
            self.name,
            f"{self.probability:.4f}",
            self.next_name,
            f"{self.next_probability:.4f}",
        ]


class Answer(Protocol):
    """The answer to an image, whatever the task of the model.

    Attributes:
        file: where the image came from, as given.
        index: its place in an npz file; None for an image file.
        head: of a table of answers.
    """

    @property
    def file(self) -> str:
        """The origin of the image, as given."""
        ...

    @property
    def index(self) -> int | None:
        """Its place in an npz file; None for an image file."""
        ...

    @property
    def head(self) -> tuple[str, ...]:
        """The head of a table of answers."""
        ...

    def to_json(self) -> str:
        """A line of JSON."""
        ...

    def cells(self) -> list[str]:
        """A line of a table."""
        ...


# From an image's file and place, what it was answered (outputs,) and the outputs' names.
MakesAnswer = Callable[[str, "int | None", NDArray[np.float32], Sequence[str]], Answer]


def json_line(fields: Mapping[str, Any]) -> str:
    """A line of JSON of the fields that have a value."""
    data = {key: value for key, value in fields.items() if value is not None}
    # A file's name may have bytes that are no Unicode: as JSON escapes they are what Python knows the file by.
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def place_of(file: str, index: int | None) -> str:
    """An image for people: its file, and its place in that."""
    return file if index is None else f"{file}[{index}]"


def check_scale(scale: Scale) -> None:
    """Refuses what cannot be the values of the bytes 0 and 255.

    Args:
        scale: as it was given.

    Raises:
        ConfigError: they are not two finite numbers, the lower first.
    """
    low, high = scale
    if not all(map(math.isfinite, scale)):
        way_out = "give finite ones"
    elif low < high:
        return
    else:
        way_out = "turn them" if high < low else "give two that differ"
    raise ConfigError(
        f"scale must be the values of the bytes 0 and 255, the lower first, got {low:g} and {high:g}; {way_out}"
    )


def answer_images(model: TrackedModel, files: Sequence[str], scale: Scale | None = None) -> list[Answer]:
    """Has a model answer the images of files, in their order: classifies them, by the usual task.

    Image files are read as a folder of classes is: turned upright, laid over the background of the training, in the
    model's colours, resized (bilinear) to its size. Their bytes are taken as they are where the model was trained on
    bytes, and become the values that stood for them where that is recorded. Arrays of an npz file are taken as they
    are.

    Args:
        model: that answers.
        files: image files, and npz files with an array `images`, `x_test`, or a single one.
        scale: the values that stand for the bytes 0 and 255; None for those that are recorded with the model.

    Raises:
        DatasetError: a file that cannot be read, images that the model cannot take, or a model that does not say what
            bytes are among its values.
        MissingResultsError: the model cannot be loaded here.
        TrackingError: the MLflow store does not answer.
    """
    pictures = [Path(file) for file in files if Path(file).suffix.lower() != _ARCHIVE]
    read = iter(_pictures(model, pictures, scale)) if pictures else iter(())
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
    probabilities = model.probabilities(images)
    names = model.class_names or tuple(str(code) for code in range(probabilities.shape[1]))
    answer: MakesAnswer = model.task.piece("prediction")
    return [answer(*place, row, names) for place, row in zip(places, probabilities, strict=True)]


def class_of(file: str, index: int | None, row: NDArray[np.float32], names: Sequence[str]) -> Prediction:
    """The most probable class of an image, and the next.

    Args:
        file: where the image came from.
        index: its place in an npz file; None for an image file.
        row: the probability of every class (classes,).
        names: of the classes.
    """
    best, second = (int(code) for code in np.argsort(-row, kind="stable")[:2])
    return Prediction(
        file,
        index,
        name=names[best],
        probability=float(row[best]),
        next_name=names[second],
        next_probability=float(row[second]),
    )


def _pictures(model: TrackedModel, files: Sequence[Path], scale: Scale | None) -> NDArray[Any]:
    pixels, resized, transparent = read_images(files, model.shape, model.background or _WHITE)
    if resized:
        size = f"{model.shape[0]}×{model.shape[1]}"
        logger.warning("%s resized to %s (height × width), the size that the model takes", _some(resized), size)
    if transparent and model.background is None:
        logger.warning("%s laid over white where transparent; the model does not say over what", _some(transparent))
    low, high = _known_scale(model, files[0], scale)
    if (low, high) == BYTES:
        return _bytes(model, files, pixels)
    _refuse_beyond(model, files[0], low, high)
    values = f"{low:g}…{high:g}"
    logger.warning("pixels of 0…255 were taken as %s, the values of the images that the model was trained on", values)
    return _scaled(pixels, low, high, model.dtype)


def _refuse_beyond(model: TrackedModel, file: Path, low: float, high: float) -> None:
    """Refuses values that the model's type cannot hold: whole numbers would wrap around, others be infinite."""
    limits = np.iinfo(model.dtype) if model.dtype.kind in "ui" else np.finfo(model.dtype)
    lowest, highest = float(limits.min), float(limits.max)
    if not lowest <= low <= high <= highest:
        raise DatasetError(
            f"{file}: the values of the bytes 0 and 255 must be within {lowest:g}…{highest:g}, as the model takes "
            f"{model.dtype}, got {low:g}…{high:g}; give others with --scale LOW HIGH"
        )


def _scaled(pixels: NDArray[np.uint8], low: float, high: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Pixels with the values low…high in the place of 0…255; one image at a time is held in 64 bits."""
    images = np.empty(pixels.shape, dtype)
    for target, image in zip(images, pixels, strict=True):
        scaled = low + image.astype(np.float64) / 255 * (high - low)
        target[...] = np.rint(scaled) if dtype.kind in "ui" else scaled
    return images


def _known_scale(model: TrackedModel, file: Path, given: Scale | None) -> Scale:
    """The values that stand for the bytes 0 and 255: those that were given, or else recorded with the model."""
    scale = given or model.scale
    if scale is None:
        trained = f"{model.values[0]:g}…{model.values[1]:g} of " if model.values else ""
        raise DatasetError(
            f"{file}: the model {model.uri} was trained on values {trained}{model.dtype}, and what the bytes 0…255 of "
            "image files are among them is not recorded; give the values of 0 and 255 with --scale LOW HIGH (0 255: as "
            "they are), or the arrays in an npz file; for models to come set dataset.scale"
        )
    return scale


def _bytes(model: TrackedModel, files: Sequence[Path], pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels as they are; what the model's type cannot hold, or has never seen the like of, is not passed over."""
    highest = int(pixels.max())
    if model.dtype.kind in "ui" and highest > np.iinfo(model.dtype).max:
        raise DatasetError(
            f"{files[0]}: pixels must be at most {np.iinfo(model.dtype).max}, as the model takes {model.dtype}, got "
            f"{highest}; give the values of the bytes 0 and 255 with --scale LOW HIGH"
        )
    if model.values and model.values[1] < BYTES[1] / 2 and highest > 2 * model.values[1]:
        logger.warning(
            "pixels of up to %d were taken as they are, where those of the training images end at %g; if other values "
            "stood for 0 and 255 there, give them with --scale LOW HIGH",
            highest,
            model.values[1],
        )
    return pixels.astype(model.dtype)


def _some(files: Sequence[Path]) -> str:
    return f"{files[0]} was" if len(files) == 1 else f"{number_of(len(files), 'image')}, such as {files[0]}, were"


def _array(model: TrackedModel, file: str) -> NDArray[Any]:
    name, given = read_unlabelled(file)
    images = in_memory(checked_images(file, name, given))
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
    _check_values(model, file, name, images)
    return kept


def _check_values(model: TrackedModel, file: str, name: str, images: NDArray[Any]) -> None:
    """Refuses arrays that are bytes where the model was trained on scaled values, or the other way round."""
    if model.scale is None:
        return
    low, high = model.scale
    if model.scale == BYTES:
        are_others = float(images.max()) <= 1 and not is_whole(images)
    else:
        are_others = float(images.max()) > high + (high - low)
    if are_others:
        raise DatasetError(
            f"{file}: {name} must hold values of {low:g}…{high:g}, as the model was trained on, got "
            f"{images.min():g}…{images.max():g} of dtype {images.dtype}; give the images as they were for training"
        )


def _by(shape: Sequence[int]) -> str:
    return "×".join(str(side) for side in shape) + " (height × width × channels)"
