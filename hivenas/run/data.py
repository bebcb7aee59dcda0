"""The data of a search: the same in every process, and what is to be said of them before anything is trained."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.config.registry import DATASETS
from hivenas.config.tasks import TASKS
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.data.datasets import describe_dataset
from hivenas.core.nas.data.part import part_sizes, part_told
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.data.sameness import other_data
from hivenas.core.nas.data.sources import copy_of
from hivenas.core.seeds import drawn_seed
from hivenas.errors import DatasetError
from hivenas.execution import SameDataExecutor, TaskExecutor, make_executor, tasks
from hivenas.objectives.factory import with_source
from hivenas.reports import draw_augmentation
from hivenas.reports.attempts import attempted
from hivenas.run.data_summary import say
from hivenas.run.plan import refuse_other_answers, say_share
from hivenas.storage import Ledger
from hivenas.wording import number_of


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
    if config.objective != "nas":
        return {}
    data = describe_dataset(placed(config), drawn_seed(config.seed), config.task)
    whole = data["train"], data["validation"]
    return _with_unused(config, data | part_told(part_sizes(config.evaluation.train_limit, *whole), whole))


def _with_unused(config: Config, data: dict[str, Any]) -> dict[str, Any]:
    """The description of data with a remark on a setting that such images do not use."""
    saturation, channels = config.evaluation.augmentation.saturation, data["shape"][-1]
    if not saturation or channels == 3:
        return data
    unused = (
        f"evaluation.augmentation.saturation={saturation:g} is not used with images of "
        f"{number_of(channels, 'channel')}, which have no colours; leave it out"
    )
    return data | {"remarks": [*data["remarks"], unused]}


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


def surveyed_data(config: Config, executor: TaskExecutor, arch: str = "") -> Mapping[str, Any]:
    """The images as a worker describes them that has loaded them and tried the space, or an architecture, on them.

    Args:
        config: the configuration, with the run's seed.
        executor: carries it out.
        arch: the one architecture to try; empty for the whole space.

    Raises:
        ConfigError: something in the space cannot be built, trained or saved.
        DatasetError: data that cannot be found, or cannot be trained on.
    """
    prepare_data(config)
    with with_source(config):
        data, feasible = executor.submit(tasks.survey(config, arch)).result()
        refuse_other_answers(config, feasible)
    say_share(feasible, bounded=config.space.is_bounded)
    return _with_unused(config, data)


def prepare_data(config: Config) -> None:
    """Makes the prepared copy of a search's images, if there is to be one: here, where a person sees how far it is.

    Workers on other machines make their own where they do not find it.

    Args:
        config: the configuration.

    Raises:
        DatasetError: images that cannot be read, or change meanwhile.
        DiskFullError: there is no space for the copy.
    """
    if config.execution.kind in ("process", "serial") and (copy := copy_of(placed(config), TASKS[config.task])):
        copy.images()


def refuse_other_data(config: Config, ledger: Ledger, data: Mapping[str, Any]) -> None:
    """Refuses data that have changed since the search began; fitness would not be comparable.

    Args:
        config: the configuration.
        ledger: of the search.
        data: what the objective says of its data; nothing where it has none.

    Raises:
        DatasetError: both digests, and the way out.
    """
    before = ledger.state.data
    if before and data and data["digest"] != before:
        what = f"rows of {config.table.path}" if config.table.path else f"images of {config.dataset.name}"
        raise DatasetError(
            f"the {what} are not those that the search in {ledger.folder.path} began with, got digest "
            f"{data['digest']} instead of {before}; restore them, or start another search (--set name=…)"
        )


def draw_examples(config: Config, executor: TaskExecutor, folder: ResultsFolder) -> list[Path]:
    """A page of what networks are trained on, where that is not the images as they are.

    Args:
        config: the configuration, with the run's seed.
        executor: of the search.
        folder: the results folder.

    Returns:
        The picture; none where it could not be made.
    """
    augmentation = config.evaluation.augmentation
    if not augmentation.is_on:
        return []
    examples = executor.submit(tasks.augmented_examples(config)).result()
    draw = functools.partial(draw_augmentation, examples, augmentation, folder.plots)
    picture = attempted("the picture of augmented images", draw, None)
    return [picture] if picture else []


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
