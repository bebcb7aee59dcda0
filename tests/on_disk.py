"""Images that lie in a file and are read when they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.stored_images import StoredImages, all_of, in_memory


def stored(images: NDArray[Any], file: Path) -> StoredImages:
    """The same images in a file, memory-mapped."""
    np.save(file, images)
    return all_of(np.load(file, mmap_mode="r"))


def on_disk(data: Dataset, folder: Path) -> Dataset:
    """The same data with the images of every split in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("x_train", "x_val", "x_test")
    images: dict[str, Any] = {name: stored(in_memory(getattr(data, name)), folder / f"{name}.npy") for name in names}
    return replace(data, **images)
