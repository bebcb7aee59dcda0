"""What a resumption leaves as it is until it goes on in earnest, and what callbacks have stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

import hivenas
from hivenas import api
from hivenas.config import from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.publication import Published, ServableModel
from hivenas.core.records import Evaluation
from hivenas.core.search_run import Closing
from hivenas.core.tracker import NullTracker
from hivenas.errors import DatasetError
from hivenas.run.final_training import read_history
from hivenas.run.tracked import publisher
from hivenas.storage import (
    Message,
    MessageStatus,
    Outbox,
    SearchState,
    Stage,
    open_folder,
    open_search,
    read_state,
)
from hivenas.storage.ledger import open_ledger
from tests.colonies import write_table
from tests.searches import InterruptsAt


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table_search(**more: Any) -> dict[str, Any]:
    return {
        "name": "tab",
        "objective": "table",
        "table": {"path": "t.csv"},
        "tracking": "none",
        "colony": {"size": 3, "iterations": 2},
    } | more


def state_of(name: str) -> SearchState:
    state = read_state(ResultsFolder("results", name))
    assert state
    return state


def test_a_resumption_that_is_refused_changes_nothing_of_a_finished_search(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv")
    hivenas.search(table_search())
    config = from_mapping(table_search())
    with open_search(config, 42, resume=True) as ledger:  # as a search of networks leaves it
        ledger.save(trained=True, model="models:/tab@champion")
    before, yaml = state_of("tab"), Path("results/tab/tab.yaml").read_text(encoding="utf-8")
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("0.", "0.1", 1))
    with pytest.raises(DatasetError):
        hivenas.search(table_search(), "colony.iterations=4", resume=True)
    assert state_of("tab") == before
    assert Path("results/tab/tab.yaml").read_text(encoding="utf-8") == yaml
    write_table(tmp_path / "t.csv")
    further = hivenas.search(table_search(), "colony.iterations=4", resume=True)
    assert len(further.trials) > 6
    state = state_of("tab")
    assert (state.stage, state.trained, state.model, state.remade) == (Stage.DONE, False, "", (6, 1))


def test_what_a_kill_has_left_running_is_ended_by_sync_and_opened_again_by_a_resumption(
    store: str, tmp_path: Path
) -> None:
    write_table(tmp_path / "t.csv")
    given = table_search(tracking="mlflow", execution={"kind": "serial"})
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(given, callbacks=[InterruptsAt(4)])
    client, run_id = mlflow.MlflowClient(), state_of("tab").run_id
    assert client.get_run(run_id).info.status == "KILLED"
    api.sync(given)
    assert client.get_run(run_id).info.status == "KILLED"  # it had ended by itself
    client.update_run(run_id, status="RUNNING")  # as a kill would have left it
    api.sync(given)
    assert client.get_run(run_id).info.status == "FAILED"
    hivenas.search(given, resume=True)
    assert client.get_run(run_id).info.status == "FINISHED"


def test_the_end_that_waits_to_be_told_is_not_lost_by_a_resumption_that_is_refused(store: str, tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv")
    given = table_search(tracking="mlflow", execution={"kind": "serial"})
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(given, callbacks=[InterruptsAt(4)])
    client, run_id, folder = mlflow.MlflowClient(), state_of("tab").run_id, ResultsFolder("results", "tab")
    client.update_run(run_id, status="RUNNING")
    with open_folder(from_mapping(given)) as ledger:  # as where the store was away when it was interrupted
        outbox = Outbox(ledger, NullTracker())
        outbox.post(Message(closing=Closing(run_id, "KILLED", {}, "interrupted", reason="interrupted")))
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("0.", "0.1", 1))
    with pytest.raises(DatasetError):
        hivenas.search(given, resume=True)
    with contextlib.closing(open_ledger(folder)) as ledger:
        assert len(ledger.messages(MessageStatus.PENDING)) == 1
    api.sync(given)
    assert client.get_run(run_id).info.status == "KILLED"


class Stops(hivenas.Callback):
    """Stops a search after so many trials."""

    def __init__(self, count: int) -> None:
        self.count = count

    def on_start(self, search: Any) -> None:
        self.search = search

    def on_trial(self, trial: hivenas.Trial) -> None:
        if len(self.search.trials) >= self.count:
            self.search.stop()


def test_what_a_callback_has_stopped_is_trained_fully_after_a_kill_and_not_searched_on() -> None:
    bowl = {"name": "bowl", "objective": "sphere_min", "tracking": "none", "colony": {"size": 4, "iterations": 3}}
    stopped = hivenas.search(bowl, callbacks=[Stops(5)])
    assert len(stopped.trials) == 5
    with open_search(from_mapping(bowl), 42, resume=True) as ledger:  # killed in its full training
        assert ledger.state.stopped == 12
        ledger.state = replace(ledger.state, stage=Stage.FULL_TRAIN)
        ledger.save()
    assert len(hivenas.search(bowl, resume=True).trials) == 5
    with open_search(from_mapping(bowl), 42, resume=True) as ledger:
        ledger.save(stage=Stage.FULL_TRAIN)
    assert len(hivenas.search(bowl, "colony.iterations=4", resume=True).trials) == 16


class Publishing:
    """An executor in which a model is published slowly; in the middle of it somebody presses Ctrl-C."""

    def __init__(self) -> None:
        self.published = False

    def submit(self, task: Any) -> Future[Published]:
        future: Future[Published] = Future()

        def work() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
            self.published = True
            future.set_result(Published(uri="models:/tab/1"))

        threading.Thread(target=work).start()
        return future


def test_a_model_that_is_being_published_is_waited_for_when_the_search_is_interrupted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Publishing()
    model = ServableModel(tmp_path / "m.keras", tmp_path / "m.npy", "tab", "champion", {}, "")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            publisher(executor)(model, "run", ("here", "here"))  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGINT, before)
    assert executor.published
    assert "SIGINT has come and waits for the model that is being published; once more ends at once" in caplog.text


def test_the_files_of_a_full_training_are_found_in_a_folder_that_was_moved_or_copied(tmp_path: Path) -> None:
    before, after = ResultsFolder(tmp_path / "before", "mine"), ResultsFolder(tmp_path / "after", "mine")
    files = {"model": "trained.keras", "example": "trained.npy", "answers": "trained.npz"}
    before.weights.mkdir(parents=True)
    for name in files.values():
        (before.weights / name).write_text("x")
    kept = {key: str(before.weights / name) for key, name in files.items()}
    before.write_history("best", Evaluation("input|identity|output", "complete", 0.5, extra=kept | {"test_loss": 1.0}))
    shutil.copytree(before.path, after.path)
    found = read_history(after.histories / "best.json")
    assert found
    assert found.extra == {key: str(after.weights / name) for key, name in files.items()} | {"test_loss": 1.0}
    (after.weights / "trained.npz").unlink()  # what is gone has been where it was recorded
    found = read_history(after.histories / "best.json")
    assert found
    assert found.extra["answers"] == kept["answers"]
