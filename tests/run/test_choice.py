"""The recorded candidate that is asked for by bounds, and what is said where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.config import from_mapping
from hivenas.core.bounds import parse_bounds
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Direction, Trial
from hivenas.errors import MissingResultsError
from hivenas.run.choice import recorded_within
from hivenas.run.report import report_recorded
from hivenas.storage import open_adhoc, open_search
from tests.trials import trial

TRIALS = (
    trial(0, 0.5, "input|a|output", params=1000, macs=10),
    trial(1, 0.9, "input|b|output", params=3000, macs=30),
    trial(2, 0.9, "input|c|output", params=4000, macs=20),
    trial(3, 0.95, "input|d|output", params=500, status="stopped"),
)


def record(directory: Path, *trials: Trial, cost: str = "") -> ResultsFolder:
    with open_search(from_mapping({"name": "search", "results": {"dir": str(directory)}}), 1) as ledger:
        ledger.state = replace(ledger.state, cost=cost)
        for each in trials:
            ledger.record(each)
        ledger.save()
    return ResultsFolder(directory, "search")


@pytest.mark.parametrize(("cost", "index"), [("", 1), ("params", 1), ("macs", 2)])
def test_of_a_fitness_alone_it_is_the_smallest_by_the_cost_of_the_search(tmp_path: Path, cost: str, index: int) -> None:
    folder = record(tmp_path, *TRIALS, cost=cost)
    assert recorded_within(folder, parse_bounds("fitness>=.9")).index == index
    assert recorded_within(folder, parse_bounds("params<=1e3")).index == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("params<=100", "params 1,000 with fitness 0.5000, params 3,000 with fitness 0.9000"),
        ("macs<1", "macs 10 with fitness 0.5000, macs 20 with fitness 0.9000"),
        ("fitness>=0.91", "params 1,000 with fitness 0.5000, params 3,000 with fitness 0.9000"),
    ],
)
def test_where_none_is_within_what_the_front_has_is_said(tmp_path: Path, asked: str, said: str) -> None:
    folder = record(tmp_path, *TRIALS)
    with pytest.raises(MissingResultsError) as caught:
        recorded_within(folder, parse_bounds(asked))
    assert str(caught.value) == (
        f"no complete candidate of {folder.path} is within {asked}; choose from its front: {said}"
    )


def test_what_no_candidate_has_on_record_cannot_be_asked_for(tmp_path: Path) -> None:
    folder = record(tmp_path, *TRIALS)
    with pytest.raises(MissingResultsError) as caught:
        recorded_within(folder, parse_bounds("params<=1e6,latency_ms<=2"))
    assert str(caught.value) == (
        f"latency_ms must be on record to be asked for, got no candidate of {folder.path} that has it; search with "
        "objectives.latency_ms: min, or ask for params or macs"
    )


def test_a_search_without_a_complete_candidate_has_none_to_ask_for(tmp_path: Path) -> None:
    with pytest.raises(MissingResultsError, match="is within params<=1000; search on until one is complete"):
        recorded_within(record(tmp_path, TRIALS[3]), parse_bounds("params<=1000"))


def test_evaluations_from_python_are_ranked_by_what_is_looked_for(tmp_path: Path) -> None:
    given = {"name": "mine", "results": {"dir": str(tmp_path)}, "evaluation": {"fitness": "log_loss"}}
    config = from_mapping(given)
    with open_adhoc(config) as ledger:
        for number, loss in enumerate((1.9, 0.4, 0.7)):
            ledger.record(trial(number, loss, f"input|{number}|output", params=10 * number))
    result, _ = report_recorded(config)
    assert result.best
    assert (result.best.fitness, result.metric) == (0.4, "validation log loss")
    found = recorded_within(ResultsFolder(tmp_path, "mine"), parse_bounds("params>10"), Direction.MINIMIZE)
    assert found.fitness == 0.7
