"""The composition root: from a configuration to a search, a full training and a registered model."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hivenas.config import Config
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.data.datasets import check_path
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.training.rules import judged_epochs
from hivenas.core.records import Evaluation, Row
from hivenas.core.seeds import drawn_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, TrackingError
from hivenas.execution import Unlimited, describe_data, make_executor, train_arch
from hivenas.execution.gpus import worker_gpus
from hivenas.objectives.factory import make_objective, minimizes, trial_parameters, with_source
from hivenas.objectives.table import TableObjective
from hivenas.reports import draw_plots
from hivenas.run.callbacks import SearchListener
from hivenas.run.final_training import Trained, letter_of, publisher, trained_of
from hivenas.run.report import report_recorded
from hivenas.storage import Mirror, open_folder, open_store
from hivenas.storage.outbox import Outbox

if TYPE_CHECKING:
    from hivenas.run.prediction import Prediction
    from hivenas.run.reproduction import Reproduction
    from hivenas.run.session import Finished

_GUARD_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration would do: size of the space, evaluations and epochs at the most, who flies.

    `share_within` is the estimated share of the space that `space.max_params` and `max_macs` admit; None without them.
    `judged` are the epochs after which a stopping rule may end a candidate's training.
    """

    space_size: int | None
    evaluations: int
    epochs: int
    employees: int
    onlookers: int
    share_within: float | None = None
    judged: range = range(0)


def plan(config: Config) -> Plan:
    """Checks a configuration beyond its file and says what a search would do.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing,
            more workers than GPUs.
        DatasetError: a `dataset.path` that does not exist; with such limits also data that cannot be used; a table that
            cannot.
    """
    colony = config.colony
    evaluations = colony.size * colony.iterations
    if config.objective != "nas":
        objective = make_objective(config, np.random.default_rng(0))
        size = objective.size if isinstance(objective, TableObjective) else None
        return Plan(size, evaluations, 0, colony.employees, colony.onlookers)
    check_path(config.dataset)
    with with_source(config):
        worker_gpus(config.execution)
        space = NASInterface.from_config(config, tracker=NullTracker()).search_space
    momentum = config.evaluation.momentum_epochs * colony.iterations
    epochs = evaluations * config.evaluation.epochs + momentum
    share = space.share_within(_GUARD_DRAWS, np.random.default_rng(0)) if space.bounded else None
    judged = judged_epochs(config.evaluation)
    return Plan(space.size, evaluations, epochs, colony.employees, colony.onlookers, share, judged)


def search(
    config: Config, listener: SearchListener, *, resume: bool = False, overwrite: bool = False, go_on: str = ""
) -> Finished:
    """Searches, fully trains the best candidate, tests it and registers the model.

    Args:
        config: the whole configuration.
        listener: is told of progress.
        resume: go on with the recorded search.
        overwrite: delete a recorded search first.
        go_on: the command with which the search goes on, for its page in MLflow; empty for that of the configuration.

    Raises:
        InputError: the configuration, the data or the results folder do not allow it; nothing was trained.
        TrainingError: the full training failed; the search's records are kept.
        SearchFailedError: so many candidates failed in a row that the search was ended.
        DiskFullError: there is no space for the search's files.
    """
    from hivenas.run.session import SearchRun

    plan(config)
    seed = drawn_seed(config.seed)
    mirror = _open_mirror(config, listener)
    with open_store(config, seed, resume=resume, overwrite=overwrite, mirror=mirror, say=listener.warn) as store:
        seeded = config.model_copy(update={"seed": store.state.seed})
        return SearchRun(seeded, store, listener, go_on=go_on).finish()


def _open_mirror(config: Config, listener: SearchListener) -> Mirror | None:
    """Optuna's record of the search, where one is asked for."""
    if config.optuna.storage is None:
        return None
    from hivenas.storage.mirror import OptunaMirror
    from hivenas.storage.optuna_study import open_study

    return OptunaMirror(open_study(config, trial_parameters(config)), listener.warn)


def sync(config: Config, listener: SearchListener) -> tuple[int, int]:
    """Delivers what a search that does not run could not tell MLflow, and Optuna's storage.

    Returns:
        How many records MLflow has taken, and how many still wait, for either.

    Raises:
        MissingResultsError: there is no results folder.
        ResultsExistError: a process is searching there; it delivers by itself.
    """
    from hivenas.run.session import deliver_all, open_tracker
    from hivenas.tracking import fail_fast

    fail_fast()
    with open_folder(config) as store, make_executor(config.execution, store.folder) as executor:
        tracker = open_tracker(config, store, executor, "sync", say=listener.warn)
        outbox = Outbox(store.folder.outbox, tracker, listener.warn)
        outbox.retry_refused()
        taken, waiting = len(deliver_all(store, outbox, tracker)), outbox.waiting
    # MLflow has its records by now, whether or not Optuna's storage answers.
    mirror = _open_mirror(config, listener)
    with open_folder(config, mirror) as store:
        return taken, waiting + store.sync_mirror()


