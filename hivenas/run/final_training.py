"""The full training of one architecture: trained, tested once, looked at, tracked, registered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.operations import reference_space
from hivenas.core.nas.training.predictions import TestPredictions
from hivenas.core.recipe import Recipe
from hivenas.core.records import Evaluation
from hivenas.core.seeds import arch_hash
from hivenas.core.tracker import Published, ServableModel, child_of, operation_params
from hivenas.errors import (
    HivenasError,
    TrackingError,
    TrackingRefusedError,
    TrainingError,
    WorkerDiedError,
    first_line,
)
from hivenas.execution import Local
from hivenas.reports import draw_predictions, model_note
from hivenas.reports.candidate import CandidatePages
from hivenas.storage.outbox import Delivered, Letter

_LONGEST_TAG = 5000


@dataclass(frozen=True, slots=True)
class Trained:
    """A fully trained model: its record, its run, and what its publication came to (nothing while it waits)."""

    evaluation: Evaluation
    run_id: str
    published: Published


def letter_of(
    config: Config,
    evaluation: Evaluation,
    *,
    key: str,
    register_as: str | None,
    search_run: str,
    data: Mapping[str, Any],
    continues: str = "",
    stands: bool = False,
) -> Letter:
    """What MLflow is told of a full training: the run with its pictures, and the model to log and register.

    Args:
        config: the configuration, with the run's seed.
        evaluation: what the training came to; a failed one has no model.
        key: names the training, see `Child`.
        register_as: the registered model's name; None to log the model only.
        search_run: id of the search's run; empty where there is none.
        data: what `Dataset.describe` says.
        continues: id of the run whose weights it started from; empty from scratch.
        stands: whether the letter stands for the training until the search's state does.
    """
    chain = decode(str(evaluation.candidate), reference_space(config.space.reference))
    folder = ResultsFolder(config.results.dir, config.name)
    child = child_of(
        None,
        evaluation,
        search=config.name,
        phase="full_train",
        params=operation_params(chain.operations, chain.skips, config.space.depth),
        weights=[folder.weights / evaluation.filename],
        pictures=_draw_answers(evaluation, folder),
        key=key,
        continues=continues,
        recipe=Recipe.of(config, evaluation).to_text(),
        page=CandidatePages.of_space(config.space, data).of(None, evaluation),
    )
    if evaluation.status == "failed":
        return Letter(child=child, evaluation=evaluation)
    origin = _origin(config, evaluation, search_run, data)
    model = ServableModel(
        file=Path(evaluation.extra["model"]),
        example=Path(evaluation.extra["example"]),
        name=register_as if config.registry.register_model else None,
        alias=config.registry.alias,
        origin=origin,
        description=model_note(origin, config.to_yaml()),
        promote=config.registry.promote,
        metadata=_metadata(data),
    )
    return Letter(child=child, model=model, evaluation=evaluation, stands=stands)


def trained_of(letter: Letter, delivered: Sequence[Delivered]) -> Trained:
    """The training that a letter tells of, with the run and the model's URI where the letter was delivered.

    Raises:
        TrainingError: the training failed; its run says why.
    """
    assert letter.evaluation
    assert letter.child
    if letter.evaluation.status == "failed":
        raise TrainingError(f"the full training of {letter.evaluation.candidate} failed: {letter.evaluation.reason}")
    for each in delivered:
        if each.letter.child and each.letter.child.key == letter.child.key:
            return Trained(letter.evaluation, each.run_id, each.published)
    return Trained(letter.evaluation, "", Published())


def publisher(executor: Executor) -> Callable[[ServableModel, str, tuple[str, str]], Published]:
    """How the tracker has a model published: by a worker, as Keras is needed to log it."""
    from hivenas.tracking.registry import publish

    def in_worker(model: ServableModel, run_id: str, stores: tuple[str, str]) -> Published:
        try:
            return executor.submit(Local(publish), model, run_id, stores).result()
        except WorkerDiedError as error:
            raise TrackingError(f"the model {model.file.name} could not be published: {error}") from error
        except HivenasError:
            raise
        except Exception as error:  # a layer whose module was not imported, say
            raise TrackingRefusedError(
                f"the model {model.file.name} cannot be published: {first_line(error)}"
            ) from error

    return in_worker


def _origin(config: Config, evaluation: Evaluation, search_run: str, data: Mapping[str, Any]) -> dict[str, str]:
    """Where a registered version comes from, as its tags."""
    figures = evaluation.extra
    return {
        "hivenas.search": config.name,
        "hivenas.search_run": search_run,
        "hivenas.architecture": str(evaluation.candidate),
        "hivenas.arch_hash": arch_hash(str(evaluation.candidate)),
        "hivenas.test_accuracy": f"{figures['test_accuracy']:.6f}",
        "hivenas.test_accuracy_95": f"{figures['test_accuracy_low']:.4f} … {figures['test_accuracy_high']:.4f}",
        "hivenas.test_images": str(figures["test_images"]),
        "hivenas.validation_accuracy": f"{evaluation.fitness:.6f}",
        "hivenas.data": f"{config.dataset.name} {data['digest']}",
        "hivenas.test_data": data["test_digest"],
        "hivenas.classes": _class_names(data),
        "hivenas.seed": str(config.seed),
        **_git_origin(),
    }


def _git_origin() -> dict[str, str]:
    """The commit that the model was trained from, where the working folder is a git checkout."""
    from hivenas.tracking import git_tags

    tags = git_tags()
    commit = tags.pop("mlflow.source.git.commit", "")
    return {"hivenas.git_commit": commit} | tags if commit else {}


def _metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's images are, and the names of its classes, for whoever gives it others."""
    kept = ("name", "shape", "dtype", "lowest", "highest", "class_names")
    return {"hivenas": {key: data[key] for key in kept if key in data}}


def _class_names(data: Mapping[str, Any]) -> str:
    """The classes in the order of the model's probabilities, as JSON; their number where a tag cannot hold them."""
    names = json.dumps(data["class_names"], ensure_ascii=False)
    return names if len(names) <= _LONGEST_TAG else f"{data['classes']} classes"


def _draw_answers(evaluation: Evaluation, folder: ResultsFolder) -> list[Path]:
    if evaluation.status == "failed":
        return []
    answers = TestPredictions.load(Path(evaluation.extra["answers"]))
    return draw_predictions(answers, folder.plots / f"full-{arch_hash(str(evaluation.candidate))[:8]}")
