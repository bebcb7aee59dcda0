"""Real searches are killed and resumed; what they leave equals what an uninterrupted search leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
import numpy as np
import pytest

from hivenas.core.folder import ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.records import Direction
from hivenas.storage import read_ledger
from tests.crash import Life, Trigger, harass, harass_until, live
from tests.outcome import SUMMARY, Outcome, differences, outcome, table
from tests.processes import CLIMBING, ROOT, SPHERE, TRAINING, Place

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

# Each kill costs the start of a process, ten seconds where it trains: one in every stage.
TRAINING_KILLS = [
    Trigger("store", 17, 0.19),  # its store is being made
    Trigger("live", 2, 0.15, whole_group=False),  # a candidate is in training, whose run has got points
    Trigger("full", 3, 0.01),
    Trigger("model", 2),  # the model has been linked to its run
    Trigger("model", 1),  # its files are written
    Trigger("done"),
]
NUMBER_KILLS, NUMBER_SEED = 4, 8
TINY = TRAINING.format(name="tiny", seed=5)
SPHERE_32 = SPHERE.format(name="sphere", seed=5, iterations=4)  # so many evaluations
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@pytest.fixture(scope="module")
def sphere(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Outcome:
    """The traces of an uninterrupted search of numbers."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), SPHERE_32, template)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Outcome:
    """The traces of an uninterrupted search that trains."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), TINY, template)


@pytest.fixture
def make_sphere(tmp_path: Path, template: Path) -> Callable[..., Place]:
    """A place for the same search; further keys of its configuration come with the call."""

    def make(name: str = "place", iterations: int = 4) -> Place:
        place = Place(tmp_path / name, SPHERE.format(name="sphere", seed=5, iterations=iterations))
        place.share_store(template)
        return place

    return make


def uninterrupted(folder: Path, text: str, template: Path, environment: Mapping[str, str] | None = None) -> Outcome:
    place = Place(folder, text, environment or {})
    place.share_store(template)
    done = place.run()
    assert done.wait() == 0, done.output
    return outcome(place)


def kill_in_the_middle(place: Place) -> None:
    assert live(place, Trigger("trial", 5)).killed


def running(place: Place) -> list[str]:
    """Names of runs that are left running, in the whole store."""
    client = mlflow.MlflowClient(place.store_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return [str(run.info.run_name) for run in client.search_runs(experiments, "attributes.status = 'RUNNING'")]


def test_a_search_that_trains_is_killed_and_ends_as_if_it_had_not_been(
    tmp_path: Path, template: Path, tiny: Outcome
) -> None:
    """It keeps the weights of two candidates, the other search all; else they are the same.

    On a busy machine a kill may come when there is nothing left to tear; then there is another search.
    """
    for attempt in range(5):
        place = Place(tmp_path / f"place-{attempt}", TINY + "results: {keep_weights: best:2}")  # and makes its store
        lives = harass(place, TRAINING_KILLS)
        left_like(tiny, place, lives)
        if len(lives) > len(TRAINING_KILLS):
            break
    assert len(lives) == len(TRAINING_KILLS) + 1, "some kill came too late in every search"
    # With momentum evaluation, which may start from any of them, they went when the last iteration had been flown.
    further = place.run("--resume", "--set", "colony.iterations=3")
    assert further.wait() == 2
    assert "has given up weights that further iterations would start from" in further.output


def left_like(whole: Outcome, place: Place, lives: list[Life]) -> None:
    """Asserts that a search has left what another one has that keeps all weights, but those that are not kept."""
    left = outcome(place)
    _, trials = read_ledger(ResultsFolder(place.results.parent, place.name))
    kept = {row.weights_filename for row in ranking(trials, Direction.MAXIMIZE)[:2]}
    gone = {name for name in whole["weights"] if "-full" not in name} - kept
    assert gone
    told = {"mlflow/runs/parent/params/results.keep_weights", "mlflow/models/versions/1/description"}
    descriptions = [each["mlflow"]["models"]["versions"]["1"]["description"].splitlines() for each in (left, whole)]
    one, other = ([line for line in lines if "keep_weights" not in line] for lines in descriptions)
    assert one == other, lives
    lists = {"files", *(f"mlflow/runs/{run}/artifacts" for run in whole["mlflow"]["runs"])}
    unlike = {line.partition(": ")[0] for line in differences(left, whole)}
    assert unlike - told - lists - {"state/pruned"} == {f"weights/{name}" for name in gone}, lives
    assert left["files"] == [file for file in whole["files"] if Path(file).name not in gone]
    for run, shown in whole["mlflow"]["runs"].items():
        artifacts = [path for path in shown["artifacts"] if Path(path).name not in gone]
        assert left["mlflow"]["runs"][run]["artifacts"] == artifacts, lives


def test_a_search_with_a_ladder_is_killed_between_its_rungs_and_ends_as_if_it_had_not_been(
    tmp_path: Path, template: Path
) -> None:
    """Two workers; once while their runs get points, and once in a continuation, with the driver alone."""
    text = CLIMBING.format(name="climbing", seed=5, iterations=1) + "full_train: {enabled: false}"
    serial = text.replace("workers: 2", "kind: serial")  # one process that starts TensorFlow, not two
    whole = uninterrupted(tmp_path / "whole", serial, template, ONE_THREAD)
    statuses = [row["status"] for row in whole["table"]]
    assert statuses == ["paused"] * 6 + ["complete"]  # four first looks, two climbs, and one to the end
    place = Place(tmp_path / "place", text, ONE_THREAD)
    place.share_store(template)
    lives = harass(place, [Trigger("live", 5), Trigger("checkpoint", 1, whole_group=False)])
    assert lives[0].killed
    left, where = outcome(place), "mlflow/runs/parent/params/execution."
    for each in (left, whole):
        each["files"] = [file for file in each["files"] if not file.endswith(".log")]  # of workers, or of a crash
    assert not [line for line in differences(left, whole) if not line.startswith(where)], lives


def test_a_search_of_numbers_is_killed_and_ends_as_if_it_had_not_been(
    tmp_path: Path, template: Path, sphere: Outcome
) -> None:
    for place, lives in harass_until(NUMBER_KILLS, tmp_path, SPHERE_32, template, np.random.default_rng(NUMBER_SEED)):
        assert not differences(outcome(place), sphere), lives
    again = place.run("--resume")
    assert again.wait() == 0
    assert "nothing is left to do" in again.output
    assert not differences(outcome(place), sphere)


def test_a_signal_ends_a_search_in_order(sphere: Outcome, make_sphere: Callable[..., Place]) -> None:
    """One after another, each in the process that resumes what the one before has ended."""
    place, command = make_sphere(), list[str]()
    client = mlflow.MlflowClient(place.store_uri)
    for number, code in ((signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGHUP, 129)):
        recorded = len(table(place)) if command else 0
        process = place.start(command=command)
        process.wait_for(f"{recorded + 4}/32")
        process.signal(number)
        assert process.wait() == code, process.output
        assert f"ended by {number.name}; what was finished is kept" in process.output
        command = process.output.splitlines()[-1].split()
        assert command == ["hivenas", "search", "--config", str(place.config), "--resume"]
        assert not running(place), process.output
        runs = client.search_runs([client.get_experiment_by_name("sphere").experiment_id])
        (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        assert parent.info.status == "KILLED"
        page = client.download_artifacts(parent.info.run_id, "report.html", str(place.folder))
        assert f"ended by {number.name}" in Path(page).read_text(encoding="utf-8")

    resumed = place.run(command=command)
    assert resumed.wait() == 0, resumed.output
    unlike = differences(outcome(place), sphere)
    assert not [line for line in unlike if not line.startswith(SUMMARY)]


def test_a_second_signal_ends_a_search_at_once_and_a_damaged_table_is_written_again(
    sphere: Outcome, make_sphere: Callable[..., Place]
) -> None:
    place = make_sphere()
    process = place.start()
    process.wait_for("5/32")
    process.signal(signal.SIGINT)
    process.wait_for("once more ends at once")
    process.signal(signal.SIGINT)
    assert process.wait() in {-signal.SIGINT, 1}  # 1 where the orderly end was quicker
    with (place.results / "sphere.csv").open("a") as file:
        file.write("7,0,onlooker,3,[-6.50345,")
    (place.results / "state.json").unlink()
    resumed = place.run("--resume")
    assert resumed.wait() == 0, resumed.output
    assert not differences(outcome(place), sphere)


def test_a_second_process_is_refused_until_the_first_is_dead(make_sphere: Callable[..., Place]) -> None:
    place = make_sphere(iterations=50)
    first = place.start()
    first.wait_for("5/400")
    second = place.run("--overwrite")  # tests/storage/test_opening.py tries every way to open it
    assert second.wait() == 2
    assert "another process is at work in results/sphere" in second.output
    assert first.is_running
    first.kill()
    resumed = place.start("--resume")
    resumed.wait_for("of them recorded before")
    resumed.kill()


@pytest.mark.parametrize("instant", ["while it opens", "when it has begun"])
def test_a_search_that_replaces_another_is_killed(instant: str, make_sphere: Callable[..., Place]) -> None:
    """Both were killed; either the one comes back and is finished or the other, and the run of none stays open."""
    place = make_sphere()
    kill_in_the_middle(place)
    process = place.start("--overwrite")
    client = mlflow.MlflowClient(place.store_uri)
    experiment = client.get_experiment_by_name("sphere").experiment_id
    while len(client.search_runs([experiment], "tags.hivenas.uid != ''")) < 2:
        assert process.is_running, process.output
    if instant == "when it has begun":
        process.wait_for("5/32")
    process.kill()
    resumed = place.run("--resume")
    assert resumed.wait() == 0, resumed.output
    assert len(table(place)) == 32
    parents = client.search_runs([experiment], "tags.hivenas.uid != ''")
    assert sorted(run.info.status for run in parents) == ["FAILED", "FINISHED"]
    assert not running(place)


def test_mlflow_run_is_killed_and_resumed_under_the_same_parent(
    sphere: Outcome, make_sphere: Callable[..., Place]
) -> None:
    place = make_sphere()
    command = ["mlflow", "run", str(ROOT), "--env-manager", "local", "-P", f"config={place.config}"]
    command += ["-P", f"set=results.dir={place.folder}/results optuna.storage=null"]
    process = place.start(command=command)
    process.wait_for("5/32")
    process.kill()
    resumed = place.run("-P", "resume=true", command=command)
    assert resumed.wait() == 0, resumed.output
    assert not running(place)
    client = mlflow.MlflowClient(place.store_uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    top = [run for run in client.search_runs(everywhere) if "mlflow.parentRunId" not in run.data.tags]
    (parent,) = (run for run in top if "hivenas.uid" in run.data.tags)
    (pointer,) = (run for run in top if "hivenas.uid" not in run.data.tags)
    assert pointer.data.tags["hivenas.resumes"] == parent.info.run_id
    assert {parent.info.status, pointer.info.status} == {"FINISHED"}
    children = client.search_runs(everywhere, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    keys = [child.data.tags["hivenas.key"] for child in children]
    assert len(keys) == len(set(keys)) == len(table(place)) == 32