def train(config: Config, listener: SearchListener, *, from_weights: bool = False) -> Trained:
    """Fully trains the best recorded candidate and registers the model.

    Raises:
        MissingResultsError: no results, or no weights where they are needed.
        TrainingError: the training failed.
    """
    _refuse_untrained(config)
    plan(config)
    best = ResultsFolder(config.results.dir, config.name).best()
    weights = best.weights_filename if from_weights else None
    listener.training(best.candidate, config.full_train.epochs)
    return _train_alone(
        config,
        lambda seeded: functools.partial(train_arch, seeded, best.candidate, weights),
        config.model_name,
        listener,
        continues=best.run_id if from_weights else "",
    )


def train_custom(config: Config, arch: str, listener: SearchListener) -> Trained:
    """Fully trains a given architecture; it is tracked, not registered.

    Raises:
        ArchitectureError: a malformed architecture.
        TrainingError: the training failed.
    """
    _refuse_untrained(config)
    plan(config)
    decode(arch, NASInterface.from_config(config, tracker=NullTracker()).search_space.reference)
    listener.training(arch, config.full_train.epochs)
    return _train_alone(config, lambda seeded: functools.partial(train_arch, seeded, arch), None, listener)


def reproduce(run_id: str, listener: SearchListener) -> Reproduction:
    """Trains the candidate of a run in MLflow again and compares every figure of every epoch.

    Raises:
        MissingResultsError: no such run, or not of a candidate.
        TrackingError: the MLflow store does not answer.
        TrainingError: the candidate cannot be trained here.
    """
    from hivenas.run import reproduction
    from hivenas.tracking import fail_fast
    from hivenas.tracking.fetching import TrackedRun

    fail_fast()
    return reproduction.reproduce(TrackedRun(run_id), listener.note)


def predict(model: str, files: Sequence[str], say: Callable[[str], None]) -> list[Prediction]:
    """Classifies image files, or the images of npz files, by a trained model.

    Args:
        model: what `TrackedModel` takes: a URI of the registry, a registered name, a run's id.
        files: the files.
        say: is told in a line what was done to the images.

    Raises:
        DatasetError: a file that cannot be read, or images that the model cannot take.
        MissingResultsError: no such model, or one that cannot be loaded here.
        TrackingError: the MLflow store does not answer.
    """
    from hivenas.run.prediction import classify
    from hivenas.tracking import fail_fast
    from hivenas.tracking.models import TrackedModel

    fail_fast()
    return classify(TrackedModel(model), files, say)


def draw_report(config: Config) -> tuple[list[Row], list[Path]]:
    """Draws the pictures of a recorded search, finished or not, and its page; its data and operations are not needed.

    Returns:
        The records, and the files: the page first.

    Raises:
        MissingResultsError: nothing was recorded.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    rows = folder.rows()
    if not rows:
        folder.best()  # says what is missing
    page = report_recorded(config, rows)
    return rows, [page, *draw_plots(rows, folder.plots, minimize=minimizes(config))]


def _refuse_untrained(config: Config) -> None:
    if config.objective != "nas":
        raise ConfigError(
            f"a full training needs objective: nas, got objective={config.objective}"
            f"{f' ({config.source})' if config.source else ''}; there is no network to train"
        )


def _train_alone(
    config: Config,
    call_of: Callable[[Config], Callable[[], Evaluation]],
    register_as: str | None,
    listener: SearchListener,
    continues: str = "",
) -> Trained:
    """A full training outside a search: with the seed and under the run of the recorded search, if there is one."""
    from hivenas.run.session import deliver_all, open_tracker
    from hivenas.tracking import MlflowTracker, fail_fast, prepare_store

    fail_fast()
    prepare_store()
    with open_folder(config, make=True) as store, make_executor(config.execution, store.folder) as executor:
        search = open_tracker(config, store, executor, "train", say=listener.warn)
        outbox = Outbox(store.folder.outbox, search, listener.warn)
        deliver_all(store, outbox, search)
        if outbox.waiting:
            raise TrackingError("the MLflow store has not taken what waits for it; train when it answers")
        run_id = store.state.run_id
        recorded = store.state.seed if store.state.has_begun and config.seed is None else config.seed
        seeded = config.model_copy(update={"seed": drawn_seed(recorded)})
        data = executor.submit(Unlimited(describe_data), seeded).result()
        evaluation = executor.submit(Unlimited(call_of(seeded))).result()
        letter = letter_of(
            seeded,
            evaluation,
            key=f"{uuid.uuid4().hex}:full",
            register_as=register_as,
            search_run=run_id,
            data=data,
            continues=continues,
        )
        tracker = MlflowTracker(config.name, home=run_id, command="hivenas train", publisher=publisher(executor))
        outbox = Outbox(store.folder.outbox, tracker, listener.warn)
        outbox.write(letter)
        delivered = outbox.deliver(force=True)
        outbox.forget(delivered)
        store.folder.drop_checkpoints(str(evaluation.candidate))
        return trained_of(letter, delivered)
