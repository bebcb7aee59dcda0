"""Images that lie in a file and are read when they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.nas.data.datasets import Dataset


class OnDisk:
    """The rows of a memory-mapped file; never all of them at once."""

    def __init__(self, images: NDArray[Any], file: Path) -> None:
        np.save(file, images)
        self._rows = np.asarray(np.load(file, mmap_mode="r"))
        self.shape, self.dtype = self._rows.shape, self._rows.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> NDArray[Any]:
        return np.array(self._rows[part])

    def take(self, indices: NDArray[Any]) -> NDArray[Any]:
        return np.take(self._rows, indices, axis=0)

    def min(self) -> Any:
        return self._rows.min()

    def max(self) -> Any:
        return self._rows.max()


def on_disk(data: Dataset, folder: Path) -> Dataset:
    """The same data with the images of every split in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    images: dict[str, Any] = {
        name: OnDisk(getattr(data, name), folder / f"{name}.npy") for name in ("x_train", "x_val", "x_test")
    }
    lazy = replace(data, **images)
    lazy.__dict__.update(_digest=data.digest(), _moments=data.statistics())
    return lazy
