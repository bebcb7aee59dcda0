from __future__ import annotations

import contextlib
import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
import yaml
from mlflow.entities import Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from hivenas.core.children import Child, Page, RunContext, child_of, link_to
from hivenas.core.nas.space.parameters import run_parameters
from hivenas.core.publication import Published
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.core.search_run import MODEL_URI, MODEL_VERDICT, Closing, SearchCard
from hivenas.core.seeds import arch_hash
from hivenas.core.unicode import storable
from hivenas.errors import MissingResultsError, TrackingError, TrackingRefusedError
from hivenas.tracking.entities import key_of, keys_of, metrics_of, params_of
from hivenas.tracking.mlflow_tracker import MlflowTracker
from hivenas.tracking.store import translate_mlflow_errors
from tests.interruptions import ctrl_c_in_a_transaction
from tests.processes import ROOT

ARCH = "input|sc_1|sep3x3_32|dropout|output"


def card(tmp_path: Path, name: str) -> SearchCard:
    data: dict[str, Any] = {"name": "digits", "digest": "abc", "shape": [8, 8, 1], "dtype": "float32", "classes": 10}
    data |= {"class_names": list("0123456789"), "train": 8, "validation": 1, "test": 1}
    picture = tmp_path / f"{name}.png"
    picture.write_bytes(b"a picture")
    return SearchCard(name, {"name": name, "evaluation.epochs": "2"}, f"name: {name}\n", data, [picture])


def evaluation(tmp_path: Path, status: str = "complete", fitness: float = 0.65) -> Evaluation:
    if status == "failed":
        return Evaluation.failure(ARCH, "ValueError: too small", traceback="Traceback …")
    (tmp_path / "weights.h5").write_bytes(b"weights")
    history = (EpochFigures(1, 2.0, 0.3, 1.9, 0.35), EpochFigures(2, 1.0, 0.6, 0.9, 0.65))
    return Evaluation(
        ARCH,
        "complete",
        fitness,
        epochs=2,
        momentum=0.5,
        params=1234,
        filename="weights.h5",
        seconds=1.5,
        history=history,
    )


def child(tmp_path: Path, outcome: Evaluation, index: int = 17, *, best: float | None = None, **more: Any) -> Child:
    context = RunContext(
        search="bees",
        phase="evaluate",
        params=run_parameters(("sep3x3_32", "dropout"), (1, 0), 3),
        weights=[tmp_path / "weights.h5"],
        progress={} if best is None else {"fitness": outcome.fitness, "best_fitness": best},
        **more,
    )
    return child_of(Proposal(index, 2, "onlooker", 3, ARCH, 0.6), outcome, context)


def log_child(tracker: MlflowTracker, tmp_path: Path, outcome: Evaluation, **more: Any) -> str:
    return tracker.log_child(child(tmp_path, outcome, **more))


def run_of(run_id: str) -> Run:
    return mlflow.MlflowClient().get_run(run_id)


def test_a_search_is_one_parent_run_with_its_configuration_and_data(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    run_id = tracker.open_search(card(tmp_path, "bees"))
    log_child(tracker, tmp_path, evaluation(tmp_path, fitness=0.5), index=0, best=0.5)
    log_child(tracker, tmp_path, evaluation(tmp_path, fitness=0.4), index=1, best=0.5)
    (tmp_path / "bees.csv").write_text("index\n")
    artifacts = ((tmp_path / "bees.csv", ""),)
    tracker.close_search(Closing(run_id, "FINISHED", {"evaluations": 2.0}, "# Search", artifacts=artifacts, end_ms=5))

    run = run_of(run_id)
    client = mlflow.MlflowClient()
    assert client.get_experiment(run.info.experiment_id).name == "bees"
    assert run.info.status == "FINISHED"
    assert run.data.params["evaluation.epochs"] == "2"
    assert run.data.tags["hivenas.phase"] == "search"
    assert run.data.tags["mlflow.note.content"] == "# Search"
    assert run.data.metrics["evaluations"] == 2.0
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "fitness")] == [(0, 0.5), (1, 0.4)]
    assert [m.value for m in client.get_metric_history(run_id, "best_fitness")] == [0.5, 0.5]
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    assert {file.path for file in client.list_artifacts(run_id)} == {"bees.csv", "bees.yaml", "plots"}
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/bees.yaml") == "name: bees\n"


