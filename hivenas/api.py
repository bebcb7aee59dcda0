"""The composition root, called by Python and by the command line alike: configuration → objective, strategy, executor,
tracker, ledger → search → model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.config import Config
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.seeds import derive_seed, drawn_seed
from hivenas.run.callbacks import Callback
from hivenas.run.data import describe_data
from hivenas.run.given import Configuration, load, refuse_untrained, resolved
from hivenas.run.plan import Plan, check, check_inputs, plan

if TYPE_CHECKING:
    from hivenas.run.expected_time import ExpectedTime
    from hivenas.run.exporting import Export
    from hivenas.run.forgetting import Forgotten
    from hivenas.run.prediction import Answer
    from hivenas.run.reproduction import Reproduction
    from hivenas.run.result import SearchResult, Trained

__all__ = [
    "Plan",
    "check",
    "describe_data",
    "expected_time",
    "export",
    "forget",
    "load",
    "load_results",
    "plan",
    "predict",
    "report",
    "reproduce",
    "search",
    "sync",
    "train",
    "train_custom",
]


def search(
    config: Configuration,
    *overrides: str,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    objective: ObjectiveInterface | None = None,
    progress: bool | None = None,
    go_on: str = "",
) -> SearchResult:
    """Searches, fully trains the best candidate, tests it and registers the model.

    Args:
        config: a YAML file, a mapping with its keys, or a configuration.
        overrides: keys with other values, such as `"evaluation.epochs=2"`.
        resume: go on with the recorded search.
        overwrite: delete a recorded search first.
        callbacks: are called at the moments of the search, see `Callback`.
        objective: anyone's, in place of the configured one; it is evaluated in workers unless `execution.kind` is
            `serial`, draws from its attribute `rng`, which it is given, and its records, runs and report are those of
            any other.
        progress: whether a progress bar is shown; None for where the standard output is a terminal or a notebook.
        go_on: the command with which the search goes on, for its page in MLflow; empty for that of the configuration.

    Returns:
        What came of it: `best.candidate`, `best.fitness`, `to_frame()`, `model_uri`, `test_accuracy`, …

    Raises:
        InputError: the configuration, the data or the results folder do not allow it; nothing was trained.
        TrainingError: the full training failed; the search's records are kept.
        SearchFailedError: so many candidates failed in a row that the search was ended.
        DiskFullError: there is no space for the search's files.
        KeyboardInterrupt: it was interrupted; `resume=True` goes on with it.
    """
    from hivenas.core.folder import ResultsFolder
    from hivenas.objectives.factory import make_objective
    from hivenas.objectives.weighing import refuse_objectives
    from hivenas.run.mirror_sync import open_mirror
    from hivenas.run.options import SessionOptions, checked_callbacks, refuse_other_objective, refuse_others
    from hivenas.run.progress import shown_progress
    from hivenas.run.session import Session
    from hivenas.storage import open_search, read_state

    refuse_others(objective)
    hearing = checked_callbacks(callbacks)
    settings = resolved(config, overrides, objective)
    check_inputs(settings)
    # A resumed search has its own seed, which an objective may follow too.
    before = read_state(ResultsFolder(settings.results.dir, settings.name)) if resume else None
    seed = before.seed if before else drawn_seed(settings.seed)
    rng = np.random.default_rng(derive_seed(seed, "search"))
    searched = objective or make_objective(settings.model_copy(update={"seed": seed}), rng)
    searched.rng = rng
    info = searched.describe()
    refuse_objectives(settings, info)
    mirror = open_mirror(settings, info)
    with open_search(settings, seed, resume=resume, overwrite=overwrite, mirror=mirror) as ledger:
        refuse_other_objective(ledger, info)
        seeded = settings.model_copy(update={"seed": ledger.state.seed})
        with shown_progress(progress) as views:
            options = SessionOptions(callbacks=[*hearing, *views], mirror=mirror, go_on=go_on)
            return Session(seeded, searched, rng=rng, ledger=ledger, options=options).finish()


def expected_time(config: Config, plan: Plan, data: Mapping[str, Any], *, measure: bool = False) -> ExpectedTime | None:
    """The time that a search will take at the most, by the candidates that one of its name has recorded.

    Args:
        config: the configuration.
        plan: what `check` says.
        data: what `describe_data` says.
        measure: whether a few candidates are trained on some of the images for it, where none are recorded.

    Returns:
        None where nothing is known, or nothing trained.
    """
    from hivenas.run.expected_time import measured_time, recorded_time

    known = recorded_time(config, plan, data)
    return measured_time(config, plan, data) if measure and known is None else known


def train(
    config: Configuration,
    *overrides: str,
    at: str | None = None,
    from_weights: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Fully trains the best recorded candidate, or the best within bounds, and registers the model.

    It is trained as `full_train` says for one finalist.

    Args:
        config: a YAML file, a mapping with its keys, or a configuration.
        overrides: keys with other values, such as `"full_train.epochs=20"`.
        at: bounds such as `"params<=20000"`, of costs and `fitness` by `<=`, `<`, `>=` or `>`, several
            separated by commas: the complete candidate with the best fitness within them is trained, and where the
            fitness alone is bounded the one with the smallest cost. None for the best candidate.
        from_weights: continue from the best candidate's saved weights instead of training from scratch.
        callbacks: hear of the training: `on_full_training`, `on_full_epoch` and `on_full_progress` are called.

    Raises:
        ConfigError: bounds that cannot be read.
        MissingResultsError: no results, none within the bounds, or no weights where they are needed.
        TrainingError: the training failed.
    """
    from hivenas.core.bounds import parse_bounds
    from hivenas.core.folder import ResultsFolder
    from hivenas.core.records import Direction
    from hivenas.run.choice import recorded_within
    from hivenas.run.options import checked_callbacks
    from hivenas.run.standalone import StandaloneTraining, train_alone
    from hivenas.storage import best_recorded

    hearing = checked_callbacks(callbacks)
    bounds = None if at is None else parse_bounds(at)
    settings = resolved(config, overrides)
    refuse_untrained(settings)
    plan(settings)
    folder = ResultsFolder(settings.results.dir, settings.name)
    direction = Direction.of(settings.evaluation.metric.minimize)
    best = best_recorded(folder, direction) if bounds is None else recorded_within(folder, bounds, direction)
    training = StandaloneTraining(
        arch=best.encoded,
        weights_filename=best.weights_filename if from_weights else None,
        register_as=settings.model_name,
    )
    return train_alone(settings, training, hearing)


