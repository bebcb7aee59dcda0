"""The plan of a configuration: what a search would do, checked as far as that is possible before it does."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from hivenas.config import STRATEGY_KINDS, Config
from hivenas.core.bfloat16 import has_bfloat16
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.data.class_weights import check_classes, needs_classes
from hivenas.core.nas.data.datasets import class_names, look_anew
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.data.sources import check_path
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.feasibility import Feasibility, own_operations
from hivenas.core.nas.training.predictions import same_answers
from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo, ObjectiveInterface
from hivenas.core.seeds import drawn_seed
from hivenas.core.strategies.ladder import rungs_of
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from hivenas.execution import TaskExecutor, make_executor, tasks
from hivenas.execution.gpus import worker_gpus
from hivenas.objectives.factory import make_objective, with_source
from hivenas.objectives.weighing import refuse_objectives

_GUARD_DRAWS = 1_000

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work of a search at the most: size of the space, evaluations and epochs, and who proposes.

    `builds` is the share of the space that builds on the images, where `check` has looked; None where limits leave out
    what does not.
    `share_within` is the estimated share of the space that `space.max_params` and `max_macs` admit; None without them.
    `judged` are the epochs after which a stopping rule may end a candidate's training, `rungs` those after which the
    ladder pauses it.
    """

    space_size: int | None
    evaluations: int
    epochs: int = 0
    employees: int
    onlookers: int
    share_within: float | None = None
    builds: Feasibility | None = None
    judged: range = range(0)
    rungs: tuple[int, ...] = ()


