"""The ways into a results folder: who may open it, and what a resumed search may change."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hivenas.config import Config, from_mapping, load
from hivenas.core.children import Child
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation, Proposal, Trial
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, InputError, MissingResultsError, ResultsExistError
from hivenas.storage import (
    Ledger,
    Message,
    MessageStatus,
    Outbox,
    SearchState,
    Stage,
    open_adhoc,
    open_folder,
    open_search,
    read_ledger,
    read_state,
)
from tests.rights import ordinary_rights

ARCH = "input|identity|dropout|output"


def _config(folder: Path, **sections: Any) -> Config:
    return from_mapping({"name": "probe", "results": {"dir": str(folder)}} | sections)


def _trial(index: int = 0) -> Trial:
    return Trial(Proposal(index, 0, "scout", 0, ARCH), Evaluation(ARCH, "complete", 0.5), "run")


def _start(config: Config, **state: Any) -> None:
    """A search that evaluated one candidate and then ended, one way or another."""
    with open_search(config, 7) as ledger:
        ledger.record(_trial())
        ledger.save(**state)


def _files(folder: ResultsFolder) -> dict[str, Any]:
    """The record, and the bytes of the files for people."""
    files = {
        path.name: path.read_bytes() for path in folder.path.iterdir() if path.suffix in {".yaml", ".json", ".csv"}
    }
    return files | {"ledger": read_ledger(folder)}


def test_a_new_search_gets_a_folder_with_its_configuration_and_the_given_seed(tmp_path: Path) -> None:
    config = _config(tmp_path / "deep" / "results")
    with open_search(config, 7) as ledger:
        assert ledger.state == SearchState(seed=7, uid=ledger.state.uid)
        assert len(ledger.state.uid) == 32
        assert ledger.trials == []
        assert ledger.folder.path == tmp_path / "deep" / "results" / "probe"
        ledger.save()
    written = load(tmp_path / "deep" / "results" / "probe" / "probe.yaml")
    assert written.to_mapping() == config.to_mapping()


@pytest.mark.parametrize(
    ("stage", "word"),
    [(Stage.SEARCH, "an unfinished"), (Stage.FULL_TRAIN, "an unfinished"), (Stage.DONE, "a finished")],
)
def test_recorded_results_are_refused_with_the_three_ways_on(tmp_path: Path, stage: Stage, word: str) -> None:
    config = _config(tmp_path)
    _start(config, stage=stage)
    with pytest.raises(ResultsExistError) as caught, open_search(config, 7):
        pass
    message = str(caught.value)
    assert str(tmp_path / "probe") in message
    assert f"{word} search of 1 evaluation," in message
    assert all(way in message for way in ("--resume", "--set name=", "--overwrite"))
    assert isinstance(caught.value, InputError)
    assert read_ledger(ResultsFolder(tmp_path, "probe"))[1] == [_trial()]


def test_evaluations_from_python_are_not_overwritten_in_silence(tmp_path: Path) -> None:
    with open_adhoc(_config(tmp_path)) as ledger:
        ledger.record(_trial())
    with pytest.raises(ResultsExistError, match="--overwrite"), open_search(_config(tmp_path), 7):
        pass


def test_a_search_that_recorded_nothing_is_simply_started_again(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_search(config, 7):
        pass
    with open_search(_config(tmp_path, seed=8), 9) as ledger:
        assert ledger.state == SearchState(seed=9, uid=ledger.state.uid)


def test_overwrite_begins_anew_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config, stage=Stage.DONE, run_id="old")
    folder = ResultsFolder(tmp_path, "probe")
    folder.weights.mkdir()
    (folder.weights / "old.h5").write_bytes(b"old")
    with open_search(config, 9, overwrite=True) as ledger:
        assert ledger.state == SearchState(seed=9, uid=ledger.state.uid, abandoned=("old",))
        assert ledger.trials == []
        ledger.save(run_id="new")
        assert not (folder.weights / "old.h5").exists()
        left = {path.name for path in folder.path.iterdir() if path.is_file()}
        assert left == {".lock", "ledger.db", "ledger.db-journal", "probe.yaml", "state.json"}
    assert read_ledger(folder)[1] == []


def test_what_was_to_be_overwritten_comes_back_where_the_new_search_does_not_start(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config, stage=Stage.DONE, run_id="old")
    folder = ResultsFolder(tmp_path, "probe")
    before = _files(folder)
    with pytest.raises(KeyError), open_search(_config(tmp_path, seed=8), 9, overwrite=True):
        raise KeyError("no images")
    assert _files(folder) == before


def test_overwrite_leaves_files_alone_that_are_not_a_searchs(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "thesis.txt").write_text("years of work")
    with open_search(_config(tmp_path), 9, overwrite=True) as ledger:
        ledger.save(run_id="new")
    assert (tmp_path / "probe" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["weights/mine.h5", "plots/deep/a.png", "probe.yaml", "training_history/x.json"])
def test_files_that_lie_where_a_search_has_its_own_are_not_deleted_in_silence(tmp_path: Path, name: str) -> None:
    config, file = _config(tmp_path), tmp_path / "probe" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(ResultsExistError, match=rf"probe holds {re.escape(name)}, .* delete what is there"):
        _start(config)
    with pytest.raises(MissingResultsError, match="nothing was recorded in"), open_folder(config):
        pass
    with pytest.raises(MissingResultsError, match="nothing to resume"), open_search(config, 9, resume=True):
        pass
    assert (file.read_text(), (tmp_path / "probe/ledger.db").exists()) == ("mine", False)
    with open_search(config, 9, overwrite=True) as ledger:
        ledger.save(run_id="new")
    assert not file.exists() or file.read_text() != "mine"


def test_resuming_and_overwriting_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got both"), open_search(_config(tmp_path), 9, resume=True, overwrite=True):
        pass


@pytest.mark.parametrize("text", ["{", '{"stage": "search", "colour": 3}', '{"stage": "flying"}'])
def test_a_state_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    config = _config(tmp_path)
    _start(config)
    with closing(sqlite3.connect(tmp_path / "probe/ledger.db")) as db, db:
        db.execute("UPDATE search SET value = ? WHERE key = 'state'", (text,))
    with pytest.raises(ResultsExistError, match=r"ledger\.db cannot be read"), open_search(config, 9, resume=True):
        pass
    with open_search(config, 9, overwrite=True) as ledger:
        ledger.save(run_id="new")
    assert read_state(ResultsFolder(tmp_path, "probe")) == ledger.state


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_ledger_that_is_none_is_named_and_may_be_replaced(tmp_path: Path, damage: bytes) -> None:
    config = _config(tmp_path)
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe/ledger.db").write_bytes(damage)
    if damage:
        with pytest.raises(ResultsExistError, match=r"ledger\.db cannot be read"), open_search(config, 9):
            pass
    with open_search(config, 9, overwrite=True) as ledger:
        ledger.save(run_id="new")
    with open_search(config, 9, resume=True) as ledger:
        assert ledger.state.run_id == "new"


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config)
    with closing(sqlite3.connect(tmp_path / "probe/ledger.db")) as db:
        db.execute("PRAGMA user_version = 77")
    with pytest.raises(ResultsExistError, match="must be of version 1, got 77"), open_search(config, 9, resume=True):
        pass


def test_a_results_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("a file")
    with pytest.raises(ConfigError, match=r"results\.dir"), open_search(_config(tmp_path), 9):
        pass


def test_overwriting_one_search_leaves_the_others(tmp_path: Path) -> None:
    _start(_config(tmp_path))
    other = _config(tmp_path, name="other")
    _start(other)
    with open_search(other, 9, overwrite=True):
        pass
    assert read_ledger(ResultsFolder(tmp_path, "probe"))[1] == [_trial()]


def test_nothing_to_resume_is_said_with_the_folder(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with (
        pytest.raises(MissingResultsError, match="nothing to resume in") as caught,
        open_search(config, 7, resume=True),
    ):
        pass
    assert isinstance(caught.value, FileNotFoundError)
    assert str(tmp_path / "probe") in str(caught.value)


def test_state_and_rows_come_back_exactly(tmp_path: Path) -> None:
    config = _config(tmp_path)
    strategy = {"iteration": 3, "fitness": 0.1 + 0.2, "worst": float("inf"), "best": None, "rng": {"state": 2**127 + 1}}
    with open_search(config, 7) as ledger:
        ledger.record(_trial(0))
        ledger.record(_trial(1))
        ledger.save(stage=Stage.FULL_TRAIN, run_id="abc", strategy=strategy)
        ledger.save(trained=True)
        saved = ledger.state
    assert saved == SearchState(Stage.FULL_TRAIN, "abc", 7, strategy, True, uid=saved.uid)
    # The seed of the record counts, not the one that a resumed search was started with.
    with open_search(config, 99, resume=True) as ledger:
        assert ledger.state == saved
        assert ledger.trials == [_trial(0), _trial(1)]


def test_a_search_that_was_killed_before_it_began_is_started_again_and_its_run_remembered(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_search(config, 7) as ledger:
        ledger.save(run_id="orphan")
        first = ledger.state.uid
    with open_search(config, 7) as ledger:
        assert ledger.state.abandoned == ("orphan",)
        assert ledger.state.run_id == ""
        assert ledger.state.uid != first
    with open_search(config, 7, resume=True) as ledger:
        assert (ledger.state.abandoned, ledger.state.run_id, ledger.state.uid) == ((), "orphan", first)


def test_a_new_search_closes_what_a_kill_has_left_of_trainings_outside_a_search(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_folder(config, make=True) as ledger:
        ledger.show("a:full-1")
        ledger.show("b:full-1", "b:full-2")
        ledger.hide("b:full-1", "")
    with open_adhoc(config) as ledger:  # it is no search
        assert ledger.shown == ("a:full-1", "b:full-2")
    with open_search(config, 7) as ledger:
        assert ledger.state.abandoned == ("a:full-1", "b:full-2")
        ledger.save(run_id="new")
        assert ledger.shown == ()


def test_two_searches_have_different_names_and_a_resumed_one_keeps_its_own(tmp_path: Path) -> None:
    with open_search(_config(tmp_path), 7) as ledger, open_search(_config(tmp_path, name="other"), 7) as other:
        assert ledger.state.uid != other.state.uid
        ledger.save(strategy={})
        key = ledger.key(3)
    with open_search(_config(tmp_path), 7, resume=True) as ledger:
        assert ledger.key(3) == key


def test_runs_that_came_later_are_written_into_the_table(tmp_path: Path) -> None:
    with open_search(_config(tmp_path), 7) as ledger:
        for index in range(3):
            ledger.record(replace(_trial(index), run_id="" if index else "known"))
        ledger.set_run_ids({1: "later", 2: "last"})
        assert [row.run_id for row in ledger.trials] == ["known", "later", "last"]
        assert read_ledger(ledger.folder)[1] == ledger.trials


def test_the_files_of_a_replaced_search_go_though_a_kill_comes_between(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config, stage=Stage.DONE)
    folder = ResultsFolder(tmp_path, "probe")
    folder.weights.mkdir()
    (folder.weights / "old.h5").write_bytes(b"old")
    with open_search(config, 9, overwrite=True) as ledger:
        ledger._old_files = []  # as if killed before they were removed
        ledger.save(run_id="new", strategy={"evaluations": 0, "iteration": 0})
        with ledger.transaction():
            ledger._put("clearing", "1")
    assert (folder.weights / "old.h5").exists()
    with open_search(config, 9, resume=True) as ledger:
        assert ledger.state.run_id == "new"
        assert not (folder.weights / "old.h5").exists()


def test_what_waits_for_mlflow_goes_with_a_search_that_is_replaced_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = _config(tmp_path)
    with open_search(config, 7) as ledger:
        ledger.save(strategy={"evaluations": 0, "iteration": 0})
        ledger.post("{}")
    with open_search(config, 9, overwrite=True) as ledger:
        ledger.save(run_id="new")
        assert ledger.messages(*MessageStatus) == []
    assert "lost with the search that is replaced: 1 record never sent to MLflow" in caplog.text


def test_what_trainings_outside_a_search_have_to_tell_waits_for_the_first_search_too(tmp_path: Path) -> None:
    config, file = _config(tmp_path / "results"), tmp_path / "trained.keras"
    file.write_bytes(b"a model")
    with open_folder(config, make=True) as ledger:
        Outbox(ledger, NullTracker()).post(Message(child=Child("full_train", {}, {}, {}, artifacts=((file, ""),))))
    with open_search(config, 1) as ledger:
        assert Outbox(ledger, NullTracker()).waiting == 1
        ledger.save()
        (message,) = Outbox(ledger, NullTracker()).messages()
        assert message.child
        assert [kept.read_bytes() for kept, _ in message.child.artifacts] == [b"a model"]


def test_a_full_training_that_is_made_again_after_the_same_trials_is_another() -> None:
    state = SearchState(uid="me", stage=Stage.DONE, trained=True, model="models:/m/1")
    assert state.full_key(8) == "me:full-8"
    again = state.going_on(8)
    assert (again.trained, again.model, again.full_key(8), again.full_key(9)) == (False, "", "me:full-8-1", "me:full-9")
    assert again.going_on(8).full_key(8) == "me:full-8-2"
    assert again.going_on(9).full_key(9) == "me:full-9-1"


def test_messages_of_a_search_that_may_come_back_are_neither_sent_nor_removed_by_the_next(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_search(config, 7) as ledger:
        ledger.save(strategy={"evaluations": 0, "iteration": 0})
        number = ledger.post("{}")
        attached = ledger.folder.attachments / f"{number:08d}" / "0" / "file"
        attached.parent.mkdir(parents=True)
        attached.write_text("kept")
    with open_search(config, 9, overwrite=True) as ledger:
        assert Outbox(ledger, NullTracker()).waiting == 0
    with open_search(config, 9, resume=True) as ledger:
        assert Outbox(ledger, NullTracker()).waiting == 1
    assert attached.read_text() == "kept"


@pytest.mark.process
def test_what_a_killed_command_has_left_half_written_goes_with_the_next_one_of_any_kind(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    config = _config(tmp_path)
    left = ResultsFolder(tmp_path, "probe").plots / "full-0a1b2c3d" / f".tmp-{ended.pid}-1-confusion.png"

    def is_swept_by(opened: AbstractContextManager[Ledger]) -> bool:
        left.parent.mkdir(parents=True, exist_ok=True)
        left.touch()
        with opened:
            return not left.exists()

    assert is_swept_by(open_adhoc(config))
    assert is_swept_by(open_search(config, 1))
    assert is_swept_by(open_folder(config, make=True))


def test_evaluations_from_python_do_not_go_into_a_search(tmp_path: Path) -> None:
    _start(_config(tmp_path))
    with pytest.raises(ResultsExistError, match="evaluate under another name"), open_adhoc(_config(tmp_path)):
        pass


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"evaluation": {"epochs": 6}}, "evaluation.epochs=8, got evaluation.epochs=6"),
    ({"space": {"depth": 5}}, "space.depth=6, got space.depth=5"),
    ({"space": {"preset": "mobile"}}, "space.preset=residual, got space.preset=mobile"),
    (
        {"space": {"preset": "residual", "operations": ["identity", "dropout"]}},
        "space.operations=null, got space.operations=identity, dropout",
    ),
    ({"colony": {"size": 8}}, "colony.size=7, got colony.size=8"),
    ({"colony": {"abandonment_limit": 4}}, "colony.abandonment_limit=3, got colony.abandonment_limit=4"),
    ({"objective": "sphere_min"}, "objective=nas, got objective=sphere_min"),
    ({"dataset": {"train_limit": 100}}, "dataset.train_limit=null, got dataset.train_limit=100"),
    ({"evaluation": {"optimizer": {"op": "Adam"}}}, "evaluation.optimizer.op=AdamW, got evaluation.optimizer.op=Adam"),
    ({"space": {"depth": 5}, "colony": {"size": 8}}, "colony.size=7, got colony.size=8 (and 1 more)"),
]


@pytest.mark.parametrize(("changed", "says"), REFUSED, ids=[str(changed) for changed, _ in REFUSED])
def test_resuming_with_another_search_is_refused_by_the_key(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    _start(_config(tmp_path))
    with pytest.raises(ConfigError) as caught, open_search(_config(tmp_path, **changed), 7, resume=True):
        pass
    assert f"was started with {says}" in str(caught.value)
    assert str(tmp_path / "probe") in str(caught.value)
    # Refused, nothing is written: the right configuration still resumes.
    with open_search(_config(tmp_path), 7, resume=True) as ledger:
        assert ledger.trials == [_trial()]


FREE: list[dict[str, Any]] = [
    {"colony": {"iterations": 30}},
    {"full_train": {"enabled": False, "epochs": 1}},
    {"registry": {"register": False, "alias": "best"}},
    {"objectives": {"fitness": "max"}},
    {"execution": {"kind": "serial", "workers": 2}},
    {"optuna": {"storage": "sqlite:///books.db", "study": "other"}},
]


@pytest.mark.parametrize("changed", FREE, ids=str)
def test_what_comes_after_may_change_and_is_written_down(tmp_path: Path, changed: dict[str, Any]) -> None:
    _start(_config(tmp_path))
    resumed = _config(tmp_path, **changed)
    with open_search(resumed, 7, resume=True) as ledger:
        assert ledger.trials == [_trial()]
    # Who is refused after that has changed nothing.
    assert load(tmp_path / "probe" / "probe.yaml").to_mapping() == _config(tmp_path).to_mapping()
    with open_search(resumed, 7, resume=True) as ledger:
        ledger.save()
    assert load(tmp_path / "probe" / "probe.yaml").to_mapping() == resumed.to_mapping()


def test_a_results_folder_that_was_moved_resumes(tmp_path: Path) -> None:
    _start(_config(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    with open_search(_config(tmp_path / "there"), 7, resume=True) as ledger:
        assert ledger.trials == [_trial()]


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}], ids=["start", "resume", "overwrite"])
def test_a_second_opener_is_refused_while_the_first_holds_the_folder(tmp_path: Path, how: dict[str, Any]) -> None:
    config = _config(tmp_path)
    with open_search(config, 7) as ledger:
        ledger.record(_trial())
        ledger.save(run_id="mine")
        with pytest.raises(ResultsExistError, match="another process is at work in"), open_search(config, 8, **how):
            pass
        # Neither the attempt nor its overwriting touched what the first holds.
        assert read_ledger(ledger.folder)[1] == [_trial()]
        assert read_state(ResultsFolder(tmp_path, "probe")) == ledger.state
    with open_search(config, 7, resume=True) as ledger:
        assert ledger.state.run_id == "mine"


def test_searches_of_other_names_are_opened_side_by_side(tmp_path: Path) -> None:
    with open_search(_config(tmp_path), 7), open_search(_config(tmp_path, name="other"), 7) as ledger:
        ledger.record(_trial())
    assert read_ledger(ResultsFolder(tmp_path, "other"))[1] == [_trial()]


def test_the_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    config = _config(tmp_path)

    def break_off() -> None:
        with open_search(config, 7) as ledger:
            ledger.save(run_id="kept")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        break_off()
    with open_search(config, 7, resume=True) as ledger:
        assert ledger.state.run_id == "kept"


def test_the_state_of_a_search_is_read_without_opening_it(tmp_path: Path) -> None:
    config = _config(tmp_path)
    assert read_state(ResultsFolder(tmp_path, "probe")) is None
    assert not (tmp_path / "probe").exists()
    with open_search(config, 7) as ledger:
        ledger.save(run_id="abc")
        assert (
            read_state(ResultsFolder(tmp_path, "probe"))
            == ledger.state
            == SearchState(run_id="abc", seed=7, uid=ledger.state.uid)
        )


@pytest.mark.parametrize("how", [{}, {"resume": True}])
def test_a_search_of_an_earlier_version_is_refused_in_one_line_and_untouched(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    settings = from_mapping({"name": "older", "results": {"dir": str(tmp_path)}})
    folder = ResultsFolder(tmp_path, "older")
    folder.path.mkdir()
    folder.csv.write_text("index,iteration,bee\n0,0,scout\n")
    folder.yaml.write_text("name: older\n")
    folder.state.write_text(json.dumps({"stage": "search"}))
    before = {path: path.read_bytes() for path in (folder.csv, folder.yaml, folder.state)}
    with pytest.raises(ResultsExistError, match="of an earlier version") as caught, open_search(settings, 1, **how):
        pass
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in before} == before
    with open_search(settings, 1, overwrite=True) as ledger:
        ledger.save(run_id="new")
        assert not folder.csv.exists()


def test_what_trainings_outside_a_search_have_left_stays_when_a_search_begins_there(tmp_path: Path) -> None:
    config, folder = _config(tmp_path), ResultsFolder(str(tmp_path), "probe")
    kept = [
        folder.weights / "trained.keras",
        folder.weights / "abc-full.weights.h5",
        folder.histories / "abc-full.json",
    ]
    with open_folder(config, make=True):  # as `hivenas arch` does
        for file in kept:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")
    for _ in range(2):  # the first start gets no further than that
        with open_search(config, 7) as ledger:
            ledger.reserve("")
        assert all(file.is_file() for file in kept)
    _start(config)
    with open_search(config, 7, resume=True):
        pass
    assert all(file.is_file() for file in kept)
    with open_search(config, 7, overwrite=True) as ledger:
        ledger.record(_trial())
    assert not any(file.is_file() for file in kept)


def test_a_start_that_is_refused_leaves_what_the_running_search_is_writing(tmp_path: Path) -> None:
    """Of another machine's process nobody here can say whether it lives: the lock says it."""
    config, folder = _config(tmp_path), ResultsFolder(str(tmp_path), "probe")
    with open_search(config, 7) as ledger:
        ledger.record(_trial())
        folder.weights.mkdir(parents=True, exist_ok=True)
        written = folder.weights / ".tmp-999999-1-x.weights.h5"
        written.write_text("half")
        with pytest.raises(ResultsExistError, match="another process is at work"), open_search(config, 8):
            pass
        assert written.exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_nobody_may_write_to_is_said_in_a_line(tmp_path: Path, resume: bool) -> None:
    config = _config(tmp_path)
    _start(config)
    (tmp_path / "probe" / ".lock").unlink(missing_ok=True)
    (tmp_path / "probe").chmod(0o555)
    try:
        with (
            ordinary_rights(),
            pytest.raises(ConfigError, match=r"probe must be a folder that can be written to, got Permission denied"),
            open_search(config, 7, resume=resume),
        ):
            pass
    finally:
        (tmp_path / "probe").chmod(0o755)
