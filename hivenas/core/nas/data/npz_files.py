"""Images in an npz archive: read, or where they are more than memory is to hold mapped, or unpacked to a file first."""

from __future__ import annotations

import contextlib
import hashlib
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.files import user_path, written_whole
from hivenas.core.lock import locked
from hivenas.core.nas.data.image_arrays import check_names
from hivenas.core.nas.data.memory import kept_bytes
from hivenas.core.nas.data.placement import sweep_copies, written_to
from hivenas.core.nas.data.preparing import Preparing
from hivenas.core.nas.data.stored_images import Images, all_of
from hivenas.errors import DatasetError, DiskFullError, first_line

_UNLABELLED = ("images", "x_test")
_NPY = b"\x93NUMPY"


def read_npz(path: str, budget: float = math.inf, cache: Path | None = None) -> dict[str, Images]:
    """Reads the arrays x_train, y_train[, x_val, y_val, x_test, y_test] of an npz file; never unpickles.

    Args:
        path: the file.
        budget: bytes that images may take in memory; larger ones stay where they are, if they are stored uncompressed.
        cache: the folder to which compressed ones are unpacked then; None to read them into memory.

    Raises:
        DatasetError: a file that is missing, not an npz file or broken; names of other arrays; arrays of objects; a
            folder that cannot be written.
        DiskFullError: there is no space to unpack images.
    """
    file = user_path(path)
    with _archive(file, "dataset.path") as archive:
        check_names(str(file), archive)
        heads = {name: _head(archive, name) for name in archive if name.startswith("x_")} if budget < math.inf else {}
        needed = sum(
            kept_bytes(math.prod(shape) * dtype.itemsize, math.prod(shape))
            for shape, dtype in filter(None, heads.values())
        )
        if needed <= budget or not all(heads.values()):
            return {name: _member(file, archive, name) for name in archive}
        return {
            name: _stored(file, archive, name, cache) if name in heads else _member(file, archive, name)
            for name in archive
        }


def read_unlabelled(path: str) -> tuple[str, NDArray[Any]]:
    """Reads the images of an npz file that are to be classified: `images`, else `x_test`, else the only array.

    Returns:
        The array's name and the array.

    Raises:
        DatasetError: a file that is missing, not an npz file or broken; several arrays of other names.
    """
    file = user_path(path)
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
    except (DatasetError, DiskFullError):
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


def _head(archive: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of an array that can be mapped; None for others, of which reading says what is wrong."""
    try:
        with archive.zip.open(f"{name}.npy") as member:
            shape, dtype, _ = _read_head(member)
    except Exception:  # what it raises depends on where the archive is broken
        return None
    return (shape, dtype) if dtype.kind in "uif" and dtype.isnative else None


def _read_head(member: Any) -> tuple[tuple[int, ...], Any, int]:
    """Shape, type and the bytes before the values of an array in numpy's format."""
    major, _ = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    if fortran or major > 2:
        raise ValueError("only rows that lie one after another are mapped")
    return shape, dtype, member.tell()


def _stored(file: Path, archive: Any, name: str, cache: Path | None) -> Images:
    """The images of an array where they lie, or unpacked to a file; read where neither can be."""
    info = archive.zip.getinfo(f"{name}.npy")
    if info.compress_type == zipfile.ZIP_STORED:
        with archive.zip.open(info) as member:
            shape, dtype, head = _read_head(member)
        return all_of(np.memmap(file, dtype, "r", _start(file, info) + head, shape))
    if cache is None:
        return _member(file, archive, name)
    return all_of(np.load(_unpacked(file, archive.zip, info, cache), mmap_mode="r"))


def _start(file: Path, info: zipfile.ZipInfo) -> int:
    """The place of a member's bytes, which its own head in the archive says."""
    with file.open("rb") as stream:
        stream.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return info.header_offset + 30 + int(name) + int(extra)


def _unpacked(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, cache: Path) -> Path:
    """The file with an array out of an archive, named by what the archive says of its content."""
    named = f"{info.filename} {info.CRC} {info.file_size} {info.compress_size}"
    target = cache / f"{hashlib.sha256(named.encode()).hexdigest()[:16]}.npy"
    if target.exists():
        return target
    with written_to(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock"), wait=True):
            if not target.exists():
                for left in cache.glob(f".tmp-*-{target.name}"):
                    left.unlink(missing_ok=True)  # its writer would hold the lock, were it alive
                sweep_copies(cache)
                _unpack(file, archive, info, target)
    return target


def _unpack(file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    with Preparing(f"{info.filename} in {file}", "bytes of", info.file_size, target) as work:
        with written_whole(target) as temporary, archive.open(info) as packed, temporary.open("wb") as unpacked:
            while block := packed.read(2**22):
                unpacked.write(block)
                work.advance(len(block))
        work.size = info.file_size
