"""A trained model as MLflow's scoring server calls it: of arrays, of tables and of pictures; with names of its answers.

This file goes along with the model and is imported where hivenas need not be, so it imports nothing of it. What it does
to a picture is what `hivenas predict` does to a file.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

NETWORK, KNOWN = "model.keras", "images.json"
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "ICO", "WEBP", "TIFF")
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_GREY_STEPS = {"L;2": 85, "L;4": 17}
_OPAQUE = 255
_EXIF_IN_PNG = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}
_BATCH = 32  # that of Keras' `predict`


def parameters(known: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request to a model, with what they are where it has none.

    Args:
        known: what goes along with the model, see `PictureServer`.
    """
    one = known.get("answer", "class")
    names = {f"{one}_names": False} if one else {}
    return {"top_k": 0, **names, **({"likely": False} if known.get("threshold") is not None else {})}


class PictureServer:
    """A model that takes images in whatever form they come.

    Args:
        network: from raw images to probabilities, or to a number.
        known: of its images `scale`, the values that stand for the bytes 0 and 255, and `background`, what transparent
            pixels become; `class_names`, or `label_names`, in the order of the probabilities. Each may be None. Of
            other answers than classes `answer`, "label", or empty for a number, and `threshold`, the probability above
            which an image has a label.
    """

    def __init__(self, network: keras.Model, known: Mapping[str, Any]) -> None:
        self._network = network
        (raw,) = network.inputs
        self._shape: tuple[int, int, int] = tuple(raw.shape[1:])
        self._dtype = np.dtype(raw.dtype)
        self._scale = known.get("scale")
        self._background = tuple(known.get("background") or (255, 255, 255))
        self._one = known.get("answer", "class")
        self._threshold = known.get("threshold")
        self._names = known.get(f"{self._one}_names")
        self._parameters = parameters(known)

    def predict(self, given: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The answers to images.

        Args:
            given: an array (count, height, width, channels); texts, each an image file (png, jpg …) in base64; a table
                or mapping of one column of either.
            params: `top_k`, how many classes or labels are answered, best first, 0 for all in their order;
                `class_names` or `label_names`, whether by name; `likely`, whether only the labels that an image has,
                best first.

        Returns:
            Probabilities (count, classes) or (count, labels), or numbers (count, 1); with `class_names` or
            `label_names` for each image those by name; with `top_k` or `likely` for each image a list of such classes
            or labels with their probabilities.

        Raises:
            ValueError: these are no images of the model's, or there are no such answers.
        """
        asked = {**self._parameters, **(params or {})}
        if asked["top_k"] < 0:
            raise ValueError(f"top_k must be 0 or more, got {asked['top_k']}; leave it out for all probabilities")
        if asked["top_k"] and not self._one:
            raise ValueError(f"top_k must be 0 for a model that answers a number, got {asked['top_k']}; leave it out")
        answers = self._answers(self._images(_column(given)))
        names: Sequence[Any] = range(answers.shape[1])
        is_named = bool(asked.get(f"{self._one}_names"))
        if is_named:
            names = self._names or [str(code) for code in names]
        if asked["top_k"] or asked.get("likely"):
            least = self._threshold if asked.get("likely") else None
            return [self._best(row, names, asked["top_k"] or len(row), least) for row in answers]
        if is_named:
            return [dict(zip(names, row.tolist(), strict=True)) for row in answers]
        return answers

    def _answers(self, images: NDArray[Any]) -> NDArray[Any]:
        """The answers of Keras' `predict`, to the last bit, without what that sets up for each call."""
        batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        return np.concatenate([np.asarray(self._network.predict_on_batch(batch)) for batch in batches])

    def _best(self, row: NDArray[Any], names: Sequence[Any], count: int, least: float | None) -> list[dict[str, Any]]:
        order = np.argsort(-row, kind="stable")[:count]
        likely = [code for code in order if least is None or row[code] > least]
        return [{self._one: names[code], "probability": float(row[code])} for code in likely]

    def _images(self, given: Any) -> NDArray[Any]:
        """Images, of what is one array of them, or a sequence of arrays and pictures."""
        # Arrays of anything are those of a table's column, or of what another array could not hold.
        is_loose = isinstance(given, np.ndarray) and given.dtype.kind == "O"
        values = _numbers(given.tolist() if is_loose else given)
        if isinstance(values, np.ndarray) and values.dtype.kind not in "US":
            return self._array(values)
        if not len(values):
            raise ValueError("there must be an image, got none; give one")
        return np.concatenate([self._image(each) for each in values])

    def _image(self, given: Any) -> NDArray[Any]:
        """One image, as a batch of one."""
        if isinstance(given, str | bytes):
            return self._picture(given)[np.newaxis]
        return self._array(np.asarray(_numbers(given))[np.newaxis])

    def _array(self, images: NDArray[Any]) -> NDArray[Any]:
        """An array of the model's own type, where that has its values."""
        if images.ndim != 4 or images.shape[1:] != self._shape or not len(images):
            raise ValueError(
                f"images must be an array of (count, {', '.join(map(str, self._shape))}), or image files in base64, "
                f"got the shape {images.shape}; bring them to that size"
            )
        if images.dtype.kind not in "buif":
            raise ValueError(f"images must be numbers, got {images.dtype}; give numbers")
        with np.errstate(all="ignore"):
            kept: NDArray[Any] = images.astype(self._dtype, copy=False)
            # Decimal numbers become the nearest ones, as JSON's always do.
            rounds = self._dtype.kind == "f" and images.dtype.kind == "f"
            is_held = np.isfinite(kept).all() if rounds else kept is images or np.array_equal(kept, images)
        if not is_held:
            raise ValueError(
                f"images must have values that {self._dtype} holds, got {images.min()} … {images.max()} of "
                f"{images.dtype}; give them as they were for training"
            )
        self._refuse_others(images)
        return kept

    def _refuse_others(self, images: NDArray[Any]) -> None:
        """Refuses bytes where the model was trained on scaled values, or the other way round."""
        if self._scale is None:
            return
        low, high = self._scale
        most = float(images.max())
        is_scaled = (low, high) == (0, 255) and most <= 1 and not np.array_equal(images, np.rint(images))
        if is_scaled or ((low, high) != (0, 255) and most > high + (high - low)):
            raise ValueError(
                f"images must have values of {low:g} … {high:g}, as the model was trained on, got {images.min():g} … "
                f"{most:g}; give them as they were for training"
            )

    def _picture(self, given: str | bytes) -> NDArray[Any]:
        """The pixels of an image file as the values that stood for such in the training."""
        pixels = _pixels(_decoded(given), self._shape, self._background)
        if self._scale is None:
            raise ValueError(
                "pictures need a model that says what their bytes 0 … 255 are among its values, got one that does not; "
                "give arrays, or set dataset.scale for models to come"
            )
        low, high = self._scale
        if (low, high) == (0, 255):
            if self._dtype.kind in "ui" and pixels.max() > np.iinfo(self._dtype).max:
                raise ValueError(
                    f"pixels must be at most {np.iinfo(self._dtype).max}, as the model takes {self._dtype}, got "
                    f"{pixels.max()}; give arrays of its values"
                )
            return pixels.astype(self._dtype)
        scaled = low + pixels.astype(np.float64) / 255 * (high - low)
        values: NDArray[Any] = np.rint(scaled) if self._dtype.kind in "ui" else scaled
        return values.astype(self._dtype)


def _load_pyfunc(path: str) -> PictureServer:
    """The model of a folder, as MLflow asks for it."""
    known = json.loads((Path(path) / KNOWN).read_text(encoding="utf-8"))
    return PictureServer(keras.saving.load_model(Path(path) / NETWORK, compile=False), known)


def _column(given: Any) -> Any:
    """The values of the only column of a table or a mapping; all else as it is."""
    columns = list(given.columns) if hasattr(given, "columns") else list(given) if isinstance(given, Mapping) else None
    if columns is None:
        return given
    if len(columns) != 1:
        raise ValueError(f"a table of images must have one column, got {len(columns)}; name it image")
    column = given[columns[0]]
    return column.tolist() if hasattr(given, "columns") else column


def _numbers(given: Any) -> Any:
    """Nested lists as an array, where they are one of numbers; all else as it is."""
    try:
        values = np.asarray(given)
    except ValueError:  # of lists that are not alike
        return given
    return values if values.dtype.kind in "buif" else given


def _decoded(given: str | bytes) -> bytes:
    """The bytes of a file in base64, perhaps behind `data:image/png;base64,`."""
    text = given if isinstance(given, str) else given.decode("ascii", "replace")
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"a picture must be an image file in base64, got {text[:20]!r}… ({error})") from None


