"""Images in files of one's own: an npz archive, or a folder of class folders."""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.class_folders import LEAVE_OUT, Listing, list_images
from hivenas.core.nas.data.decoding import Colour, Header, Target, read_header, read_pixels
from hivenas.core.nas.data.image_arrays import check_names
from hivenas.errors import DatasetError, first_line

_UNLABELLED = ("images", "x_test")
_NPY = b"\x93NUMPY"


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
            if stream.peek(len(_NPY))[: len(_NPY)] != _NPY and not zipfile.is_zipfile(stream):
                raise ValueError("it is no zip archive")  # numpy would say that it holds pickled data
            stream.seek(0)
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
class FolderImages:
    """The images of class folders.

    Args:
        arrays: uint8 images x_<split> (count, height, width, channels), one channel where every image is grey and three
            otherwise, and their folders' names y_<split>.
        left_out: how many files were not read, by the reason.
        transparent: how many images were laid over the background.
    """

    arrays: Mapping[str, NDArray[Any]]
    left_out: Mapping[str, int]
    transparent: int


def read_image_folder(
    path: str,
    image_size: tuple[int, int] | None,
    *,
    background: Colour = (255, 255, 255),
    leave_out: bool = False,
    listing: Listing | None = None,
) -> FolderImages:
    """Reads class folders of images, or train[, val, test] with class folders in each, in alphabetical order.

    Args:
        path: the folder, see `list_images`; images are turned as their EXIF data say.
        image_size: height and width in pixels to which images are resized (bilinear); None: all must be of one size.
        background: what transparent pixels become.
        leave_out: whether images that cannot be read are left out instead of refused.
        listing: the images and their labels; None for those of class folders.

    Raises:
        DatasetError: folders of another layout, an image that cannot be read, images of several sizes.
    """
    is_table = listing is not None
    listing = listing or list_images(Path(path).expanduser(), leave_out=leave_out)
    left_out = Counter(listing.left_out)
    headers: dict[Path, Header] = {}
    for file, _ in itertools.chain.from_iterable(listing.files.values()):
        with _left_out(left_out, leave_out):
            headers[file] = read_header(file)
    left_out["further frames or pages"] += sum(header.frames - 1 for header in headers.values())
    size = image_size or (_common_size(headers) if headers else (1, 1))
    target = Target(size, all(header.grey for header in headers.values()), background)
    arrays: dict[str, NDArray[Any]] = {}
    transparent = 0
    for split, labelled in listing.files.items():
        pixels = np.empty((len(labelled), *target.shape), np.uint8)
        labels: list[str] = []
        for file, label in labelled:
            with _left_out(left_out, leave_out):
                if file in headers:
                    pixels[len(labels)], was_transparent = read_pixels(file, target)
                    transparent += was_transparent
                    labels.append(label)
        read = set(labels)
        emptied = next((file.parent for file, label in labelled if label not in read and not is_table), None)
        if emptied:
            raise DatasetError(
                f"{emptied}: a class folder must hold an image that can be read, got none; replace some or remove it"
            )
        arrays[f"x_{split}"], arrays[f"y_{split}"] = pixels[: len(labels)], np.array(labels, dtype=np.str_)
    return FolderImages(arrays, +left_out, transparent)


def read_images(
    files: Sequence[Path], shape: tuple[int, int, int], background: Colour
) -> tuple[NDArray[np.uint8], list[Path], list[Path]]:
    """Reads single images as those of class folders are read: turned upright, in given colours and size.

    Args:
        files: the images.
        shape: height and width in pixels, and 1 channel for grey or 3 for RGB.
        background: what transparent pixels become.

    Returns:
        The images (count, height, width, channels), the files whose images were resized (bilinear), and those that
        were laid over the background.

    Raises:
        DatasetError: an image that cannot be read.
    """
    target = Target((shape[0], shape[1]), shape[2] == 1, background)
    resized = [file for file in files if read_header(file).size != target.size]
    pixels, transparent = np.empty((len(files), *target.shape), np.uint8), []
    for index, file in enumerate(files):
        pixels[index], was_transparent = read_pixels(file, target)
        transparent += [file] if was_transparent else []
    return pixels, resized, transparent


@contextlib.contextmanager
def _left_out(counts: Counter[str], leave_out: bool) -> Iterator[None]:
    """Counts an image that cannot be read, where it is to be left out."""
    try:
        yield
    except DatasetError as error:
        if not leave_out:
            raise DatasetError(f"{error}, or leave out what cannot be read with {LEAVE_OUT}") from error
        counts["that cannot be read"] += 1


def _common_size(headers: Mapping[Path, Header]) -> tuple[int, int]:
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
