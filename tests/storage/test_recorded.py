"""A results folder as it is read: its trials, the best of them, and what is said where there is nothing to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.config import from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Direction, Trial
from hivenas.errors import InputError, MissingResultsError, ResultsExistError
from hivenas.storage import best_recorded, open_adhoc, open_search, read_ledger, recorded
from tests.trials import trial

A, B, C = (f"input|{key}|output" for key in ("identity", "dropout", "batch_norm"))


def record(directory: Path, *trials: Trial, direction: Direction | None = None) -> ResultsFolder:
    """The folder of a search, or without a direction that of evaluations from Python."""
    config = from_mapping({"name": "search", "results": {"dir": str(directory)}})
    with open_search(config, 1) if direction else open_adhoc(config) as ledger:
        if direction:
            ledger.state = replace(ledger.state, direction=direction)
            ledger.save()
        for each in trials:
            ledger.record(each)
    return ResultsFolder(directory, "search")


@pytest.mark.parametrize(("direction", "best"), [(None, B), (Direction.MAXIMIZE, B), (Direction.MINIMIZE, A)])
def test_the_best_is_the_first_of_the_ranking(tmp_path: Path, direction: Direction | None, best: str) -> None:
    folder = record(tmp_path, trial(0, 0.1, A), trial(1, 0.9, B), trial(2, 0.5, C), direction=direction)
    assert best_recorded(folder).candidate == best


def test_missing_results_are_an_input_error_and_a_file_not_found_error(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    with pytest.raises(MissingResultsError, match="no results at") as caught:
        best_recorded(folder)
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, InputError)
    assert str(folder.path) in str(caught.value)


def test_a_record_of_failures_has_no_best(tmp_path: Path) -> None:
    folder = record(tmp_path, trial(0, status="failed"), direction=Direction.MAXIMIZE)
    with pytest.raises(MissingResultsError, match="was evaluated without failing; look at its column reason"):
        best_recorded(folder)


def test_a_folder_without_a_ledger_has_no_trials(tmp_path: Path) -> None:
    assert read_ledger(ResultsFolder(tmp_path, "search")) == (None, [])
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_another_version_is_refused_with_the_ways_on(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "older")
    folder.path.mkdir()
    folder.csv.write_text("index,iteration,bee\n0,0,scout\n")
    with pytest.raises(ResultsExistError, match=r"earlier version.*--overwrite"):
        recorded(folder)
