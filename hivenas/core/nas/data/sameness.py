"""The same data in every process: their digest, the error of other ones, and files that change while they are read."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config import BUILT_IN_DATASETS, FILE_DATASETS, DatasetConfig
from hivenas.core.files import user_path
from hivenas.core.nas.data.class_folders import files_below, is_users
from hivenas.core.nas.data.stored_images import StoredImages, blocks
from hivenas.errors import DatasetError

_Listing = dict[str, tuple[int, int]]
_DATABASE = re.compile(r"\.(db|sqlite3?)(-\w+)?$")


def digest_of(*arrays: NDArray[Any] | StoredImages) -> str:
    """A hash of arrays in their order, types and shapes included: the same on every machine."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        # Of what is not contiguous a copy of one image, not of all.
        for part in blocks(array) if isinstance(array, StoredImages) or array.flags.c_contiguous else array:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:16]


def other_data(config: DatasetConfig, first: str, now: str) -> DatasetError:
    """The error of data that are not what they were when they were loaded first.

    Args:
        config: the `dataset` section of a configuration.
        first: digest of the data that were loaded first, in another process or an earlier run.
        now: digest of what has been loaded now.
    """
    return DatasetError(
        f"dataset.name={config.name}: every process must load the same images and labels in the same order, got digest "
        f"{first} first and {now} now; {_way_out(config)}"
    )


def _way_out(config: DatasetConfig) -> str:
    if config.name in FILE_DATASETS:
        return (
            f"{config.path} has been changed or is still being filled: put it back and go on (--resume), or wait until "
            "it is complete and search again (--overwrite)"
        )
    if config.name in BUILT_IN_DATASETS:
        return "other files of it lie on this machine: give every machine the same"
    return (
        "its loader gives others when it is called again: seed what it draws (numpy.random.default_rng(0)), sort what "
        "it lists (os.listdir, glob, sets), take nothing from the time or the process and search again (--overwrite); "
        "where it reads files that have changed, put them back and go on (--resume)"
    )


@contextlib.contextmanager
def unchanged(config: DatasetConfig) -> Iterator[None]:
    """Refuses files that are written, added or removed while they are read within.

    Raises:
        DatasetError: names the first of them.
    """
    if config.name not in FILE_DATASETS:
        yield
        return
    root = user_path(str(config.path))
    before = _listing(root)
    yield
    after = _listing(root)
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if changed:
        raise DatasetError(
            f"{config.path}: files must not change while they are read, got {len(changed)} that did, such as "
            f"{changed[0]}; wait until nothing writes to it any more"
        )


def _listing(root: Path) -> _Listing:
    """Size and moment of the last change of every file that is the user's and no database, such as MLflow's."""
    found: _Listing = {}
    for file in [root] if root.is_file() else files_below(root):
        if is_users(file) and not _DATABASE.search(file.name):
            with contextlib.suppress(OSError):  # it went away just now
                status = file.stat()
                found[str(file)] = status.st_size, status.st_mtime_ns
    return found
