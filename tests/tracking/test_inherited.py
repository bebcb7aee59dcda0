from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mlflow
import pytest
import yaml
from mlflow.entities import Dataset, DatasetInput, Param

from hivenas.core.children import Child
from hivenas.core.search_run import Closing, SearchCard
from hivenas.errors import ConfigError, TrackingRefusedError
from hivenas.tracking.mlflow_tracker import MlflowTracker
from tests.processes import ROOT

PROJECT = {"mlflow.source.type": "PROJECT", "mlflow.source.name": "https://example.com/hivenas"}
PROGRAM = "/somewhere/hivenas/__main__.py"
SEARCH = (PROGRAM, "search", "--config", "/home/me/conf/a.yaml", "--set", "", "--resume=false", "--overwrite=false")
GIVEN = {"config": "conf/a.yaml", "set": "''", "resume": "false", "overwrite": "false"}
NONE = "0123456789abcdef0123456789abcdef"


def parameters(entry: str) -> set[str]:
    points = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    return set(points[entry]["parameters"]) if entry in points else set()


@dataclass(frozen=True)
class Launch:
    """A run as it is found, and the command that finds it."""

    argv: tuple[str, ...] = SEARCH
    entry: str = "main"
    tags: Mapping[str, str] = field(default_factory=lambda: PROJECT)
    params: Mapping[str, str] = field(default_factory=lambda: GIVEN)
    touch: Callable[[mlflow.MlflowClient, str], Any] = lambda client, run_id: None
    whole: bool = False  # whether there are no further parameters, as the project's entry point has them

    def make(self, monkeypatch: pytest.MonkeyPatch) -> str:
        client = mlflow.MlflowClient()
        tags = {**self.tags, **({"mlflow.project.entryPoint": self.entry} if self.entry else {})}
        run_id = str(client.create_run("0", tags=tags).info.run_id)
        params = {**({} if self.whole else dict.fromkeys(parameters(self.entry), "''")), **self.params}
        client.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])
        client.set_tag(run_id, "mlflow.project.env", "virtualenv")
        self.touch(client, run_id)
        monkeypatch.setattr("sys.argv", list(self.argv))
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        return run_id


OURS = {
    "search": Launch(),
    "search with values": Launch(
        argv=(PROGRAM, "search", "--config", "/tmp/s.yaml", "--set", "seed=2 name=x", "--resume=true"),
        params={"config": "s.yaml", "set": "'seed=2 name=x'", "resume": "true"},
    ),
    "search from elsewhere": Launch(
        argv=(PROGRAM, "-C", "/home/ann/bees", "search", "--config", "conf/s.yaml", "--set", "", "--resume=false"),
        params={"config": "conf/s.yaml", "folder": ".", "resume": "false"},
    ),
    "train": Launch(
        argv=(PROGRAM, "train", "--config", "a.yaml", "--from-weights=false"),
        entry="train",
        params={"config": "a.yaml", "from_weights": "false"},
    ),
    "arch by the installed command": Launch(
        argv=("/usr/bin/hivenas", "arch", "input|dropout|output", "--config", "a.yaml"),
        entry="arch",
        params={"arch": "input|dropout|output", "config": "a.yaml"},
    ),
    "below a pipeline's run": Launch(tags=PROJECT | {"mlflow.parentRunId": NONE, "mlflow.gitRepoURL": "x"}),
}
FOREIGN = {
    "a script's": Launch(entry="", tags={"mlflow.source.type": "LOCAL"}, params={"seed": "7"}),
    "a script's without anything": Launch(entry="", tags={}, params={}),
    "a notebook's": Launch(entry="", tags={"mlflow.source.type": "NOTEBOOK"}, params={}),
    "another project's": Launch(entry="nightly", params={}),
    "another project's main": Launch(params={"alpha": "0.5"}),
    "another project's, which goes on after the command": Launch(params={"config": "conf/a.yaml"}, whole=True),
    "another project's without parameters": Launch(params={}, whole=True),
    "our project's, with another configuration": Launch(params=GIVEN | {"config": "conf/b.yaml"}),
    "our project's, with other values": Launch(params=GIVEN | {"set": "seed=2"}),
    "our project's, for another command": Launch(argv=(PROGRAM, "train", *SEARCH[2:])),
    "a project's whose script calls hivenas": Launch(argv=("/home/me/search.py", *SEARCH[1:])),
    "one with figures": Launch(touch=lambda client, run_id: client.log_metric(run_id, "loss", 1.0)),
    "one with a param of its owner's": Launch(touch=lambda client, run_id: client.log_param(run_id, "lr", "0.25")),
    "one with a tag of its owner's": Launch(touch=lambda client, run_id: client.set_tag(run_id, "team", "bees")),
    "one that is described": Launch(touch=lambda client, run_id: client.set_tag(run_id, "mlflow.note.content", "x")),
    "one that a search has had": Launch(touch=lambda client, run_id: client.set_tag(run_id, "hivenas.uid", "x")),
    "one that has ended": Launch(touch=lambda client, run_id: client.set_terminated(run_id)),
    "one that was killed": Launch(touch=lambda client, run_id: client.set_terminated(run_id, "KILLED")),
    "one with another below it": Launch(
        touch=lambda client, run_id: client.create_run("0", tags={"mlflow.parentRunId": run_id})
    ),
    "one with data": Launch(
        touch=lambda client, run_id: client.log_inputs(
            run_id, datasets=[DatasetInput(Dataset("images", "1", "local", "here"), [])]
        )
    ),
}


