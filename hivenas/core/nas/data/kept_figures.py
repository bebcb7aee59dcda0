"""Figures that take a pass over all stored images, kept beside them or in the cache for workers that begin anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.folder import write_atomically
from hivenas.errors import DiskFullError

Moment = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures that are computed of split images.

    Args:
        digest: of all images and labels.
        mean, variance: of the training images (channels,).
    """

    digest: str
    mean: Moment
    variance: Moment


def kept_figures(file: Path, compute: Callable[[], Figures]) -> Figures:
    """The figures that a file holds; they are computed and written where there is none.

    Args:
        file: is of the same images in the same order.
        compute: gives the figures.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        held: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        mean, variance = (np.array(held[name], np.float32) for name in ("mean", "variance"))
        return Figures(str(held["digest"]), mean, variance)
    figures = compute()
    # Numbers of 32 bits are the same when they are read back as numbers of 64.
    moments = {"mean": figures.mean.tolist(), "variance": figures.variance.tolist()}
    with contextlib.suppress(OSError, DiskFullError):
        write_atomically(file, json.dumps({"digest": figures.digest, **moments}))
    return figures


def kept_beside(source: Path, cache: Path) -> Path:
    """The beginning of the names of files in a cache that keep figures of a file, as it is now.

    Args:
        source: the file; it is another where its place, size or moment of the last change is.
        cache: the folder of prepared copies.
    """
    status = source.stat()
    named = f"{source.absolute()} {status.st_size} {status.st_mtime_ns}"
    return cache / f"figures-{hashlib.sha256(named.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
