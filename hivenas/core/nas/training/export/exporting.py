"""A trained model written in formats, and each of them opened again and measured."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from hivenas.config.metrics import Metric, metric_named
from hivenas.config.tasks import TASKS, LearningTask
from hivenas.core.agreement import Agreement
from hivenas.core.files import disk_full_said, sweep_temporaries
from hivenas.core.metrics import value_of
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.export.formats import Exportable, Exported, ExportFormat
from hivenas.core.nas.training.serving import answers_of
from hivenas.errors import DiskFullError, ExportError, innermost

if TYPE_CHECKING:
    from hivenas.core.nas.training.export.formats import Answers

_SAMPLE = 200  # training images that tell between which values whole numbers of 8 bits lie
_BATCH = 256
_WARM, _RUNS, _LONGEST_S = 10, 300, 3.0  # of one image at a time
_RELATIVE, _ABSOLUTE = 1e-2, 1e-3  # other runtimes add in another order
_UNKNOWN = re.compile(r"'tf\.(\w+)' op is neither|No Op registered for (\w+)")
_LONGEST = 160  # characters of what a converter says


@exclusive
def export(model: Exportable, data: Dataset, form: ExportFormat, path: Path, metric: Metric) -> Exported:
    """Writes a model in a format and measures it in the runtime that this is for.

    What is at the path already stays there until all is well.

    Args:
        model: what of it is in half precision is in float32 afterwards.
        data: the raw images, of which the test split is answered.
        form: the format.
        path: file, or folder, that is written.
        metric: what was looked for.

    Raises:
        ExportError: the model cannot be written so, with the layer that is why, or does not answer alike.
        DiskFullError: there is no space.
    """
    _in_float32(model.network)
    expected = answers_of(model.network, data.x_test)
    with disk_full_said(path.parent), _put_in_place(path) as new:
        opened = _written(form, model, new)
        starts = range(0, len(data.x_test), _BATCH)
        answers = np.concatenate([opened(data.x_test[start : start + _BATCH]) for start in starts])
        task = TASKS[metric.task]
        agreement = _agreement(form, task, data.y_test, expected, answers)
        median, high = latencies(opened, data.x_test[:1])
        figures = {each.name: value_of(each, data.y_test, answers) for each in (metric_named(task.fitness), metric)}
        return Exported(
            format=form.name,
            path=path,
            size=size_of(new),
            metric=metric.name,
            task=task.name,
            figures=figures,
            images=len(data.x_test),
            agreement=agreement,
            p50_ms=median,
            p95_ms=high,
        )


def sampled(data: Dataset, seed: int) -> NDArray[Any]:
    """Some training images, in their order: converters look at them for the values that there are."""
    chosen = np.random.default_rng(seed).permutation(len(data.x_train))[:_SAMPLE]
    return data.x_train[np.sort(chosen)]


def latencies(answers: Answers, image: NDArray[Any]) -> tuple[float, float]:
    """The median of how long one image takes, and what 95 % of the calls stay below, in milliseconds.

    After some calls that are not counted it is asked three hundred times, or for three seconds.
    """
    for _ in range(_WARM):
        answers(image)
    taken: list[float] = []
    while len(taken) < _RUNS and sum(taken) < _LONGEST_S:
        began = time.perf_counter()
        answers(image)
        taken.append(time.perf_counter() - began)
    median, high = np.quantile(taken, [0.5, 0.95]) * 1000
    return float(median), float(high)


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) or path.stat().st_size


@contextlib.contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    """A place to write a file or folder to, which takes that of a path when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(path.parent, folders=True)  # the whole folder may be logged
    with tempfile.TemporaryDirectory(prefix=f".tmp-{os.getpid()}-", dir=path.parent) as temporary:
        new = Path(temporary) / path.name
        yield new
        if path.is_dir():
            shutil.rmtree(path)
        new.replace(path)


def _written(form: ExportFormat, model: Exportable, path: Path) -> Answers:
    """Writes a model and opens it."""
    try:
        form.write(model, path)
        opened = form.open(path)
        opened(model.examples[:1])
    except DiskFullError:
        raise
    except ImportError as error:  # of packages that do not go together
        raise ExportError(
            f"--to {form.name} needs packages that work here, got {innermost(error)}; pip install 'hivenas[export]'"
        ) from error
    except Exception as error:  # converters raise anything
        raise _refusal(form, model, error) from error
    return opened


def _refusal(form: ExportFormat, model: Exportable, error: Exception) -> ExportError:
    """An error that names the layer which, all by itself, cannot be written either."""
    for layer in _layers_of(model.network):
        reason = _reason_alone(form, layer)
        if reason:
            return ExportError(
                f"--to {form.name} needs layers that can be written in it, got {layer.name!r} "
                f"({type(layer).__name__}), which cannot ({reason}); give another format, or "
                "search without it"
            )
    return ExportError(
        f"--to {form.name} needs a model that can be written in it, got one that cannot ({_shortly(error)}); give "
        "another format"
    )


def _reason_alone(form: ExportFormat, layer: keras.Layer) -> str:
    """The reason why a layer alone cannot be written and run; empty where it can, or where it has several inputs."""
    try:
        shape, dtype = tuple(layer.input.shape[1:]), layer.input.dtype
        raw = keras.Input(shape, dtype=dtype, name="raw_image")
        alone = keras.Model(raw, layer(raw))
    except Exception:  # a layer with several inputs, or none
        return ""
    values = np.random.default_rng(0).uniform(0, 1, (4, *shape)).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / form.file
        try:
            form.write(Exportable(alone, values, {}), file)
            form.open(file)(values[:1])
        except Exception as error:  # as of the whole
            return _shortly(error)
    return ""


def _shortly(error: Exception) -> str:
    """The words of a converter or runtime without the graph around them: an operation that it does not know, if any."""
    said = innermost(error)
    if unknown := _UNKNOWN.search(said):
        return f"there is no {unknown[1] or unknown[2]} in it"
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _agreement(
    form: ExportFormat, task: LearningTask, labels: NDArray[Any], expected: NDArray[Any], answers: NDArray[Any]
) -> float:
    """The share of test images that are answered alike; refuses a file that should answer alike and does not."""
    compared: Agreement = task.piece("agreement")
    agreement = compared.share(labels, expected, answers)
    if form.exact and not compared.is_close(labels, expected, answers, rtol=_RELATIVE, atol=_ABSOLUTE):
        raise ExportError(
            f"--to {form.name} must give a file that answers as the model, got the same {task.same} for "
            f"{agreement:.1%} of {len(expected)} test images; give another format, or other versions of the packages "
            "that write it (pip install 'hivenas[export]')"
        )
    return agreement


def _in_float32(network: keras.Model) -> None:
    """Has every layer compute in float32, of the same weights: what converters and processors know."""
    for layer in _layers_of(network):
        if layer.dtype_policy.compute_dtype != layer.dtype_policy.variable_dtype:
            # a layer of one's own may have a policy of its own kind
            with contextlib.suppress(Exception):
                layer.dtype_policy = keras.DTypePolicy("float32")


def _layers_of(network: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a network and of the networks inside it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_of(layer)
        else:
            yield layer
