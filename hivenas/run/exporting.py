"""A trained model exported: found where MLflow keeps it, written and measured in a worker, told to MLflow."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivenas.config import Config, ExecutionConfig, from_record
from hivenas.core.files import disk_full_said, written_whole
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.data.placement import with_copies_of
from hivenas.core.nas.nas_interface import interface_of
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.export.formats import (
    DESCRIPTION_FILE,
    Exportable,
    Exported,
    ExportFormat,
    formats_named,
)
from hivenas.core.recipe import Recipe, package_version
from hivenas.core.seeds import derive_seed
from hivenas.errors import ConfigError, ExportError, MissingResultsError, TrackingError, WorkerDiedError
from hivenas.execution import Task, TaskExecutor, make_executor, on_data
from hivenas.tracking.exports import log_export
from hivenas.tracking.fetching import TrackedRun
from hivenas.tracking.models import TrackedModel
from hivenas.tracking.store import current_stores, use_stores

_WRITERS = ("hivenas", "tensorflow", "keras")

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Export:
    """A model in formats.

    Args:
        model: its URI.
        folder: in which every format has a folder.
        exported: what came of each format.
        logged: URIs of what MLflow keeps of them, by format; nothing of what it has not taken.
    """

    model: str
    folder: Path
    exported: tuple[Exported, ...]
    logged: Mapping[str, str] = field(default_factory=dict)


def export(reference: str, formats: Sequence[str], folder: Path | None = None) -> Export:
    """Writes a model in formats, each in a folder with the names of what it answers, and measures it on test images.

    Args:
        reference: what `TrackedModel` takes.
        formats: names of formats.
        folder: in which every format gets a folder; None for `export/` and the search's name, here.

    Raises:
        ConfigError: no such format, or one whose packages are not installed.
        DatasetError: the data are not those of the training, or not here.
        ExportError: the model cannot be written in a format, or does not answer alike in it.
        MissingResultsError: no such model, or one that cannot be loaded here or does not say how it was trained.
        TrackingError: the MLflow store does not answer.
    """
    chosen = formats_named(formats)
    model = TrackedModel(reference)
    recipe = _recipe_of(model)
    with tempfile.TemporaryDirectory(prefix="hivenas-") as temporary:
        config = from_record({**recipe.config, "results": {"dir": temporary}}).settled_on(recipe.candidate)
        config = with_copies_of(config, from_record(recipe.config))
        place = (folder or Path("export") / config.name).absolute()
        for form in chosen:
            _make(place / form.name)
        exported, logged = [], {}
        with make_executor(_alone(config.execution), ResultsFolder(temporary, config.name)) as executor:
            for form in chosen:  # each to its end: should the next be refused, this one is there
                task = _task(config, model.uri, form, place / form.name / form.file)
                if digest := recipe.environment.get("data", ""):
                    task = on_data(task, config, digest)
                exported.append(_carried_out(executor, task, form))
                _describe(exported[-1], model)
                if uri := _logged(exported[-1], form, model.run_id):
                    logged[form.name] = uri
    return Export(model.uri, place, tuple(exported), logged)


def _make(folder: Path) -> None:
    """Makes the folder of a format, before anything is converted; refuses one that cannot be made or written to."""
    try:
        with disk_full_said(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise ConfigError(
            f"--out must be a folder in which {folder.name}/ can be made and written, got {folder.parent} "
            f"({error.strerror}); give another one"
        ) from error


def _recipe_of(model: TrackedModel) -> Recipe:
    if not model.run_id:
        raise MissingResultsError(
            f"{model.uri} must be the model of a full training, whose run says on which data it is tested, got one "
            "without a run; give a model that hivenas has trained"
        )
    return Recipe.from_text(TrackedRun(model.run_id).recipe())


def _alone(config: ExecutionConfig) -> ExecutionConfig:
    """An executor with which a converter that crashes takes nothing along, and a single thread is all there is."""
    return config.with_one_worker_here().model_copy(update={"threads": 1})


def _task(config: Config, uri: str, form: ExportFormat, path: Path) -> Task[Exported]:
    return Task("export", _export_here, (config, uri, current_stores(), form, path), local=True)


def _carried_out(executor: TaskExecutor, task: Task[Exported], form: ExportFormat) -> Exported:
    try:
        return executor.submit(task).result()
    except WorkerDiedError as error:
        raise ExportError(
            f"--to {form.name} needs a model that its converter can take, got one at which that died ({error}); give "
            "another format"
        ) from error


@exclusive
def _export_here(config: Config, uri: str, stores: tuple[str, str], form: ExportFormat, path: Path) -> Exported:
    from hivenas.core.nas.training.export.exporting import export as export_network
    from hivenas.core.nas.training.export.exporting import sampled

    use_stores(stores)
    data = interface_of(config).eval_strategy.data
    model = TrackedModel(uri)
    examples = sampled(data, derive_seed(config.seed or 0, "export"))
    exportable = Exportable(model.network(), examples, _known(model))
    return export_network(exportable, data, form, path, config.evaluation.metric)


def _known(model: TrackedModel) -> dict[str, Any]:
    """All that there is to know of a model's images and answers, as plain data."""
    return {
        "shape": list(model.shape),
        "dtype": str(model.dtype),
        "scale": model.scale and list(model.scale),
        "background": model.background and list(model.background),
        **({f"{model.task.answer}_names": model.class_names and list(model.class_names)} if model.task.answer else {}),
        **model.task.answers_told,
    }


def _describe(exported: Exported, model: TrackedModel) -> None:
    """Writes beside a file what whoever uses it must know: its images, its classes, its figures."""
    folder = exported.path.parent
    if model.task.names_file:
        with written_whole(folder / model.task.names_file) as file:
            file.write_text(
                "".join(f"{' '.join(name.splitlines())}\n" for name in model.class_names or ()), encoding="utf-8"
            )
    said = {
        "model": model.uri,
        "format": exported.format,
        "file": exported.path.name,
        **_known(model),
        "test": {**exported.figures, "images": exported.images, "agreement": exported.agreement},
        "bytes": exported.size,
    }
    with written_whole(folder / DESCRIPTION_FILE) as file:
        file.write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")


def _logged(exported: Exported, form: ExportFormat, run_id: str) -> str:
    """Tells MLflow of it and returns where it is there; what that does not take is said, as the file is written."""
    versions = {name: package_version(name) for name in (*_WRITERS, *form.modules)}
    try:
        return log_export(exported, run_id, versions)
    except TrackingError as error:
        logger.warning("%s was written, but MLflow has not taken it: %s", exported.path, error)
        return ""
