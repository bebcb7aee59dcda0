"""The values that bytes of image files become; tests/test_serving.py asks real models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hivenas.api import predict
from hivenas.config.tasks import TASKS, LearningTask
from hivenas.errors import ConfigError, DatasetError
from hivenas.run.prediction import answer_images
from hivenas.tracking.models import TrackedModel, _scale

Scale = tuple[float, float]
PIXELS = np.array([[0, 51, 102], [118, 119, 255]], np.uint8)


@dataclass
class Remembered:
    """A stand-in for a model in a store: it keeps the images that it is asked about."""

    dtype: np.dtype[Any]
    scale: Scale | None
    values: Scale | None = (0.0, 255.0)
    background: tuple[int, int, int] | None = (255, 255, 255)
    shape: tuple[int, int, int] = (2, 3, 1)
    uri: str = "models:/mine/1"
    class_names: tuple[str, ...] = ("a", "b")
    task: LearningTask = TASKS["classify"]
    images: list[NDArray[Any]] = field(default_factory=list)

    def probabilities(self, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        self.images.append(np.stack(images))
        return np.tile(np.array([0.75, 0.25], np.float32), (len(images), 1))

    def asked(self, files: list[Path], scale: Scale | None = None) -> NDArray[Any]:
        """The images that the model was asked about for these files."""
        answer_images(cast(TrackedModel, self), [str(file) for file in files], scale)
        return self.images[-1]


def picture(folder: Path) -> Path:
    Image.fromarray(PIXELS).save(folder / "picture.png")
    return folder / "picture.png"


@pytest.mark.parametrize(
    ("dtype", "scale", "given", "expected"),
    [
        ("uint8", (0, 255), None, PIXELS),
        ("float32", (0, 255), None, PIXELS),
        ("uint16", (0, 255), None, PIXELS),
        ("float32", (0, 1), None, PIXELS / 255),
        ("float64", (-1, 1), None, PIXELS / 127.5 - 1),
        ("float32", (0, 16), None, PIXELS / 255 * 16),
        ("int16", (0, 1000), None, np.rint(PIXELS / 255 * 1000)),
        ("float32", None, (0, 255), PIXELS),
        ("float32", None, (-1, 1), PIXELS / 127.5 - 1),
        ("uint16", None, (0, 65535), PIXELS * 257.0),
        ("uint8", None, (0, 1), np.rint(PIXELS / 255)),
    ],
)
def test_bytes_become_what_they_were_in_the_training(
    tmp_path: Path, dtype: str, scale: Scale | None, given: Scale | None, expected: NDArray[Any]
) -> None:
    model = Remembered(np.dtype(dtype), scale)
    asked = model.asked([picture(tmp_path)], given)
    assert asked.dtype == dtype
    assert asked[0, ..., 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("values", [(0.0, 0.99), (-1.0, 1.0), (-2.1, 3.3), (0.0, 65535.0), (0.0, 1.0), None])
def test_a_model_that_does_not_say_what_bytes_are_is_not_guessed_about(tmp_path: Path, values: Scale | None) -> None:
    model = Remembered(np.dtype("float32"), None, values)
    with pytest.raises(DatasetError, match=r"picture.png: the model models:/mine/1 .* --scale LOW HIGH \(0 255"):
        model.asked([picture(tmp_path)])
    np.savez(tmp_path / "x.npz", images=PIXELS[np.newaxis].astype(np.float32))
    assert np.array_equal(model.asked([tmp_path / "x.npz"])[0, ..., 0], PIXELS)


def test_pixels_far_beyond_those_of_the_training_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Remembered(np.dtype("float32"), (0, 255), (0.0, 16.0)).asked([picture(tmp_path)])
    assert "pixels of up to 255 were taken as they are, where those of the training images end at 16" in caplog.text
    caplog.clear()
    Remembered(np.dtype("float32"), (0, 255), (0.0, 250.0)).asked([picture(tmp_path)])
    assert caplog.text == ""


def test_bytes_that_a_type_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="pixels must be at most 127, as the model takes int8, got 255"):
        Remembered(np.dtype("int8"), (0, 255)).asked([picture(tmp_path)])


@pytest.mark.parametrize(
    ("dtype", "scale", "says"),
    [
        ("uint8", (0, 1000), r"within 0…255, as the model takes uint8, got 0…1000; give others with --scale LOW HIGH"),
        ("uint8", (-10, 10), r"within 0…255, as the model takes uint8, got -10…10"),
        ("int16", (0, 65535), r"within -32768…32767, as the model takes int16, got 0…65535"),
        ("float16", (0, 1e5), r"within -65504…65504, as the model takes float16, got 0…100000"),
    ],
)
def test_values_that_a_type_cannot_hold_are_refused(tmp_path: Path, dtype: str, scale: Scale, says: str) -> None:
    for recorded, given in ((None, scale), (scale, None)):
        with pytest.raises(DatasetError, match=f"picture.png: the values of the bytes 0 and 255 must be {says}"):
            Remembered(np.dtype(dtype), recorded).asked([picture(tmp_path)], given)


@pytest.mark.parametrize(
    ("scale", "way_out"),
    [
        ((1, 0), "got 1 and 0; turn them"),
        ((2, 2), "got 2 and 2; give two that differ"),
        ((0, math.inf), "got 0 and inf; give finite ones"),
        ((math.nan, 1), "got nan and 1; give finite ones"),
        ((1, -math.inf), "got 1 and -inf; give finite ones"),
    ],
)
def test_what_is_no_scale_is_refused_with_a_way_out(tmp_path: Path, scale: Scale, way_out: str) -> None:
    with pytest.raises(ConfigError, match=way_out):
        predict("models:/mine/1", picture(tmp_path), scale=scale)


@pytest.mark.parametrize(
    ("scale", "images", "right"),
    [
        ((0, 1), PIXELS, False),
        ((0, 1), PIXELS / 255, True),
        ((0, 16), PIXELS, False),
        ((-1, 1), PIXELS / 127.5 - 1, True),
        ((0, 255), PIXELS / 255, False),
        ((0, 255), PIXELS / 2, True),
        ((0, 255), PIXELS > 100, True),
    ],
)
def test_arrays_that_are_not_as_they_were_for_training_are_refused(
    tmp_path: Path, scale: Scale, images: NDArray[Any], right: bool
) -> None:
    np.savez(tmp_path / "x.npz", images=images[np.newaxis].astype("uint8" if images.dtype == bool else images.dtype))
    model = Remembered(np.dtype("float32"), scale)
    if right:
        assert model.asked([tmp_path / "x.npz"])[0, ..., 0] == pytest.approx(images.astype(float))
    else:
        with pytest.raises(DatasetError, match=r"images must hold values of .*, as the model was trained on, got"):
            model.asked([tmp_path / "x.npz"])


@pytest.mark.parametrize(
    ("background", "channels", "expected"),
    [((255, 0, 0), 3, [255, 0, 0]), ((0, 0, 0), 1, [0]), (None, 3, [255, 255, 255]), ((255, 0, 0), 1, [76])],
)
def test_transparency_is_laid_over_the_background_of_the_training(
    tmp_path: Path,
    background: tuple[int, int, int] | None,
    channels: int,
    expected: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "icon.png"
    Image.new("RGBA", (3, 2), (10, 20, 30, 0)).save(file)
    model = Remembered(np.dtype("uint8"), (0, 255), background=background, shape=(2, 3, channels))
    assert model.asked([file])[0, 0, 0].tolist() == expected
    assert ("icon.png was laid over white where transparent" in caplog.text) == (background is None)


@pytest.mark.parametrize(
    ("known", "dtype", "scale"),
    [
        ({"scale": [0, 1], "lowest": 0, "highest": 0.7}, "float32", (0, 1)),
        ({"scale": None, "lowest": 0, "highest": 0.7}, "float32", None),
        ({}, "uint8", (0, 255)),
        ({}, "float32", None),
        ({"lowest": 0, "highest": 1}, "float32", (0, 1)),
        ({"lowest": 0, "highest": 119}, "float32", None),
        ({"lowest": -1, "highest": 1}, "float32", None),
        ({"lowest": 0, "highest": 1}, "int64", None),
        ({"name": "digits", "lowest": 0, "highest": 16}, "float32", (0, 16)),
    ],
)
def test_of_models_without_a_record_only_what_leaves_no_doubt_is_known(
    known: dict[str, Any], dtype: str, scale: Scale | None
) -> None:
    assert _scale(known, np.dtype(dtype)) == scale
