"""The data of a search: the same in every process, and what is to be said of them before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hivenas.config import Config
from hivenas.config.registry import DATASETS
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.data.datasets import describe_dataset
from hivenas.core.nas.data.sameness import other_data
from hivenas.core.seeds import drawn_seed
from hivenas.execution import SameDataExecutor, TaskExecutor, make_executor, tasks
from hivenas.run.data_summary import say


def describe_data(config: Config) -> dict[str, Any]:
    """Reads a configuration's data, as every process that trains will, and describes them.

    Data sets that come with hivenas are not read: their sizes are known.

    Args:
        config: the configuration.

    Returns:
        As `Dataset.describe`, of built-in data its counts alone; empty where nothing is trained.

    Raises:
        DatasetError: data that cannot be found, cannot be trained on, or are others when they are loaded again.
    """
    return describe_dataset(config.dataset, drawn_seed(config.seed)) if config.objective == "nas" else {}


def first_digest(config: Config, executor: TaskExecutor, folder: ResultsFolder) -> str:
    """The digest of what a loader of one's own gives when it is called for the first time.

    Where workers are processes this is done in one of its own, which ends before another begins: what depends on the
    process, as the order of a set does, shows here and not in the middle of the search.

    Args:
        config: the configuration, with the run's seed.
        executor: of the search.
        folder: the results folder.

    Returns:
        Empty for data that are not loaded by a function of one's own.
    """
    if config.dataset.name not in DATASETS:
        return ""
    task = tasks.digest_data(config)
    if config.execution.kind != "process":
        return executor.submit(task).result()
    with make_executor(config.execution.model_copy(update={"workers": 1}), folder) as other:
        return other.submit(task).result()


def settle_data(config: Config, executor: TaskExecutor, data: Mapping[str, Any], first: str) -> TaskExecutor:
    """Says what the data are, and holds every further task to them.

    Args:
        config: the configuration, with the run's seed.
        executor: of the search.
        data: what `Dataset.describe` says.
        first: digest of the data that were loaded before, in an earlier run or another process; empty for none.

    Returns:
        The executor for all that is trained on the data.

    Raises:
        DatasetError: they are not those that were loaded before.
    """
    if first and first != data["digest"]:
        raise other_data(config.dataset, first=first, now=data["digest"])
    say(data)
    return SameDataExecutor(executor, config, data["digest"])
