"""Runs of trainings that go on: there from the beginning, complete at the end, and no point twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

import hivenas
from hivenas.api import sync
from hivenas.config.metrics import metric_named
from hivenas.config.tasks import TASKS
from hivenas.core import progress
from hivenas.core.children import Child, RunContext, child_of, running_child
from hivenas.core.measured import marked
from hivenas.core.progress import Progress, Teller
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.core.search_run import Closing, SearchCard
from hivenas.errors import TrackingError
from hivenas.run.callbacks import Callback
from hivenas.tracking.entities import metrics_of
from hivenas.tracking.mlflow_tracker import MlflowTracker
from tests.outcome import differences
from tests.toy_objectives import CurvedObjective

ARCH = "input|sep3x3_32|output"
HISTORY = tuple(EpochFigures(epoch, 1 / epoch, 0.3, 2.0, epoch / 10) for epoch in range(1, 6))
# What differs between two runs of one search, beside their times.
OWN = ("hivenas.uid", "hivenas.key", "mlflow.note.content", "mlflow.source.git.commit", "hivenas.git_dirty")


def running(uid: str, index: int, epochs: int) -> Child:
    """A training of a search that goes on, after so many epochs."""
    context = RunContext(search="running", phase="evaluate", params={"op_00": "sep3x3_32"}, key=f"{uid}:{index:04d}")
    child = running_child(Proposal(index, 2, "onlooker", 3, ARCH), context, {})
    return replace(child, history=HISTORY[:epochs], start_ms=1_000, end_ms=1_000 + 10 * epochs)


@pytest.mark.parametrize(("task", "metric"), [("multilabel", "f1_labels"), ("regress", "mae")])
def test_the_curves_of_a_training_that_goes_on_have_the_names_of_those_of_its_end(task: str, metric: str) -> None:
    marks, context = marked(metric_named(metric)), RunContext(search="running", phase="evaluate", params={})
    history = tuple(replace(figures, metric=float(figures.epoch)) for figures in HISTORY)
    proposal = Proposal(0, 0, "scout", 0, ARCH)
    begun = replace(running_child(proposal, context, marks), history=history)
    ended = child_of(proposal, Evaluation(ARCH, "complete", 5.0, history=history, extra=marks), context)
    curves = [{point.key for point in metrics_of(each) if point.step} for each in (begun, ended)]
    share = TASKS[task].share
    assert curves[0] == curves[1] == {"loss", "val_loss", share, f"val_{share}", f"val_{metric}"}
    assert metrics_of(replace(begun, history=())) == []


def complete(uid: str, index: int) -> Child:
    context = RunContext(search="running", phase="evaluate", params={"op_00": "sep3x3_32"}, key=f"{uid}:{index:04d}")
    evaluation = Evaluation(ARCH, "complete", 0.5, epochs=5, seconds=0.1, history=HISTORY)
    return replace(child_of(Proposal(index, 2, "onlooker", 3, ARCH), evaluation, context), end_ms=2_000)


def test_a_share_of_inherited_weights_is_told_where_there_are_any() -> None:
    context = RunContext(search="running", phase="evaluate", params={})
    evaluation = Evaluation(ARCH, "complete", 0.5)
    told = [
        child_of(Proposal(0, 0, "scout", 0, ARCH), replace(evaluation, inherited=share), context).metrics
        for share in (0.0, 0.5)
    ]
    assert "inherited" not in told[0]
    assert told[1]["inherited"] == 0.5


@pytest.fixture
def uid(store: str, request: pytest.FixtureRequest) -> str:
    """Names the test's search in the store that all tests share."""
    return str(request.node.name)


def card(uid: str) -> SearchCard:
    return SearchCard("running", {"name": "running"}, "name: running\n", uid=uid)


