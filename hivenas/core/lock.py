"""Locks on files: the system frees them with the process that holds them, however that ends.

A lock file that is left behind locks nothing. Whoever opens the file again is somebody else, in the same process too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

_INSTANT_S = 0.2  # somebody who only asks holds a lock for less than that
_POLL_S = 0.02


class BusyError(BlockingIOError):
    """Somebody else holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a file, which is made where there is none.

    Args:
        path: the lock file; its folder must exist.
        wait: until it is free, however long that takes.

    Raises:
        BusyError: somebody else holds it, in this process or another; not with `wait`.
        OSError: the file cannot be made.
    """
    with path.open("ab") as file:
        until = time.monotonic() + _INSTANT_S
        while not lock_descriptor(file.fileno(), blocking=wait):
            if time.monotonic() > until:
                raise BusyError(f"somebody else holds {path}")
            time.sleep(_POLL_S)
        yield  # closing the file frees it


def is_locked(path: Path) -> bool:
    """Asks for the lock of a file: true while somebody holds it. The file is not made, and need not be writable."""
    try:
        with path.open("rb") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return False
