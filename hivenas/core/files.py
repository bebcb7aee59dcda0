"""Files that are written whole or not at all, and a disk without space."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hivenas.errors import DiskFullError, first_line

_TEMPORARY = re.compile(r"\.tmp-(\d+)-.")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL = "database or disk is full"
_TOO_LITTLE = 2**20  # bytes; HDF5 does not always say why it could not write


def user_path(written: str | os.PathLike[str]) -> Path:
    """A path as a user has written it, `~` being a home; one of a user who is not known here stays as it is."""
    return Path(os.path.expanduser(written))


@contextmanager
def written_whole(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Gives a file to write to beside a path, whose place it takes when all went well; else it is removed.

    Its name holds the process and the thread, so that two never write to one file, and ends like the path's, from
    which writers tell the format. The folder is made where it is missing.

    Args:
        path: the file.
        sync: whether it is on the disk itself before whatever is written next: what is recorded depends on it. False
            where a power failure may take it, as of what can be made again.

    Raises:
        DiskFullError: there is no space to write to.
    """
    temporary = path.with_name(f".tmp-{os.getpid()}-{threading.get_native_id()}-{path.name}")
    try:
        with disk_full_said(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if sync:
                _sync(temporary, os.O_RDWR)
            temporary.replace(path)
            if sync:
                with suppress(OSError):  # a folder, which holds the name: not every file system can
                    _sync(path.parent, os.O_RDONLY)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(path: Path, flags: int) -> None:
    number = os.open(path, flags)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def disk_full_said(folder: Path) -> Iterator[None]:
    """Turns what goes wrong in writing to a folder into a DiskFullError, where the lack of space is the reason.

    Raises:
        DiskFullError: no space, or no quota, is left.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        free = _free(folder)
        if free >= _TOO_LITTLE and not _speaks_of_space(error):
            raise
        raise DiskFullError(
            f"{folder} must have space for results, got {free:,} bytes free ({first_line(error)}); make space, then go "
            "on (--resume)"
        ) from error


def cut_torn_line(path: Path) -> bool:
    """Takes away the last line of a text that has no end, as a crash or a full disk leaves one; returns whether."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() == b"\n":
            return False
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
    return True


def sweep_temporaries(folder: Path, *, unchanged_s: float = 0.0, folders: bool = False) -> None:
    """Removes what killed processes left half written in a folder; nothing else, and nothing of a living process.

    Args:
        folder: is looked at, without the folders in it.
        unchanged_s: seconds in which nothing may have been written to such a file, for folders that other machines,
            whose processes are not known here, or other threads of this process write to.
        folders: also folders of such names, with all that is in them.
    """
    for path in folder.glob(".tmp-*"):
        process = _TEMPORARY.match(path.name)
        if not process or _is_another_living(int(process[1])) or not _rests(path, unchanged_s):
            continue
        if path.is_file():
            path.unlink(missing_ok=True)
        elif folders:
            shutil.rmtree(path, ignore_errors=True)


def _free(folder: Path) -> int:
    """Free bytes where a folder is, or would be made."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _speaks_of_space(error: BaseException) -> bool:
    """True where an exception, or one that led to it, says that there is no space."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _NO_SPACE:
            return True
        if any(words in str(seen) for words in (*map(os.strerror, _NO_SPACE), _SQLITE_FULL)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _rests(path: Path, seconds: float) -> bool:
    """True where nothing was written to a file for so long; that is not asked where it need not rest at all."""
    try:
        return not seconds or time.time() - path.stat().st_mtime >= seconds
    except OSError:  # it went away just now
        return False


def _is_another_living(process: int) -> bool:
    if process == os.getpid():
        return False  # its own number from before: in a container every start may count from 1
    if sys.platform == "win32":
        return True  # nobody can be asked: there signal 0 is Ctrl-C
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
