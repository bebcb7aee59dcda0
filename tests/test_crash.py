"""Real searches are killed and resumed; what they leave equals what an uninterrupted search leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest

from hivenas.core.folder import ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.records import Direction
from hivenas.storage import read_ledger
from tests.crash import Trigger, harass, harass_until, live
from tests.outcome import SUMMARY, Outcome, differences, outcome, table
from tests.processes import CLIMBING, ROOT, SPHERE, TRAINING, Place

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

# Each kill costs the start of a process, ten seconds where it trains. The seeds draw them from every stage: when the
# store is made, in the middle, with the workers and without, in the full training, and when all is done.
TRAINING_KILLS, TRAINING_SEED = 4, 18
NUMBER_KILLS, NUMBER_SEED = 4, 8
TINY = TRAINING.format(name="tiny", seed=5)
SPHERE_32 = SPHERE.format(name="sphere", seed=5, iterations=4)  # so many evaluations


@pytest.fixture(scope="module")
def sphere(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Outcome:
    """What an uninterrupted search of numbers leaves."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), SPHERE_32, template)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Outcome:
    """What an uninterrupted search leaves that trains."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), TINY, template)


@pytest.fixture
def make_sphere(tmp_path: Path, template: Path) -> Callable[..., Place]:
    """A place for the same search; further keys of its configuration come with the call."""

    def make(name: str = "place", iterations: int = 4) -> Place:
        place = Place(tmp_path / name, SPHERE.format(name="sphere", seed=5, iterations=iterations))
        place.share_store(template)
        return place

    return make


def uninterrupted(folder: Path, text: str, template: Path) -> Outcome:
    place = Place(folder, text)
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
    killed_so_far = 0
    for place, lives in harass_until(TRAINING_KILLS, tmp_path, TINY, template, np.random.default_rng(TRAINING_SEED)):
        assert not differences(outcome(place), tiny), lives
        killed_so_far += sum(life.killed for life in lives)
    assert killed_so_far == TRAINING_KILLS


def test_a_search_with_a_ladder_is_killed_between_its_rungs_and_ends_as_if_it_had_not_been(
    tmp_path: Path, template: Path
) -> None:
    """Two workers; once while their runs get points, and once in a continuation, with the driver alone."""
    text = CLIMBING.format(name="climbing", seed=5, iterations=1) + "full_train: {enabled: false}"
    whole = uninterrupted(tmp_path / "whole", text, template)
    statuses = [row["status"] for row in whole["table"]]
    assert statuses == ["paused"] * 6 + ["complete"]  # four first looks, two climbs, and one to the end
    place = Place(tmp_path / "place", text)
    place.share_store(template)
    lives = harass(place, [Trigger("live", 5), Trigger("checkpoint", 1, whole_group=False)])
    assert lives[0].killed
    assert not differences(outcome(place), whole), lives


def test_weights_that_are_not_kept_go_and_nothing_else_though_kills_come_in_between(
    tmp_path: Path, template: Path, tiny: Outcome
) -> None:
    """With momentum evaluation, which may start from any of them, they go when the last iteration has been flown."""
    place = Place(tmp_path / "place", TINY + "results: {keep_weights: best:2}")
    place.share_store(template)
    lives = harass(place, [Trigger("trial", 5), Trigger("done")])
    left = outcome(place)
    unlike = [line.partition(": ")[0] for line in differences(left, tiny)]
    mlflow_alone = {"mlflow/runs/parent/params/results.keep_weights", "mlflow/models/versions/1/description"}
    others = {path for path in unlike if not path.startswith("weights/") and not path.endswith("/artifacts")}
    assert others <= mlflow_alone | {"files", "state/pruned"}, lives

    _, trials = read_ledger(ResultsFolder(place.results.parent, place.name))
    best = ranking(trials, Direction.MAXIMIZE)[:2]
    kept = {row.weights_filename for row in best}
    assert {name for name in left["weights"] if "-full" not in name} == kept
    tracked = [path for run in left["mlflow"]["runs"].values() for path in run["artifacts"] if path.endswith(".h5")]
    assert {path for path in tracked if "-full" not in path} == {f"weights/{name}" for name in kept}
    further = place.run("--resume", "--set", "colony.iterations=3")
    assert further.wait() == 2
    assert "has given up weights that further iterations would start from" in further.output


def test_a_model_is_published_once_though_kills_tear_it(tmp_path: Path, template: Path, tiny: Outcome) -> None:
    """Killed when the model has been linked to its run, and again when its files are written.

    On a busy machine a kill may come when the publication is over; then there is another search to tear.
    """
    for attempt in range(5):
        place = Place(tmp_path / f"place-{attempt}", TINY)
        place.share_store(template)
        lives = harass(place, [Trigger("model", 2), Trigger("model", 1)])
        assert not differences(outcome(place), tiny), lives
        if [life.killed for life in lives] == [True, True, False]:
            return
    pytest.fail("no publication was torn twice")


def test_a_search_of_numbers_is_killed_and_ends_as_if_it_had_not_been(
    tmp_path: Path, template: Path, sphere: Outcome
) -> None:
    for place, lives in harass_until(NUMBER_KILLS, tmp_path, SPHERE_32, template, np.random.default_rng(NUMBER_SEED)):
        assert not differences(outcome(place), sphere), lives
    again = place.run("--resume")
    assert again.wait() == 0
    assert "nothing is left to do" in again.output
    assert not differences(outcome(place), sphere)


def test_a_damaged_table_is_written_again_from_the_ledger(sphere: Outcome, make_sphere: Callable[..., Place]) -> None:
    place = make_sphere()
    kill_in_the_middle(place)
    with (place.results / "sphere.csv").open("a") as file:
        file.write("7,0,onlooker,3,[-6.50345,")
    (place.results / "state.json").unlink()
    resumed = place.run("--resume")
    assert resumed.wait() == 0, resumed.output
    assert not differences(outcome(place), sphere)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_search_in_order(
    number: signal.Signals, code: int, sphere: Outcome, make_sphere: Callable[..., Place]
) -> None:
    place = make_sphere()
    process = place.start()
    process.wait_for("5/32")
    process.signal(number)
    assert process.wait() == code, process.output
    assert f"ended by {number.name}; what was finished is kept" in process.output
    command = process.output.splitlines()[-1].split()
    assert command == ["hivenas", "search", "--config", str(place.config), "--resume"]
    assert not running(place), process.output
    client = mlflow.MlflowClient(place.store_uri)
    runs = client.search_runs([client.get_experiment_by_name("sphere").experiment_id])
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.info.status == "KILLED"
    page = client.download_artifacts(parent.info.run_id, "report.html", str(place.folder))
    assert f"ended by {number.name}" in Path(page).read_text(encoding="utf-8")

    resumed = place.run(command=command)
    assert resumed.wait() == 0, resumed.output
    unlike = differences(outcome(place), sphere)
    assert not [line for line in unlike if not line.startswith(SUMMARY)]


def test_a_second_signal_ends_a_search_at_once(sphere: Outcome, make_sphere: Callable[..., Place]) -> None:
    place = make_sphere()
    process = place.start()
    process.wait_for("5/32")
    process.signal(signal.SIGINT)
    process.wait_for("once more ends at once")
    process.signal(signal.SIGINT)
    assert process.wait() in {-signal.SIGINT, 1}  # 1 where the orderly end was quicker
    resumed = place.run("--resume")
    assert resumed.wait() == 0, resumed.output
    assert not differences(outcome(place), sphere)


def test_a_second_process_is_refused_until_the_first_is_dead(make_sphere: Callable[..., Place]) -> None:
    place = make_sphere(iterations=50)
    first = place.start()
    first.wait_for("5/400")
    for arguments in ((), ("--resume",), ("--overwrite",)):
        second = place.run(*arguments)
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
