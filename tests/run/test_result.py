"""The result of a search: its best, its figures, its line, and its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Direction, Evaluation
from hivenas.run.result import SearchResult
from hivenas.storage import SearchState
from hivenas.storage.export import COLUMNS
from tests.processes import ROOT
from tests.trials import trial

TRIALS = [
    trial(0, 0.5, "input|a|output", epochs=3, seconds=1.5, params=10),
    trial(1, 0.0, "input|b|output", status="failed", reason="ValueError: too small", seconds=0.5),
    trial(2, 0.9, "input|c|output", epochs=3, seconds=2.0, run_id="run2"),
    trial(3, 0.4, "input|c|output", phase="momentum", epochs=3, momentum_epochs=2),
]


def result(
    trials: Any = TRIALS, direction: Direction = Direction.MAXIMIZE, cost: str = "", **more: Any
) -> SearchResult:
    about: dict[str, Any] = {"direction": direction, "metric": "worth", "cost": cost}
    state = SearchState(**about, strategy={"reused": 2}, run_id="parent", planned=9)
    return SearchResult.of(ResultsFolder("results", "bees"), state, trials, **more)


def test_the_best_is_the_first_of_the_ranking_by_latest_trials() -> None:
    found = result()
    assert [each.index for each in found.ranked] == [0, 3]
    assert found.best == TRIALS[0]
    assert [each.index for each in result(direction=Direction.MINIMIZE).ranked] == [3, 0]
    assert [each.reason for each in found.failed] == ["ValueError: too small"]


def test_where_all_have_failed_there_is_no_best() -> None:
    found = result([TRIALS[1]])
    assert found.best is None
    assert repr(found) == "<SearchResult bees: no candidate succeeded, 1 trial>"


def test_counts_are_those_of_the_trials_and_of_the_strategy() -> None:
    found = result()
    assert (found.summary.evaluations, found.summary.failed, found.summary.reused) == (4, 1, 2)
    assert (found.summary.seconds, found.planned, found.run_id, found.metric) == (4.0, 9, "parent", "worth")


def test_in_a_line_it_says_the_best_the_count_and_the_model() -> None:
    assert repr(result()) == "<SearchResult bees: best 0.5 input|a|output, 4 trials>"
    assert repr(result(model_uri="models:/bees/3")).endswith("4 trials, models:/bees/3>")


def test_figures_of_a_full_training_are_there_where_there_was_one(tmp_path: Path) -> None:
    without = result()
    assert (without.test_accuracy, without.test_loss, without.test_interval, without.model_file) == (None,) * 4
    model = tmp_path / "full.keras"
    figures = {"test_accuracy": 0.9, "test_loss": 0.3, "test_accuracy_low": 0.85, "test_accuracy_high": 0.94}
    trained = Evaluation("input|a|output", "complete", 0.8, extra=figures | {"model": str(model)})
    found = result(full_training=trained)
    assert (found.test_accuracy, found.test_loss, found.test_interval) == (0.9, 0.3, (0.85, 0.94))
    assert (without.never_named, found.never_named) == ((), ())
    told = result(full_training=Evaluation("input|a|output", "complete", 0.8, extra=figures | {"never_named": ["x"]}))
    assert told.never_named == ("x",)
    assert found.model_file is None
    model.touch()
    assert found.model_file == model


def test_a_model_that_the_state_knows_is_of_a_search_that_was_trained_to_its_end() -> None:
    folder = ResultsFolder("results", "bees")
    for trained, uri in ((True, "models:/bees/3"), (False, "")):
        assert SearchResult.of(folder, SearchState(trained=trained, model="models:/bees/3"), []).model_uri == uri


def test_the_frame_has_the_columns_of_the_table_and_the_candidates_as_they_were() -> None:
    points = [trial(0, 1.5, (0.1, 0.2), center_fitness=2.5), trial(1, 2.5, (0.3, -0.4))]
    frame = result(points).to_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["candidate"]) == [(0.1, 0.2), (0.3, -0.4)]
    assert list(frame["fitness"]) == [1.5, 2.5]
    assert list(frame["center_fitness"].isna()) == [False, True]
    table = result().to_frame()
    assert list(table["bee"]) == ["scout"] * 4
    assert list(table["phase"]) == ["evaluate", "evaluate", "evaluate", "momentum"]
    assert table.loc[table["fitness"].idxmax(), "candidate"] == "input|c|output"


def test_the_front_is_that_of_the_cost_that_the_state_names() -> None:
    trials = [*TRIALS[:3], trial(4, 0.4, "input|d|output", params=20), trial(5, 0.8, "input|e|output", params=20)]
    found = result(trials, cost="params")
    assert found.cost
    assert (found.cost.key, [each.index for each in found.front]) == ("params", [2])
    assert list(found.to_frame()["front"]) == [False, False, True, False, False]


def test_without_a_cost_or_with_one_of_another_version_there_is_no_front() -> None:
    for cost in ("", "joules"):
        found = result(cost=cost)
        assert (found.cost, found.front) == (None, [])
        assert "front" not in found.to_frame()


def test_the_frame_of_no_trials_is_empty() -> None:
    assert len(result([]).to_frame()) == 0


@pytest.mark.parametrize(("work", "imported"), [("repr(result)", "False"), ("result.to_frame()", "True")])
@pytest.mark.process
def test_only_the_frame_needs_pandas(tmp_path: Path, work: str, imported: str) -> None:
    config = {"name": "x", "objective": "sphere_min", "tracking": "none", "colony": {"size": 2, "iterations": 1}}
    code = f"import sys, hivenas; result = hivenas.search({config}); {work}; print('pandas' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == imported
