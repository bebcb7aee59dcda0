from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import mlflow.data
import numpy as np
import pytest
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import Dataset
from mlflow.types import Schema

from hivenas.config import from_mapping
from hivenas.core.children import Child, UsedData
from hivenas.run.used_data import contexts_of, place_of, used_data
from hivenas.tracking.data_sets import data_of
from hivenas.tracking.mlflow_tracker import MlflowTracker

DATA: dict[str, Any] = {"name": "digits", "digest": "abc", "test_digest": "def", "shape": [8, 8, 1], "classes": 10}
DATA |= {"class_names": list("0123456789"), "train": 8, "validation": 2, "test": 1}
CONTEXTS = ("training", "validation", "testing")


def test_a_run_names_the_splits_that_it_used_once_however_often_it_is_told(store: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.txt").write_text("0")
    used = UsedData(DATA, CONTEXTS, str(tmp_path / "images"))
    child = Child("0001", {"hivenas.phase": "full_train"}, {}, {"test_accuracy": 0.5}, key="used:0001", used=used)
    run_id = MlflowTracker("data sets").log_child(child)
    assert MlflowTracker("data sets").log_child(child, again=True) == run_id
    other = MlflowTracker("data sets").log_child(replace(child, key="used:0002"))
    run = mlflow.MlflowClient().get_run(run_id)
    found = {
        (tag.value, each.dataset.name, each.dataset.digest)
        for each in run.inputs.dataset_inputs
        for tag in each.tags
        if tag.key == "mlflow.data.context"
    }
    assert found == {
        ("training", "digits", "abc"),
        ("validation", "digits-validation", "abc"),
        ("testing", "digits-test", "def"),
    }
    assert len(run.inputs.dataset_inputs) == 3
    assert len(mlflow.MlflowClient().get_run(other).inputs.dataset_inputs) == 3
    loaded = Path(mlflow.data.get_source(run.inputs.dataset_inputs[0]).load())
    assert (loaded / "0.txt").read_text() == "0"
    assert data_of(run, "test_f1/3") == {"dataset_name": "digits-test", "dataset_digest": "def"}
    assert data_of(run, "fitness") == {"dataset_name": "digits-validation", "dataset_digest": "abc"}
    assert data_of(run, "seconds") == {}


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("", {"tags": {"mlflow.source.name": "hivenas:digits", "mlflow.source.type": "LOCAL"}}),
        ("https://example.org/images.csv", {"url": "https://example.org/images.csv"}),
        ("s3://bucket/images.csv", {"uri": "s3://bucket/images.csv"}),
    ],
)
def test_a_source_is_one_that_mlflow_reads(place: str, source: dict[str, Any], store: str) -> None:
    child = Child("0001", {}, {}, {}, used=UsedData(DATA | {"digest": place[:5]}, place=place))
    run = mlflow.MlflowClient().get_run(MlflowTracker("data sets").log_child(child))
    (only,) = run.inputs.dataset_inputs
    assert mlflow.data.get_source(only).to_dict() == source


def test_a_schema_is_one_that_mlflow_reads(store: str) -> None:
    def told(data: dict[str, Any]) -> Dataset:
        child = Child("0001", {}, {}, {}, used=UsedData(data))
        run = mlflow.MlflowClient().get_run(MlflowTracker("data sets").log_child(child))
        (only,) = run.inputs.dataset_inputs
        return only.dataset

    images = told(DATA | {"digest": "images", "dtype": "float32"})
    schema = TensorDatasetSchema.from_dict(json.loads(images.schema))
    assert [(spec.type, spec.shape) for spec in schema.features.inputs] == [(np.dtype("float32"), (-1, 8, 8, 1))]
    assert json.loads(images.schema)["class_names"] == list("0123456789")
    assert json.loads(images.profile).items() >= {"train": 8, "shape": [8, 8, 1], "dtype": "float32"}.items()
    columns = ["architecture", "fitness", "network"]
    table = told({"name": "t.csv", "digest": "table", "columns": columns, "rows": 3})
    read = Schema.from_json(json.dumps(json.loads(table.schema)["mlflow_colspec"]))
    assert read.input_names() == columns
    assert read.required_input_names() == columns[:2]


def test_what_is_known_of_the_data_of_a_run(tmp_path: Path) -> None:
    config = from_mapping({"dataset": {"name": "npz", "path": "digits.npz"}})
    used = used_data(config, DATA, "training")
    assert used
    assert used.place == str(Path.cwd() / "digits.npz")
    assert "class_names" not in used.data
    assert contexts_of(config, DATA) == CONTEXTS
    assert contexts_of(from_mapping({"full_train": {"enabled": False}}), DATA) == CONTEXTS[:2]
    assert contexts_of(config, {"name": "table", "rows": 3}) == ("training",)
    assert used_data(config, {}, "training") is None
    assert place_of(from_mapping({})) == ""
    records = {"name": "tfrecord", "path": f"{tmp_path}/*.tfrecord", "image_size": [8, 8]}
    assert place_of(from_mapping({"dataset": records})) == str(tmp_path)
