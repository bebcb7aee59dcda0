"""A trained model exported: found where MLflow keeps it, written and measured in a worker, told to MLflow."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivenas.config import Config, from_record
from hivenas.core.files import written_whole
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.nas_interface import interface_of
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.export.formats import (
    CLASSES_FILE,
    DESCRIPTION_FILE,
    Exportable,
    Exported,
    ExportFormat,
    formats_named,
)
from hivenas.core.recipe import Recipe, package_version
from hivenas.core.seeds import derive_seed
from hivenas.errors import ExportError, MissingResultsError, TrackingError, WorkerDiedError
from hivenas.execution import Task, make_executor, on_data
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
    """Writes a model in formats, each in a folder with the names of its classes, and measures it on the test split.

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
        place = (folder or Path("export") / config.name).absolute()
        exported = _in_worker(config, model.uri, chosen, place, recipe.environment.get("data", ""))
    for each in exported:
        _describe(each, model)
    return Export(model.uri, place, exported, _logged(exported, chosen, model.run_id))


def _recipe_of(model: TrackedModel) -> Recipe:
    if not model.run_id:
        raise MissingResultsError(
            f"{model.uri} must be the model of a full training, whose run says on which data it is tested, got one "
            "without a run; give a model that hivenas has trained"
        )
    return Recipe.from_text(TrackedRun(model.run_id).recipe())


def _in_worker(
    config: Config, uri: str, formats: Sequence[ExportFormat], folder: Path, digest: str
) -> tuple[Exported, ...]:
    """Has it done where a converter that crashes takes nothing along, and a single thread is all there is."""
    kind = "serial" if config.execution.kind == "serial" else "process"
    alone = {"kind": kind, "workers": 1, "threads": 1, "address": None, "gpus": None}
    here = config.execution.model_copy(update=alone)
    task = Task("export", _export_here, (config, uri, current_stores(), tuple(formats), folder), local=True)
    with make_executor(here, ResultsFolder(config.results.dir, config.name)) as executor:
        try:
            return executor.submit(on_data(task, config, digest) if digest else task).result()
        except WorkerDiedError as error:
            names = ", ".join(each.name for each in formats)
            raise ExportError(
                f"--to {names} needs a model that its converters can take, got one at which a process died ({error}); "
                "export to one format at a time, or to keras"
            ) from error


@exclusive
def _export_here(
    config: Config, uri: str, stores: tuple[str, str], formats: Sequence[ExportFormat], folder: Path
) -> tuple[Exported, ...]:
    from hivenas.core.nas.training.export.exporting import export as export_network
    from hivenas.core.nas.training.export.exporting import sampled

    use_stores(stores)
    data = interface_of(config).eval_strategy.data
    model = TrackedModel(uri)
    examples = sampled(data, derive_seed(config.seed or 0, "export"))
    exportable = Exportable(model.network(), examples, _known(model))
    return export_network(exportable, data, formats, folder, config.evaluation.metric)


def _known(model: TrackedModel) -> dict[str, Any]:
    """What there is to know of a model's images and classes, as plain data."""
    return {
        "shape": list(model.shape),
        "dtype": str(model.dtype),
        "scale": model.scale and list(model.scale),
        "background": model.background and list(model.background),
        "class_names": model.class_names and list(model.class_names),
    }


def _describe(exported: Exported, model: TrackedModel) -> None:
    """Writes beside a file what whoever uses it must know: its images, its classes, its figures."""
    folder = exported.path.parent
    with written_whole(folder / CLASSES_FILE) as file:
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


def _logged(exported: Sequence[Exported], formats: Sequence[ExportFormat], run_id: str) -> dict[str, str]:
    """Tells MLflow of each; what it does not take is said, as the files are there."""
    found: dict[str, str] = {}
    try:
        for each, form in zip(exported, formats, strict=True):
            versions = {name: package_version(name) for name in (*_WRITERS, *form.modules)}
            found[each.format] = log_export(each, run_id, versions)
    except TrackingError as error:
        logger.warning("%s was written, but MLflow has not taken it: %s", each.path, error)
    return found