def plan(config: Config, objective: ObjectiveInterface | None = None) -> Plan:
    """Checks a configuration beyond its file and says what a search would do.

    Args:
        config: the configuration.
        objective: what is searched, where it is made already; None for the configured one.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing,
            more workers than GPUs.
        DatasetError: a `dataset.path` that does not exist; with such limits also data that cannot be used; a table that
            cannot.
    """
    colony = config.colony
    check_inputs(config)
    made = objective or make_objective(config, np.random.default_rng(0))
    info = made.describe()
    evaluations = most_evaluations(config, made, info)
    refuse_objectives(config, info)
    if not info.trains:
        return Plan(
            space_size=info.size, evaluations=evaluations, employees=colony.employees, onlookers=colony.onlookers
        )
    space = NASInterface.from_config(config, tracker=NullTracker()).search_space
    share = space.share_within(_GUARD_DRAWS, np.random.default_rng(0)) if space.bounded else None
    rungs = rungs_of(config.evaluation)
    if rungs:
        epochs = rungs.most_epochs(evaluations)
    else:
        # Candidates are continued also where all are known, and then no number of evaluations ends that.
        iterations = colony.iterations if evaluations < config.evaluations else -(-config.evaluations // colony.size)
        epochs = evaluations * config.evaluation.epochs + config.evaluation.momentum_epochs * iterations
    return Plan(
        space_size=info.size,
        evaluations=evaluations,
        epochs=epochs,
        employees=colony.employees,
        onlookers=colony.onlookers,
        share_within=share,
        judged=config.evaluation.judged_epochs,
        rungs=rungs.ages if rungs else (),
    )


def most_evaluations(config: Config, objective: ObjectiveInterface, info: ObjectiveInfo) -> int:
    """Evaluations at the most, without continuations: of encoded candidates no more than there are.

    hivenas' own strategies evaluate none of these twice. They may do so with points, and a strategy of one's own with
    anything.

    Args:
        config: the configuration.
        objective: what is searched.
        info: what it says of itself.
    """
    if info.size and isinstance(objective, ArchitectureObjective) and config.colony.kind in STRATEGY_KINDS:
        return min(config.evaluations, info.size)
    return config.evaluations


def check(config: Config) -> Plan:
    """Checks all that can be checked before a search: `plan`, and what the configuration defines is tried on a batch.

    Args:
        config: the configuration.

    Raises:
        ConfigError: as of `plan`; operations that cannot be built, trained or saved, an optimizer that cannot be made;
            a metric or class weights that do not suit the classes.
        DatasetError: as of `plan`; data that cannot be used, where their shape matters.
    """
    planned = plan(config)
    if config.objective != "nas":
        return planned
    say_ladder(config)
    if needs_classes(config.evaluation):
        with with_source(config):
            check_classes(config.evaluation, class_names(placed(config), drawn_seed(config.seed), config.task))
    feasible = _tried(config)
    refuse_other_answers(config, feasible)
    say_share(feasible, bounded=config.space.is_bounded)
    return planned if config.space.is_bounded else replace(planned, builds=feasible)


def _tried(config: Config) -> Feasibility:
    """The share that builds, found in a worker: what the configuration defines is built there, which takes Keras."""
    space = NASInterface.from_config(config, tracker=NullTracker()).search_space
    if not any(own_operations(space)):
        return Feasibility(size=space.architectures)
    with one_worker(config) as (executor, _):
        return executor.submit(tasks.check_space(config)).result()


@contextlib.contextmanager
def one_worker(config: Config) -> Iterator[tuple[TaskExecutor, str]]:
    """Gives a worker on this machine that tries something, and its results folder, which goes with it."""
    here = config.execution.with_one_worker_here()
    with (
        with_source(config),
        tempfile.TemporaryDirectory(prefix="hivenas-") as folder,
        make_executor(here, ResultsFolder(folder, config.name)) as executor,
    ):
        yield executor, folder


def refuse_other_answers(config: Config, feasible: Feasibility) -> None:
    """Refuses operations of the user's own that answer otherwise in another process, where workers are processes.

    What a module draws at random when it is imported, or takes from the time or the process, is in no saved model.

    Args:
        config: the configuration.
        feasible: what was found out in one process.

    Raises:
        ConfigError: names the first such operation.
    """
    if not feasible.answers or config.execution.kind != "process":
        return
    again = _tried(config).answers
    for key, answers in feasible.answers.items():
        if key in again and not same_answers(answers, again[key]):
            raise ConfigError(
                f"space.reference.{key} must answer alike in every process, got other answers in a second one; let "
                "nothing outside its weights and arguments decide them: no constants drawn at random when its module "
                "is imported, no time, no environment"
            )


def say_share(feasible: Feasibility, *, bounded: bool) -> None:
    """Warns of a space of which much does not build; with limits to the size such architectures are left out anyway."""
    if feasible.is_low and not bounded:
        logger.warning(
            "the operations of the space fit together in %s; the others will be recorded as failed: pad with padding: "
            "same, lower space.depth, or set space.max_params, which leaves them out",
            feasible,
        )


def say_ladder(config: Config) -> None:
    """Warns of a ladder whose share of the epochs does not pay for the first looks, which all candidates get.

    It is no error: with few epochs the default share is such a one, and the search is as good, but dearer than it says.
    """
    rungs = rungs_of(config.evaluation)
    if rungs and rungs.share * rungs.last < rungs.first:
        logger.warning(
            "evaluation.ladder.share=%g pays for fewer epochs than the first looks of all candidates take, %d of %d "
            "epochs each, so that more are trained; set share to %g or more, or a shorter ladder.first_look",
            rungs.share,
            rungs.first,
            rungs.last,
            math.ceil(100 * rungs.first / rungs.last) / 100,
        )


def say_precision(config: Config) -> None:
    """Warns of bfloat16 on a processor that has no instructions for it, where it is this one that trains."""
    here = config.execution.gpus is None and config.execution.kind in ("process", "serial")
    if config.evaluation.precision == "bfloat16" and here and has_bfloat16() is False:
        logger.warning(
            "evaluation.precision=bfloat16 is for processors with instructions for it (amx_bf16, avx512_bf16; bf16 on "
            "ARM), which this one lacks, and takes longer than float32 here; set precision: float32"
        )


def check_inputs(config: Config) -> None:
    """Refuses what is wrong with a configuration's data and devices, before an objective is made.

    Raises:
        DatasetError: a `dataset.path` that does not exist.
        ConfigError: more workers than GPUs, an `optuna.storage` that is no address.
    """
    if config.optuna.storage is not None:
        from hivenas.storage.optuna_storage import check_address

        with with_source(config):
            check_address(config.optuna.storage)
    if config.objective == "nas":
        look_anew()
        check_path(config.dataset)
        say_precision(config)
        with with_source(config):
            worker_gpus(config.execution)