def train_custom(config: Configuration, arch: str, *overrides: str, callbacks: Sequence[Callback] = ()) -> Trained:
    """Fully trains a given architecture; it is tracked, not registered.

    Args:
        config: a YAML file, a mapping with its keys, or a configuration.
        arch: `input|…|output`, of any depth over the reference operations.
        overrides: keys with other values.
        callbacks: hear of the training: `on_full_training`, `on_full_epoch` and `on_full_progress` are called.

    Raises:
        ArchitectureError: a malformed architecture.
        TrainingError: the training failed.
    """
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.nas.space.architecture import decode
    from hivenas.core.tracker import NullTracker
    from hivenas.run.options import checked_callbacks
    from hivenas.run.standalone import StandaloneTraining, train_alone

    hearing = checked_callbacks(callbacks)
    settings = resolved(config, overrides)
    refuse_untrained(settings)
    plan(settings)
    decode(arch, NASInterface.from_config(settings.of(arch), tracker=NullTracker()).search_space.reference)
    return train_alone(settings, StandaloneTraining(arch=arch), hearing)


def predict(
    model: str,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    scale: tuple[float, float] | None = None,
) -> list[Answer]:
    """Classifies image files, or the images of npz files, by a trained model; or what else its task is.

    Args:
        model: what `TrackedModel` takes: a URI of the registry, a registered name, a run's id.
        files: one file, or several.
        scale: the values that stand for the bytes 0 and 255 of image files; None for those recorded with the model.

    Returns:
        A `Prediction` an image, with the class's name and its probability; by a model of several labels an image a
        `LabelsPrediction`, by one of numbers a `NumberPrediction`.

    Raises:
        ConfigError: a scale that is none: of numbers that are not finite, say.
        DatasetError: a file that cannot be read, or images that the model cannot take.
        MissingResultsError: no such model, or one that cannot be loaded here.
        TrackingError: the MLflow store does not answer.
    """
    from hivenas.run.prediction import answer_images, check_scale
    from hivenas.tracking.models import TrackedModel
    from hivenas.tracking.store import fail_fast

    if scale:
        check_scale(scale)
    fail_fast()
    named = [files] if isinstance(files, str | os.PathLike) else list(files)
    return answer_images(TrackedModel(model), [os.fspath(file) for file in named], scale)


def export(model: str, formats: str | Sequence[str], *, folder: str | os.PathLike[str] | None = None) -> Export:
    """Writes a trained model in formats for other runtimes, and measures each on the test split in its own.

    Args:
        model: what `predict` takes: a URI of the registry, a registered name, a run's id.
        formats: one name, or several: keras, saved_model, litert, litert-int8, onnx, pyfunc.
        folder: in which every format gets a folder; None for `export/` and the search's name, in the working folder.

    Returns:
        The files, with accuracy, bytes and milliseconds, and where MLflow keeps them.

    Raises:
        ConfigError: no such format, or one whose packages are not installed (`pip install 'hivenas[export]'`).
        DatasetError: the data are not those of the training, or not here.
        ExportError: the model cannot be written in a format: names the layer.
        MissingResultsError: no such model, or one that cannot be loaded here or does not say how it was trained.
        TrackingError: the MLflow store does not answer.
    """
    from hivenas.run import exporting
    from hivenas.tracking.store import fail_fast

    fail_fast()
    names = [formats] if isinstance(formats, str) else list(formats)
    return exporting.export(model, names, None if folder is None else Path(folder))


