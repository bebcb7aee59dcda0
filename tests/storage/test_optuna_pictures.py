"""A search's study in Optuna's own pictures and dashboard."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.study import Study

from hivenas.core.front import front
from hivenas.core.records import Direction
from tests.storage.studies import config_of, more_rows, study_of, write


@pytest.fixture
def drawn(tmp_path: Path) -> Study:
    """The study of a search of a dozen evaluations, two of which were stopped."""
    storage = f"sqlite:///{tmp_path}/books.db"
    write(config_of(storage), more_rows(12))
    return study_of(storage)


def test_optuna_draws_a_search(drawn: Study) -> None:
    from optuna import visualization

    history = visualization.plot_optimization_history(drawn)
    assert len(history.data[0].x) == 10
    curves = visualization.plot_intermediate_values(drawn)
    assert len(curves.data) == 12
    assert all(len(curve.x) == 2 for curve in curves.data)
    parallel = visualization.plot_parallel_coordinate(drawn)
    lines = [line for line in parallel.data if line.mode == "lines"]
    assert len(lines) == 10
    assert [name for name, _ in lines[0].customdata[1:]] == ["op_00", "op_01", "skip_00", "skip_01"]
    importances = visualization.plot_param_importances(drawn)
    assert set(importances.data[0].y) <= {"op_00", "op_01", "skip_00", "skip_01"}
    assert {"op_00", "op_01"} <= set(importances.data[0].y)


def test_optuna_draws_the_front_of_a_search_that_weighs_a_cost(tmp_path: Path) -> None:
    from optuna import visualization

    storage = f"sqlite:///{tmp_path}/books.db"
    rows = [
        replace(row, evaluation=replace(row.evaluation, params=1000 + 100 * row.index * (row.index % 3)))
        for row in more_rows(12)
    ]
    write(config_of(storage, objectives={"params": "min"}), rows)
    study = study_of(storage)
    front = {tuple(trial.values) for trial in study.best_trials}
    complete = [row for row in rows if row.status == "complete"]
    assert front == {
        (row.fitness, float(row.params))
        for row in complete
        if not any(
            (other.fitness, -other.params) != (row.fitness, -row.params)
            and other.fitness >= row.fitness
            and other.params <= row.params
            for other in complete
        )
    }
    others, best = visualization.plot_pareto_front(study, target_names=["fitness", "params"]).data
    assert len(others.x) + len(best.x) == len(complete)
    assert set(zip(best.x, best.y, strict=True)) == front


def test_optuna_draws_the_front_of_a_search_that_weighs_two_costs(tmp_path: Path) -> None:
    from optuna import visualization

    storage = f"sqlite:///{tmp_path}/books.db"
    rows = [
        replace(row, evaluation=replace(row.evaluation, params=100 + row.index % 5, macs=90 - row.index % 4))
        for row in more_rows(12)
    ]
    config = config_of(storage, objectives={"params": "min", "macs": "min"})
    write(config, rows)
    study = study_of(storage)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    found = front(rows, Direction.MAXIMIZE, *config.objectives.costs)
    best = {tuple(trial.values) for trial in study.best_trials}
    assert best == {(row.fitness, float(row.params), float(row.evaluation.macs)) for row in found}
    _, drawn = visualization.plot_pareto_front(study, target_names=["fitness", "params", "macs"]).data
    assert set(zip(drawn.x, drawn.y, drawn.z, strict=True)) == best


def test_optunas_dashboard_shows_a_search(drawn: Study, tmp_path: Path) -> None:
    from optuna_dashboard import wsgi
    from werkzeug.test import Client

    client = Client(wsgi(f"sqlite:///{tmp_path}/books.db"))
    [summary] = json.loads(client.get("/api/studies").text)["study_summaries"]
    assert summary["study_name"] == "probe"
    detail = json.loads(client.get(f"/api/studies/{summary['study_id']}?after=0").text)
    assert [trial["state"] for trial in detail["trials"]].count("Pruned") == 2
    assert len(detail["trials"]) == 12
    assert {parameter["name"] for parameter in detail["union_search_space"]} >= {"op_00", "op_01", "skip_00"}
