"""The full training of one architecture: trained, tested once, looked at, tracked, registered."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hivenas.config import Config
from hivenas.config.metrics import ACCURACY, figure_recorded
from hivenas.config.promotion import thresholds_of
from hivenas.config.tasks import TASKS, task_of
from hivenas.config.text import listed
from hivenas.core.children import Child, Page, RunContext, child_of, running_child
from hivenas.core.folder import ResultsFolder
from hivenas.core.full_training import MEMBERS
from hivenas.core.git import git_tags
from hivenas.core.measured import TEST_METRICS, FinalFigure, interval_told, marked
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.operations import reference_space
from hivenas.core.nas.space.parameters import run_parameters
from hivenas.core.nas.training.failures import failed_training
from hivenas.core.nas.training.predictions import Tested
from hivenas.core.publication import LONGEST_MODEL_TAG, Published, ServableModel
from hivenas.core.recipe import Recipe
from hivenas.core.records import Direction, Evaluation, Trial
from hivenas.core.seeds import arch_hash
from hivenas.reports import model_note
from hivenas.reports.attempts import attempted
from hivenas.reports.candidate import CandidatePages
from hivenas.run.result import Trained
from hivenas.run.used_data import used_data
from hivenas.storage import Message, SearchState, Sent

logger = logging.getLogger("hivenas")

_FILES = ("model", "example", "answers")  # keys of what is recorded of a full training that are paths


@dataclass(frozen=True, slots=True, kw_only=True)
class FullTraining:
    """A full training as MLflow is told of it, beside what came of it.

    Args:
        key: names the training, see `Child`.
        register_as: the registered model's name; None to log the model only.
        search_run: id of the search's run; empty where there is none.
        data: what `Dataset.describe` says.
        continues: id, or key, of the run whose weights it started from; empty from scratch.
        keep_after_send: whether the message stands for the training until the search's state does.
        name: of its run; empty for that of a training which is the only one.
        origin: what it is, in a sentence with links to the runs that it comes of; empty likewise.
        has_weights: whether its weights are kept on its run.
        small: the candidate whose model gets the alias `registry.small`; empty for none.
        is_small: whether it is that model, which does not become the champion.
        shown_as: the key under which it is shown while it goes on; empty for its own.
    """

    key: str
    register_as: str | None
    search_run: str
    data: Mapping[str, Any]
    continues: str = ""
    keep_after_send: bool = False
    name: str = ""
    origin: str = ""
    has_weights: bool = True
    small: str = ""
    is_small: bool = False
    shown_as: str = ""


def message_of(config: Config, evaluation: Evaluation, training: FullTraining) -> Message:
    """The message that tells MLflow of a full training: the run with its pictures, and the model to log and register.

    Args:
        config: the configuration, with the run's seed.
        evaluation: what the training came to; a failed one has no model, as little as one that was not tested.
        training: all else that is told.
    """
    config = config.of(str(evaluation.candidate))
    folder = ResultsFolder(config.results.dir, config.name)
    if never := evaluation.extra.get("never_named"):
        logger.warning(
            "the fully trained network never answers %s of the test split's classes (%s): its accuracy hides that, its "
            "confusion matrix in %s shows it",
            len(never),
            listed(never),
            folder.plots,
        )
    is_tested = FinalFigure.of(evaluation) is not None
    context = replace(
        _context(config, str(evaluation.candidate), training),
        weights=[folder.weights / evaluation.filename] if training.has_weights else [],
        pictures=_draw_predictions(evaluation, folder),
        recipe=Recipe.of(config, evaluation).to_text(),
        page=attempted("the page of the full training", lambda: _page(config, evaluation, training), Page()),
        used=used_data(config, training.data, "training", "validation", *(["testing"] if is_tested else [])),
    )
    child = child_of(None, evaluation, context)
    child = replace(child, name=training.name or child.name, shown_as=training.shown_as)
    if evaluation.status == "failed" or "model" not in evaluation.extra:
        return Message(child=child, evaluation=evaluation)
    origin = _origin(config, evaluation, training.search_run, training.data)
    model = ServableModel(
        file=Path(evaluation.extra["model"]),
        example=Path(evaluation.extra["example"]),
        name=training.register_as if config.registry.register_model else None,
        alias="" if training.is_small else config.registry.alias,
        origin=origin,
        description=attempted(
            "the model's description", lambda: model_note(origin, config.to_yaml(), TASKS[config.task].returns), ""
        ),
        promote=config.registry.promote,
        metadata=image_metadata(training.data),
        answers=_example_answers(evaluation),
        second_alias=(config.registry.small or "") if _is_small(evaluation, training) else "",
        metric=config.evaluation.fitness,
        minimize=config.evaluation.metric.minimize,
        promote_if=thresholds_of(config.registry.promote_if, config.evaluation.metric),
        tested=_tested_file(config, evaluation),
    )
    return Message(child=child, model=model, evaluation=evaluation, keep_after_send=training.keep_after_send)


def begun_child(config: Config, candidate: str, training: FullTraining) -> Child:
    """The run of a full training that goes on.

    Args:
        config: the configuration, with the run's seed.
        candidate: is trained.
        training: all else that is told.
    """
    context = _context(config.of(candidate), candidate, training)
    child = running_child(None, context, marked(config.evaluation.metric), candidate=candidate)
    return replace(child, name=training.name or child.name)


def _context(config: Config, candidate: str, training: FullTraining) -> RunContext:
    """All that a run of a full training shows and that is known before its end."""
    chain = decode(candidate, reference_space(config.space.reference))
    return RunContext(
        search=config.name,
        phase="full_train",
        params=run_parameters(chain.operations, chain.skips, config.space.depth, chain.settings),
        key=training.key,
        continues=training.continues,
    )


def _is_small(evaluation: Evaluation, training: FullTraining) -> bool:
    """True for the model of the small candidate, also where it was made as that of the search."""
    return training.small == evaluation.candidate and len(evaluation.extra.get(MEMBERS, ())) < 2


def trained_of(config: Config, message: Message, sent: Sequence[Sent]) -> Trained:
    """The training that a message tells of, with the run and the model's URI where the message was sent.

    Raises:
        TrainingError: the training failed; its run says why.
    """
    assert message.evaluation
    assert message.child
    direction = Direction.of(config.evaluation.metric.minimize)
    if message.evaluation.status == "failed":
        raise failed_training(config, message.evaluation)
    for each in sent:
        if each.message.child and each.message.child.key == message.child.key:
            return Trained(message.evaluation, each.run_id, each.published, direction=direction)
    return Trained(message.evaluation, "", Published(), direction=direction)


def recorded_full_training(folder: ResultsFolder, state: SearchState, ranked: Sequence[Trial]) -> Evaluation | None:
    """The training, or the model, with which a search ended, as its history tells; None where that is not here.

    Args:
        folder: the results folder.
        state: of the search.
        ranked: the trials, best first.
    """
    if not ranked:
        return None
    final = state.final or f"{arch_hash(ranked[0].encoded)}-full"
    evaluation, entry = read_history(folder.histories / f"{final}.json"), state.trainings.get(final)
    if evaluation is None or FinalFigure.of(evaluation) is None:
        return None
    # Another command may have trained the same candidate otherwise in this folder since.
    return evaluation if entry is None or entry.is_of(evaluation) else None


def read_history(file: Path) -> Evaluation | None:
    """An evaluation, as its history tells of it; None where that is not on this machine, or cannot be read.

    Its files are those beside the history: the folder may have been moved or copied since.
    """
    try:
        evaluation = Evaluation.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    weights = ResultsFolder(file.parents[2], file.parents[1].name).weights
    here = {key: weights / Path(evaluation.extra[key]).name for key in _FILES if key in evaluation.extra}
    return replace(evaluation, extra=dict(evaluation.extra) | {k: str(v) for k, v in here.items() if v.is_file()})


def _page(config: Config, evaluation: Evaluation, training: FullTraining) -> Page:
    return CandidatePages.of_space(config, training.data).of(None, evaluation, origin=training.origin)


def _origin(config: Config, evaluation: Evaluation, search_run: str, data: Mapping[str, Any]) -> dict[str, str]:
    """The origin of a registered version, as its tags."""
    figures = evaluation.extra
    return {
        "hivenas.search": config.name,
        "hivenas.search_run": search_run,
        "hivenas.architecture": str(evaluation.candidate),
        "hivenas.arch_hash": arch_hash(str(evaluation.candidate)),
        **_accuracy(figures),
        "hivenas.test_images": str(figures["test_images"]),
        **_measured(evaluation),
        "hivenas.data": f"{config.dataset.name} {data['digest']}",
        "hivenas.test_data": data["test_digest"],
        **_names(data),
        "hivenas.seed": str(config.seed),
        **({"hivenas.members": " ".join(figures[MEMBERS])} if len(figures.get(MEMBERS, ())) > 1 else {}),
        **({"hivenas.never_named": listed(figures["never_named"])} if "never_named" in figures else {}),
        **_git_origin(),
    }


def _accuracy(figures: Mapping[str, Any]) -> dict[str, str]:
    """The accuracy of the test with its interval; of another task than classes its name."""
    if "test_accuracy" not in figures:
        return {f"hivenas.{key}": value for key, value in task_of(figures).marks.items()}
    between = interval_told(figures["test_accuracy_low"], figures["test_accuracy_high"])
    return {"hivenas.test_accuracy": figure_recorded(figures["test_accuracy"]), "hivenas.test_accuracy_95": between}


def _measured(evaluation: Evaluation) -> dict[str, str]:
    """The metrics of the test, the validation's figure, and what is looked for where that is not the accuracy."""
    tested = FinalFigure.of(evaluation)
    assert tested  # else there is no model
    others = evaluation.extra.get(TEST_METRICS, {}).items()
    tags = {f"hivenas.test_{name}": figure_recorded(value, name) for name, value in others if name != ACCURACY}
    tags[f"hivenas.validation_{tested.metric}"] = figure_recorded(evaluation.fitness, tested.metric)
    if tested.is_accuracy:
        return tags
    name = f"hivenas.test_{tested.metric}"
    own = {name: figure_recorded(tested.value, tested.metric), f"{name}_95": tested.interval}
    return {"hivenas.fitness": tested.metric, **tags, **own}


