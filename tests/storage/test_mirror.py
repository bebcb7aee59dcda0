"""Optuna's mirror behind a results folder: resumed from alone, overtaken elsewhere, away for a while."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.config import Config, from_mapping
from hivenas.core.parameters import Parameters
from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError, StorageError
from hivenas.storage import open_store
from hivenas.storage.mirror import OptunaMirror
from hivenas.storage.optuna_study import open_study

ARCH = "input|identity|dropout|output"


def config(tmp_path: Path, folder: str, depth: int = 2, storage: str | None = None) -> Config:
    return from_mapping(
        {
            "name": "probe",
            "space": {"operations": ["identity", "dropout"], "depth": depth},
            "results": {"dir": str(tmp_path / folder)},
            "optuna": {"storage": storage or f"sqlite:///{tmp_path}/books.db"},
        }
    )


def mirror(settings: Config, said: list[str] | None = None) -> OptunaMirror:
    say = (said if said is not None else []).append
    return OptunaMirror(open_study(settings, Parameters.of_space(settings.space)), say)


def row(index: int, fitness: float = 0.5) -> Row:
    return Row.of(Proposal(index, 0, "scout", 0, ARCH), Evaluation(ARCH, "complete", fitness), f"run-{index}")


def search(settings: Config, rows: range, *, resume: bool = False, said: list[str] | None = None) -> None:
    with open_store(settings, 7, resume=resume, mirror=mirror(settings, said)) as store:
        store.save(colony={"evaluations": rows.start}, run_id="parent")
        for index in rows:
            store.append(row(index))
        store.save(colony={"evaluations": rows.stop})


def test_a_search_goes_on_from_the_books_alone(tmp_path: Path) -> None:
    search(config(tmp_path, "here"), range(3))
    there = config(tmp_path, "there")
    said: list[str] = []
    with open_store(there, 99, resume=True, mirror=mirror(there, said)) as store:
        assert store.rows == store.folder.rows() == [row(0), row(1), row(2)]
        assert store.state.colony == {"evaluations": 3}
        assert (store.state.seed, store.state.run_id) == (7, "parent")
    assert len(said) == 1
    assert said[0].startswith("3 evaluations come from the study 'probe'")


def test_a_folder_that_was_overtaken_elsewhere_catches_up(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 5), resume=True)
    with open_store(here, 7, resume=True, mirror=mirror(here)) as store:
        assert [each.index for each in store.rows] == [0, 1, 2, 3, 4]
        assert store.state.colony == {"evaluations": 5}


def test_books_that_are_behind_the_folder_are_completed(tmp_path: Path) -> None:
    without = from_mapping(config(tmp_path, "here").to_mapping() | {"optuna": {"storage": None}})
    with open_store(without, 7) as store:
        store.save(colony={"evaluations": 2})
        store.append(row(0))
        store.append(row(1))
    search(config(tmp_path, "here"), range(2, 3), resume=True)
    recorded = open_study(config(tmp_path, "here"), Parameters.of_space(without.space)).recorded()
    assert recorded is not None
    assert [each.index for each in recorded.rows] == [0, 1, 2]


def test_a_search_that_was_resumed_in_two_places_is_refused(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 5), resume=True)
    with open_store(here, 7, resume=True) as store:  # without its mirror
        store.append(row(5))
    rows = [*[row(index) for index in range(2)], row(2, fitness=0.25)]
    store.folder.rewrite(rows)
    with (
        pytest.raises(ResultsExistError, match=r"evaluation 2 in .* resumed in two places"),
        open_store(here, 7, resume=True, mirror=mirror(here)),
    ):
        pass
    assert store.folder.rows() == rows


def test_the_books_of_another_space_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    search(config(tmp_path, "here"), range(2))
    other = config(tmp_path, "there", depth=3)
    with pytest.raises(ConfigError, match=r"space\.depth=2"), open_store(other, 7, resume=True, mirror=mirror(other)):
        pass
    assert not list((tmp_path / "there").rglob("*.csv"))


def test_nothing_to_resume_in_either_place_is_said(tmp_path: Path) -> None:
    settings = config(tmp_path, "here")
    with (
        pytest.raises(MissingResultsError, match="nothing to resume"),
        open_store(settings, 7, resume=True, mirror=mirror(settings)),
    ):
        pass


def test_a_study_is_overwritten_only_when_asked_for_and_once_the_search_has_begun(tmp_path: Path) -> None:
    search(config(tmp_path, "here"), range(2))
    there = config(tmp_path, "there")
    with pytest.raises(ResultsExistError, match="--overwrite"), open_store(there, 7, mirror=mirror(there)):
        pass
    with pytest.raises(KeyError), open_store(there, 7, overwrite=True, mirror=mirror(there)):
        raise KeyError("no images")
    assert recorded_indices(there) == [0, 1]
    with open_store(there, 7, overwrite=True, mirror=mirror(there)) as store:
        store.save(colony={"evaluations": 0})
        store.append(row(0))
    assert recorded_indices(there) == [0]


def test_a_search_that_was_killed_before_it_began_leaves_its_study_to_the_next(tmp_path: Path) -> None:
    settings = config(tmp_path, "here")
    with open_store(settings, 7, mirror=mirror(settings)):
        pass
    search(settings, range(1))
    assert recorded_indices(settings) == [0]


def test_storage_that_is_away_holds_up_nothing_and_is_completed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivenas.core.outage.PAUSE_S", 0.0)
    settings = config(tmp_path, "here")
    said: list[str] = []
    with open_store(settings, 7, mirror=mirror(settings, said)) as store:
        store.save(colony={"evaluations": 0})
        store.append(row(0))
        with sqlite3.connect(tmp_path / "books.db", isolation_level=None) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            store.append(row(1))
            assert store.sync_mirror() == 1
            writer.execute("ROLLBACK")
        writer.close()
        store.append(row(2))
        assert store.sync_mirror() == 0
    assert recorded_indices(settings) == [0, 1, 2]
    assert len(said) == 2
    assert "answers again" in said[1]


def test_storage_that_is_away_at_the_start_is_said_before_anything_is_written(tmp_path: Path) -> None:
    settings = config(tmp_path, "here", storage=f"sqlite:///{tmp_path}/none/books.db")
    with pytest.raises(StorageError, match="none"):
        mirror(settings)
    assert not (tmp_path / "here").exists()


def test_the_seconds_and_runs_of_a_record_may_differ_between_folder_and_books(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 3), resume=True)
    with open_store(here, 7, resume=True) as store:
        store.folder.rewrite([replace(each, run_id="later", seconds=3.0) for each in store.rows])
    with open_store(here, 7, resume=True, mirror=mirror(here)) as store:
        assert len(store.rows) == 3


def recorded_indices(settings: Config) -> list[int]:
    recorded = open_study(settings, Parameters.of_space(settings.space)).recorded()
    assert recorded is not None
    return [each.index for each in recorded.rows]


def test_of_two_records_with_the_same_evaluations_the_one_that_is_further_counts(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    with open_store(there, 7, resume=True, mirror=mirror(there)) as store:
        store.save(stage="done", trained=True)
    with open_store(here, 7, resume=True, mirror=mirror(here)) as store:
        assert (store.state.stage, store.state.trained) == ("done", True)
    with open_store(here, 7, resume=True, mirror=mirror(here)) as store:
        store.save(stage="done", trained=False)


def test_a_kill_between_a_new_search_and_the_end_of_the_study_that_it_replaces(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    followed = mirror(there)
    followed.follow = broken  # type: ignore[method-assign]
    with open_store(there, 7, overwrite=True, mirror=followed) as store, pytest.raises(StorageError):
        store.save(colony={"evaluations": 0})
    assert recorded_indices(there) == [0, 1]
    with open_store(there, 7, resume=True, mirror=mirror(there)) as store:
        store.save(colony={"evaluations": 0})
        store.append(row(0))
    assert recorded_indices(there) == [0]


def broken(*arguments: object, **named: object) -> int:
    raise StorageError("killed here")
