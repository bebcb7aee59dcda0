"""Training a tracked candidate again, and comparing every figure with what was tracked."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hivenas.config import Config, from_record
from hivenas.core.folder import ResultsFolder
from hivenas.core.full_training import TrainingSpec
from hivenas.core.nas.data.placement import with_copies_of
from hivenas.core.recipe import Difference, Recipe, different_environment, different_figures
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.errors import MissingResultsError, TrainingError
from hivenas.execution import Task, evaluate_network, finalist, full_training, make_executor, on_data
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.tracking.fetching import TrackedRun

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The outcome of training again.

    Args:
        recipe: what was trained.
        history: the figures of every epoch, now.
        figures: what differs; nothing where every figure of every epoch is equal to the last bit.
        environment: what differs between then and now, which may be why.
    """

    recipe: Recipe
    history: tuple[EpochFigures, ...]
    figures: list[Difference]
    environment: list[Difference]


def reproduce(run: TrackedRun) -> Reproduction:
    """Trains the candidate of a run again, from what MLflow has kept of it, in a folder that is removed afterwards.

    Args:
        run: the run.

    Raises:
        DatasetError: the data are not those that the run was trained on.
        MissingResultsError: the run has no recipe, or a state that it started from is gone.
        TrainingError: it cannot be trained here.
    """
    recipe = Recipe.from_text(run.recipe())
    if len(recipe.members) > 1:
        raise MissingResultsError(
            f"a run to be reproduced must be that of one training, got the average of {len(recipe.members)}; give the "
            "runs of those, which its description names"
        )
    with tempfile.TemporaryDirectory(prefix="hivenas-") as folder:
        config = from_record({**recipe.config, "results": {"dir": folder}}).settled_on(recipe.candidate)
        config = with_copies_of(config, from_record(recipe.config))
        results = ResultsFolder(folder, config.name)
        if recipe.starts_from and not run.fetch_start(recipe.starts_from, recipe.phase, results.weights):
            raise MissingResultsError(
                f"{recipe.starts_from}, from which the run started, is not in MLflow; it cannot be trained again"
            )
        logger.info(
            "training %s again: %s, seed %s", recipe.candidate, number_of(len(recipe.history), "epoch"), config.seed
        )
        # On this machine, whatever cluster the search had; whether other GPUs, or none, matter is what is found out.
        here = config.execution.with_one_worker_here()
        task = _training(recipe, config)
        if digest := recipe.environment.get("data", ""):
            task = on_data(task, config, digest)
        with make_executor(here, results) as executor:
            evaluation = executor.submit(task).result()
    if evaluation.status == "failed":
        then = "" if recipe.history else "; its training had failed when it was recorded, too"
        raise TrainingError(f"{recipe.candidate} cannot be trained here: {evaluation.reason}{then}")
    figures = different_figures(recipe.history, evaluation.history)
    return Reproduction(
        recipe, evaluation.history, figures, different_environment(recipe.environment, evaluation.environment)
    )


def _training(recipe: Recipe, config: Config) -> Task[Evaluation]:
    """The task of doing again what the recipe tells of."""
    if recipe.phase == "full_train":
        start = recipe.starts_from or None
        spec = TrainingSpec(recipe.candidate, recipe.seed_number, start, recipe.refit_epochs)
        return finalist(config, spec) if spec.marks else full_training(config, recipe.candidate, start)
    proposal = Proposal(0, 0, role="employee", role_id=0, candidate=recipe.candidate)
    if recipe.phase == "momentum":
        further = replace(proposal, momentum_epochs=recipe.momentum_epochs, weights_filename=recipe.starts_from)
        return _reproduced(config, further)
    # What ended a training early were other candidates; here it ends where it did.
    last = recipe.history[-1].epoch if recipe.history else 0
    until = last if last < config.evaluation.epochs else 0
    return _reproduced(config, replace(proposal, inherits=recipe.starts_from, until=until))


def _reproduced(config: Config, proposal: Proposal) -> Task[Evaluation]:
    return replace(evaluate_network(config, proposal), kind="reproduce", timed=False)
