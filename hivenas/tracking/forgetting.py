"""A search's runs, logged models and registered versions: found in the store, and deleted but for what has an alias."""

from __future__ import annotations

import functools
import itertools
import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.entities.model_registry import ModelVersion

from hivenas.core.faults import without_secrets
from hivenas.errors import LostRunError, TrackingRefusedError
from hivenas.tracking.candidates import HAS_MODEL
from hivenas.tracking.entities import UID
from hivenas.tracking.inherited import PARENT, named_experiment
from hivenas.tracking.store import (
    current_stores,
    fail_fast,
    found_run,
    prepare_store,
    shown_store,
    tagged_run,
    translate_mlflow_errors,
)

_OURS = "hivenas.phase"  # a tag of every run of a search, which others' nested runs do not have
_PAGE = 1000
_IDS = 100  # in a command: with more a shell's line, and a screen, are too short
_MODELS_PAGE = 50  # as many as MLflow gives at once


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A registered version that has an alias, or is of another registered model than the search's: it stays.

    Args:
        version: such as `digits/3`.
        aliases: that it has; none where it is of another model.
        run_id: of its full training, which stays with it.
    """

    version: str
    aliases: tuple[str, ...]
    run_id: str


@dataclass(frozen=True, slots=True)
class TrackedSearch:
    """All of a search that a store has.

    Args:
        runs: ids of runs to delete, the search's own as the last.
        models: ids of logged models to delete.
        versions: registered versions to delete, such as `digits/1`.
        kept: what stays.
        gone_runs: ids of runs that are deleted already, but not for good.
        gone_models: ids of such logged models.
    """

    runs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    kept: tuple[KeptVersion, ...] = ()
    gone_runs: tuple[str, ...] = ()
    gone_models: tuple[str, ...] = ()

    @property
    def gc(self) -> str:
        """The commands that free the store's space of all this, once it is deleted, a line each; empty for none.

        `mlflow gc` takes every run, or model, of the store that was deleted where it is given none. So each command has
        runs and, where there are any, models.
        """
        runs, models = (*self.gone_runs, *self.runs), (*self.gone_models, *self.models)
        if not runs:
            return ""
        uri = current_stores()[0]
        address = shlex.quote(uri) if without_secrets(uri) == uri else '"$MLFLOW_TRACKING_URI"'
        # What a server keeps its records in only whoever has started it knows.
        backend = '"$MLFLOW_BACKEND_STORE_URI"' if uri.startswith(("http:", "https:")) else address
        command = f"mlflow gc --backend-store-uri {backend} --tracking-uri {address} --run-ids "
        count = min(math.ceil((len(runs) + len(models)) / _IDS), len(runs), len(models) or len(runs))
        return "\n".join(
            command + ",".join(some) + (f" --logged-model-ids {','.join(beside)}" if beside else "")
            for some, beside in zip(_shares(runs, count), _shares(models, count), strict=True)
        )


def _shares(ids: Sequence[str], count: int) -> list[Sequence[str]]:
    """So many parts of a list, in its order, of about the same length."""
    ends = [number * len(ids) // count for number in range(count + 1)]
    return [ids[begin:end] for begin, end in itertools.pairwise(ends)]


def find_search(run_id: str, uid: str, experiment: str, run_ids: Iterable[str], *, model: str) -> TrackedSearch:
    """All that the current store has of a search; nothing is changed.

    Args:
        run_id: of its parent run; empty where that was not written down.
        uid: by which the parent is looked for then.
        experiment: name of the one in which it would be.
        run_ids: of runs that may stand outside it.
        model: the registered model of which its versions are; those of others, into which somebody has copied or
            registered what it has logged, stay.

    Raises:
        LostRunError: the parent run is not in this store.
        TrackingError: the store does not answer.
    """
    fail_fast()
    prepare_store()
    client = mlflow.MlflowClient()
    with translate_mlflow_errors():
        parent = found_run(client, run_id) if run_id else _parent_of(client, uid, experiment)
        if run_id and parent is None:
            raise LostRunError(
                f"the run {run_id} of this search must be in the MLflow store, got {shown_store()} without it; set "
                "MLFLOW_TRACKING_URI to its store; or, where the run was deleted for good, delete the results folder "
                "by hand"
            )
        runs = {run.info.run_id: run for run in _family(client, parent, run_ids)}
        versions = _versions(client, runs.values())
        stays = [each for each in versions if each.aliases or each.name != model]
        kept = tuple(
            KeptVersion(f"{each.name}/{each.version}", tuple(sorted(each.aliases)), each.run_id) for each in stays
        )
        stay = {each.run_id for each in kept}
        going = {key: run for key, run in runs.items() if key not in stay}
        active = _logged_models(client, going)
        linked = {output.model_id for run in going.values() for output in _outputs(client, run)}
    return TrackedSearch(
        runs=tuple(key for key, run in going.items() if run.info.lifecycle_stage == "active"),
        models=tuple(sorted(active)),
        versions=tuple(f"{each.name}/{each.version}" for each in versions if each not in stays),
        kept=kept,
        gone_runs=tuple(key for key, run in going.items() if run.info.lifecycle_stage != "active"),
        gone_models=tuple(sorted(linked - active)),
    )


def delete_search(found: TrackedSearch) -> None:
    """Deletes what was found: versions, logged models, nested runs, the search's run; a further try finds the rest.

    Raises:
        TrackingError: the store does not answer, or refuses.
    """
    client = mlflow.MlflowClient()
    with translate_mlflow_errors():
        for version in found.versions:
            name, _, number = version.rpartition("/")
            # Deleting it would take an alias along that it has got meanwhile.
            if client.get_model_version(name, number).aliases:
                raise TrackingRefusedError(f"version {number} of {name} has got an alias meanwhile; begin again")
            client.delete_model_version(name, number)
        for model in found.models:
            client.delete_logged_model(model)
        for run_id in found.runs:
            client.delete_run(run_id)


def _parent_of(client: mlflow.MlflowClient, uid: str, experiment: str) -> Run | None:
    """The parent that a process made which was killed before it could write down its id."""
    home = named_experiment(client, experiment) if uid else None
    if home is None:
        return None
    return tagged_run(client, [str(home.experiment_id)], UID, uid, ViewType.ALL)


def _family(client: mlflow.MlflowClient, parent: Run | None, run_ids: Iterable[str]) -> list[Run]:
    """The runs of a search, active or deleted, its own as the last; of others' runs below it none."""
    found: list[Run] = []
    if parent:
        home = [parent.info.experiment_id]
        for tag in (PARENT, "hivenas.resumes"):
            below = f"tags.`{tag}` = '{parent.info.run_id}'"
            found += _all(functools.partial(client.search_runs, home, below, ViewType.ALL, _PAGE))
    known = {run.info.run_id for run in found}
    found += [run for each in run_ids if each not in known and (run := found_run(client, each))]
    ours = [run for run in found if _OURS in run.data.tags or "hivenas.resumes" in run.data.tags]
    return [*ours, parent] if parent else ours


