"""Everything that a search has left, on the disk and in MLflow, in a form in which two searches can be compared."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections.abc import Mapping, Set
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import mlflow
import numpy as np
from mlflow.entities import Run

from hivenas.core.measured import SPENT, SPENT_NAMES
from hivenas.storage.export import CIRCUMSTANCES
from tests.processes import Place

_PARENT, _KEY = "mlflow.parentRunId", "hivenas.key"
# What differs between two runs of the same search: times, ids and where they ran.
_TIMES = frozenset({"seconds", "evaluation_seconds", *SPENT_NAMES})
_OWN_TAGS = frozenset({"hivenas.uid", "mlflow.note.content", "mlflow.source.git.commit", "hivenas.git_dirty"})
# Figures that the parent run gets whenever the search ends in order, also early.
SUMMARY = tuple(f"mlflow/runs/parent/curves/{key}:" for key in ("evaluations", "epochs", "failed", "reused"))

Outcome = dict[str, Any]


def outcome(place: Place) -> Outcome:
    """The traces of a finished search, without what may differ; checks on the way what must hold of any search."""
    rows = table(place)
    if (place.folder / "books.db").exists():
        check_optuna(f"sqlite:///{place.folder}/books.db", place.name, rows)
    return {
        "table": [_without(row, CIRCUMSTANCES) for row in rows],
        "histories": {file.name: _history(file) for file in place.results.glob("training_history/*.json")},
        "state": _unspent(_without(json.loads((place.results / "state.json").read_text()), {"run_id", "uid"})),
        "weights": {file.name: _h5_digest(file) for file in place.results.glob("weights/*.h5")},
        "files": sorted(str(file.relative_to(place.results)) for file in place.results.rglob("*") if file.is_file()),
        "mlflow": tracked(place, rows),
    }


def differences(one: Outcome, other: Outcome, path: str = "") -> list[str]:
    """The differences of two records, a line each."""
    found: list[str] = []
    for key in sorted(one.keys() | other.keys(), key=str):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{path}{key}/")
        elif a != b:
            found.append(f"{path}{key}: {_gist(a, b)} instead of {_gist(b, a)}")
    return found


def table(place: Place) -> list[dict[str, str]]:
    """The lines of a search's table."""
    with (place.results / f"{place.name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def waiting_messages(place: Place) -> int:
    """Messages that MLflow has not taken."""
    with closing(sqlite3.connect(place.results / "ledger.db")) as db:
        return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])


def tracked(place: Place, rows: list[dict[str, str]]) -> Outcome:
    """A search as MLflow shows it; keys stand for ids."""
    if place.store_uri.startswith("sqlite:///"):
        with sqlite3.connect(place.store_uri.removeprefix("sqlite:///")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    client = mlflow.MlflowClient(place.store_uri)
    everything = [experiment.experiment_id for experiment in client.search_experiments()]
    running = client.search_runs(everything, "attributes.status = 'RUNNING'")
    assert not running, f"left running: {[run.info.run_name for run in running]}"
    experiment = client.get_experiment_by_name(place.name)
    assert experiment
    runs = list(client.search_runs([experiment.experiment_id], max_results=10_000))
    (parent,) = (run for run in runs if "hivenas.uid" in run.data.tags and run.data.tags.get("hivenas.phase"))
    children = {run.data.tags[_KEY]: run for run in runs if run.data.tags.get(_PARENT) == parent.info.run_id}
    assert len(children) == len(runs) - 1, "evaluations were tracked twice, or runs belong to nobody"
    uid = parent.data.tags["hivenas.uid"]
    assert {f"{uid}:{int(row['index']):04d}": row["run_id"] for row in rows} == {
        key: run.info.run_id for key, run in children.items() if ":full-" not in key
    }
    assert all(run.info.end_time for run in runs)
    names = {run.info.run_id: key.partition(":")[2] for key, run in children.items()} | {parent.info.run_id: "parent"}
    shown = {names[run.info.run_id]: _run(client, run, names) for run in runs}
    return {"runs": shown, "models": _models(client, place.name, [experiment.experiment_id], names)}


def check_optuna(url: str, name: str, rows: list[dict[str, str]]) -> None:
    """A trial an evaluation, with its value, and none left running."""
    import optuna

    trials = optuna.load_study(study_name=name, storage=url).trials
    assert not [trial.number for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    assert [(trial.user_attrs["index"], trial.value) for trial in trials] == [
        (int(row["index"]), None if row["status"] == "failed" else float(row["fitness"])) for row in rows
    ]


def _run(client: mlflow.MlflowClient, run: Run, names: Mapping[str, str]) -> Outcome:
    curves = {}
    for key in run.data.metrics.keys() - _TIMES:
        curves[key] = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)]
    tags = _without(run.data.tags, _OWN_TAGS) | {_KEY: run.data.tags.get(_KEY, "").partition(":")[2]}
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "params": dict(run.data.params),
        "tags": {key: names.get(value, value) for key, value in tags.items() if not key.startswith("mlflow.log-")},
        "curves": curves,
        "artifacts": _artifacts(client, run.info.run_id, ""),
        "inputs": sorted((each.dataset.name, each.dataset.digest) for each in run.inputs.dataset_inputs),
        "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
    }