def card(name: str, uid: str = "") -> SearchCard:
    return SearchCard(name, {"seed": "1", "name": name}, f"name: {name}\n", uid=uid or name)


def closing(run_id: str, pointer: str = "") -> Closing:
    return Closing(run_id, "FINISHED", {"evaluations": 2.0}, "# Search", pointer=pointer, end_ms=5)


def child(name: str) -> Child:
    return Child(name, tags={}, params={}, metrics={"fitness": 1.0}, key=f"{name}:0000", end_ms=5)


def shown(run_id: str) -> tuple[Any, ...]:
    run = mlflow.MlflowClient().get_run(run_id)
    return run.info.status, run.info.end_time, run.data.params, run.data.tags, run.data.metrics


def parent_of(run_id: str) -> str:
    return str(mlflow.MlflowClient().get_run(run_id).data.tags.get("mlflow.parentRunId", ""))


@pytest.mark.parametrize("launch", OURS.values(), ids=OURS)
def test_a_run_that_was_made_for_this_command_is_taken_over(
    store: str, monkeypatch: pytest.MonkeyPatch, launch: Launch
) -> None:
    made = launch.make(monkeypatch)
    tracker = MlflowTracker("ours")
    tracker.prepare()
    assert tracker.project_run_id == made
    assert tracker.open_search(card("ours")) == made
    assert mlflow.MlflowClient().get_run(made).info.run_name == "ours"
    assert parent_of(tracker.log_child(child("ours"))) == made
    tracker.close_search(closing(made))
    assert shown(made)[0] == "FINISHED"


