"""Images in files of one's own: an npz archive, or a folder of class folders."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps

from hivenas.config.text import nearest
from hivenas.core.nas.data.image_arrays import check_names
from hivenas.errors import DatasetError, first_line

SPLIT_FOLDERS: Mapping[str, str] = MappingProxyType(
    {"train": "train", "val": "val", "validation": "val", "test": "test"}
)
EXTENSIONS = ("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "gif", "webp", "tif", "tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
# Images that are not read: left out without a word, they would be missing from their class.
_OTHER_EXTENSIONS = ("avif", "heic", "heif", "ico", "jp2", "jxl", "pbm", "pgm", "pnm", "ppm", "psd", "svg", "tga")
_UNLABELLED = ("images", "x_test")
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def read_npz(path: str) -> dict[str, NDArray[Any]]:
    """Reads the arrays x_train, y_train[, x_val, y_val, x_test, y_test] of an npz file; never unpickles.

    Raises:
        DatasetError: a file that is missing, not an npz file or broken; names of other arrays; arrays of objects.
    """
    file = Path(path).expanduser()
    with _archive(file, "dataset.path") as archive:
        check_names(str(file), archive)
        return {name: _member(file, archive, name) for name in archive}


def read_unlabelled(path: str) -> tuple[str, NDArray[Any]]:
    """Reads the images of an npz file that are to be classified: `images`, else `x_test`, else the only array.

    Returns:
        The array's name and the array.

    Raises:
        DatasetError: a file that is missing, not an npz file or broken; several arrays of other names.
    """
    file = Path(path).expanduser()
    with _archive(file, "a file of images") as archive:
        given = list(archive)
        chosen = [name for name in _UNLABELLED if name in given] or given
        if len(given) != 1 and chosen == given:
            raise DatasetError(
                f"{file}: there must be one array, or one of the name {' or '.join(_UNLABELLED)}, got "
                f"{', '.join(given) or 'none'}; rename the one to classify"
            )
        return chosen[0], _member(file, archive, chosen[0])


@contextlib.contextmanager
def _archive(file: Path, what: str) -> Iterator[Mapping[str, Any]]:
    try:
        # Opened here, as numpy leaves a broken file open.
        with file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise TypeError("it holds a single array")
            with archive:
                yield archive
    except DatasetError:
        raise
    except Exception as error:  # what numpy raises depends on what the file is instead
        raise DatasetError(
            f"{file}: {what} must be an npz file, got one that cannot be opened ({first_line(error)}); write it "
            "with numpy.savez_compressed"
        ) from error


def _member(file: Path, archive: Mapping[str, Any], name: str) -> NDArray[Any]:
    try:
        array = archive[name]
    except Exception as error:  # what it raises depends on where the archive is broken
        raise DatasetError(
            f"{file}: {name} must be an array of numbers or text, got one that cannot be read ({first_line(error)}); "
            "save objects with .astype(str) or as numbers"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DatasetError(f"{file}: {name} must be an array, got another file; write it with numpy.savez_compressed")
    return array


@dataclass(frozen=True, slots=True)
class _Header:
    """The head of an image file: all that it says of its image before the pixels are decoded."""

    size: tuple[int, int]
    grey: bool


def read_image_folder(path: str, image_size: tuple[int, int] | None) -> dict[str, NDArray[Any]]:
    """Reads class folders of images, or train[, val, test] with class folders in each, in alphabetical order.

    Args:
        path: the folder. Hidden files and those that are no images by their extension are ignored; images are turned
            as their EXIF data say.
        image_size: height and width in pixels to which images are resized (bilinear); None: all must be of one size.

    Returns:
        uint8 images x_<split> (count, height, width, channels), one channel where every image is grey and three
        otherwise, and their folders' names y_<split>.

    Raises:
        DatasetError: folders of another layout, an image that cannot be read, images of several sizes.
    """
    root = Path(path).expanduser()
    files = {split: _class_files(folder) for split, folder in _split_folders(root).items()}
    headers = {file: _header(file) for labelled in files.values() for file, _ in labelled}
    size = image_size or _common_size(headers)
    mode = "L" if all(header.grey for header in headers.values()) else "RGB"
    arrays: dict[str, NDArray[Any]] = {}
    for split, labelled in files.items():
        arrays[f"x_{split}"] = _pixels([file for file, _ in labelled], size, mode)
        arrays[f"y_{split}"] = np.array([label for _, label in labelled], dtype=np.str_)
    return arrays


def read_images(files: Sequence[Path], shape: tuple[int, int, int]) -> tuple[NDArray[np.uint8], list[Path]]:
    """Reads single images as those of class folders are read: turned upright, in given colours and size.

    Args:
        files: the images.
        shape: height and width in pixels, and 1 channel for grey or 3 for RGB.

    Returns:
        The images (count, height, width, channels), and the files whose images were resized (bilinear).

    Raises:
        DatasetError: an image that cannot be read.
    """
    size, mode = (shape[0], shape[1]), "L" if shape[2] == 1 else "RGB"
    resized = [file for file in files if _header(file).size != size]
    return _pixels(files, size, mode), resized


def _split_folders(root: Path) -> dict[str, Path]:
    folders = _subfolders(root)
    # A class may be called train: only folders of folders are splits.
    if not (root / "train" in folders and _subfolders(root / "train")):
        return {"train": root}
    names = [folder.name for folder in folders]
    for name in names:
        if name not in SPLIT_FOLDERS:
            raise DatasetError(
                f"{root}: beside train there may be {', '.join(list(SPLIT_FOLDERS)[1:])}, got the folder {name!r}"
                f"{nearest(name, SPLIT_FOLDERS)}; rename it or move it away"
            )
    if {"val", "validation"} <= set(names):
        raise DatasetError(f"{root}: there must be one validation split, got val and validation; remove one of them")
    return {SPLIT_FOLDERS[folder.name]: folder for folder in folders}


def _class_files(folder: Path) -> list[tuple[Path, str]]:
    """The image files of every class folder, with its name."""
    classes = _subfolders(folder)
    if not classes:
        raise DatasetError(
            f"{folder}: there must be class folders in it, got none; put the images of each class into a folder of its "
            "own"
        )
    return [(file, sub.name) for sub in classes for file in _image_files(sub)]


def _image_files(folder: Path) -> list[Path]:
    entries = _entries(folder)
    inner = [entry.name for entry in entries if entry.is_dir()]
    if inner:
        raise DatasetError(
            f"{folder}: a class folder must hold images, got the folder {inner[0]!r} in it; move its images up, or "
            "name the folders of the splits train, val and test"
        )
    for entry in entries:
        if _extension(entry) in _OTHER_EXTENSIONS:
            raise DatasetError(
                f"{entry}: images must be {', '.join(EXTENSIONS)}, got {entry.suffix}; convert it or move it away"
            )
    files = [entry for entry in entries if _extension(entry) in EXTENSIONS]
    if not files:
        raise DatasetError(
            f"{folder}: a class folder must hold images ({', '.join(EXTENSIONS)}), got none; add some or remove it"
        )
    return files


def _extension(file: Path) -> str:
    return file.suffix.lower().lstrip(".")


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, by code point: the order must not depend on the machine."""
    try:
        return sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{folder}: dataset.path must be a folder that can be read, got {error.strerror}; correct the path"
        ) from error