def load_results(folder: str | os.PathLike[str]) -> SearchResult:
    """The result of a recorded search, in whatever condition: finished, running or interrupted.

    What the folder does not hold is not known: `waiting` is 0, `registered` and `reason` are empty, also where records
    wait, a model is registered or the search ended early. `store` is MLFLOW_TRACKING_URI of this process, or empty.

    Args:
        folder: its results folder, such as `results/digits`.

    Raises:
        MissingResultsError: nothing was recorded there.
        ResultsExistError: it was recorded by another version.
    """
    from hivenas.core.folder import ResultsFolder
    from hivenas.run.report import load_results as load_recorded

    path = Path(folder).resolve()
    return load_recorded(ResultsFolder(path.parent, path.name))


def sync(
    config: Configuration, *overrides: str, rehome: bool = False, objective: ObjectiveInterface | None = None
) -> tuple[int, int]:
    """Tells MLflow, and Optuna's storage, what a search that does not run could not tell them.

    Args:
        config: a YAML file, a mapping with its keys, or a configuration.
        overrides: keys with other values.
        rehome: tell MLflow everything again that it lacks of the search, in a new run where the search's is gone: it
            was deleted, or this is another store.
        objective: the one that the search was given from Python, if it was.

    Returns:
        How many records MLflow has taken, and how many still wait, for either.

    Raises:
        MissingResultsError: there is no results folder, or the search's run is not in this store.
        ResultsExistError: a process is searching there; it sends by itself.
    """
    from hivenas.run.syncing import tell, tell_again, tell_mirror

    settings = resolved(config, overrides, objective)
    taken, waiting = tell_again(settings, objective) if rehome else tell(settings)
    # MLflow has its records by now, whether or not Optuna's storage answers.
    return taken, waiting + tell_mirror(settings, objective)


def reproduce(run_id: str) -> Reproduction:
    """Trains the candidate of a run in MLflow again and compares every figure of every epoch.

    Raises:
        MissingResultsError: no such run, or not of a candidate.
        TrackingError: the MLflow store does not answer.
        TrainingError: the candidate cannot be trained here.
    """
    from hivenas.run import reproduction
    from hivenas.tracking.fetching import TrackedRun
    from hivenas.tracking.store import fail_fast

    fail_fast()
    return reproduction.reproduce(TrackedRun(run_id))


def report(config: Configuration, *overrides: str) -> tuple[SearchResult, list[Path]]:
    """Draws the pictures of a recorded search, finished or not, and its page; its data and operations are not needed.

    Returns:
        The result, and the files: the page first. What cannot be made is left out, with a warning.

    Raises:
        MissingResultsError: nothing was recorded.
    """
    from hivenas.core.folder import ResultsFolder
    from hivenas.reports import draw_plots
    from hivenas.run.report import report_recorded

    settings = resolved(config, overrides)
    result, page = report_recorded(settings)
    plots = ResultsFolder(settings.results.dir, settings.name).plots
    return result, [*filter(None, [page]), *draw_plots(result.trials, plots, result.direction, result.costs)]


def forget(search: str | os.PathLike[str], *, agree: Callable[[Forgotten], bool] | None = None) -> Forgotten:
    """Deletes a search: its runs, its logged models and registered versions without an alias, its results folder.

    A version that has an alias stays, with its run and what is logged there. What `export` has written stays.

    Args:
        search: the name of one in `results/`, or its results folder.
        agree: is given what would be deleted, and nothing is where it returns False; None to ask nobody.

    Returns:
        What was deleted, what stays, and the `mlflow gc` commands that free the store's space, a line each.

    Raises:
        MissingResultsError: no such search, or its run is not in this store.
        ResultsExistError: a process is at work in the folder.
        TrackingError: the MLflow store does not answer; nothing was deleted.
    """
    from hivenas.config.schema import ResultsConfig
    from hivenas.core.folder import ResultsFolder
    from hivenas.run import forgetting

    named = Path(search)
    path = named.resolve() if len(named.parts) > 1 or named.is_absolute() else Path(ResultsConfig().dir, named)
    return forgetting.forget(ResultsFolder(path.parent, path.name), agree)
