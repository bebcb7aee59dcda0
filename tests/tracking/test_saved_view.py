from __future__ import annotations

import json

import mlflow
import pytest

from hivenas.core.search_run import SearchCard
from hivenas.tracking.mlflow_tracker import MlflowTracker
from hivenas.tracking.saved_view import TAG, is_known


def tag_of(name: str) -> str:
    experiment = mlflow.MlflowClient().get_experiment_by_name(name)
    assert experiment
    return str(experiment.tags.get(TAG, ""))


@pytest.mark.parametrize("minimize", [False, True])
def test_the_experiment_of_a_search_gets_a_view_that_finds_its_candidates(store: str, minimize: bool) -> None:
    client, name = mlflow.MlflowClient(), f"viewed-{minimize}"
    parent = MlflowTracker(name).open_search(SearchCard(name, {}, "", uid=name, minimize=minimize))
    home = client.get_run(parent).info.experiment_id
    for number, phase in enumerate(("evaluate", "momentum", "full_train")):
        tags = {"mlflow.parentRunId": parent, "hivenas.phase": phase}
        client.log_metric(client.create_run(home, tags=tags, run_name=phase).info.run_id, "fitness", number)
    envelope = json.loads(tag_of(name))
    assert set(envelope) == {"name", "createdAt", "updatedAt", "state"}
    assert envelope["name"] == "Candidates by fitness"
    state = json.loads(envelope["state"])
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    found = client.search_runs([home], state["searchFilter"], order_by=[order])
    assert [run.info.run_name for run in found] == (["evaluate", "momentum"] if minimize else ["momentum", "evaluate"])


def test_a_view_that_somebody_has_changed_stays_and_others_experiments_get_none(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient()
    client.create_experiment("changed", tags={TAG: "mine"})
    MlflowTracker("changed").open_search(SearchCard("changed", {}, "", uid="changed"))
    assert tag_of("changed") == "mine"
    client.create_experiment("of a team")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of a team")
    MlflowTracker("guest").open_search(SearchCard("guest", {}, "", uid="guest"))
    assert tag_of("of a team") == ""


@pytest.mark.parametrize(
    ("version", "known"),
    [("3.17.2", True), ("3.18.0rc1", True), ("3.16.0", False), ("2.22.1", False), ("4.0.0", False), ("dev", False)],
)
def test_of_other_versions_nothing_is_known(version: str, known: bool) -> None:
    assert is_known(version) == known
