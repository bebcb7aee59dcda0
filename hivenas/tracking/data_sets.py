"""Data sets in MLflow's terms: the splits that a run has used, and the one that a figure was measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import Dataset, DatasetInput, InputTag, Run

from hivenas.core.children import UsedData

_CONTEXT = "mlflow.data.context"
# What is said of images, and of a table, beside what MLflow reads; of the former what its panel shows.
_SCHEMA = ("shape", "dtype", "classes", "class_names", "columns")
_SHOWN = ("shape", "dtype", "classes")
_COLUMNS = {"architecture": "string", "fitness": "double"}


@dataclass(frozen=True, slots=True)
class _Split:
    """A split as a data set of its own: MLflow keeps one of a name and a digest, and one context of it for a run.

    Args:
        suffix: of its name.
        digest: key of its digest; that of all data says how these were split, too.
        profile: keys of what is counted.
        measures: the names of figures that were measured on it, as they begin.
    """

    suffix: str
    digest: str
    profile: tuple[str, ...]
    measures: tuple[str, ...] = ()


_SPLITS: Mapping[str, _Split] = {
    "training": _Split("", "digest", ("train", "validation", "test", "rows")),
    "validation": _Split("-validation", "digest", ("validation",), ("val_", "fitness")),
    "testing": _Split("-test", "test_digest", ("test",), ("test_",)),
}


def dataset_inputs(used: UsedData) -> list[DatasetInput]:
    """The splits as inputs of a run, for one request; of what has no digest none."""
    splits = {context: _SPLITS[context] for context in used.contexts}
    return [_input(used, context, split) for context, split in splits.items() if split.digest in used.data]


def data_of(run: Run, figure: str) -> dict[str, str]:
    """The fields of a `Metric` that link it to the split it was measured on; none where no split is known.

    Args:
        run: with its inputs.
        figure: the metric's name.
    """
    context = next((name for name, split in _SPLITS.items() if figure.startswith(split.measures)), "")
    for each in run.inputs.dataset_inputs if run.inputs else ():
        if any(tag.key == _CONTEXT and tag.value == context for tag in each.tags):
            return {"dataset_name": each.dataset.name, "dataset_digest": each.dataset.digest}
    return {}


def _input(used: UsedData, context: str, split: _Split) -> DatasetInput:
    data = used.data
    source_type, source = _source(str(data["name"]), used.place)
    dataset = Dataset(
        name=f"{data['name']}{split.suffix}",
        digest=str(data[split.digest]),
        source_type=source_type,
        source=json.dumps(source),
        schema=json.dumps(_schema(data)),
        profile=json.dumps({key: data[key] for key in (*split.profile, *_SHOWN) if key in data}),
    )
    return DatasetInput(dataset, [InputTag(_CONTEXT, context)])


def _schema(data: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as MLflow reads it (`TensorDatasetSchema`, `Schema`): of another its panel says that it is unknown."""
    schema = {key: data[key] for key in _SCHEMA if key in data}
    if "columns" in data:
        schema["mlflow_colspec"] = [
            {"type": _COLUMNS.get(name, "any"), "name": name, "required": name in _COLUMNS} for name in data["columns"]
        ]
    elif "dtype" in data and "shape" in data:
        images = {"type": "tensor", "tensor-spec": {"dtype": data["dtype"], "shape": [-1, *data["shape"]]}}
        schema["mlflow_tensorspec"] = {"features": json.dumps([images]), "targets": None}
    return schema


def _source(name: str, place: str) -> tuple[str, dict[str, Any]]:
    """The source as `mlflow.data.get_source` reads it: files that can be downloaded, or a name."""
    if not place:
        return "code", {"tags": {"mlflow.source.name": f"hivenas:{name}", "mlflow.source.type": "LOCAL"}}
    scheme = urlsplit(place).scheme if "://" in place else ""
    if scheme in {"http", "https"}:
        return "http", {"url": place}
    return scheme if scheme not in {"", "file"} else "local", {"uri": place}
