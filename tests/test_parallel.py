"""The same search in the driver's process, in two processes and on dask clusters, through kills: the same records."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.clusters import Cluster
from tests.crash import Trigger, live
from tests.outcome import SUMMARY, Outcome, differences, outcome, table
from tests.processes import Place, Process

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

# Trains, continues and inherits: everything that moves a saved state from one worker to another.
SEARCH = """
name: tiny
seed: 5
dataset: {name: digits, train_limit: 200}
space: {depth: 2, skip_rate: 0.2, operations: [sep3x3_32, max_pool3x3, dropout, identity]}
evaluation: {epochs: 3, batch_size: 32, momentum_epochs: 2, stopping: none, inherit: true, inherit_epochs: 1,
  augmentation: {shift: 0}}
colony: {kind: canonical, size: 3, iterations: 1, employee_ratio: 0.34}
full_train: {epochs: 2, finalists: 1}
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
# Where a search ran, not what it found.
WHERE = ("mlflow/runs/parent/params/execution.", "mlflow/models/versions/1/description:", "files:")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Outcome:
    """The traces of the search that is flown by two worker processes."""
    place = place_of(tmp_path_factory.mktemp("process"), template, "{kind: process, workers: 2}")
    return left_by(place, place.run())


def place_of(folder: Path, template: Path, execution: str) -> Place:
    place = Place(folder, f"{SEARCH}execution: {execution}\n", ONE_THREAD)
    place.share_store(template)
    return place


def left_by(place: Place, search: Process) -> Outcome:
    assert search.wait() == 0, search.output
    found = outcome(place)
    assert {row["phase"] for row in table(place)} == {"evaluate", "momentum"}
    assert any(float(row["inherited"]) for row in table(place))
    return found


def unlike(one: Outcome, other: Outcome) -> list[str]:
    return [line for line in differences(one, other) if not line.startswith(WHERE)]


def test_a_serial_search_leaves_the_same_records(tmp_path: Path, template: Path, two_processes: Outcome) -> None:
    place = place_of(tmp_path, template, "{kind: serial}")
    assert not unlike(left_by(place, place.run()), two_processes)


def test_a_search_that_loses_its_scheduler_and_then_its_driver_is_resumed_to_the_same_records(
    tmp_path: Path, template: Path, two_processes: Outcome
) -> None:
    place = place_of(tmp_path, template, "{kind: dask, workers: 2}")
    with Cluster(tmp_path / "cluster", workers=1) as cluster:
        search = place.start("--set", f"execution.address={cluster.address}")
        search.wait_for("1/3")
        cluster.scheduler.kill()
        assert search.wait() == 1, search.output
    said, command = search.output.splitlines()[-2:]
    assert said.startswith(f"hivenas: the dask scheduler {cluster.address} must be reachable while a search goes on")
    assert command.endswith("--resume")
    assert 0 < len(table(place)) < 5
    # With one worker, which may be another number than before, and will be again.
    assert live(place, Trigger("trial", 2), "--set", "execution.workers=1").killed
    found = unlike(left_by(place, place.run("--resume")), two_processes)
    assert not [line for line in found if not line.startswith(SUMMARY)]


def test_two_workers_that_share_no_folder_complete_a_search_though_one_is_killed(
    tmp_path: Path, template: Path, two_processes: Outcome
) -> None:
    """The example of docs/parallel.md; all files reach MLflow through the driver."""
    with Cluster(tmp_path / "cluster", workers=2) as cluster:
        execution = f"{{kind: dask, address: '{cluster.address}', checkpoint_s: 0}}"
        place = place_of(tmp_path / "driver", template, execution)
        search = place.start()
        # A worker has such a file only while it is at work on a candidate; it is killed as a machine is lost.
        while not (at_work := [number for number in (0, 1) if states(cluster, number)]):
            assert search.is_running, search.output
            time.sleep(0.005)
        lost, left = cluster.workers[at_work[0]], cluster.workers[1 - at_work[0]]
        lost.kill()
        assert search.is_running
        assert not unlike(left_by(place, search), two_processes)
        assert left.is_running
        assert not states(cluster, 1 - at_work[0])


def states(cluster: Cluster, number: int) -> list[Path]:
    """The saved states in a worker's folder."""
    return [file for file in cluster.files(number) if file.suffix == ".h5"]
