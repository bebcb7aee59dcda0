"""What travels with a call to a machine that does not share this one's disk, and what comes back with its result."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hivenas.config import Config, ResultsConfig
from hivenas.core.files import written_whole
from hivenas.core.folder import WEIGHTS_SUFFIX, ResultsFolder, write_atomically
from hivenas.core.records import Evaluation, Proposal
from hivenas.execution.tasks import Unlimited


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A call's result with the files that it made.

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
        extra = {
            key: here + value.removeprefix(there) if isinstance(value, str) and value.startswith(there) else value
            for key, value in self.result.extra.items()
        }
        history = folder.histories / f"{self.result.filename.removesuffix(WEIGHTS_SUFFIX)}.json"
        if history.exists():
            write_atomically(history, json.dumps({**json.loads(history.read_text()), "extra": extra}, indent=1))
        return replace(self.result, extra=extra)


def saved_states(call: Callable[..., Any]) -> list[str]:
    """Names of the h5 files that a call starts from."""
    names: list[str] = []
    for part in _parts(call):
        if isinstance(part, Proposal):
            names += filter(None, (part.weights_filename, part.inherits))
        elif isinstance(part, str) and part.endswith(WEIGHTS_SUFFIX):
            names.append(part)
    return names


def carry_out(
    run: Callable[[functools.partial[Any]], Any],
    call: functools.partial[Any],
    states: Mapping[str, bytes],
    directory: Path,
) -> TaskResult:
    """Has a call carried out in a results folder of its own, which is empty again afterwards.

    Args:
        run: carries it out.
        call: as it was given to the executor; the folder of its configuration is replaced.
        states: contents by name of the h5 files that it starts from.
        directory: takes the place of the configuration's `results.dir`.
    """
    config = next((part for part in _parts(call) if isinstance(part, Config)), None)
    folder = ResultsFolder(directory, config.name if config else "none")
    try:
        for name, content in states.items():
            folder.weights.mkdir(parents=True, exist_ok=True)
            (folder.weights / name).write_bytes(content)
        result = run(_moved(call, directory))
        made = [file for place in (folder.weights, folder.histories) for file in sorted(place.glob("[!.]*"))]
        files = {str(file.relative_to(folder.path)): file.read_bytes() for file in made if file.name not in states}
        return TaskResult(result, str(folder.path), files)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _parts(value: object) -> Iterator[object]:
    """All that a call is made of."""
    if isinstance(value, Unlimited):
        yield from _parts(value.call)
    elif isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield from _parts(part)
    else:
        yield value


def _moved(value: Any, directory: Path) -> Any:
    """A call with another folder for its results."""
    if isinstance(value, Unlimited):
        return replace(value, call=_moved(value.call, directory))
    if isinstance(value, functools.partial):
        arguments = [_moved(argument, directory) for argument in value.args]
        named = {key: _moved(argument, directory) for key, argument in value.keywords.items()}
        return functools.partial(_moved(value.func, directory), *arguments, **named)
    if isinstance(value, Config):
        return value.model_copy(update={"results": ResultsConfig(dir=str(directory))})
    return value
