"""The room that a search's data take: the prepared copy on the disk, and the memory of a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.config.tasks import TASKS
from hivenas.core.files import user_path
from hivenas.core.nas.data.memory import WorkerMemory
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.data.preparing import shown_size
from hivenas.core.nas.data.sources import copy_of, files_of


@dataclass(frozen=True, slots=True)
class DataStorage:
    """The places of a search's images, and what they take there.

    Args:
        source: the place of the files that they are read from, in words.
        source_bytes: of these files; 0 where there are none, or none on this machine.
        written: files that hivenas has written beside a prepared copy: unpacked archives, and images out of batches.
        copy: the folder of their prepared copy; None where there is none of such data, or none is wanted.
        copied: bytes of the copy; 0 where it will be made.
        memory: of a worker.
    """

    source: str
    source_bytes: int
    written: Sequence[Path]
    copy: Path | None
    copied: int
    memory: WorkerMemory

    @classmethod
    def of(cls, config: Config, data: Mapping[str, Any], tried: float | None = None) -> DataStorage:
        """The room for data that were described.

        Args:
            config: the configuration.
            data: what `describe_data` says.
            tried: bytes that a worker took with candidates that were tried on few images; None where none were.

        Raises:
            DatasetError: files that cannot be listed.
        """
        dataset, task = placed(config), TASKS[config.task]
        copy = copy_of(dataset, task)
        cache, stored = user_path(str(dataset.cache)), map(Path, data.get("stored", {}).get("files", ()))
        written = [cache / file.name for file in stored if copy is None and file.parent == cache.absolute()]
        source, size = files_of(dataset, task, copy)
        copied = copy.size if copy and copy.is_ready else 0
        memory = replace(WorkerMemory.of(data, mapped=copy is not None), tried=tried)
        return cls(source, size, written, copy=copy.path if copy else None, copied=copied, memory=memory)

    def lines(self) -> list[tuple[str, str]]:
        """Headings and lines for people."""
        places = [f"{shown_size(self.source_bytes)} {self.source}"] if self.source_bytes else []
        places += [f"{shown_size(file.stat().st_size)} in {file}" for file in self.written]
        size = f"{shown_size(self.copied)} on the disk" if self.copied else "will be made"
        return [
            *([("files", "; ".join(places))] if places else []),
            *([("copy", f"{self.copy}, {size}")] if self.copy else []),
            ("memory", str(self.memory)),
        ]

    def fields(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "source_bytes": self.source_bytes,
            "written_bytes": sum(file.stat().st_size for file in self.written),
            "copy": str(self.copy) if self.copy else None,
            "copy_bytes": self.copied,
            "image_bytes": self.memory.images,
            "memory_bytes": self.memory.peak,
            "worker_bytes": round(self.memory.needed),
        }