def _artifacts(client: mlflow.MlflowClient, run_id: str, path: str) -> list[str]:
    found: list[str] = []
    for artifact in client.list_artifacts(run_id, path or None):
        found += _artifacts(client, run_id, artifact.path) if artifact.is_dir else [artifact.path]
    return sorted(found)


def _models(client: mlflow.MlflowClient, name: str, experiments: list[str], names: Mapping[str, str]) -> Outcome:
    versions = client.search_model_versions(f"name = '{name}'")
    logged = client.search_logged_models(experiments)
    aliases: dict[str, Any] = {}
    registered = [model for model in client.search_registered_models() if model.name == name]
    for model in registered:
        aliases |= dict(model.aliases)
    return {
        "versions": {str(version.version): _version(version, names) for version in versions},
        "aliases": aliases,
        "logged": [(str(model.status), names.get(model.source_run_id)) for model in logged],
    }


def _version(version: Any, names: Mapping[str, str]) -> Outcome:
    tags = {key: names.get(value, value) for key, value in version.tags.items()}
    description = version.description
    for run_id, name in names.items():
        description = description.replace(run_id, name)
    return {"run": names.get(version.run_id), "tags": tags, "description": description}


def _history(file: Path) -> Outcome:
    found: Outcome = _unspent(_without(json.loads(file.read_text()), CIRCUMSTANCES))
    return found


def _h5_digest(file: Path) -> str:
    digest = hashlib.sha256()

    def take(name: str, item: Any) -> None:
        digest.update(name.encode())
        if isinstance(item, h5py.Dataset):
            digest.update(np.ascontiguousarray(item[()]).tobytes())

    with h5py.File(file, "r") as opened:
        digest.update(str(opened.attrs.get("hivenas")).encode())
        opened.visititems(take)
    return digest.hexdigest()


def _without(mapping: Mapping[str, Any], keys: Set[str]) -> Outcome:
    return {key: value for key, value in mapping.items() if key not in keys}


def _unspent(value: Any) -> Any:
    """Plain data without what trainings took of the machine, however deep."""
    if isinstance(value, dict):
        return {key: _unspent(each) for key, each in value.items() if key != SPENT}
    return [_unspent(each) for each in value] if isinstance(value, list) else value


def _gist(value: object, than: object) -> str:
    """A value, or of a list what the other one does not have."""
    if isinstance(value, list) and isinstance(than, list):
        return f"{len(value)} with {[each for each in value if each not in than]}"[:400]
    return str(value)[:400]
