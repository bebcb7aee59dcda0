"""Optuna's mirror behind a results folder: resumed from alone, overtaken elsewhere, away for a while."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.config import Config, from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation, Proposal, Trial
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError, StorageError
from hivenas.storage import Ledger, Stage, open_folder, open_search, read_ledger, read_state
from hivenas.storage.mirror import OptunaMirror
from hivenas.storage.optuna_study import open_study
from tests.rights import ordinary_rights
from tests.storage.studies import columns, info_of

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


def mirror(settings: Config) -> OptunaMirror:
    return OptunaMirror(open_study(settings, info_of(settings)))


def trial(index: int, fitness: float = 0.5) -> Trial:
    return Trial(Proposal(index, 0, "scout", 0, ARCH), Evaluation(ARCH, "complete", fitness), f"run-{index}")


def strategy(evaluations: int) -> dict[str, int]:
    return {"evaluations": evaluations, "iteration": 0, "reused": 0}


def record(ledger: Ledger, trials: range) -> None:
    for index in trials:
        ledger.record(trial(index), strategy(index + 1))


def search(settings: Config, trials: range, *, resume: bool = False) -> None:
    followed = mirror(settings)
    with open_search(settings, 7, resume=resume, mirror=followed) as ledger:
        ledger.save(strategy=strategy(trials.start), run_id="parent")
        record(ledger, trials)
        followed.sync(ledger)


def test_a_search_goes_on_from_the_books_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    search(config(tmp_path, "here"), range(3))
    there = config(tmp_path, "there")
    with open_search(there, 99, resume=True, mirror=mirror(there)) as ledger:
        assert (
            columns(ledger.trials) == columns(read_ledger(ledger.folder)[1]) == columns([trial(0), trial(1), trial(2)])
        )
        assert ledger.state.strategy == strategy(3)
        assert (ledger.state.seed, ledger.state.run_id) == (7, "parent")
    (said,) = (each.getMessage() for each in caplog.records)
    assert said.startswith("3 evaluations come from the study 'probe'")


def test_a_folder_that_was_overtaken_elsewhere_catches_up(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 5), resume=True)
    with open_search(here, 7, resume=True, mirror=mirror(here)) as ledger:
        assert [each.index for each in ledger.trials] == [0, 1, 2, 3, 4]
        assert ledger.state.strategy == strategy(5)


def test_books_that_are_behind_the_folder_are_completed(tmp_path: Path) -> None:
    without = from_mapping(config(tmp_path, "here").to_mapping() | {"optuna": {"storage": None}})
    with open_search(without, 7) as ledger:
        ledger.save(strategy=strategy(2))
        ledger.record(trial(0))
        ledger.record(trial(1))
    search(config(tmp_path, "here"), range(2, 3), resume=True)
    recorded = open_study(config(tmp_path, "here"), info_of(without)).recorded()
    assert recorded is not None
    assert [each.index for each in recorded.trials] == [0, 1, 2]


def test_a_search_that_was_resumed_in_two_places_is_refused(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 5), resume=True)
    with open_search(here, 7, resume=True) as ledger:  # without its mirror
        trials = [trial(0), trial(1), trial(2, fitness=0.25)]
        ledger.take(ledger.state, trials)
    with (
        pytest.raises(ResultsExistError, match=r"evaluation 2 in .* resumed in two places"),
        open_search(here, 7, resume=True, mirror=mirror(here)),
    ):
        pass
    assert read_ledger(ledger.folder)[1] == trials


def test_the_books_of_another_space_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    search(config(tmp_path, "here"), range(2))
    other = config(tmp_path, "there", depth=3)
    with pytest.raises(ConfigError, match=r"space\.depth=2"), open_search(other, 7, resume=True, mirror=mirror(other)):
        pass
    assert not list((tmp_path / "there").rglob("*.csv"))


def test_nothing_to_resume_in_either_place_is_said(tmp_path: Path) -> None:
    settings = config(tmp_path, "here")
    with (
        pytest.raises(MissingResultsError, match="nothing to resume"),
        open_search(settings, 7, resume=True, mirror=mirror(settings)),
    ):
        pass


def test_a_study_is_overwritten_only_when_asked_for_and_once_the_search_has_begun(tmp_path: Path) -> None:
    search(config(tmp_path, "here"), range(2))
    there = config(tmp_path, "there")
    with pytest.raises(ResultsExistError, match="--overwrite"), open_search(there, 7, mirror=mirror(there)):
        pass
    with pytest.raises(KeyError), open_search(there, 7, overwrite=True, mirror=mirror(there)):
        raise KeyError("no images")
    assert recorded_indices(there) == [0, 1]
    followed = mirror(there)
    with open_search(there, 7, overwrite=True, mirror=followed) as ledger:
        ledger.save(strategy=strategy(0))
        ledger.record(trial(0))
        followed.sync(ledger)
    assert recorded_indices(there) == [0]


def test_a_search_that_was_killed_before_it_began_leaves_its_study_to_the_next(tmp_path: Path) -> None:
    settings = config(tmp_path, "here")
    with open_search(settings, 7, mirror=mirror(settings)):
        pass
    search(settings, range(1))
    assert recorded_indices(settings) == [0]
    state = read_state(ResultsFolder(tmp_path / "here", "probe"))
    assert state
    assert state.replaces == ""


@pytest.mark.slow
def test_storage_that_is_away_holds_up_nothing_and_is_completed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hivenas.core.outage.PAUSE_S", 0.0)
    settings = config(tmp_path, "here")
    followed = mirror(settings)
    with open_search(settings, 7, mirror=followed) as ledger:
        ledger.save(strategy=strategy(0))
        ledger.record(trial(0))
        assert followed.sync(ledger) == 0
        with sqlite3.connect(tmp_path / "books.db", isolation_level=None) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            ledger.record(trial(1))
            assert followed.sync(ledger, force=True) == 1
            writer.execute("ROLLBACK")
        writer.close()
        ledger.record(trial(2))
        assert followed.sync(ledger, force=True) == 0
    assert recorded_indices(settings) == [0, 1, 2]
    assert len(caplog.records) == 2
    assert "answers again" in caplog.records[1].getMessage()


def test_storage_that_is_away_at_the_start_is_said_before_anything_is_written(tmp_path: Path) -> None:
    settings = config(tmp_path, "here", storage=f"sqlite:///{tmp_path}/none/books.db")
    with pytest.raises(StorageError, match="none"):
        mirror(settings)
    assert not (tmp_path / "here").exists()


def test_the_seconds_and_runs_of_a_record_may_differ_between_folder_and_books(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    search(there, range(2, 3), resume=True)
    with open_search(here, 7, resume=True) as ledger:
        later = [replace(each, run_id="later") for each in ledger.trials]
        slower = [replace(each, evaluation=replace(each.evaluation, seconds=3.0)) for each in later]
        ledger.take(ledger.state, slower)
    with open_search(here, 7, resume=True, mirror=mirror(here)) as ledger:
        assert len(ledger.trials) == 3


def recorded_indices(settings: Config) -> list[int]:
    recorded = open_study(settings, info_of(settings)).recorded()
    assert recorded is not None
    return [each.index for each in recorded.trials]


def test_of_two_records_with_the_same_evaluations_the_one_that_is_further_counts(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    followed = mirror(there)
    with open_search(there, 7, resume=True, mirror=followed) as ledger:
        ledger.save(stage=Stage.DONE, trained=True)
        followed.sync(ledger)
    with open_search(here, 7, resume=True, mirror=mirror(here)) as ledger:
        assert (ledger.state.stage, ledger.state.trained) == (Stage.DONE, True)


def test_a_kill_between_a_new_search_and_the_end_of_the_study_that_it_replaces(tmp_path: Path) -> None:
    here, there = config(tmp_path, "here"), config(tmp_path, "there")
    search(here, range(2))
    with open_search(there, 7, overwrite=True, mirror=mirror(there)) as ledger:
        ledger.save(strategy=strategy(0))  # and killed before the study follows
    assert recorded_indices(there) == [0, 1]
    followed = mirror(there)
    with open_search(there, 7, resume=True, mirror=followed) as ledger:
        ledger.record(trial(0), strategy(1))
        followed.sync(ledger)
    assert recorded_indices(there) == [0]


def test_of_two_searches_of_one_name_the_second_is_refused_before_it_begins(tmp_path: Path) -> None:
    journal = f"journal:{tmp_path}/books.log"
    here, there = (config(tmp_path, name, storage=journal) for name in ("here", "there"))
    followed = mirror(here)
    with open_search(here, 7, mirror=followed) as ledger:
        for overwrite in (False, True):
            with (
                pytest.raises(ResultsExistError, match=r"a search that runs in .*here/probe.*optuna\.study"),
                open_search(there, 7, overwrite=overwrite, mirror=mirror(there)),
            ):
                pass
        ledger.save(strategy=strategy(0))
        record(ledger, range(2))
        assert followed.sync(ledger) == 0
    assert recorded_indices(here) == [0, 1]
    with open_folder(here, mirror(here)) as ledger:
        assert mirror(here).sync(ledger, force=True) == 0
    with pytest.raises(MissingResultsError, match="nothing was recorded"), open_folder(there, mirror(there)):
        pass
    assert recorded_indices(here) == [0, 1]


def test_of_two_that_replace_one_study_the_first_to_record_gets_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = f"journal:{tmp_path}/books.log"
    old, here, there = (config(tmp_path, name, storage=journal) for name in ("old", "here", "there"))
    search(old, range(2))
    first, second = mirror(here), mirror(there)
    with (
        open_search(here, 7, overwrite=True, mirror=first) as one,
        open_search(there, 7, overwrite=True, mirror=second) as other,
    ):
        for ledger, followed, waiting in ((one, first, 0), (other, second, 1), (other, second, 2)):
            ledger.save(strategy=strategy(0))
            record(ledger, range(waiting - 1 if waiting else 0, waiting or 1))
            assert followed.sync(ledger) == waiting
    (said,) = (each.getMessage() for each in caplog.records)
    assert "choose another study" in said
    assert "Nothing is lost meanwhile" in said
    with pytest.raises(ResultsExistError, match="of another search"), open_folder(there, mirror(there)):
        pass


@pytest.mark.slow
def test_a_storage_that_refuses_is_said_once_and_told_when_it_takes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(tmp_path, "here")
    followed = mirror(settings)
    with open_search(settings, 7, mirror=followed) as ledger:
        ledger.save(strategy=strategy(0))
        record(ledger, range(1))
        assert followed.sync(ledger) == 0
        tmp_path.chmod(0o555)
        with ordinary_rights():
            for index in (1, 2):
                record(ledger, range(index, index + 1))
                assert followed.sync(ledger) == index
        tmp_path.chmod(0o755)
        assert followed.sync(ledger) == 2  # not asked again of its own accord
        assert followed.sync(ledger, force=True) == 0
    assert [("refuses it" in each.getMessage(), each.levelname) for each in caplog.records] == [
        (True, "WARNING"),
        (False, "WARNING"),
    ]
    assert recorded_indices(settings) == [0, 1, 2]