def _has_models(run: Run) -> bool:
    """True for runs of full trainings, and of candidates that are logged models."""
    return run.data.tags.get(_OURS) == "full_train" or HAS_MODEL in run.data.tags


def _all(page: Callable[..., Any]) -> list[Any]:
    """Every page of what is searched for."""
    found: list[Any] = []
    token: str | None = None
    while True:
        result = page(page_token=token)
        found += result
        if not (token := result.token):
            return found


def _versions(client: mlflow.MlflowClient, runs: Iterable[Run]) -> list[ModelVersion]:
    """The registered versions of full trainings and candidates, whatever model they are of, with their aliases."""
    trained = [run for run in runs if _has_models(run)]
    found = [each for run in trained for each in client.search_model_versions(f"run_id = '{run.info.run_id}'")]
    return [client.get_model_version(each.name, each.version) for each in found]


def _logged_models(client: mlflow.MlflowClient, runs: dict[str, Run]) -> set[str]:
    """The ids of the logged models of runs."""
    experiments = sorted({run.info.experiment_id for run in runs.values()})
    models: list[LoggedModel] = (
        _all(functools.partial(client.search_logged_models, experiments, max_results=_MODELS_PAGE))
        if experiments
        else []
    )
    return {str(model.model_id) for model in models if model.source_run_id in runs}


def _outputs(client: mlflow.MlflowClient, run: Run) -> list[Any]:
    """The logged models that a deleted run names, which may be deleted themselves."""
    if not _has_models(run):
        return []
    whole = client.get_run(run.info.run_id)
    return list(whole.outputs.model_outputs) if whole.outputs else []