def test_a_run_that_somebody_has_named_keeps_its_name(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Launch(touch=lambda client, run_id: client.update_run(run_id, name="bold-try-2")).make(monkeypatch)
    assert MlflowTracker("named").open_search(card("named")) == made
    assert mlflow.MlflowClient().get_run(made).info.run_name == "bold-try-2"


@pytest.mark.parametrize("launch", FOREIGN.values(), ids=FOREIGN)
def test_a_run_of_somebody_else_gets_a_search_below_it_and_stays_as_it_is(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, launch: Launch
) -> None:
    theirs = launch.make(monkeypatch)
    before = shown(theirs)
    tracker = MlflowTracker("foreign")
    tracker.prepare()
    assert tracker.project_run_id == ""
    run_id = tracker.open_search(card("foreign", uid=theirs))
    assert (run_id != theirs, parent_of(run_id)) == (True, theirs)
    assert mlflow.MlflowClient().get_run(run_id).info.experiment_id == "0"  # beside it
    assert parent_of(tracker.log_child(child(theirs))) == run_id
    tracker.close_search(closing(run_id, pointer=theirs))
    tracker.point_to(run_id, theirs)
    assert shown(theirs) == before
    assert any("unset MLFLOW_RUN_ID" in record.getMessage() for record in caplog.records) == (before[0] != "RUNNING")
    # An attempt that was killed before it had written down the run's id finds it again.
    assert MlflowTracker("foreign").open_search(card("foreign", uid=theirs)) == run_id


def test_the_second_search_of_one_project_run_is_a_run_below_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Launch().make(monkeypatch)
    assert MlflowTracker("first").open_search(card("first")) == made
    second = MlflowTracker("second").open_search(card("second"))
    assert (second != made, parent_of(second)) == (True, made)
    assert shown(made)[2].items() >= (GIVEN | {"seed": "1", "name": "first"}).items()


@pytest.mark.parametrize("stale", ["unknown", "malformed", "deleted"])
def test_a_run_that_is_not_there_is_named_with_the_way_out(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stale: str
) -> None:
    client = mlflow.MlflowClient()
    own = MlflowTracker("stale").open_search(card("stale"))
    run_id = {"unknown": NONE, "malformed": "nightly"}.get(stale) or client.create_run("0").info.run_id
    if stale == "deleted":
        client.delete_run(run_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(ConfigError, match=rf"got '{run_id}'.*; unset MLFLOW_RUN_ID"):
        MlflowTracker("new").prepare()
    assert client.get_experiment_by_name("new") is None
    # A search that has begun has its run.
    assert MlflowTracker("stale").open_search(card("stale"), own) == own
    assert "unset MLFLOW_RUN_ID" in caplog.text


@pytest.mark.parametrize("launch", ["a script's", "one that has ended", "another project's"])
def test_what_belongs_to_a_recorded_search_stays_below_its_run(
    store: str, monkeypatch: pytest.MonkeyPatch, launch: str
) -> None:
    own = MlflowTracker("recorded").open_search(card("recorded"))
    theirs = FOREIGN[launch].make(monkeypatch)
    before = shown(theirs)
    resumed = MlflowTracker("recorded")
    assert resumed.open_search(card("recorded"), own) == own
    resumed.close_search(closing(own, pointer=theirs))
    training = MlflowTracker("recorded", home=own, command="hivenas train")
    assert parent_of(training.log_child(child("full"))) == own
    assert shown(theirs) == before


def test_a_run_that_was_made_for_a_training_is_above_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = MlflowTracker("trained").open_search(card("trained"))
    made = OURS["train"].make(monkeypatch)
    assert parent_of(MlflowTracker("trained", home=own).log_child(child("training"))) == made


@pytest.mark.parametrize("variable", ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "both"])
@pytest.mark.parametrize("exists", [True, False])
def test_the_experiment_of_the_environment_has_the_searchs_run(
    store: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, variable: str, exists: bool
) -> None:
    client, name = mlflow.MlflowClient(), f"wanted {variable} {exists}"
    number = client.create_experiment(name) if exists else "987654321"
    if variable != "MLFLOW_EXPERIMENT_ID":
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    if variable != "MLFLOW_EXPERIMENT_NAME":
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", number)
    tracker = MlflowTracker("configured")
    if not exists and variable != "MLFLOW_EXPERIMENT_NAME":
        with pytest.raises(ConfigError, match=r"987654321.*unset"):
            tracker.prepare()
        return
    tracker.prepare()
    run_id = tracker.open_search(card("configured"))
    found = client.get_experiment_by_name(name)
    assert found is not None
    assert client.get_run(run_id).info.experiment_id == found.experiment_id
    assert client.get_experiment_by_name("configured") is None


def test_a_deleted_experiment_of_the_environment_is_named(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow.MlflowClient()
    client.delete_experiment(client.create_experiment("deleted one"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted one")
    with pytest.raises(TrackingRefusedError, match=r"'deleted one' was deleted.*MLFLOW_EXPERIMENT_NAME"):
        MlflowTracker("configured").open_search(card("configured"))


def test_two_searches_that_make_one_experiment_at_once_share_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow.MlflowClient()
    create = mlflow.MlflowClient.create_experiment

    def later(self: mlflow.MlflowClient, name: str) -> str:
        create(self, name)  # by another search, between the question and the answer
        return str(create(self, name))

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_experiment", later)
        run_id = MlflowTracker("shared").open_search(card("shared"))
    found = client.get_experiment_by_name("shared")
    assert found is not None
    assert client.get_run(run_id).info.experiment_id == found.experiment_id
