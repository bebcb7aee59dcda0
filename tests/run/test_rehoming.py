from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.tracking._tracking_service.utils import _get_store

from hivenas import api
from hivenas.cli.commands import main
from hivenas.core.records import Trial
from hivenas.core.search_run import Closing
from hivenas.errors import ConfigError, MissingResultsError, TrackingError
from hivenas.run.callbacks import Callback
from hivenas.tracking.mlflow_tracker import MlflowTracker

LATER = "colony.iterations=2"


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Has this process use a store of a name, empty at first."""
    monkeypatch.chdir(tmp_path)

    def use(name: str) -> None:
        file = tmp_path / f"{name}.db"
        if not file.exists():
            shutil.copy(template, file)
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            monkeypatch.setenv(variable, f"sqlite:///{file}")
        mlflow.set_tracking_uri(f"sqlite:///{file}")
        mlflow.set_registry_uri(f"sqlite:///{file}")

    use("first")
    yield use
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def configuration(**more: Any) -> dict[str, Any]:
    colony = {"size": 4, "employee_ratio": 0.5, "iterations": 1}
    return {"name": "numbers", "seed": 5, "objective": "sphere_min", "colony": colony, **more}


def search(*overrides: str, resume: bool = False, callbacks: tuple[Callback, ...] = ()) -> Any:
    return api.search(configuration(), *overrides, resume=resume, callbacks=callbacks, progress=False)


def shown() -> tuple[Any, dict[str, Any]]:
    """The one search that the store shows: its run, and those below it, by name."""
    client = mlflow.MlflowClient()
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    (parent,) = parents
    assert {run.data.tags["mlflow.parentRunId"] for run in runs if run is not parent} <= {parent.info.run_id}

    def figures(run: Any) -> Any:
        points = {
            name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        # Ids of runs differ, and so do the names of searches.
        ids = {"hivenas.parent", "hivenas.key", "hivenas.uid"}
        kept = {key: value for key, value in run.data.tags.items() if key.startswith("hivenas.") and key not in ids}
        return run.info.status, run.data.params, points, kept

    children = {run.info.run_name: figures(run) for run in runs if run is not parent}
    assert len(children) == len(runs) - 1
    files = sorted(file.path for file in client.list_artifacts(parent.info.run_id))
    return (figures(parent), files), children


def forget(*run_ids: str, for_good: bool = True) -> None:
    """Deletes runs, for good as `mlflow gc` does."""
    client = mlflow.MlflowClient()
    for run_id in run_ids:
        if client.get_run(run_id).info.lifecycle_stage == "active":
            client.delete_run(run_id)
        if for_good:
            _get_store()._hard_delete_run(run_id)


def the_experiment(result: Any) -> None:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("numbers")
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    forget(result.run_id, *(trial.run_id for trial in result.trials))
    _get_store()._hard_delete_experiment(experiment.experiment_id)


PARENT_LOST: dict[str, Callable[[Any, Callable[[str], None]], None]] = {
    "all, for good": lambda result, use: forget(result.run_id, *(trial.run_id for trial in result.trials)),
    "the search's run, for good": lambda result, use: forget(result.run_id),
    "the search's run, deleted": lambda result, use: forget(result.run_id, for_good=False),
    "the experiment, for good": lambda result, use: the_experiment(result),
    "the store": lambda result, use: use("second"),
}
CHILDREN_LOST: dict[str, Callable[[Any, Callable[[str], None]], None]] = {
    "all below the search's run, for good": lambda result, use: forget(*(trial.run_id for trial in result.trials)),
    "one below it, deleted": lambda result, use: forget(result.trials[3].run_id, for_good=False),
}


@pytest.mark.parametrize("lost", [*PARENT_LOST, *CHILDREN_LOST])
def test_what_a_store_has_lost_of_a_search_is_told_again_once(place: Callable[[str], None], lost: str) -> None:
    result = search()
    before = shown()
    (PARENT_LOST | CHILDREN_LOST)[lost](result, place)
    if lost in PARENT_LOST:
        with pytest.raises(MissingResultsError, match="hivenas sync --rehome"):
            api.sync(configuration())
    taken, waiting = api.sync(configuration(), rehome=True)
    assert (taken > 0, waiting) == (True, 0)
    assert shown() == before
    table = mlflow.artifacts.load_text(f"runs:/{api.load_results('results/numbers').run_id}/numbers.csv")
    assert all(trial.run_id in table for trial in api.load_results("results/numbers").trials)
    assert api.sync(configuration(), rehome=True) == (0, 0)
    assert api.sync(configuration()) == (0, 0)
    further = search(LATER, resume=True)
    assert [trial.label for trial in further.trials] == sorted(shown()[1])
    assert all(mlflow.get_run(trial.run_id).info.run_name == trial.label for trial in further.trials)


@pytest.mark.parametrize("is_done", [True, False])
def test_an_end_that_waits_is_told_when_all_is_told_again(
    place: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    def away(self: MlflowTracker, closing: Closing) -> None:
        raise TrackingError("away")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowTracker, "close_search", away)
        with contextlib.nullcontext() if is_done else pytest.raises(KeyboardInterrupt):
            search(callbacks=() if is_done else (Ends(2, stop),))
    assert shown()[0][0][0] == "RUNNING"
    assert api.sync(configuration(), rehome=True) == (1, 0)
    status, _, points, _ = shown()[0][0]
    assert status == ("FINISHED" if is_done else "KILLED")
    assert {"evaluations", "failed", "reused"} <= points.keys()
    assert api.sync(configuration()) == (0, 0)


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_search_whose_run_was_deleted_goes_on_with_the_runs_that_are_left(
    place: Callable[[str], None], is_whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    result = search(LATER)
    whole = shown()[1]
    shutil.rmtree("results")
    place("second")
    result = search()
    forget(result.run_id, *(() if is_whole else (result.trials[1].run_id,)), for_good=False)
    further = search(LATER, resume=True)
    assert "goes on in a new one, with the runs below it that are left" in caplog.text
    assert shown()[1] == {name: run for name, run in whole.items() if is_whole or name != result.trials[1].label}
    api.sync(configuration(), LATER, rehome=True)
    assert shown()[1] == whole
    assert mlflow.get_run(further.trials[0].run_id).data.tags["mlflow.parentRunId"] == further.run_id


def test_a_search_whose_run_is_gone_is_not_resumed_and_loses_nothing(place: Callable[[str], None]) -> None:
    search()
    place("second")
    with pytest.raises(MissingResultsError, match="hivenas sync --rehome"):
        search(LATER, resume=True)
    Path("numbers.yaml").write_text(json.dumps(configuration()))
    command = "hivenas sync --config numbers.yaml --rehome"
    for arguments in (["search", "--resume"], ["sync"]):
        refused = CliRunner().invoke(main, [*arguments, "--config", "numbers.yaml"])
        assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (2, f"  {command}")
    told = CliRunner().invoke(main, ["sync", "--config", "numbers.yaml", "--rehome"])
    assert "5 records taken, 0 still waiting" in told.output  # no end of the search that was refused waits for long
    assert len(search(LATER, resume=True).trials) == len(shown()[1]) == 8


class Ends(Callback):
    """Does something after a number of trials."""

    def __init__(self, after: int, what: Callable[[], None]) -> None:
        self._after = after
        self._what = what

    def on_trial(self, trial: Trial) -> None:
        if trial.index == self._after:
            self._what()


def stop() -> None:
    raise KeyboardInterrupt


def test_a_search_that_was_interrupted_is_told_again_and_goes_on(place: Callable[[str], None]) -> None:
    search()
    whole = shown()
    shutil.rmtree("results")
    place("second")
    with pytest.raises(KeyboardInterrupt):
        search(callbacks=(Ends(2, stop),))
    place("third")
    taken, waiting = api.sync(configuration(), rehome=True)
    (parent, _), children = shown()
    assert (parent[0], len(children), taken, waiting) == ("KILLED", taken - 1, taken, 0)
    assert children.items() <= whole[1].items()
    search(resume=True)
    assert shown()[1] == whole[1]
    assert shown()[0][0][0] == "FINISHED"


def test_what_was_refused_when_the_run_was_lost_on_the_way_is_told_with_the_rest(place: Callable[[str], None]) -> None:
    search()
    whole = shown()
    shutil.rmtree("results")
    place("second")

    def lose() -> None:
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("numbers")
        assert experiment
        forget(*(run.info.run_id for run in client.search_runs([experiment.experiment_id])))

    search(callbacks=(Ends(1, lose),))
    with pytest.raises(MissingResultsError, match="--rehome"):
        api.sync(configuration())
    taken, waiting = api.sync(configuration(), rehome=True)
    assert (taken, waiting) == (5, 0)
    assert shown()[1] == whole[1]


@pytest.mark.parametrize("spoilt", ["nothing there", "another search"])
def test_what_is_no_recorded_search_is_not_told_again(place: Callable[[str], None], spoilt: str) -> None:
    if spoilt == "nothing there":
        Path("results/numbers").mkdir(parents=True)
        with pytest.raises(MissingResultsError, match="nothing was recorded in results"):
            api.sync(configuration(), rehome=True)
        return
    search()
    place("second")
    with pytest.raises(ConfigError, match=r"colony\.size=4, got colony.size=6"):
        api.sync(configuration(), "colony.size=6", rehome=True)
    assert mlflow.MlflowClient().get_experiment_by_name("numbers") is None
