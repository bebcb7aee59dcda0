"""Labelled image files: their heads, then their pixels, read by several threads and handed on part by part."""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hivenas.core.cores import usable_cores
from hivenas.core.nas.data.decoding import AnyFile, Colour, Header, PassingReadError, Target, read_header, read_pixels
from hivenas.core.nas.data.preparing import FETCHED, LOOKED_AT, READ, Preparing
from hivenas.core.nas.data.stored_images import Images, StoredImages
from hivenas.errors import DatasetError

LEAVE_OUT = "dataset.unread_images: leave_out"
_PART = 64  # files that a thread reads at a time, at the most …
_PART_BYTES = 2**24  # … and of so many bytes
_AHEAD = 2  # parts a thread that may be ready before they are taken
_FETCHED_PART = 4  # files that a thread fetches at a time
_FETCHERS = 16  # threads, which wait for answers more than they compute
Label = str | int | float
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Listing:
    """Labelled image files.

    Args:
        origin: the folder or file that they come from.
        files: by split, each with its label, in the order in which they are read.
        left_out: how many files are not read, by the reason.
        fetched: the folder to which files from elsewhere are fetched, to be removed when they have been read.
        are_classes: whether labels are classes, of each of which an image must be read.
    """

    origin: str
    files: Mapping[str, Sequence[tuple[AnyFile, Label]]]
    left_out: Mapping[str, int]
    fetched: Path | None = None
    are_classes: bool = True

    @property
    def all(self) -> list[AnyFile]:
        """The files of all splits, one split after another."""
        return [file for file, _ in itertools.chain.from_iterable(self.files.values())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form in which images are wanted.

    Args:
        size: height and width in pixels to which they are resized (bilinear); None: all must be of one size.
        background: what transparent pixels become.
        leave_out: whether images that cannot be read are left out instead of refused.
    """

    size: tuple[int, int] | None = None
    background: Colour = (255, 255, 255)
    leave_out: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The images of some files in a row.

    Args:
        start: position of the first among all files.
        pixels: (files, height, width, channels), zeros where a file cannot be read.
        read: which could be (files,).
        transparent: how many were laid over the background.
    """

    start: int
    pixels: NDArray[np.uint8]
    read: NDArray[np.bool_]
    transparent: int


@dataclass(frozen=True, slots=True)
class FileImages:
    """The images of labelled files.

    Args:
        arrays: uint8 images x_<split> (count, height, width, channels), one channel where every image is grey and three
            otherwise, and their labels y_<split>.
        left_out: how many files were not read, by the reason.
        transparent: how many images were laid over the background.
        kept: the beginning of the names of files in which what is computed of them may be kept; None for images that
            are not those of a copy.
    """

    arrays: Mapping[str, Any]
    left_out: Mapping[str, int]
    transparent: int
    kept: Path | None = None


class FileReader:
    """Reads the images of a listing; the heads of all files first, which say what form suits all.

    Files from elsewhere are fetched with their heads.

    Args:
        listing: the files.
        form: in which they are wanted.

    Raises:
        DatasetError: a file that cannot be read, images of several sizes.
    """

    def __init__(self, listing: Listing, form: Form) -> None:
        self.files = listing.all
        self._form = form
        self._headers = self._all_heads(listing)
        known = [(file, head) for file, head in zip(self.files, self._headers, strict=True) if head]
        size = form.size or (_common_size(known) if known else (1, 1))
        self.target = Target(size, all(head.grey for _, head in known), form.background)
        self.frames = sum(head.frames - 1 for _, head in known)
        self.step = max(1, min(_PART, _PART_BYTES // math.prod(self.target.shape)))

    @property
    def starts(self) -> range:
        """Positions of the first file of every part."""
        return range(0, len(self.files), self.step)

    def part(self, start: int) -> Part:
        """Reads the files from a position on, `step` of them.

        Raises:
            DatasetError: one of them cannot be read, and none is to be left out.
        """
        files = self.files[start : start + self.step]
        pixels, read = np.zeros((len(files), *self.target.shape), np.uint8), np.zeros(len(files), np.bool_)
        transparent = 0
        for index, file in enumerate(files):
            found = self._headers[start + index] and self._attempted(read_pixels, file, self.target)
            if found:
                (pixels[index], was_transparent), read[index] = found, True
                transparent += was_transparent
        return Part(start, pixels, read, transparent)

    def _all_heads(self, listing: Listing) -> list[Header | None]:
        fetched = listing.fetched
        found: list[Header | None] = []
        step, threads = (_FETCHED_PART, _FETCHERS) if fetched else (_PART, None)
        deed = FETCHED if fetched else LOOKED_AT
        with Preparing(listing.origin, "files of", len(self.files), fetched, deed=deed) as work:
            for part in in_threads(lambda start: self._heads(start, step), range(0, len(self.files), step), threads):
                found += part
                work.advance(len(part))
        return found

    def _heads(self, start: int, count: int) -> list[Header | None]:
        return [self._attempted(read_header, file) for file in self.files[start : start + count]]

    def _attempted(self, read: Callable[..., T], *arguments: Any) -> T | None:
        """The outcome of reading a file; None where it cannot be read, and is to be left out."""
        try:
            return read(*arguments)
        except PassingReadError:
            raise
        except DatasetError as error:
            if not self._form.leave_out:
                raise DatasetError(f"{error}, or leave out what cannot be read with {LEAVE_OUT}") from error
            return None


def read_directly(listing: Listing, form: Form) -> FileImages:
    """Reads all images of a listing into memory.

    Raises:
        DatasetError: a file that cannot be read or changes meanwhile, images of several sizes, a class of which none
            can be read.
    """
    before = stamps(listing.all)
    reader = FileReader(listing, form)
    pixels = np.empty((len(reader.files), *reader.target.shape), np.uint8)
    read, transparent = np.zeros(len(reader.files), np.bool_), 0
    with Preparing(listing.origin, "images of", len(reader.files), None, deed=READ) as work:
        for part in in_threads(reader.part, reader.starts):
            work.advance(len(part.read))
            rows = slice(part.start, part.start + len(part.read))
            pixels[rows], read[rows] = part.pixels, part.read
            transparent += part.transparent
    refuse_changed(listing, before, stamps(listing.all))
    return file_images(listing, pixels, read, transparent=transparent, frames=reader.frames)


def file_images(
    listing: Listing, pixels: NDArray[np.uint8], read: NDArray[np.bool_], *, transparent: int, frames: int
) -> FileImages:
    """The images of a listing by their splits.

    Args:
        listing: the files.
        pixels: of all of them (files, height, width, channels); of a memory map the images stay where they are.
        read: which files could be read (files,).
        transparent: how many were laid over the background.
        frames: further ones, or pages, that files have beside the one that is read.

    Raises:
        DatasetError: a class of which no image can be read.
    """
    arrays: dict[str, Any] = {}
    start = 0
    for split, labelled in listing.files.items():
        kept = np.flatnonzero(read[start : start + len(labelled)])
        labels = [labelled[position][1] for position in kept.tolist()]
        if listing.are_classes:
            _refuse_emptied(labelled, set(labels))
        arrays[f"x_{split}"] = _rows(pixels, start + kept)
        arrays[f"y_{split}"] = np.array(labels)
        start += len(labelled)
    unread = {"that cannot be read": int((~read).sum()), "further frames or pages": frames}
    return FileImages(arrays, +(Counter(listing.left_out) + Counter(unread)), transparent)


def _rows(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Images:
    if isinstance(pixels, np.memmap):
        return StoredImages(pixels, rows)
    # A view of some would keep the others.
    return pixels if len(rows) == len(pixels) else pixels[rows]


def _refuse_emptied(labelled: Sequence[tuple[AnyFile, Label]], read: set[Label]) -> None:
    emptied = next(((file, label) for file, label in labelled if label not in read), None)
    if emptied is None:
        return
    file, label = emptied
    if isinstance(file, Path) and file.parent.name == label:
        raise DatasetError(
            f"{file.parent}: a class folder must hold an image that can be read, got none; replace some or remove it"
        )
    raise DatasetError(
        f"{file}: every class must have an image that can be read, got none of class {label!r}; replace some or leave "
        "the class out"
    )


def in_threads(read: Callable[[T], U], parts: Iterable[T], threads: int | None = None) -> Iterator[U]:
    """Calls a function for each of several parts, a few ahead, and gives the results in their order.

    Decoders and resizing let other threads run, so threads are as fast as processes here, which a program without
    `if __name__ == "__main__"` could not start, and hand over pixels without a copy.

    Args:
        read: the function.
        parts: what it is given.
        threads: how many; None for one a core.
    """
    threads = threads or usable_cores()
    waiting: deque[Future[U]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="hivenas-images")
    try:
        for part in parts:
            waiting.append(pool.submit(read, part))
            if len(waiting) > _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


Stamps = NDArray[np.int64]


def stamps(files: Iterable[AnyFile]) -> Stamps:
    """Sizes in bytes and moments of the last change in nanoseconds (files, 2); −1 for a file that is not there."""
    return np.array([_stamp(file) for file in files], np.int64).reshape(-1, 2)


def _stamp(file: AnyFile) -> tuple[int, int]:
    if not isinstance(file, Path):
        return file.stamp()
    try:
        status = file.stat()
    except (OSError, ValueError):  # a name with a NUL
        return -1, -1
    return status.st_size, status.st_mtime_ns


def refuse_changed(listing: Listing, before: Stamps, after: Stamps) -> None:
    """Refuses files that were written or removed while they were read.

    Raises:
        DatasetError: names the first of them.
    """
    changed = np.flatnonzero((before != after).any(axis=1))
    if len(changed):
        raise DatasetError(
            f"{listing.origin}: files must not change while they are read, got {len(changed)} that did, such as "
            f"{listing.all[int(changed[0])]}; wait until nothing writes to it any more"
        )


def _common_size(headers: Sequence[tuple[AnyFile, Header]]) -> tuple[int, int]:
    (first, header), *others = headers
    for file, other in others:
        if other.size != header.size:
            raise DatasetError(
                f"images must be of one size, got {_by(header.size)} in {first} and {_by(other.size)} in {file} "
                "(height × width); set dataset.image_size: [height, width] to resize them"
            )
    return header.size


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
