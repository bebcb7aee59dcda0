"""The formats that a trained model is exported to, each a record, and the figures of an exported one.

Nothing here imports the configuration, Keras, nor what writes or runs a file: `hivenas --help` lists the formats.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Answers = Callable[[NDArray[Any]], NDArray[Any]]

_HERE = __name__.rpartition(".")[0]
DESCRIPTION_FILE = "export.json"


@dataclass(frozen=True, slots=True)
class Exportable:
    """A model as writers are given it.

    Args:
        network: the Keras model, from raw images to probabilities, or what else its task has it answer.
        examples: some training images.
        known: what whoever loads it should know of its images and classes: `shape`, `dtype`, `scale` (the values that
            stand for the bytes 0 and 255 of image files), `background`, `class_names` or `label_names`; plain data,
            None for unknown; of other tasks than classes what `LearningTask.answers_told` says.
    """

    network: Any
    examples: NDArray[Any]
    known: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format, as a record that describes itself.

    Args:
        name: as `--to` names it.
        description: what it is for, in a line.
        file: name of the file, or folder, that is written.
        writer: path, as `module:name`, of what writes it: called with the model and where to write.
        opener: path of what opens it in the runtime that it is for, on one thread where that can be told; it returns a
            function from images (count, height, width, channels) to answers (count, outputs).
        modules: what must be installed for it beside hivenas.
        exact: whether it answers as the Keras model does, up to rounding.
    """

    name: str
    description: str
    file: str
    writer: str
    opener: str
    modules: tuple[str, ...] = ()
    exact: bool = True

    def write(self, model: Exportable, path: Path) -> None:
        """Writes a model; see `writer`."""
        from hivenas.config.registry import import_callable

        import_callable(self.writer)(model, path)

    def open(self, path: Path) -> Answers:
        """Opens what was written; see `opener`."""
        from hivenas.config.registry import import_callable

        opened: Answers = import_callable(self.opener)(path)
        return opened


FORMATS: Mapping[str, ExportFormat] = {
    each.name: each
    for each in (
        ExportFormat(
            "keras",
            "Keras' own file",
            file="model.keras",
            writer=f"{_HERE}.keras_files:write_keras",
            opener=f"{_HERE}.keras_files:open_keras",
        ),
        ExportFormat(
            "saved_model",
            "for TensorFlow and TensorFlow Serving",
            file="saved_model",
            writer=f"{_HERE}.keras_files:write_saved_model",
            opener=f"{_HERE}.keras_files:open_saved_model",
        ),
        ExportFormat(
            "litert",
            "for phones and boards, in float32 (TensorFlow Lite by its present name)",
            file="model.tflite",
            writer=f"{_HERE}.litert:write",
            opener=f"{_HERE}.litert:opened",
        ),
        ExportFormat(
            "litert-int8",
            "the same in whole numbers of 8 bits: smaller, not quite as exact",
            file="model.tflite",
            writer=f"{_HERE}.litert:write_int8",
            opener=f"{_HERE}.litert:opened",
            exact=False,
        ),
        ExportFormat(
            "onnx",
            "for ONNX Runtime, and what else reads ONNX",
            file="model.onnx",
            writer=f"{_HERE}.onnx_file:write",
            opener=f"{_HERE}.onnx_file:opened",
            modules=("tf2onnx", "onnx", "onnxruntime"),
        ),
        ExportFormat(
            "pyfunc",
            "for MLflow's server: it takes pictures and tables beside arrays, and names what it answers",
            file="model",
            writer="hivenas.tracking.picture_model:write",
            opener="hivenas.tracking.picture_model:opened",
        ),
    )
}


def formats_named(names: Sequence[str]) -> list[ExportFormat]:
    """The formats of these names, each once.

    Raises:
        ConfigError: none of that name, or one whose packages are not installed.
    """
    if not names or (unknown := [name for name in names if name not in FORMATS]):
        given = unknown[0] if names else "none"
        raise ConfigError(f"--to must be one of {', '.join(FORMATS)}, got {given}; give one of these")
    chosen = [FORMATS[name] for name in dict.fromkeys(names)]
    for each in chosen:
        missing = [module for module in each.modules if importlib.util.find_spec(module) is None]
        if missing:
            raise ConfigError(
                f"--to {each.name} needs the package{'s' if len(missing) > 1 else ''} {', '.join(missing)}, got none; "
                "pip install 'hivenas[export]'"
            )
    return chosen


@dataclass(frozen=True, slots=True)
class Exported:
    """A model in a format, and what it is worth in the runtime that this is for.

    Args:
        format: its name.
        path: the file, or folder.
        size: in bytes.
        task: what it answers.
        metric: what is looked for.
        figures: on the test split, by metric: that which its task looks for where nothing else is said, of classes the
            accuracy, and what is looked for where that is another.
        images: how many the test split has.
        agreement: share of them that it answers as the Keras model does: with the same class, or the same labels, or
            with a number that differs by a hundredth of the labels' deviation at the most.
        p50_ms: how long one image takes, in milliseconds, the median.
        p95_ms: likewise, what 95 % stay below.
    """

    format: str
    path: Path
    size: int
    task: str
    metric: str
    figures: Mapping[str, float]
    images: int
    agreement: float
    p50_ms: float
    p95_ms: float

    @property
    def accuracy(self) -> float | None:
        """Share of right answers on the test split; None of other tasks than classes."""
        from hivenas.config.metrics import ACCURACY

        return self.figures.get(ACCURACY)