def _header(file: Path) -> _Header:
    with _opened(file) as image:
        # Pillow would silently keep the upper 8 bits of a colour PNG or TIFF of 16 bits.
        sixteen = any(";16" in str(tile[3]) for tile in image.tile)
        if sixteen or image.mode not in _GREY_MODES + _COLOUR_MODES:
            raise DatasetError(
                f"{file}: images must have 8 bits a channel, got {'16 bits' if sixteen else f'mode {image.mode}'}; "
                "convert it, or give the pixels as they are in an npz file"
            )
        _turn_upright(image)
        return _Header((image.height, image.width), image.mode in _GREY_MODES)


def _common_size(headers: Mapping[Path, _Header]) -> tuple[int, int]:
    (first, header), *others = headers.items()
    for file, other in others:
        if other.size != header.size:
            raise DatasetError(
                f"images must be of one size, got {_by(header.size)} in {first} and {_by(other.size)} in {file} "
                "(height × width); set dataset.image_size: [height, width] to resize them"
            )
    return header.size


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _pixels(files: Sequence[Path], size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    pixels = np.empty((len(files), *size, 1 if mode == "L" else 3), np.uint8)
    for target, file in zip(pixels, files, strict=True):
        with _opened(file) as opened:
            _turn_upright(opened)
            # A palette may hold transparency, which only RGBA can take over.
            image = (opened.convert("RGBA") if opened.mode == "P" else opened).convert(mode)
            if (image.height, image.width) != size:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            target[...] = np.asarray(image).reshape(target.shape)
    return pixels


def _turn_upright(image: ImageFile.ImageFile) -> None:
    """Turns the pixels as the file's EXIF data say that the camera was held."""
    # Pillow would decode a whole PNG to look for EXIF data behind its pixels.
    if image.format == "PNG" and "exif" not in image.info:
        return
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[ImageFile.ImageFile]:
    try:
        with Image.open(file, formats=_FORMATS) as image:
            yield image
    except DatasetError:
        raise
    except Exception as error:  # what a decoder raises depends on where the file is broken
        raise DatasetError(f"{file}: the image cannot be read ({first_line(error)}); replace or remove it") from error
