"""The files that travel with a task to a machine that does not share this one's disk, and back with its result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from hivenas.core.files import written_whole
from hivenas.core.folder import WEIGHTS_SUFFIX, ResultsFolder, write_atomically
from hivenas.core.records import Evaluation
from hivenas.execution.wire import PackedTask

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A task's result with the files that it made.

    Args:
        result: what it returned.
        folder: the results folder where it ran.
        files: their contents by their path in that folder.
    """

    result: Any
    folder: str
    files: Mapping[str, bytes]

    def unpack(self, folder: ResultsFolder) -> Any:
        """Puts the files into the search's own results folder; returns the result, with its paths leading there.

        Raises:
            DiskFullError: there is no space for them.
        """
        for name, content in self.files.items():
            with written_whole(folder.path / name) as temporary:
                temporary.write_bytes(content)
        if not isinstance(self.result, Evaluation) or not self.result.extra:
            return self.result
        there, here = f"{self.folder}/", f"{folder.path}/"

        def moved(extra: Mapping[str, Any]) -> dict[str, Any]:
            return {
                key: here + value.removeprefix(there) if isinstance(value, str) and value.startswith(there) else value
                for key, value in extra.items()
            }

        history = folder.histories / f"{self.result.filename.removesuffix(WEIGHTS_SUFFIX)}.json"
        if history.exists():
            kept = json.loads(history.read_text())  # which need not say all that the result does
            write_atomically(history, json.dumps({**kept, "extra": moved(kept["extra"])}, indent=1))
        return replace(self.result, extra=moved(self.result.extra))


def carry_out(
    run: Callable[[PackedTask[T]], T], task: PackedTask[T], states: Mapping[str, bytes], directory: Path
) -> TaskResult:
    """Has a task carried out in a results folder of its own, which is empty again afterwards.

    Args:
        run: carries it out.
        task: as it was given to the executor; the folder of its configuration is replaced.
        states: contents by name of the h5 files that it starts from.
        directory: takes the place of the configuration's `results.dir`.
    """
    folder = ResultsFolder(directory, task.search)
    try:
        for name, content in states.items():
            folder.weights.mkdir(parents=True, exist_ok=True)
            (folder.weights / name).write_bytes(content)
        result = run(replace(task, directory=str(directory)))
        made = [file for place in (folder.weights, folder.histories) for file in sorted(place.glob("[!.]*"))]
        files = {str(file.relative_to(folder.path)): file.read_bytes() for file in made if file.name not in states}
        return TaskResult(result, str(folder.path), files)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
