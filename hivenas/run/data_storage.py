"""The room that a search's data take: the prepared copy on the disk, and the memory of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.config.tasks import TASKS
from hivenas.core.nas.data.memory import WorkerMemory
from hivenas.core.nas.data.placement import copies_folder, memory_budget, placed
from hivenas.core.nas.data.preparing import shown_size
from hivenas.core.nas.data.sources import copy_of


@dataclass(frozen=True, slots=True)
class DataStorage:
    """The places of a search's images, and what they take there.

    Args:
        copy: the folder of their prepared copy; None where there is none of such data, or none is wanted.
        copied: bytes of the copy; 0 where it will be made.
        memory: of a worker.
    """

    copy: Path | None
    copied: int
    memory: WorkerMemory

    @classmethod
    def of(cls, config: Config, data: Mapping[str, Any]) -> DataStorage:
        """The room for data that were described.

        Args:
            config: the configuration.
            data: what `describe_data` says.

        Raises:
            DatasetError: files that cannot be listed.
        """
        dataset = placed(config)
        copy = copy_of(dataset, TASKS[config.task])
        mapped = copy is not None or (dataset.name == "npz" and copies_folder(dataset) is not None)
        memory = WorkerMemory.of(data, memory_budget(dataset) if mapped else None)
        if dataset.name == "npz" and memory.peak:  # read whole, as arrays are
            memory = WorkerMemory.of(data)
        return cls(copy.path if copy else None, copy.size if copy and copy.is_ready else 0, memory)

    def lines(self) -> list[tuple[str, str]]:
        """Headings and lines for people."""
        size = f"{shown_size(self.copied)} on the disk" if self.copied else "will be made"
        return [*([("copy", f"{self.copy}, {size}")] if self.copy else []), ("memory", str(self.memory))]

    def fields(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "copy": str(self.copy) if self.copy else None,
            "copy_bytes": self.copied,
            "image_bytes": self.memory.images,
            "memory_bytes": self.memory.peak,
        }