def _git_origin() -> dict[str, str]:
    """The commit that the model was trained from, where the working folder is a git checkout."""
    tags = git_tags()
    commit = tags.pop("mlflow.source.git.commit", "")
    return {"hivenas.git_commit": commit} | tags if commit else {}


def _tested_file(config: Config, evaluation: Evaluation) -> Path | None:
    """The answers that MLflow's own evaluation is made of, where it is asked for and knows the task."""
    is_asked = config.registry.evaluation and config.evaluation.task.evaluator and "answers" in evaluation.extra
    return Path(evaluation.extra["answers"]) if is_asked else None


def image_metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of the model's images, and the names of its classes, for whoever gives it others."""
    kept = ("name", "shape", "dtype", "lowest", "highest", "scale", "background", "class_names", "task")
    return {"hivenas": {key: data[key] for key in kept if key in data}}


def _example_answers(evaluation: Evaluation) -> tuple[tuple[float, ...], ...]:
    """The tested network's answers to the images of the example, which are the first of the test split."""
    count = len(np.load(evaluation.extra["example"], mmap_mode="r"))
    answers = _tested(evaluation).answers[:count]
    return tuple(tuple(row) for row in answers.tolist())


def _names(data: Mapping[str, Any]) -> dict[str, str]:
    """The classes or labels in the order of the model's probabilities, as JSON; their number where a tag is too short.

    Of a model of numbers nothing.
    """
    task = task_of(data)
    many = Path(task.names_file).stem
    names = json.dumps(data["class_names"], ensure_ascii=False)
    told = names if len(names) <= LONGEST_MODEL_TAG else f"{data['classes']} {many}"
    return {f"hivenas.{many}": told} if many else {}


def _draw_predictions(evaluation: Evaluation, folder: ResultsFolder) -> list[Path]:
    if "answers" not in evaluation.extra:
        return []
    place = folder.plots / f"full-{arch_hash(str(evaluation.candidate))[:8]}"
    draw = task_of(evaluation.extra).piece("pictures")
    made: list[Path] = attempted(str(place), lambda: draw(_tested(evaluation), place), [])
    return made


def _tested(evaluation: Evaluation) -> Tested:
    """The answers that were kept of the test."""
    found: Tested = task_of(evaluation.extra).piece("tested").load(Path(evaluation.extra["answers"]))
    return found