def children_of(parent: str) -> list[Run]:
    client = mlflow.MlflowClient()
    experiment = client.get_run(parent).info.experiment_id
    return list(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'"))


def steps(run_id: str, name: str = "val_accuracy") -> list[int]:
    return [point.step for point in mlflow.MlflowClient().get_metric_history(run_id, name)]


def shown(run: Run, names: dict[str, str]) -> dict[str, Any]:
    """A run without its ids and times."""
    client, run_id = mlflow.MlflowClient(), run.info.run_id
    curves = {key: [(p.step, p.value) for p in client.get_metric_history(run_id, key)] for key in run.data.metrics}
    curves = {key: points for key, points in curves.items() if "seconds" not in key}
    tags = {key: names.get(text, text) for key, text in run.data.tags.items() if key not in OWN}
    return {"status": run.info.status, "params": dict(run.data.params), "tags": tags, "curves": curves}


def test_a_run_is_there_while_its_candidate_trains_and_is_completed_at_the_end(uid: str) -> None:
    tracker, client = MlflowTracker("running"), mlflow.MlflowClient()
    parent = tracker.open_search(card(uid))
    tracker.show_running([running(uid, 0, 0), running(uid, 1, 0)])
    assert {run.info.status for run in children_of(parent)} == {"RUNNING"}
    assert client.get_run(parent).data.tags["hivenas.in_training"] == "0000-onlooker, 0001-onlooker"
    for epochs in (1, 3, 3):
        tracker.show_running([running(uid, 0, epochs)])
    assert client.get_run(parent).data.tags["hivenas.in_training"] == "0000-onlooker"
    live = client.get_run(tracker.find(f"{uid}:0000"))
    assert steps(live.info.run_id) == [1, 2, 3]
    assert "hivenas.status" not in live.data.tags

    run_id = tracker.log_child(complete(uid, 0))
    assert run_id == live.info.run_id
    at_once = client.get_run(tracker.log_child(complete(f"{uid} at once", 0)))
    done = client.get_run(run_id)
    assert shown(done, {}) == shown(at_once, {})
    assert (done.info.run_name, done.info.end_time) == (at_once.info.run_name, at_once.info.end_time)
    assert steps(run_id) == steps(run_id, "loss") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_shown_again", [True, False])
def test_a_run_that_a_killed_process_left_is_taken_up_by_its_key(uid: str, is_shown_again: bool) -> None:
    first, client = MlflowTracker("running"), mlflow.MlflowClient()
    parent = first.open_search(card(uid))
    first.show_running([running(uid, 0, 2), running(uid, 1, 2)])
    run_id = first.find(f"{uid}:0000")

    second = MlflowTracker("running")
    assert second.open_search(card(uid), parent) == parent
    assert second.close_dead({f"{uid}:0001"}) == 1  # the end of the other one is still to be told
    dead = client.get_run(run_id)
    assert (dead.info.status, dead.data.tags["hivenas.reason"]) == ("KILLED", "ended with the process that made it")
    assert "hivenas.in_training" not in client.get_run(parent).data.tags
    second.log_child(complete(uid, 1), again=True)
    if is_shown_again:
        second.show_running([running(uid, 0, 1)])
        again = client.get_run(run_id)
        assert (again.info.status, again.data.tags.get("hivenas.reason")) == ("RUNNING", None)
    assert second.log_child(complete(uid, 0)) == run_id
    runs = children_of(parent)
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert [steps(run.info.run_id) for run in runs] == [[1, 2, 3, 4, 5]] * 2
    assert not any("hivenas.reason" in run.data.tags for run in runs)


def test_a_parent_names_no_training_after_its_end_though_a_killed_process_had_it_name_one(uid: str) -> None:
    first, client = MlflowTracker("running"), mlflow.MlflowClient()
    parent = first.open_search(card(uid))
    first.show_running([running(uid, 0, 2)])
    first.log_child(complete(uid, 0))  # and was killed before it told who goes on
    assert client.get_run(parent).data.tags["hivenas.in_training"] == "0000-onlooker"

    second = MlflowTracker("running")
    second.close_search(Closing(parent, "FINISHED", {}, "the end"))
    closed = client.get_run(parent)
    assert (closed.info.status, closed.data.tags.get("hivenas.in_training")) == ("FINISHED", None)


def test_points_that_come_out_otherwise_in_another_attempt_are_told_anew(uid: str) -> None:
    """Of a training that failed, and is made again after its layer was mended; or that goes on on another machine."""
    MlflowTracker("running").show_running([running(uid, 0, 3)])
    tracker = MlflowTracker("running")
    tracker.resume_from("", {})
    other = tuple(replace(figures, val_accuracy=figures.val_accuracy + 0.5) for figures in HISTORY)
    run_id = tracker.log_child(replace(complete(uid, 0), history=other), again=True)
    client = mlflow.MlflowClient()
    points = client.get_metric_history(run_id, "val_accuracy")
    latest = {point.step: point.value for point in sorted(points, key=lambda point: point.timestamp)}
    assert latest == {figures.epoch: figures.val_accuracy for figures in other}
    assert client.get_run(run_id).data.metrics["val_accuracy"] == other[-1].val_accuracy
    assert len(client.get_metric_history(run_id, "val_loss")) == 5  # these came out alike


def test_a_run_that_had_failed_and_is_made_anew_tells_of_no_failure(uid: str) -> None:
    tracker, client = MlflowTracker("running"), mlflow.MlflowClient()
    tracker.open_search(card(uid))
    failed = replace(complete(uid, 0), failed=True, tags={"hivenas.reason": "no memory"}, metrics={"fitness": 0.0})
    run_id = tracker.log_child(replace(failed, history=(), end_ms=1_500))
    assert client.get_run(run_id).info.status == "FAILED"
    assert tracker.log_child(replace(complete(uid, 0), metrics={"fitness": -0.5}), again=True) == run_id
    run = client.get_run(run_id)
    assert (run.info.status, run.info.end_time, run.data.metrics["fitness"]) == ("FINISHED", 2_000, -0.5)
    assert "hivenas.reason" not in run.data.tags


def test_what_has_come_to_no_record_is_ended_and_taken_up_by_the_next_process(uid: str) -> None:
    first, client = MlflowTracker("running"), mlflow.MlflowClient()
    parent = first.open_search(card(uid))
    first.show_running([running(uid, 0, 2)])
    first.end_running()
    (run,) = children_of(parent)
    assert run.info.status == "KILLED"
    assert "hivenas.in_training" not in client.get_run(parent).data.tags
    second = MlflowTracker("running")
    second.open_search(card(uid), parent)
    assert second.close_dead() == 0
    second.show_running([running(uid, 0, 3)])
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    second.end_running()
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert steps(run.info.run_id) == [1, 2, 3]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_training_gets_its_own_key_at_its_end_on_the_run_that_it_was_shown_on(uid: str, is_killed: bool) -> None:
    tracker = MlflowTracker("running")
    parent = tracker.open_search(card(uid))
    shown_as = f"{uid}:0000-tested"
    tracker.show_running([replace(running(uid, 0, 2), key=shown_as)])
    (run,) = children_of(parent)
    ended = replace(complete(uid, 0), shown_as=shown_as)
    if is_killed:
        tracker = MlflowTracker("running")
        tracker.open_search(card(uid), parent)
        assert tracker.close_dead({f"{uid}:0000", shown_as}) == 0  # as its message waits
    assert tracker.log_child(ended, again=True) == run.info.run_id
    assert MlflowTracker("running").log_child(ended, again=True) == run.info.run_id
    (done,) = children_of(parent)
    assert (done.info.status, done.data.tags["hivenas.key"]) == ("FINISHED", f"{uid}:0000")
    assert steps(done.info.run_id) == [1, 2, 3, 4, 5]


def test_of_a_candidate_that_names_a_lost_run_the_store_is_asked_and_told_once(
    uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = MlflowTracker("running")
    home = tracker.open_search(card(uid))
    requests: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        real: Callable[..., Any] = getattr(mlflow.MlflowClient, name)

        def request(*args: Any, **kwargs: Any) -> Any:
            requests.append(name)
            return real(*args, **kwargs)

        return request

    for name in ("search_runs", "get_run", "create_run", "log_batch", "set_terminated"):
        monkeypatch.setattr(mlflow.MlflowClient, name, noted(name))
    tracker.log_child(replace(complete(uid, 0), links={"hivenas.parent": f"{uid}:lost"}))
    assert requests == ["search_runs", "create_run", "log_batch", "set_terminated"]
    outside = MlflowTracker("running", home=home)
    for index in (1, 2):
        requests.clear()
        outside.log_child(complete(uid, index))
    assert requests == ["get_run", "create_run", "log_batch", "set_terminated"]


@pytest.mark.parametrize("request_", ["create_run", "log_batch"])
def test_a_request_whose_answer_was_lost_doubles_nothing(
    uid: str, monkeypatch: pytest.MonkeyPatch, request_: str
) -> None:
    tracker = MlflowTracker("running")
    parent = tracker.open_search(card(uid))
    real: Callable[..., Any] = getattr(mlflow.MlflowClient, request_)

    def answerless(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise ConnectionError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, request_, answerless)
        with pytest.raises(TrackingError):
            tracker.show_running([running(uid, 0, 2)])
    tracker.show_running([running(uid, 0, 3)])
    run_id = tracker.log_child(complete(uid, 0))
    assert [run.info.run_id for run in children_of(parent)] == [run_id]
    assert steps(run_id) == [1, 2, 3, 4, 5]


class Trains(CurvedObjective):
    """A curved objective that tells how far it is, as networks do.

    Args:
        deaths: workers that have died before, each after the second epoch.
    """

    def __init__(self, deaths: int = 0) -> None:
        super().__init__(np.random.default_rng(), 3)
        self._deaths = deaths

    def run(self, proposal: Proposal) -> Evaluation:
        evaluation = super().run(proposal)
        for _ in range(self._deaths):
            tell = Teller(0, 3)
            tell(evaluation.history[:2], ends=True)
            tell.inside(evaluation.history[:2], 0.5)
        tell = Teller(0, 3)
        tell(evaluation.history, ends=True)
        return evaluation


class Ends(Callback):
    """Looks at what MLflow has while the fifth candidate is in training, and interrupts the search."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        if proposal.index == 4 and progress.epoch:
            runs = tracked("live_interrupted")
            self.seen = [(str(run.info.run_name), run.info.status) for run in runs if "hivenas.bee" in run.data.tags]
            raise KeyboardInterrupt


def tracked(experiment: str) -> list[Run]:
    client = mlflow.MlflowClient()
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def configured(name: str, live: float | None) -> dict[str, Any]:
    given: dict[str, Any] = {"name": name, "seed": 3, "colony": {"size": 3, "iterations": 2}}
    return given | {"execution": {"kind": "serial"}, "tracking_live_s": live}


def searched(name: str, live: float | None, deaths: int = 0, **more: Any) -> dict[str, Any]:
    """All that MLflow has of a search in the end, by the names of its runs."""
    result = hivenas.search(configured(name, live), objective=Trains(deaths), progress=False, **more)
    runs = {str(run.info.run_name): run for run in tracked(name)}
    names = {run.info.run_id: label for label, run in runs.items()} | {name: "the search", result.run_id: "the search"}
    told = {label: shown(run, names) for label, run in runs.items() if run.info.run_id != result.run_id}
    assert next(iter(runs[name].data.metrics)) == "best_fitness"  # by which MLflow compares searches
    parent = shown(runs[name], names)
    curves = {key: parent["curves"][key] for key in ("fitness", "best_fitness")}  # an early end has figures of its own
    return told | {"the search": {"status": parent["status"], "curves": curves}}


def test_in_the_end_a_search_is_tracked_alike_whether_it_was_shown_live_or_not_and_interrupted_or_not(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searched("live_plain", None)
    assert len(plain) == 7
    assert not differences(searched("live_shown", 0), plain)
    with monkeypatch.context() as patched:
        patched.setattr(progress, "_EVERY_S", 0.0)
        assert not differences(searched("live_resubmitted", 0, deaths=2), plain)
    ends = Ends()
    with pytest.raises(KeyboardInterrupt):
        searched("live_interrupted", 0, callbacks=[ends])
    assert sorted(ends.seen)[-1] == ("0004-scout", "RUNNING")
    assert [status for _, status in sorted(ends.seen)[:-1]] == ["FINISHED"] * 4
    runs = tracked("live_interrupted")
    assert sorted(run.info.status for run in runs) == ["FINISHED"] * 4 + ["KILLED"] * 2
    assert not any("hivenas.in_training" in run.data.tags for run in runs)
    (left,) = (run for run in runs if run.info.status == "KILLED" and "hivenas.bee" in run.data.tags)
    client = mlflow.MlflowClient()
    client.update_run(left.info.run_id, status="RUNNING")  # as a kill leaves it
    assert sync(configured("live_interrupted", 0), objective=Trains()) == (0, 0)
    ended = client.get_run(left.info.run_id)
    assert (ended.info.status, ended.data.tags["hivenas.reason"]) == ("KILLED", "ended with the process that made it")
    assert not differences(searched("live_interrupted", 0, resume=True), plain)