def _pixels(content: bytes, shape: tuple[int, int, int], background: tuple[int, ...]) -> NDArray[np.uint8]:
    """The pixels of an image file: turned upright, laid over the background, in grey or RGB, resized (bilinear)."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            kinds = [str(tile[3]) for tile in image.tile]
            bits = getattr(image, "tag_v2", {}).get(258, ()) if image.format == "TIFF" else ()
            if any(";16" in kind for kind in kinds) or max(bits, default=8) > 8 or image.mode not in _MODES:
                raise ValueError(f"images must have 8 bits a channel, got mode {image.mode}; convert it")
            step = next((_GREY_STEPS[kind] for kind in kinds if kind in _GREY_STEPS), 1)
            if step > 1 and isinstance(image.info.get("transparency"), int):
                image.info["transparency"] *= step
            has_exif = image.format != "PNG" or image.info.keys() & _EXIF_IN_PNG  # as it was for training
            if has_exif and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                ImageOps.exif_transpose(image, in_place=True)
            upright = _laid_over(image, background).convert("L" if shape[2] == 1 else "RGB")
    except ValueError:
        raise
    except Exception as error:  # what a decoder raises depends on where the file is broken
        raise ValueError(f"the picture cannot be read ({type(error).__name__}: {error}); give another") from None
    if (upright.height, upright.width) != shape[:2]:
        upright = upright.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(upright).reshape(shape)


def _laid_over(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """The image without transparency; opaque ones keep their values to the last bit."""
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode != "P" and not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema()[0] == _OPAQUE:
        return layer
    ground = Image.new("RGBA", layer.size, (*background[:3], _OPAQUE))
    ground.alpha_composite(layer)
    return ground