def test_an_evaluation_is_a_nested_run_with_everything_on_it(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    parent = tracker.open_search(card(tmp_path, "bees"))
    run_id = log_child(tracker, tmp_path, evaluation(tmp_path))
    run = run_of(run_id)
    client = mlflow.MlflowClient()
    assert run.info.run_name == "0017-onlooker"
    assert run.info.status == "FINISHED"
    expected_tags = {
        "mlflow.parentRunId": parent,
        "hivenas.search": "bees",
        "hivenas.phase": "evaluate",
        "hivenas.index": "17",
        "hivenas.iteration": "2",
        "hivenas.bee": "onlooker",
        "hivenas.bee_id": "3",
        "hivenas.candidate": ARCH,
        "hivenas.arch_hash": arch_hash(ARCH),
        "hivenas.status": "complete",
    }
    assert expected_tags.items() <= run.data.tags.items()
    assert run.data.params == {
        "depth": "2", "op_00": "sep3x3_32", "op_01": "dropout", "op_02": "none", "skip_00": "sc_1",
    }  # fmt: skip
    figures = {"fitness": 0.65, "epochs": 2, "param_count": 1234, "momentum": 0.5, "seconds": 1.5}
    assert figures.items() <= run.data.metrics.items()
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "val_accuracy")] == [(1, 0.35), (2, 0.65)]
    assert [m.step for m in client.get_metric_history(run_id, "loss")] == [1, 2]
    assert [file.path for file in client.list_artifacts(run_id, "weights")] == ["weights/weights.h5"]
    assert run.info.end_time - run.info.start_time == 1500


