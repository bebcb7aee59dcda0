"""Candidates as logged models of their runs, and all that becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import LoggedModel

from hivenas.config import from_mapping
from hivenas.core.children import Page, RunContext, UsedData, child_of
from hivenas.core.publication import LoggedCandidate, ServableModel
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.core.search_run import SearchCard
from hivenas.core.tracker import CandidateTracker, NullTracker
from hivenas.errors import MissingResultsError
from hivenas.storage import Ledger, Message, Outbox, open_search
from hivenas.tracking.candidates import logged_on
from hivenas.tracking.forgetting import delete_search, find_search
from hivenas.tracking.mlflow_tracker import MlflowTracker
from hivenas.tracking.models import TrackedModel

ARCH = "input|sep3x3_32|output"
DATA = {"name": "digits", "digest": "abc", "shape": [8, 8, 1], "validation": 3}
HISTORY = (EpochFigures(1, 2.0, 0.3, 1.9, 0.35), EpochFigures(2, 1.0, 0.6, 0.9, 0.65))
CANDIDATE = LoggedCandidate(
    "a-search:17",
    "0017-onlooker",
    {"architecture": ARCH, "params": "1234", "macs": "99", "role": "onlooker"},
    {"hivenas.search": "ranked", "hivenas.candidate": ARCH},
)
Told = tuple[MlflowTracker, str, str]


@pytest.fixture
def told(store: str, request: pytest.FixtureRequest) -> Told:
    """A search with one evaluation: its tracker, the ids of its run and of the nested one."""
    name = f"ranked-{abs(hash(request.node.name))}"
    tracker = MlflowTracker(name)
    parent = tracker.open_search(SearchCard(name, {}, "", uid=name))
    used = UsedData(DATA, ("training", "validation"))
    context = RunContext(search=name, phase="evaluate", params={"op_00": "sep3x3_32"}, key="a-search:17", used=used)
    context = replace(context, page=Page("What it is."))
    evaluation = Evaluation(ARCH, "complete", 0.65, epochs=2, params=1234, seconds=1.0, history=HISTORY)
    return tracker, parent, tracker.log_child(child_of(Proposal(17, 2, "onlooker", 3, ARCH), evaluation, context))


def logged(run_id: str) -> list[LoggedModel]:
    client = mlflow.MlflowClient()
    return [each for each in logged_on(client, client.get_run(run_id)) if each.name == CANDIDATE.name]


def test_a_candidate_without_its_network_is_a_model_with_the_figures_of_its_run(told: Told) -> None:
    tracker, _, run_id = told
    client = mlflow.MlflowClient()
    torn = client.create_logged_model(client.get_run(run_id).info.experiment_id, CANDIDATE.name, run_id)
    for _ in range(2):  # as after a kill
        tracker.log_candidate(CANDIDATE)
    (model,) = logged(run_id)
    assert model.model_id != torn.model_id
    assert str(model.status) == "READY"
    assert model.params == {"op_00": "sep3x3_32", **CANDIDATE.params}
    assert model.tags.items() >= CANDIDATE.tags.items()
    run = client.get_run(run_id)
    for shown in ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.note.content"):
        assert model.tags[shown] == run.data.tags[shown] != ""
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert run.data.tags["hivenas.logged_model"] == "true"
    figures = {metric.key: metric for metric in model.metrics or ()}
    assert {key: metric.value for key, metric in figures.items()} == run.data.metrics
    assert (figures["val_accuracy"].value, figures["val_accuracy"].step) == (0.65, 2)
    assert (figures["fitness"].dataset_name, figures["fitness"].dataset_digest) == ("digits-validation", "abc")
    assert figures["loss"].dataset_name is None
    assert [point.step for point in client.get_metric_history(run_id, "val_accuracy")] == [1, 2]
    assert mlflow.register_model(model.model_uri, f"from-{run_id}").version
    with pytest.raises(MissingResultsError, match="has no model"):
        TrackedModel(run_id)  # which has no files to load


def test_candidates_are_forgotten_with_their_search_but_for_those_that_have_an_alias(told: Told) -> None:
    tracker, parent, run_id = told
    tracker.log_candidate(CANDIDATE)
    (model,) = logged(run_id)
    client = mlflow.MlflowClient()
    client.create_registered_model(f"kept-{run_id}")
    version = client.create_model_version(f"kept-{run_id}", model.model_uri, run_id, model_id=model.model_id).version
    client.set_registered_model_alias(f"kept-{run_id}", "champion", version)
    found = find_search(parent, "", "", [], model=f"kept-{run_id}")
    assert (found.runs, found.models, [each.run_id for each in found.kept]) == ((parent,), (), [run_id])
    client.delete_registered_model_alias(f"kept-{run_id}", "champion")
    found = find_search(parent, "", "", [], model=f"kept-{run_id}")
    assert (set(found.runs), found.models) == ({run_id, parent}, (model.model_id,))
    assert found.versions == (f"kept-{run_id}/{version}",)
    delete_search(found)
    gone = find_search(parent, "", "", [], model=f"kept-{run_id}")
    assert (gone.runs, gone.models, gone.gone_models) == ((), (), (model.model_id,))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_search(from_mapping({"name": "s", "results": {"dir": str(tmp_path)}}), 1) as opened:
        opened.save(strategy={"evaluations": 0, "iteration": 0, "reused": 0})
        yield opened


class Keeper(NullTracker):
    """Keeps the candidates that it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[LoggedCandidate, ServableModel | None]] = []

    def log_candidate(self, candidate: LoggedCandidate, model: ServableModel | None = None) -> None:
        assert model
        assert model.file.read_bytes() == b"keras"
        self.told.append((candidate, model))


@pytest.mark.parametrize("kind", [Keeper, NullTracker])
def test_a_candidates_message_outlasts_its_files_and_its_process(
    ledger: Ledger, tmp_path: Path, kind: Callable[[], NullTracker]
) -> None:
    files = [tmp_path / name for name in ("m.keras", "m.npy")]
    for file in files:
        file.write_bytes(b"keras")
    model = ServableModel(files[0], files[1], None, "", {}, "", answers=((0.5, 0.5),), candidate=CANDIDATE)
    Outbox(ledger, NullTracker()).post(Message(candidate=CANDIDATE, model=model))
    for file in files:
        file.unlink()
    tracker = kind()
    outbox = Outbox(ledger, tracker)  # another process
    assert outbox.keeps_candidates is isinstance(tracker, CandidateTracker) is (kind is Keeper)
    assert len(outbox.send(force=True)) == 1
    assert outbox.waiting == 0
    if isinstance(tracker, Keeper):
        ((candidate, kept),) = tracker.told
        assert candidate == CANDIDATE
        assert kept
        assert (kept.candidate, kept.answers, kept.tested) == (CANDIDATE, ((0.5, 0.5),), None)
