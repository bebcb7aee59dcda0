"""From `execution.kind` to an executor: hivenas' own, and those that users register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from hivenas.config import EXECUTOR_KINDS, ExecutionConfig
from hivenas.config.registry import EXECUTORS, ClassRule
from hivenas.core.folder import ResultsFolder
from hivenas.errors import ConfigError
from hivenas.execution.base import TaskExecutor
from hivenas.execution.process import WorkerExecutor
from hivenas.execution.serial import SerialExecutor

E = TypeVar("E", bound=type[Any])


def make_executor(config: ExecutionConfig, folder: ResultsFolder, *, serial: bool = False) -> TaskExecutor:
    """The configured executor, with its logs in a results folder; cheap objectives are `serial` in any case.

    Raises:
        ConfigError: `kind: dask` without the packages that it needs.
    """
    if serial:
        return SerialExecutor()
    if config.kind in EXECUTORS:
        made: TaskExecutor = EXECUTORS[config.kind](config, folder)
        return made
    return _KINDS[config.kind](config, folder)


def _on_dask(config: ExecutionConfig, folder: ResultsFolder) -> TaskExecutor:
    try:
        from hivenas.execution.dask_executor import DaskExecutor
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"execution.kind=dask needs the package distributed, got none ({error}); pip install 'hivenas[dask]'"
        ) from error
    return DaskExecutor(config, folder)


_KINDS: Mapping[str, Callable[[ExecutionConfig, ResultsFolder], TaskExecutor]] = {
    "serial": lambda _, folder: SerialExecutor(folder.crash),
    "process": lambda config, folder: WorkerExecutor(config, folder.log),
    "dask": _on_dask,
}


_RULE = ClassRule(
    kind="executor",
    methods=("submit", "shutdown"),
    constructor="(config, folder)",
    accepts=(((None, None), {}),),
    way_out="add them",
    base=TaskExecutor,
    base_name="hivenas.TaskExecutor",
)


@overload
def register_executor(name: str) -> Callable[[E], E]: ...
@overload
def register_executor(name: str, executor: E) -> E: ...
def register_executor(name: str, executor: E | None = None) -> E | Callable[[E], E]:
    """Makes an executor of one's own known as `execution.kind`; without a class, a decorator of one.

    Args:
        name: letters, digits and _.
        executor: a TaskExecutor whose constructor takes `(config, folder)`: the `execution` section of a configuration
            and the `ResultsFolder` of the search, whose `path` is a folder and `log` a file to write to.

    Returns:
        The class.

    Raises:
        ConfigError: not a name, one that is taken, or not such a class.
    """
    return EXECUTORS.register(name, executor, EXECUTOR_KINDS, _RULE.check)