def test_the_members_of_the_front_have_a_tag_which_those_that_leave_it_lose(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    run_id = tracker.open_search(card(tmp_path, "bees"))
    runs = {
        key: log_child(tracker, tmp_path, evaluation(tmp_path), index=index, key=key)
        for index, key in enumerate(("uid:0000", "uid:0001", "uid:0002"))
    }
    for front in (("uid:0000", "uid:0001"), ("uid:0001", "uid:0002", "uid:never-tracked"), ()):
        again = MlflowTracker("bees")
        again.resume_from(run_id, {})
        again.close_search(Closing(run_id, "FINISHED", {}, "", front=front))
        tagged = {key for key, run in runs.items() if run_of(run).data.tags.get("hivenas.on_front") == "true"}
        assert tagged == (set(front) & runs.keys() or {"uid:0001", "uid:0002"})


def test_a_failed_evaluation_is_a_failed_run_with_its_traceback(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    tracker.open_search(card(tmp_path, "bees"))
    run_id = log_child(tracker, tmp_path, evaluation(tmp_path, "failed"))
    run = run_of(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["hivenas.reason"] == "ValueError: too small"
    assert "Traceback" in mlflow.artifacts.load_text(f"runs:/{run_id}/traceback.txt")


def made_by_mlflow_run(monkeypatch: pytest.MonkeyPatch) -> str:
    """A run as `mlflow run` makes it for the command that this process then is."""
    tags, arguments = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": "main"}, list[str]()
    client = mlflow.MlflowClient()
    made = str(client.create_run("0", tags=tags).info.run_id)
    for parameter in yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]["main"]["parameters"]:
        client.log_param(made, parameter, f"the {parameter}")
        arguments.append(f"--{parameter}=the {parameter}")
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    monkeypatch.setattr("sys.argv", ["/project/hivenas/__main__.py", "search", *arguments])
    return made


def test_the_run_that_mlflow_run_made_is_the_parent(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_by_mlflow_run(monkeypatch)
    tracker = MlflowTracker("bees")
    assert tracker.open_search(card(tmp_path, "bees")) == made
    child = run_of(log_child(tracker, tmp_path, evaluation(tmp_path)))
    assert child.data.tags["mlflow.parentRunId"] == made
    assert child.info.experiment_id == "0"


def test_a_resumed_search_goes_on_in_its_run_and_the_new_one_points_to_it(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = MlflowTracker("bees").open_search(card(tmp_path, "bees"))
    made = made_by_mlflow_run(monkeypatch)
    tracker = MlflowTracker("bees")
    assert tracker.open_search(card(tmp_path, "bees"), first) == first
    assert run_of(made).data.tags["hivenas.resumes"] == first
    tracker.close_search(Closing(first, "FINISHED", {"evaluations": 2.0}, "# Search", pointer=made))
    assert run_of(first).info.status == "FINISHED"
    pointer = run_of(made)
    assert pointer.info.status == "FINISHED"
    assert pointer.data.tags["hivenas.resumes"] == first
    assert pointer.data.metrics["evaluations"] == 2.0
    assert "hivenas.resumes" not in run_of(first).data.tags


def test_a_long_training_keeps_every_epoch(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    tracker.open_search(card(tmp_path, "bees"))
    history = tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, epoch / 1000) for epoch in range(1, 501))
    run_id = log_child(tracker, tmp_path, Evaluation(ARCH, "complete", 0.5, 500, history=history))
    points = mlflow.MlflowClient().get_metric_history(run_id, "val_accuracy")
    assert [(m.step, m.value) for m in points] == [(epoch, epoch / 1000) for epoch in range(1, 501)]


def test_a_search_is_not_resumed_under_a_run_that_its_store_does_not_have(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("elsewhere")
    with pytest.raises(MissingResultsError, match="MLFLOW_TRACKING_URI to the store that the search began in"):
        tracker.open_search(card(tmp_path, "elsewhere"), "0123456789abcdef0123456789abcdef")
    assert mlflow.MlflowClient().get_experiment_by_name("elsewhere") is None


def test_a_parent_run_that_was_deleted_is_not_resumed(store: str, tmp_path: Path) -> None:
    first = MlflowTracker("bees").open_search(card(tmp_path, "bees"))
    mlflow.MlflowClient().delete_run(first)
    assert MlflowTracker("bees").open_search(card(tmp_path, "bees"), first) != first


def test_a_deleted_experiment_is_named_with_the_way_out(store: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(TrackingError, match="mlflow experiments restore"):
        MlflowTracker("gone").open_search(card(tmp_path, "gone"))


def test_figures_that_are_not_finite_are_left_out(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("bees")
    run_id = tracker.open_search(card(tmp_path, "bees"))
    log_child(tracker, tmp_path, evaluation(tmp_path, fitness=float("inf")), best=3.0)
    assert run_of(run_id).data.metrics == {"best_fitness": 3.0}


def points(run_id: str) -> dict[str, list[tuple[int, float]]]:
    client = mlflow.MlflowClient()
    names = client.get_run(run_id).data.metrics
    return {name: [(m.step, m.value) for m in client.get_metric_history(run_id, name)] for name in names}


def test_ctrl_c_waits_until_an_evaluation_is_tracked_and_leaves_no_lock(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("interrupted")
    run_id = tracker.open_search(card(tmp_path, "interrupted"))
    with pytest.raises(KeyboardInterrupt) as kept, ctrl_c_in_a_transaction() as statements:
        log_child(tracker, tmp_path, evaluation(tmp_path))
    assert len(statements) > 5
    # The exception is kept, and with it whatever its frames hold.
    tracker.close_search(Closing(run_id, "KILLED", {}, "# Search", str(kept.value), end_ms=5))
    client = mlflow.MlflowClient()
    runs = client.search_runs([run_of(run_id).info.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]


def test_a_child_that_is_told_again_by_another_process_is_completed_not_doubled(store: str, tmp_path: Path) -> None:
    first = MlflowTracker("again")
    parent = first.open_search(card(tmp_path, "again"))
    told = child(tmp_path, evaluation(tmp_path), best=0.65, key="search:0017")
    run_id = first.log_child(told)
    before, curve = points(run_id), points(parent)
    client = mlflow.MlflowClient()
    client.update_run(run_id, status="RUNNING")  # as a kill before the last call leaves it

    second = MlflowTracker("again")
    second.resume_from(parent, {})
    assert second.log_child(told, again=True) == run_id
    assert points(run_id) == before
    assert points(parent) == curve
    assert run_of(run_id).info.status == "FINISHED"
    children = client.search_runs([run_of(parent).info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(children) == 1


def test_links_between_children_are_ids_also_where_only_their_keys_were_known(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("links")
    parent = tracker.open_search(card(tmp_path, "links"))
    first = log_child(tracker, tmp_path, evaluation(tmp_path), index=0, key="links:0000")
    second = MlflowTracker("links")
    second.resume_from(parent, {})
    run_id = log_child(second, tmp_path, evaluation(tmp_path), index=1, key="links:0001", continues="links:0000")
    assert run_of(run_id).data.tags["hivenas.continues"] == first


def test_runs_that_a_killed_process_left_are_closed_with_the_reason(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient()
    tracker = MlflowTracker("dead")
    parent = tracker.open_search(card(tmp_path, "dead"))
    experiment = run_of(parent).info.experiment_id
    tags = {"mlflow.parentRunId": parent}
    dead = client.create_run(experiment, tags=tags | {"hivenas.key": "dead:0001"}).info.run_id
    foreign = client.create_run(experiment, tags=tags).info.run_id  # another search below this one, or anybody's
    waiting = client.create_run(experiment, tags=tags | {"hivenas.key": "dead:0003"}).info.run_id
    pointer = client.create_run(experiment, tags={"hivenas.resumes": parent}).info.run_id
    mine = client.create_run(experiment, tags={"hivenas.resumes": parent}).info.run_id
    other = client.create_run(experiment, tags={"mlflow.parentRunId": "another"}).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", mine)
    assert tracker.close_dead({"dead:0003"}) == 2
    statuses = {run_id: run_of(run_id).info.status for run_id in (dead, pointer, waiting, mine, other, parent)}
    assert [statuses[run_id] for run_id in (dead, pointer)] == ["KILLED", "FAILED"]
    assert {statuses[run_id] for run_id in (waiting, mine, other, parent)} == {"RUNNING"}
    assert run_of(foreign).info.status == "RUNNING"
    assert "process" in run_of(dead).data.tags["hivenas.reason"]


def test_a_training_outside_a_search_that_a_killed_process_left_is_closed_wherever_its_run_is(
    store: str, tmp_path: Path
) -> None:
    client = mlflow.MlflowClient()
    elsewhere = client.create_experiment("of mlflow run")
    left = [client.create_run(elsewhere, tags={"hivenas.key": f"left:full-{n}"}).info.run_id for n in (1, 2, 3)]
    client.set_terminated(left[1], status="FINISHED")
    tracker = MlflowTracker("left")
    tracker.open_search(card(tmp_path, "left"))
    tracker.close_abandoned(["left:full-1", "left:full-2", "unknown:full-1"])
    assert [run_of(run_id).info.status for run_id in left] == ["KILLED", "FINISHED", "RUNNING"]
    assert "process" in run_of(left[0]).data.tags["hivenas.reason"]


def test_a_search_that_was_given_up_is_closed_in_whatever_experiment_its_run_is(store: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    elsewhere = client.create_experiment("of a pipeline")
    lost = client.create_run(elsewhere, tags={"hivenas.uid": "given up"}).info.run_id
    below = {"mlflow.parentRunId": lost}
    own = client.create_run(elsewhere, tags=below | {"hivenas.key": "given up:0001"}).info.run_id
    foreign = client.create_run(elsewhere, tags=below).info.run_id
    tracker = MlflowTracker("another")
    tracker.open_search(card(tmp_path, "another"))
    tracker.close_abandoned(["given up"])
    assert [run_of(run_id).info.status for run_id in (lost, own, foreign)] == ["FAILED", "KILLED", "RUNNING"]


def test_a_nested_run_that_somebody_has_deleted_keeps_no_search_from_ending(store: str, tmp_path: Path) -> None:
    client, tracker = mlflow.MlflowClient(), MlflowTracker("deleted below")
    parent = tracker.open_search(replace(card(tmp_path, "deleted below"), uid="deleted below"))
    experiment = run_of(parent).info.experiment_id
    tags = {"mlflow.parentRunId": parent, "hivenas.key": "deleted below:0001"}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    assert tracker.close_dead({"deleted below:0001"}) == 0
    client.delete_run(run_id)
    closing = Closing(
        parent, "FINISHED", {"fitness": 0.5}, "# Search", end_ms=5, front=(run_id,), trained="gone:full-3"
    )
    tracker.close_search(closing)
    assert run_of(parent).info.status == "FINISHED"
    assert run_of(parent).data.metrics["fitness"] == 0.5


def test_figures_whose_names_mlflow_would_take_for_one_have_keys_of_their_own() -> None:
    names = ["test_recall/+", "test_recall/=", "test_recall/_", "a" * 300, "a" * 299]
    keys = keys_of(names)
    assert len(set(keys)) == 5
    assert max(map(len, keys)) == 250
    child = Child("0001", {}, {}, dict.fromkeys(names, 0.5))
    assert [metric.key for metric in metrics_of(child)] == keys


def test_a_parent_whose_id_was_lost_is_found_by_the_searchs_name(store: str, tmp_path: Path) -> None:
    lost = MlflowTracker("lost").open_search(replace(card(tmp_path, "lost"), uid="the one"))
    assert MlflowTracker("lost").open_search(replace(card(tmp_path, "lost"), uid="another")) != lost
    assert MlflowTracker("lost").open_search(replace(card(tmp_path, "lost"), uid="the one")) == lost


def test_why_a_search_was_ended_is_on_its_run_until_it_goes_on(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("ended")
    run_id = tracker.open_search(card(tmp_path, "ended"))
    tracker.close_search(Closing(run_id, "KILLED", {}, "# Search", reason="ended by SIGTERM", end_ms=5))
    assert run_of(run_id).info.status == "KILLED"
    assert run_of(run_id).data.tags["hivenas.reason"] == "ended by SIGTERM"
    MlflowTracker("ended").open_search(card(tmp_path, "ended"), run_id)
    assert run_of(run_id).info.status == "RUNNING"
    assert "hivenas.reason" not in run_of(run_id).data.tags


def test_a_file_is_fetched_from_a_run_by_its_key(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("fetch")
    parent = tracker.open_search(card(tmp_path, "fetch"))
    log_child(tracker, tmp_path, evaluation(tmp_path), key="fetch:0017")
    elsewhere = MlflowTracker("fetch")
    elsewhere.resume_from(parent, {})
    assert elsewhere.fetch("fetch:0017", "weights/weights.h5", tmp_path / "other")
    assert (tmp_path / "other" / "weights.h5").read_bytes() == b"weights"
    assert not elsewhere.fetch("fetch:0017", "weights/none.h5", tmp_path / "other")
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["weights.h5"]


def test_what_mlflow_refuses_and_a_store_that_is_away_are_told_apart(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = MlflowTracker("refused")
    tracker.resume_from("0123456789abcdef0123456789abcdef", {})
    with pytest.raises(TrackingRefusedError, match="refuses"):
        log_child(tracker, tmp_path, evaluation(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://me:secret@127.0.0.1:9")
    with pytest.raises(TrackingError, match="does not answer") as caught:
        log_child(MlflowTracker("refused"), tmp_path, evaluation(tmp_path))
    assert not isinstance(caught.value, TrackingRefusedError)
    assert str(caught.value) == (
        "the MLflow store http://…@127.0.0.1:9 does not answer: Connection refused; start it, or set "
        "MLFLOW_TRACKING_URI to another one"
    )


NOTE = f"# Search\nLoad it: {MODEL_URI}\nIn the registry: {MODEL_VERDICT}\nthe end\n"


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (
            Published("models:/m/2", "version 2"),
            "# Search\nLoad it: models:/m/2\nIn the registry: version 2\nthe end\n",
        ),
        (Published("models:/m-1"), "# Search\nLoad it: models:/m-1\nthe end\n"),
        (Published(), "# Search\nthe end\n"),
    ],
)
def test_a_note_names_a_model_as_it_was_published_or_not_at_all(published: Published, expected: str) -> None:
    assert Closing("run", "FINISHED", {}, NOTE, trained="key").named(published) == expected


@pytest.mark.parametrize(
    ("promoted", "says"), [(True, "models:/noted-True@champion"), (False, "models:/noted-False/1")]
)
def test_the_parents_note_says_what_has_become_of_the_model(
    store: str, tmp_path: Path, promoted: bool, says: str
) -> None:
    tracker = MlflowTracker("noted")
    parent = tracker.open_search(card(tmp_path, "noted"))
    training = log_child(tracker, tmp_path, evaluation(tmp_path), key="noted:full-2")
    client, name = mlflow.MlflowClient(), f"noted-{promoted}"
    client.create_registered_model(name)
    client.create_model_version(name, source=str(tmp_path), run_id=training)
    client.set_model_version_tag(name, "1", "hivenas.promotion", "not the champion: because")
    if promoted:
        client.set_registered_model_alias(name, "champion", "1")
    tracker.close_search(Closing(parent, "FINISHED", {}, NOTE, trained="noted:full-2"))
    note = run_of(parent).data.tags["mlflow.note.content"]
    assert f"Load it: {says}\n" in note
    assert f"In the registry: version 1 of {name} is not the champion: because\n" in note


def test_descriptions_link_to_runs_and_a_childs_request_brings_the_parents_along(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("notes")
    parent = tracker.open_search(replace(card(tmp_path, "notes"), note="begun, see [no run](run:uid:0009)"))
    assert run_of(parent).data.tags["mlflow.note.content"] == "begun, see no run"

    first = tracker.log_child(child(tmp_path, evaluation(tmp_path), 0, key="uid:0000"))
    page = Page(f"from {link_to('uid:0000', '0000-scout')}", "layer 1: a → b", "<svg/>")
    second = replace(child(tmp_path, evaluation(tmp_path), 1, best=0.7, key="uid:0001", page=page))
    overview = f"best: {link_to('uid:0001', '0001-onlooker')}"
    run_id = tracker.log_child(replace(second, overview=overview))
    address = f"#/experiments/{run_of(parent).info.experiment_id}/runs"
    tags = run_of(run_id).data.tags
    assert tags["mlflow.note.content"] == f"from [0000-scout]({address}/{first})"
    assert tags["hivenas.changed"] == "layer 1: a → b"
    assert "architecture.svg" in {file.path for file in mlflow.MlflowClient().list_artifacts(run_id)}
    assert run_of(parent).data.tags["mlflow.note.content"] == f"best: [0001-onlooker]({address}/{run_id})"

    # What is tracked again is older than what the parent says by now.
    tracker.log_child(replace(second, overview="long ago"), again=True)
    assert run_of(parent).data.tags["mlflow.note.content"].startswith("best")


def test_a_description_is_cut_to_what_mlflow_keeps(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("long")
    parent = tracker.open_search(card(tmp_path, "long"))
    tracker.close_search(Closing(parent, "FINISHED", {}, "word " * 5000))
    assert len(run_of(parent).data.tags["mlflow.note.content"]) == 8000


def test_weights_that_are_not_kept_go_with_later_children_and_the_end(store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("kept")
    parent = tracker.open_search(card(tmp_path, "kept"))
    runs = [
        tracker.log_child(
            child(tmp_path, evaluation(tmp_path), i, key=f"uid:{i:04d}", delete_weights=("uid:0000",) if i else ())
        )
        for i in range(3)
    ]
    assert [kept(run_id) for run_id in runs] == [[], ["weights/weights.h5"], ["weights/weights.h5"]]
    # History again by a process that does not know what the first one has deleted.
    another = MlflowTracker("kept")
    another.resume_from(parent, {})
    another.close_search(Closing(parent, "FINISHED", {}, "", delete_weights=("uid:0000", "uid:0001", "uid:0099")))
    assert [kept(run_id) for run_id in runs] == [[], [], ["weights/weights.h5"]]


def kept(run_id: str) -> list[str]:
    """Paths of the weights that a run has."""
    return [file.path for file in mlflow.MlflowClient().list_artifacts(run_id, "weights")]


class KeepsAll(LocalArtifactRepository):  # type: ignore[misc]
    """A store that deletes no files, as there are some of MLflow's own."""

    delete_artifacts = ArtifactRepository.delete_artifacts


def test_a_store_that_deletes_no_files_is_told_of_once(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _artifact_repository_registry.register("keepsall", lambda uri, **_: KeepsAll(uri.replace("keepsall", "file")))
    try:
        client = mlflow.MlflowClient()
        client.create_experiment("keeps", artifact_location=f"keepsall://{tmp_path}/kept")
        tracker = MlflowTracker("keeps")
        parent = tracker.open_search(card(tmp_path, "keeps"))
        run_id = tracker.log_child(child(tmp_path, evaluation(tmp_path), 0, key="uid:0000"))
        for _ in range(2):
            tracker.close_search(Closing(parent, "FINISHED", {}, "", delete_weights=("uid:0000",)))
        (said,) = caplog.messages
        assert "deletes no files" in said
        assert kept(run_id) == ["weights/weights.h5"]
    finally:
        del _artifact_repository_registry._registry["keepsall"]


class Forbids(LocalArtifactRepository):  # type: ignore[misc]
    """A store whose server answers so to whoever deletes files."""

    status = 200

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        answer = requests.Response()
        answer.status_code = self.status
        raise requests.HTTPError(f"{self.status} of a server", response=answer)


@pytest.mark.parametrize(
    ("status", "passes", "tries"),
    [(403, False, 1), (405, False, 1), (500, False, 3), (501, False, 1), (502, True, 1), (503, True, 1)],
)
def test_a_store_that_forbids_to_delete_files_keeps_them_and_tracks_the_rest(
    store: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    passes: bool,
    tries: int,
) -> None:
    monkeypatch.setattr(Forbids, "status", status)
    _artifact_repository_registry.register("forbids", lambda uri, **_: Forbids(uri.replace("forbids", "file")))
    try:
        name = f"forbids {status}"
        mlflow.MlflowClient().create_experiment(name, artifact_location=f"forbids://{tmp_path}/kept")
        tracker = MlflowTracker(name)
        tracker.open_search(card(tmp_path, name))
        first = tracker.log_child(child(tmp_path, evaluation(tmp_path), 0, key="uid:0000"))
        later = replace(child(tmp_path, evaluation(tmp_path), 1, key="uid:0001"), delete_weights=("uid:0000",) * tries)
        with pytest.raises(TrackingError) if passes else contextlib.nullcontext():  # it may answer otherwise later
            tracker.log_child(later)
        assert kept(first) == ["weights/weights.h5"]
        (second,) = tracker._known.search("tags.`hivenas.key` = 'uid:0001'")
        assert second.info.status == "FINISHED"
        assert ["deletes no files" in said for said in caplog.messages] == ([] if passes else [True])
    finally:
        del _artifact_repository_registry._registry["forbids"]


def test_an_error_that_passes_does_not_end_the_deleting_of_weights(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([500, 200])

    class Hiccups(LocalArtifactRepository):  # type: ignore[misc]
        """A store whose server fails once."""

        def delete_artifacts(self, artifact_path: str | None = None) -> None:
            answer = requests.Response()
            answer.status_code = next(answers)
            if answer.status_code == 500:
                raise requests.HTTPError("500 of a server", response=answer)
            super().delete_artifacts(artifact_path)

    _artifact_repository_registry.register("hiccups", lambda uri, **_: Hiccups(uri.replace("hiccups", "file")))
    try:
        mlflow.MlflowClient().create_experiment("hiccups", artifact_location=f"hiccups://{tmp_path}/kept")
        tracker = MlflowTracker("hiccups")
        tracker.open_search(card(tmp_path, "hiccups"))
        runs = [
            tracker.log_child(
                replace(child(tmp_path, evaluation(tmp_path), number, key=f"uid:000{number}"), delete_weights=deleted)
            )
            for number, deleted in enumerate([(), ("uid:0000",), ("uid:0001",)])
        ]
        assert [kept(run_id) for run_id in runs] == [["weights/weights.h5"], [], ["weights/weights.h5"]]
        assert not caplog.messages
    finally:
        del _artifact_repository_registry._registry["hiccups"]


def test_a_run_that_is_taken_in_part_and_nobody_can_find_again_is_ended(store: str, tmp_path: Path) -> None:
    class Full(LocalArtifactRepository):  # type: ignore[misc]
        """A store without space for files."""

        def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    _artifact_repository_registry.register("full", lambda uri, **_: Full(uri.replace("full", "file")))
    try:
        mlflow.MlflowClient().create_experiment("full", artifact_location=f"full://{tmp_path}/kept")
        with pytest.raises(TrackingError):
            MlflowTracker("full").log_child(child(tmp_path, evaluation(tmp_path), 0))
        (run,) = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("full").experiment_id])
        assert run.info.status == "FAILED"
    finally:
        del _artifact_repository_registry._registry["full"]


@pytest.mark.parametrize("name", ["caf\udce9", "half \ud83d", "nul\0", "$a$ |`<b>\u202e😀\n\x07"])
def test_texts_of_any_kind_are_taken_by_a_store(name: str, store: str, tmp_path: Path) -> None:
    tracker = MlflowTracker("texts")
    described = {**card(tmp_path, "texts").data, "class_names": [name], "digest": arch_hash(ascii(name))[:8]}
    parent = tracker.open_search(replace(card(tmp_path, "texts"), params={"a": name}, note=name, data=described))
    failed = replace(evaluation(tmp_path), status="failed", reason=name, traceback=name)
    child = log_child(tracker, tmp_path, failed)
    tracker.close_search(Closing(parent, "FAILED", {}, name, reason=name, end_ms=5))
    assert run_of(child).data.tags["hivenas.reason"] == storable(name)
    assert run_of(parent).data.params["a"] == storable(name)
    assert {run_of(parent).data.tags[key] for key in ("hivenas.reason", "mlflow.note.content")} == {storable(name)}
    (data,) = run_of(parent).inputs.dataset_inputs
    assert json.loads(data.dataset.schema)["class_names"] == [storable(name)]
    traceback = mlflow.artifacts.load_text(f"runs:/{child}/traceback.txt")
    assert traceback.splitlines() == storable(name).splitlines()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("evaluation.epochs", "evaluation.epochs"),
        ("a b:c/d-e_f", "a b:c/d-e_f"),
        ("größe", "größe"),
        ("learning rate (%)", "learning rate ___"),
        ("a,b=$c$", "a_b__c_"),
        ("a//b", "___b"),
        ("/a", "_a"),
        ("../a", "___a"),
        (".", "_"),
        ("", "_"),
        ("a/", "__"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names_of_any_kind_are_kept_under_keys_that_mlflow_takes(name: str, key: str, store: str) -> None:
    assert key_of(name) == key
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    client.log_batch(run_id, params=params_of({name: "1", "another": "2"}))
    assert run_of(run_id).data.params == {key: "1", "another": "2"}


def test_names_that_become_one_key_are_kept_apart() -> None:
    made = params_of({"a%": "1", "a$": "2", "a_": "3", "b": "4"})
    assert {param.key: param.value for param in made} == {"a_": "1", "a__": "2", "a___": "3", "b": "4"}


def test_a_folder_that_is_no_unicode_is_refused_in_a_line() -> None:
    with (
        pytest.raises(TrackingRefusedError, match=r"Unicode alone, got '/caf\\udce9'; work in a folder"),
        translate_mlflow_errors(),
    ):
        "/caf\udce9".encode()
