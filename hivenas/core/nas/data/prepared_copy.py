"""The prepared copy of image files: decoded once, as numpy's own .npy, which all workers of a machine map into memory.

A copy is a folder of its own, named by a digest of where the files are, what they are called, how large they are and in
what form they are wanted. What it is made of comes in parts, each noted in a journal with a digest once it is written,
so that a process that was killed is gone on with; the manifest comes last, and without it nothing is a copy.

Why .npy: training takes images in an order drawn anew for every epoch, so a row must be found without reading others,
and without being decoded. A .npy file is a head and the rows; numpy reads it, maps it, and needs nothing else. zarr and
parquet (pyarrow) hold chunks that are read and decompressed whole for a single image of them, and each process keeps
its own, see the table in docs/how-to/data.md; arrayrecord finds single records, but copies each through its own
buffers. All are further dependencies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.files import cut_torn_line, disk_full_said, written_whole
from hivenas.core.folder import write_atomically
from hivenas.core.lock import BusyError, locked
from hivenas.core.nas.data.decoding import AnyFile
from hivenas.core.nas.data.image_table import is_elsewhere
from hivenas.core.nas.data.labelled_files import (
    FileImages,
    FileReader,
    Form,
    Listing,
    Part,
    Stamps,
    file_images,
    in_threads,
    refuse_changed,
    stamps,
)
from hivenas.core.nas.data.placement import sweep_copies, written_to
from hivenas.core.nas.data.preparing import Preparing
from hivenas.errors import DatasetError, DiskFullError

VERSION = 3  # of the folder's content and of how images are decoded
_DIGEST = 16  # bytes of a digest, and characters of one in a name
_MTIME = 1  # column of stamps
# What files raise that a power failure has cut off, or filled with zeros.
_SPOILT = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)

logger = logging.getLogger("hivenas")


class PreparedCopy:
    """The copy of a listing's images.

    Args:
        cache: the folder of all copies.
        listing: the files.
        form: in which they are wanted.
    """

    def __init__(self, cache: Path, listing: Listing, form: Form) -> None:
        self._listing, self._form = listing, form
        self._files = listing.all
        self._stamps = stamps(self._files)
        self.path = cache / _key(listing, form, self._stamps)
        # A name of its own for every state of the files: whoever reads an older manifest finds its images or none.
        state = hashlib.sha256(self._stamps.tobytes()).hexdigest()[:_DIGEST]
        self._pixels = self.path / f"images-{state}.npy"
        self._known = self.path / "files.npz"
        self._manifest = self.path / "manifest.json"

    @property
    def is_ready(self) -> bool:
        """True where there is one, of files that are what they were; cheap where their times are the same."""
        return self._opened() is not None

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(file.stat().st_size for file in self.path.glob("*")) if self.path.is_dir() else 0

    @property
    def source_bytes(self) -> int:
        """Bytes of the files that it is made of; 0 of those elsewhere."""
        return int(self._stamps[:, 0].clip(0).sum())

    def images(self) -> FileImages:
        """The images, where they are stored; the copy is made first where there is none.

        Raises:
            DatasetError: a file that cannot be read or changes meanwhile, images of several sizes, a class of which
                none can be read, a folder that cannot be written.
            DiskFullError: there is no space for the copy.
        """
        found = self._opened()
        if found is not None:
            self._drop_fetched()
        else:
            with self._held():
                found = self._opened()
                if found is None:
                    self._make()
                    found = self._opened()
        assert found is not None
        return found

    def _opened(self) -> FileImages | None:
        """The images of the copy; None where there is none, or of other files."""
        try:
            text = self._manifest.read_text(encoding="utf-8")
            manifest = json.loads(text)
            # Opened here, as numpy leaves a broken file open.
            with self._known.open("rb") as stream, np.load(stream) as known:
                read, times, contents = (known[name] for name in ("read", "times", "contents"))
            pixels = np.load(self.path / manifest["pixels"], mmap_mode="r")
        except _SPOILT:
            return None
        touched = times != self._stamps[:, _MTIME]
        for row in np.flatnonzero(touched | ~contents.any(axis=1)).tolist():
            # Who may read a file changes no time; what lies elsewhere is taken to stay what it is.
            is_looked_at = touched[row] or isinstance(self._files[row], Path)
            if is_looked_at and contents[row].tobytes() != _content(self._files[row]):
                return None
        if touched.any():
            with contextlib.suppress(OSError, DiskFullError):  # it is looked at anew the next time
                self._write_known(read, self._stamps[:, _MTIME], contents)
        counts = {key: int(manifest[key]) for key in ("transparent", "frames")}
        kept = self.path / f"figures-{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]}"
        return replace(file_images(self._listing, pixels, read, **counts), kept=kept)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the lock of the copy; waits for another process that makes it."""
        lock = self.path.with_suffix(".lock")
        with written_to(lock.parent):
            with disk_full_said(lock.parent):
                self.path.mkdir(parents=True, exist_ok=True)
                sweep_copies(lock.parent)
                with contextlib.suppress(BusyError), locked(lock):
                    yield
                    return
            logger.info("data: another process prepares the images of %s; waiting for it", self._listing.origin)
            with locked(lock, wait=True):
                yield

    def _make(self) -> None:
        with self._fetching():
            self._fill()

    @contextlib.contextmanager
    def _fetching(self) -> Iterator[None]:
        """Holds the folder to which files are fetched, also by copies in other forms; it goes at the end."""
        folder = self._listing.fetched
        if not folder:
            yield
            return
        with disk_full_said(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(_lock_of(folder), wait=True):
            yield
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_fetched(self) -> None:
        """Removes what was fetched for a copy that is there, where a kill has kept that from being done."""
        folder = self._listing.fetched
        if folder and folder.is_dir():
            with contextlib.suppress(BusyError, OSError), locked(_lock_of(folder)):
                shutil.rmtree(folder, ignore_errors=True)

    def _fill(self) -> None:
        self._manifest.unlink(missing_ok=True)
        for older in (*self.path.glob("images-*.npy"), *self.path.glob("figures-*")):
            if older != self._pixels:
                older.unlink(missing_ok=True)  # whoever maps images keeps them
        reader = FileReader(self._listing, self._form)
        shape = (len(self._files), *reader.target.shape)
        journal = _Journal(self.path / "parts.jsonl", self._pixels, shape)
        done = journal.taken_up(self._stamps, reader.step)
        starts = [start for start in reader.starts if start not in done]
        there = sum(len(part["read"]) for part in done.values())
        self._refuse_lack_of_space((len(self._files) - there) * journal.row)

        def read(start: int) -> tuple[Part, list[bytes]]:
            return reader.part(start), [_content(file) for file in self._files[start : start + reader.step]]

        with Preparing(self._listing.origin, "images of", len(self._files), self.path, there) as work:
            with disk_full_said(self.path), journal.opened() as note:
                for part, contents in in_threads(read, starts):
                    rows = slice(part.start, part.start + len(part.read))
                    done[part.start] = note(part, self._stamps[rows, _MTIME], contents)
                    work.advance(len(part.read))
            refuse_changed(self._listing, self._stamps, stamps(self._files))
            self._finish(done, reader.frames)
            work.size = self.size
        journal.path.unlink(missing_ok=True)

    def _finish(self, done: Mapping[int, Mapping[str, Any]], frames: int) -> None:
        """Writes what is known of the files, and then the manifest."""
        parts = [done[start] for start in sorted(done)]
        read = np.concatenate([np.array(part["read"], np.bool_) for part in parts])
        contents = np.frombuffer(bytes.fromhex("".join(part["contents"] for part in parts)), np.uint8)
        self._write_known(read, self._stamps[:, _MTIME], contents.reshape(-1, _DIGEST))
        manifest = {
            "version": VERSION,
            "origin": self._listing.origin,
            "pixels": self._pixels.name,
            "transparent": sum(part["transparent"] for part in parts),
            "frames": frames,
            "parts": [part["digest"] for part in parts],
        }
        write_atomically(self._manifest, json.dumps(manifest))

    def _write_known(self, read: NDArray[np.bool_], times: Stamps, contents: NDArray[np.uint8]) -> None:
        with written_whole(self._known) as temporary:
            np.savez(temporary, read=read, times=times, contents=contents)

    def _refuse_lack_of_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise DiskFullError(
                f"{self.path.parent} must have space for the prepared copy of {len(self._files):,} images, "
                f"{needed:,} bytes, got {free:,} free; make space, name another folder (dataset.cache), lower "
                "dataset.image_size, or set dataset.cache: none"
            )


def _lock_of(fetched: Path) -> Path:
    """The lock of a folder to which files are fetched, beside those of copies."""
    return fetched.parent.with_name(f"{fetched.name}.lock")


class _Journal:
    """The parts of a copy that are written, a line each.

    Args:
        path: the journal.
        pixels: the .npy file that the parts are written to.
        shape: of all images (files, height, width, channels).
    """

    def __init__(self, path: Path, pixels: Path, shape: tuple[int, ...]) -> None:
        self.path, self._pixels, self._shape = path, pixels, shape
        self.row = int(np.prod(shape[1:]))

    def taken_up(self, known: Stamps, step: int) -> dict[int, dict[str, Any]]:
        """The parts that a process wrote which did not come to the end, as far as they are whole and of these files.

        Args:
            known: sizes and times of the files as they are now.
            step: files in a part.

        Returns:
            The noted parts by the position of their first file.
        """
        found: dict[int, dict[str, Any]] = {}
        with contextlib.suppress(*_SPOILT):
            cut_torn_line(self.path)
            lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
            pixels = np.load(self._pixels, mmap_mode="r") if lines else np.empty(0)
            if pixels.shape == self._shape:
                found = {part["start"]: part for part in lines if self._is_whole(part, pixels, known, step)}
        if not found:
            self.path.unlink(missing_ok=True)
            self._pixels.unlink(missing_ok=True)
        return found

    def _is_whole(self, part: Mapping[str, Any], pixels: NDArray[Any], known: Stamps, step: int) -> bool:
        start, count = part["start"], len(part["read"])
        rows = slice(start, start + count)
        its_place = start % step == 0 and count == min(step, self._shape[0] - start)
        return its_place and bool(
            part["times"] == known[rows, _MTIME].tolist() and part["digest"] == _digest(pixels[rows])
        )

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Gives a function that writes a part and notes it; after the last one the pixels are on the disk."""
        if not self._pixels.exists():
            np.lib.format.open_memmap(self._pixels, "w+", np.uint8, self._shape)
        start = self._pixels.stat().st_size - self._shape[0] * self.row
        # Not by a map: a disk that is full would end the process there without a word.
        with self._pixels.open("r+b", buffering=0) as pixels, self.path.open("a", encoding="utf-8") as notes:

            def note(part: Part, times: Stamps, contents: list[bytes]) -> dict[str, Any]:
                pixels.seek(start + part.start * self.row)
                left = memoryview(part.pixels.tobytes())
                while left:
                    left = left[pixels.write(left) :]
                noted = {
                    "start": part.start,
                    "read": part.read.astype(int).tolist(),
                    "times": times.tolist(),
                    "transparent": part.transparent,
                    "contents": b"".join(contents).hex(),
                    "digest": _digest(part.pixels),
                }
                notes.write(json.dumps(noted) + "\n")
                notes.flush()
                return noted

            yield note
            os.fsync(pixels.fileno())


def _key(listing: Listing, form: Form, known: Stamps) -> str:
    """The name of a copy: what it is made of, but for the times of files, which copies of folders do not keep."""
    digest = hashlib.sha256(f"{VERSION} {_place(listing.origin)} {form}".encode("utf-8", "surrogateescape"))
    sizes = iter(known[:, 0].tolist())
    for split, labelled in listing.files.items():
        digest.update(f"\0{split}\0{len(labelled)}".encode())
        for file, label in labelled:
            name = os.path.abspath(file) if isinstance(file, Path) else str(file)
            digest.update(f"\0{name}\0{label!r}\0{next(sizes)}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:_DIGEST]


def _place(origin: str) -> str:
    """The origin of files, whatever folder one is in: addresses say it as they are."""
    return origin if is_elsewhere(origin) else os.path.abspath(os.path.expanduser(origin))


def _content(file: AnyFile) -> bytes:
    """A digest of a file's bytes; zeros where it cannot be read, which is said elsewhere."""
    try:
        data = file.read_bytes() if isinstance(file, Path) else file.read()
    except (OSError, DatasetError):
        return bytes(_DIGEST)
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _digest(pixels: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=_DIGEST).hexdigest()
