"""A saved view of an experiment, as MLflow's page of runs lists it: the candidates by fitness."""

from __future__ import annotations

import contextlib
import json

import mlflow
from mlflow.exceptions import MlflowException

from hivenas.core.clock import now_ms

NAME = "Candidates by fitness"
# An experiment's tag for each view: an envelope with a name, times in milliseconds and the state, JSON in JSON. MLflow
# documents none of it; it was read in the page of this version, and of others nothing is known.
TAG = "mlflow.sharedViewState.hivenas-candidates"
_SINCE, _UNTIL = (3, 17), (4, 0)
_LEAVES_OUT = ("search", "full_train")
_COLUMNS = (
    *("metrics.`fitness`", "metrics.`param_count`", "metrics.`macs`"),
    *("tags.`hivenas.bee`", "tags.`hivenas.candidate`"),
)


def is_known(version: str) -> bool:
    """True for versions of MLflow whose page reads views as they are written here.

    Args:
        version: such as `3.17.2`.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return _SINCE <= numbers < _UNTIL


def view_of(*, minimize: bool, created_ms: int) -> str:
    """The view as the value of its tag: candidates and their continuations, the best first.

    Args:
        minimize: whether less fitness is better.
        created_ms: the time, in milliseconds since 1970.
    """
    state = {
        "searchFilter": " and ".join(f"tags.hivenas.phase != '{phase}'" for phase in _LEAVES_OUT),
        "orderByKey": _COLUMNS[0],
        "orderByAsc": minimize,
        "selectedColumns": list(_COLUMNS),
        "columnOrder": [],
    }
    envelope = {"name": NAME, "createdAt": created_ms, "updatedAt": created_ms, "state": json.dumps(state)}
    return json.dumps(envelope)


def save_view(client: mlflow.MlflowClient, experiment: str, name: str, *, minimize: bool) -> None:
    """Gives the experiment of a search the view, unless it has it, as it is or as somebody has changed it.

    Args:
        client: of the store.
        experiment: its id.
        name: of the search; an experiment of another name is somebody else's, and stays as it is.
        minimize: whether less fitness is better.
    """
    if not is_known(mlflow.__version__):
        return
    found = client.get_experiment(experiment)
    if found.name == name and TAG not in found.tags:
        with contextlib.suppress(MlflowException):  # of a store that lets nobody set it: it is nothing to fail for
            client.set_experiment_tag(experiment, TAG, view_of(minimize=minimize, created_ms=now_ms()))
