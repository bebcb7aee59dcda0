"""The record of a search: who may open it, what a resumed one may change, and its state."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hivenas.config import Config, from_mapping, load
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.errors import ConfigError, InputError, MissingResultsError, ResultsExistError
from hivenas.storage import SearchState, open_store, read_state

ARCH = "input|identity|dropout|output"


def _config(folder: Path, **sections: Any) -> Config:
    return from_mapping({"name": "probe", "results": {"dir": str(folder)}} | sections)


def _row(index: int = 0) -> Row:
    return Row.of(Proposal(index, 0, "scout", 0, ARCH), Evaluation(ARCH, "complete", 0.5), "run")


def _start(config: Config, **state: Any) -> None:
    """A search that evaluated one candidate and then ended, one way or another."""
    with open_store(config, 7) as store:
        store.append(_row())
        store.save(**state)


def test_a_new_search_gets_a_folder_with_its_configuration_and_the_given_seed(tmp_path: Path) -> None:
    config = _config(tmp_path / "deep" / "results")
    with open_store(config, 7) as store:
        assert store.state == SearchState(seed=7, uid=store.state.uid)
        assert len(store.state.uid) == 32
        assert store.rows == []
        assert store.folder.path == tmp_path / "deep" / "results" / "probe"
    written = load(tmp_path / "deep" / "results" / "probe" / "probe.yaml")
    assert written.to_mapping() == config.to_mapping()


@pytest.mark.parametrize(
    ("stage", "word"), [("search", "an unfinished"), ("full_train", "an unfinished"), ("done", "a finished")]
)
def test_recorded_results_are_refused_with_the_three_ways_on(tmp_path: Path, stage: str, word: str) -> None:
    config = _config(tmp_path)
    _start(config, stage=stage)
    with pytest.raises(ResultsExistError) as caught, open_store(config, 7):
        pass
    message = str(caught.value)
    assert str(tmp_path / "probe") in message
    assert f"{word} search of 1 evaluations" in message
    assert all(way in message for way in ("--resume", "--set name=", "--overwrite"))
    assert isinstance(caught.value, InputError)
    assert ResultsFolder(tmp_path, "probe").rows() == [_row()]


def test_a_table_without_a_state_is_refused_too(tmp_path: Path) -> None:
    ResultsFolder(tmp_path, "probe").append(_row())
    with pytest.raises(ResultsExistError, match="--overwrite"), open_store(_config(tmp_path), 7):
        pass


def test_a_search_that_recorded_nothing_is_simply_started_again(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_store(config, 7):
        pass
    with open_store(_config(tmp_path, seed=8), 9) as store:
        assert store.state == SearchState(seed=9, uid=store.state.uid)


def test_overwrite_begins_anew_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config, stage="done", run_id="old")
    folder = ResultsFolder(tmp_path, "probe")
    folder.weights.mkdir()
    (folder.weights / "old.h5").write_bytes(b"old")
    with open_store(config, 9, overwrite=True) as store:
        assert store.state == SearchState(seed=9, uid=store.state.uid, abandoned=("old",))
        assert store.rows == []
        store.save(run_id="new")
        assert {path.name for path in folder.path.iterdir()} == {".lock", "probe.yaml", "state.json"}


def test_what_was_to_be_overwritten_comes_back_where_the_new_search_does_not_start(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config, stage="done", run_id="old")
    folder = ResultsFolder(tmp_path, "probe")
    before = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(KeyError), open_store(_config(tmp_path, seed=8), 9, overwrite=True):
        raise KeyError("no images")
    assert {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before


def test_overwrite_leaves_files_alone_that_are_not_a_searchs(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "thesis.txt").write_text("years of work")
    with open_store(_config(tmp_path), 9, overwrite=True) as store:
        store.save(run_id="new")
    assert (tmp_path / "probe" / "thesis.txt").read_text() == "years of work"


def test_resuming_and_overwriting_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got both"), open_store(_config(tmp_path), 9, resume=True, overwrite=True):
        pass


@pytest.mark.parametrize("text", ["{", '{"stage": "search", "colour": 3}'])
def test_a_state_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    config = _config(tmp_path)
    _start(config, stage="search")
    (tmp_path / "probe" / "state.json").write_text(text)
    with pytest.raises(ResultsExistError, match=r"state\.json cannot be read"), open_store(config, 9, resume=True):
        pass


def test_a_results_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("a file")
    with pytest.raises(ConfigError, match=r"results\.dir"), open_store(_config(tmp_path), 9):
        pass


def test_overwriting_one_search_leaves_the_others(tmp_path: Path) -> None:
    _start(_config(tmp_path))
    other = _config(tmp_path, name="other")
    _start(other)
    with open_store(other, 9, overwrite=True):
        pass
    assert ResultsFolder(tmp_path, "probe").rows() == [_row()]


def test_nothing_to_resume_is_said_with_the_folder(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with pytest.raises(MissingResultsError, match="nothing to resume in") as caught, open_store(config, 7, resume=True):
        pass
    assert isinstance(caught.value, FileNotFoundError)
    assert str(tmp_path / "probe") in str(caught.value)


def test_state_and_rows_come_back_exactly(tmp_path: Path) -> None:
    config = _config(tmp_path)
    colony = {"iteration": 3, "fitness": 0.1 + 0.2, "worst": float("inf"), "best": None, "rng": {"state": 2**127 + 1}}
    with open_store(config, 7) as store:
        store.append(_row(0))
        store.append(_row(1))
        store.save(stage="full_train", run_id="abc", colony=colony)
        store.save(trained=True)
        saved = store.state
    assert saved == SearchState("full_train", "abc", 7, colony, True, uid=saved.uid)
    # The seed of the record counts, not the one that a resumed search was started with.
    with open_store(config, 99, resume=True) as store:
        assert store.state == saved
        assert store.rows == [_row(0), _row(1)]


def test_a_resumed_search_leaves_out_a_line_that_a_crash_tore(tmp_path: Path) -> None:
    config = _config(tmp_path)
    _start(config)
    with ResultsFolder(tmp_path, "probe").csv.open("a", encoding="utf-8") as file:
        file.write("1,0,scou")
    said: list[str] = []
    with open_store(config, 7, resume=True, say=said.append) as store:
        assert store.rows == [_row()]
        store.append(_row(1))
    assert ResultsFolder(tmp_path, "probe").rows() == [_row(), _row(1)]
    assert len(said) == 1
    assert "torn the last line of" in said[0]


def test_a_search_that_was_killed_before_it_began_is_started_again_and_its_run_remembered(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with open_store(config, 7) as store:
        store.save(run_id="orphan")
        first = store.state.uid
    with open_store(config, 7) as store:
        assert store.state.abandoned == ("orphan",)
        assert store.state.run_id == ""
        assert store.state.uid != first
    with open_store(config, 7, resume=True) as store:
        assert (store.state.abandoned, store.state.run_id, store.state.uid) == ((), "orphan", first)


def test_two_searches_have_different_names_and_a_resumed_one_keeps_its_own(tmp_path: Path) -> None:
    with open_store(_config(tmp_path), 7) as store, open_store(_config(tmp_path, name="other"), 7) as other:
        assert store.state.uid != other.state.uid
        store.save(colony={})
        key = store.key(3)
    with open_store(_config(tmp_path), 7, resume=True) as store:
        assert store.key(3) == key


def test_runs_that_came_later_are_written_into_the_table(tmp_path: Path) -> None:
    with open_store(_config(tmp_path), 7) as store:
        for index in range(3):
            store.append(replace(_row(index), run_id="" if index else "known"))
        store.fill_run_ids({1: "later", 2: "last"})
        assert [row.run_id for row in store.rows] == ["known", "later", "last"]
        assert store.folder.rows() == store.rows


@pytest.mark.parametrize("moved", range(1, 4))
def test_an_overwriting_that_was_killed_half_way_loses_nothing(tmp_path: Path, moved: int) -> None:
    config = _config(tmp_path)
    _start(config, stage="done", run_id="old")
    folder = ResultsFolder(tmp_path, "probe")
    before = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    aside = folder.path / ".replaced"
    aside.mkdir()
    for path in [path for path in folder.own if path.exists()][:moved]:
        path.replace(aside / path.name)
    with open_store(config, 7, resume=True) as store:
        assert store.state.run_id == "old"
        assert store.rows == [_row()]
    assert {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before
    assert not aside.exists()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"evaluation": {"epochs": 6}}, "evaluation.epochs=5, got evaluation.epochs=6"),
    ({"space": {"depth": 6}}, "space.depth=5, got space.depth=6"),
    ({"space": {"preset": "cells"}}, "space.preset=layerwise, got space.preset=cells"),
    (
        {"space": {"operations": ["identity", "dropout"]}},
        "space.operations=null, got space.operations=identity, dropout",
    ),
    ({"colony": {"size": 8}}, "colony.size=7, got colony.size=8"),
    ({"colony": {"abandonment_limit": 4}}, "colony.abandonment_limit=3, got colony.abandonment_limit=4"),
    ({"objective": "sphere_min"}, "objective=nas, got objective=sphere_min"),
    ({"dataset": {"train_limit": 100}}, "dataset.train_limit=null, got dataset.train_limit=100"),
    ({"evaluation": {"optimizer": {"op": "Adam"}}}, "evaluation.optimizer.momentum=0.9, got"),
    ({"space": {"depth": 6}, "colony": {"size": 8}}, "colony.size=7, got colony.size=8 (and 1 more)"),
]


@pytest.mark.parametrize(("changed", "says"), REFUSED, ids=[str(changed) for changed, _ in REFUSED])
def test_resuming_with_another_search_is_refused_by_the_key(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    _start(_config(tmp_path))
    with pytest.raises(ConfigError) as caught, open_store(_config(tmp_path, **changed), 7, resume=True):
        pass
    assert f"was started with {says}" in str(caught.value)
    assert str(tmp_path / "probe") in str(caught.value)
    # Refused, nothing is written: the right configuration still resumes.
    with open_store(_config(tmp_path), 7, resume=True) as store:
        assert store.rows == [_row()]


FREE: list[dict[str, Any]] = [
    {"colony": {"iterations": 30}},
    {"full_train": {"enabled": False, "epochs": 1}},
    {"registry": {"register": False, "alias": "best"}},
    {"execution": {"kind": "serial", "workers": 2}},
    {"optuna": {"storage": "sqlite:///books.db", "study": "other"}},
]


@pytest.mark.parametrize("changed", FREE, ids=str)
def test_what_comes_after_may_change_and_is_written_down(tmp_path: Path, changed: dict[str, Any]) -> None:
    _start(_config(tmp_path))
    resumed = _config(tmp_path, **changed)
    with open_store(resumed, 7, resume=True) as store:
        assert store.rows == [_row()]
    assert load(tmp_path / "probe" / "probe.yaml").to_mapping() == resumed.to_mapping()


def test_a_results_folder_that_was_moved_resumes(tmp_path: Path) -> None:
    _start(_config(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    with open_store(_config(tmp_path / "there"), 7, resume=True) as store:
        assert store.rows == [_row()]


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}], ids=["start", "resume", "overwrite"])
def test_a_second_opener_is_refused_while_the_first_holds_the_folder(tmp_path: Path, how: dict[str, Any]) -> None:
    config = _config(tmp_path)
    with open_store(config, 7) as store:
        store.append(_row())
        store.save(run_id="mine")
        with pytest.raises(ResultsExistError, match="another process is at work in"), open_store(config, 8, **how):
            pass
        # Neither the attempt nor its overwriting touched what the first holds.
        assert store.folder.rows() == [_row()]
        assert read_state(config) == store.state
    with open_store(config, 7, resume=True) as store:
        assert store.state.run_id == "mine"


def test_searches_of_other_names_are_opened_side_by_side(tmp_path: Path) -> None:
    with open_store(_config(tmp_path), 7), open_store(_config(tmp_path, name="other"), 7) as store:
        store.append(_row())
    assert ResultsFolder(tmp_path, "other").rows() == [_row()]


def test_the_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    config = _config(tmp_path)

    def break_off() -> None:
        with open_store(config, 7) as store:
            store.save(run_id="kept")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        break_off()
    with open_store(config, 7, resume=True) as store:
        assert store.state.run_id == "kept"


def test_the_state_of_a_search_is_read_without_opening_it(tmp_path: Path) -> None:
    config = _config(tmp_path)
    assert read_state(config) is None
    assert not (tmp_path / "probe").exists()
    with open_store(config, 7) as store:
        store.save(run_id="abc")
        assert read_state(config) == store.state == SearchState(run_id="abc", seed=7, uid=store.state.uid)


def test_a_refused_resumption_changes_no_file(tmp_path: Path) -> None:
    settings = from_mapping({"name": "older", "results": {"dir": str(tmp_path)}})
    folder = ResultsFolder(tmp_path, "older")
    folder.path.mkdir()
    folder.csv.write_text("index,iteration,bee\n0,0,scout\n")
    folder.yaml.write_text("name: older\n")
    folder.state.write_text(json.dumps({"stage": "search"}))
    before = {path: path.read_bytes() for path in (folder.csv, folder.yaml, folder.state)}
    with pytest.raises(ResultsExistError, match="other columns"), open_store(settings, 1, resume=True):
        pass
    assert {path: path.read_bytes() for path in before} == before
