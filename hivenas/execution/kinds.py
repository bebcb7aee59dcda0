"""The executor that a configuration asks for."""

from __future__ import annotations

from concurrent.futures import Executor

from hivenas.config import ExecutionConfig
from hivenas.core.folder import ResultsFolder
from hivenas.errors import ConfigError
from hivenas.execution.process import WorkerExecutor
from hivenas.execution.serial import SerialExecutor


def make_executor(config: ExecutionConfig, folder: ResultsFolder, *, serial: bool = False) -> Executor:
    """The configured executor, with its logs in a results folder; cheap objectives are `serial` in any case.

    Raises:
        ConfigError: `kind: dask` without the packages that it needs.
    """
    if serial:
        return SerialExecutor()
    if config.kind == "serial":
        return SerialExecutor(folder.crash)
    return _on_dask(config, folder) if config.kind == "dask" else WorkerExecutor(config, folder.log)


def _on_dask(config: ExecutionConfig, folder: ResultsFolder) -> Executor:
    try:
        from hivenas.execution.dask_executor import DaskExecutor
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"execution.kind=dask needs the package distributed, got none ({error}); pip install 'hivenas[dask]'"
        ) from error
    return DaskExecutor(config, folder)
