"""The places of a configuration's images: the folder of prepared copies, and the memory that a process may fill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hivenas.config import Config, DatasetConfig
from hivenas.core.files import sweep_temporaries, user_path
from hivenas.errors import DatasetError

COPIES = ".cache"  # the folder of prepared copies below that of results
_SHARE = 0.25  # of the machine's memory
_UNKNOWN = 8 * 2**30  # bytes, where the system does not say what it has
_MIB = 2**20
_NO_COPY = "none"
_HALF_WRITTEN_S = 3600.0  # without a byte more, after which the writer is given up, on whatever machine it was
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def placed(config: Config) -> DatasetConfig:
    """The `dataset` section with what its keys `cache` and `memory_mb` are by default.

    A section by itself does not say where results lie, and how many workers share the machine: without the two keys
    `load_dataset` makes no copy, and reads everything into memory.

    Args:
        config: the whole configuration.
    """
    cache = config.dataset.cache or str(Path(config.results.dir) / COPIES)
    memory = config.dataset.memory_mb or max(1, int(machine_memory() * _SHARE) // config.execution.at_a_time // _MIB)
    return config.dataset.model_copy(update={"cache": cache, "memory_mb": memory})


def with_copies_of(config: Config, before: Config) -> Config:
    """A configuration that uses the prepared copies of another one of the same images, where these are still here."""
    copies = copies_folder(placed(before))
    if copies is None or not copies.is_dir() or not os.access(copies, os.W_OK | os.X_OK):
        return config
    return config.model_copy(update={"dataset": config.dataset.model_copy(update={"cache": str(copies)})})


def copies_folder(config: DatasetConfig) -> Path | None:
    """The folder of prepared copies; None where none are to be made."""
    return None if config.cache in (None, _NO_COPY) else user_path(str(config.cache))


def sweep_copies(copies: Path) -> None:
    """Removes what killed processes left half written in the folder of prepared copies, and in those within it.

    Nothing goes that a living process of this machine may be writing, or to which anything was written within the hour:
    the folder may be shared by machines.

    Args:
        copies: the folder.
    """
    for folder in (copies, *copies.glob("*/"), *copies.glob("*/*/")):
        with contextlib.suppress(OSError):  # another user's, whose it may stay
            sweep_temporaries(folder, unchanged_s=_HALF_WRITTEN_S)


@contextlib.contextmanager
def written_to(copies: Path) -> Iterator[None]:
    """Says in a line that the folder of prepared copies cannot be written, where that is what goes wrong within.

    Args:
        copies: the folder.

    Raises:
        DatasetError: names it.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"dataset.cache must be a folder that can be written, got {copies} ({error.strerror or error}); name "
            "another, or none to decode the images in every process"
        ) from error


def memory_budget(config: DatasetConfig) -> float:
    """Bytes that images may take in the memory of a process."""
    return float("inf") if config.memory_mb is None else config.memory_mb * _MIB


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container that this is, has."""
    total = _UNKNOWN
    with contextlib.suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        total = min(total, int(_GROUP_LIMIT.read_text(encoding="ascii")))
    return total
