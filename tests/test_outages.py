"""A real MLflow server dies, hangs or stays away while a search runs; the disk is full."""

from __future__ import annotations

import http.server
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

from hivenas.core.outage import PAUSE_S
from hivenas.core.publication import ServableModel
from hivenas.storage.export import CIRCUMSTANCES
from hivenas.tracking.promotion import promote
from tests.outcome import table, waiting_messages
from tests.processes import ROOT, SPHERE, TRAINING, Place, Process
from tests.servers import Server

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

AWAY, BACK = "does not answer", "answers again"
# Of numbers, without the second record, which takes half of their time; tests/storage/test_mirror.py is about that.
NUMBERS = re.sub(r"^optuna: .*\n", "", SPHERE, flags=re.MULTILINE)
EVALUATIONS = 24  # of a search of three iterations; each of them takes several requests to the server


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template, folder / "mlflow.db")
    server = Server(folder)
    yield server
    server.kill()


@pytest.fixture
def server(one_server: Server) -> Server:
    """A server that runs; a start costs seconds, so one serves all tests."""
    one_server.start()
    return one_server


@pytest.fixture
def search(tmp_path: Path, server: Server) -> Callable[..., Place]:
    """Places a search of numbers that tells the server."""

    def make(name: str) -> Place:
        # `hivenas sync` tells both.
        text = (SPHERE if name.startswith("synced") else NUMBERS).format(name=name, seed=5, iterations=3)
        return Place(tmp_path / name, text, {"MLFLOW_TRACKING_URI": server.uri})

    return make


def children(place: Place) -> list[Run]:
    """Every child of the search, in the order in which they were made."""
    client = mlflow.MlflowClient(place.store_uri)
    experiment = client.get_experiment_by_name(place.name)
    assert experiment
    runs = list(client.search_runs([experiment.experiment_id], max_results=10_000))
    assert {run.info.status for run in runs} == {"FINISHED"}
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.metrics["evaluations"] == len(table(place))
    return sorted((run for run in runs if run is not parent), key=lambda run: int(run.info.start_time))


def delivered_in_order(place: Place) -> None:
    """Every evaluation is tracked once, the table knows its run, and nothing waits."""
    rows = table(place)
    assert [int(row["index"]) for row in rows] == list(range(EVALUATIONS))
    runs = {run.info.run_id: int(run.data.tags["hivenas.index"]) for run in children(place)}
    assert {row["run_id"]: int(row["index"]) for row in rows} == runs
    client = mlflow.MlflowClient(place.store_uri)
    parent = client.get_run(client.get_run(rows[0]["run_id"]).data.tags["mlflow.parentRunId"])
    curve = client.get_metric_history(parent.info.run_id, "fitness")
    assert [point.step for point in curve] == list(range(EVALUATIONS))
    assert not waiting_messages(place)


def ended(process: Process) -> str:
    assert process.wait() == 0, process.output
    return process.output


def killed_in_the_middle(server: Server, *places: Place) -> list[Process]:
    """Starts searches and kills their server when each has recorded some evaluations."""
    processes = [place.start() for place in places]
    for process in processes:
        process.wait_for(f"5/{EVALUATIONS}")
    server.kill()
    return processes


def test_a_server_that_comes_back_gets_everything_in_order(server: Server, search: Callable[..., Place]) -> None:
    """On a busy machine the search may have ended before it is stopped; then there is another one."""
    for attempt in range(5):
        server.start()
        place = search(f"back-{attempt}")
        (process,) = killed_in_the_middle(server, place)
        process.wait_for(AWAY)
        process.signal(signal.SIGSTOP)  # the search is quicker than the start of a server
        if len(table(place)) < EVALUATIONS:
            break
        process.signal(signal.SIGCONT)
        ended(process)
    next_try = time.monotonic() + PAUSE_S
    server.start()
    time.sleep(max(0.0, next_try - time.monotonic()))
    assert len(table(place)) < EVALUATIONS
    process.signal(signal.SIGCONT)
    output = ended(process)
    assert (output.count(AWAY), output.count(BACK)) == (1, 1)
    delivered_in_order(place)


def test_a_server_that_stays_away_is_told_by_sync_or_resume(server: Server, search: Callable[..., Place]) -> None:
    for attempt in range(5):  # one search may have ended before the other is in its middle; then there are others
        server.start()
        synced, resumed = search(f"synced-{attempt}"), search(f"resumed-{attempt}")
        outputs = [ended(process) for process in killed_in_the_middle(server, synced, resumed)]
        if all(AWAY in output for output in outputs):
            break
    assert [output.count(AWAY) for output in outputs] == [1, 1]
    waiting = re.search(rf"hivenas sync --config {re.escape(str(synced.config))} +\((\d+) records wait", outputs[0])
    assert waiting
    assert len(table(synced)) == EVALUATIONS
    still = synced.hivenas("sync")
    assert still.wait() == 1
    assert f"0 records taken, {waiting[1]} still waiting" in still.output

    server.start()
    assert f"{waiting[1]} records taken, 0 still waiting" in ended(synced.hivenas("sync"))
    delivered_in_order(synced)
    assert "0 records taken, 0 still waiting" in ended(synced.hivenas("sync"))

    assert "nothing is left to do" in ended(resumed.run("--resume"))
    delivered_in_order(resumed)


def test_a_server_that_hangs_holds_nothing_up(server: Server, search: Callable[..., Place]) -> None:
    place = search("hangs")
    # A user's own limit instead of 10 s: after it the search goes on, and asks again at its end.
    place.environment = {**place.environment, "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"}
    process = place.start()
    process.wait_for(f"5/{EVALUATIONS}")
    server.freeze()
    try:
        assert ended(process).count(AWAY) == 1
    finally:
        server.thaw()
    assert ", 0 still waiting" in ended(place.hivenas("sync"))
    delivered_in_order(place)


def test_a_store_that_is_away_from_the_start_is_one_line(tmp_path: Path, template: Path) -> None:
    away = {"MLFLOW_TRACKING_URI": Server(tmp_path).uri}
    place = Place(tmp_path / "away", NUMBERS.format(name="away", seed=5, iterations=1), away)
    for _ in range(2):
        process = place.run()
        assert process.wait() == 1
        (line,) = process.output.strip().splitlines()
        assert line.startswith(f"hivenas: the MLflow store {away['MLFLOW_TRACKING_URI']} {AWAY}: ")
        assert not (place.results / "away.csv").exists()
    place.environment = {}
    place.share_store(template)
    ended(place.run())
    assert len(table(place)) == 8


def test_a_model_is_registered_when_the_server_is_back(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TRAINING.format(name="models", seed=5).replace("iterations: 2", "iterations: 1")
    place = Place(tmp_path / "models", text, {"MLFLOW_TRACKING_URI": server.uri})
    process = place.start()
    process.wait_for("training fully")
    server.kill()
    output = ended(process)
    assert "fully trained: test accuracy" in output
    assert "load the model" not in output
    server.start()
    assert "2 records taken, 0 still waiting" in ended(place.hivenas("sync"))  # the training and the search's end
    client = mlflow.MlflowClient(server.uri, registry_uri=server.uri)
    assert len(client.search_model_versions("name = 'models'")) == 1
    version = client.get_model_version_by_alias("models", "champion")
    runs = children(place)
    (training,) = (run for run in runs if run.data.tags["hivenas.phase"] == "full_train")
    assert version.run_id == training.info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.uri)
    model = mlflow.pyfunc.load_model("models:/models@champion")
    assert model.predict(np.zeros((2, 8, 8, 1), np.float32)).shape == (2, 10)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives a file system of a size, or another size to it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def sized(size: str, *, again: bool = False) -> Path:
        options = f"{'remount,' if again else ''}size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
        return folder

    yield sized
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


FULL = NUMBERS.format(name="full", seed=5, iterations=6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template: Path) -> list[dict[str, str]]:
    """The records of a search that has had space."""
    place = Place(tmp_path_factory.mktemp("whole"), FULL)
    place.share_store(template)
    ended(place.run())
    return table(place)


@pytest.mark.parametrize("size", ["96k", "144k"])  # full after a quarter of the evaluations, and near the end
def test_a_search_goes_on_when_a_full_disk_has_space_again(
    size: str, tmp_path: Path, template: Path, small_disk: Callable[..., Path], whole: list[dict[str, str]]
) -> None:
    books = "optuna: {storage: sqlite:///books.db}\n" if size == "96k" else ""
    place = Place(tmp_path / "place", FULL + f"results: {{dir: {small_disk(size)}}}\n{books}")
    place.share_store(template)
    place.results = tmp_path / "disk" / "full"
    process = place.run()
    assert process.wait() == 1
    assert "Traceback" not in process.output
    errors = [line for line in process.output.splitlines() if line.startswith("hivenas: ")]
    assert len(errors) == 2  # that its run could not be closed, for the same reason, is a warning
    assert all("must have space for results" in error for error in errors)
    assert process.output.splitlines()[-1].strip() == f"hivenas search --config {place.config} --resume"
    small_disk("40m", again=True)
    ended(place.run("--resume"))
    assert [_figures(row) for row in table(place)] == [_figures(row) for row in whole]


def _figures(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key not in CIRCUMSTANCES}


@pytest.fixture
def told(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[queue.Queue[str]]:
    """The lines that the program of docs/how-to/registry.md prints, which is called by the server."""
    page = (ROOT / "docs/how-to/registry.md").read_text(encoding="utf-8")
    program = page.partition("<!-- file: told.py -->\n```python\n")[2].partition("```")[0]
    lines: queue.Queue[str] = queue.Queue()
    names: dict[str, Any] = {"__name__": "told", "print": lambda line, flush: lines.put(line)}
    exec(compile(program, "told.py", "exec"), names)
    names["Told"].log_message = lambda *_: None
    monkeypatch.setenv("WEBHOOK_SECRET", "swordfish")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), names["Told"]) as receiver:
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        mlflow.set_tracking_uri(server.uri)
        address = f"http://127.0.0.1:{receiver.server_port}"
        mlflow.MlflowClient().create_webhook("champions", address, ["model_version_alias.created"], secret="swordfish")
        yield lines
        mlflow.set_tracking_uri(None)
        receiver.shutdown()


def test_a_new_champion_is_told_by_the_webhook_of_the_page(told: queue.Queue[str]) -> None:
    client = mlflow.MlflowClient()
    run = client.create_run("0").info
    client.create_registered_model("told")
    model = ServableModel(Path("m.keras"), Path("m.npy"), "told", "champion", {}, "", "always")
    for number in ("1", "2"):
        client.create_model_version("told", f"{run.artifact_uri}/model", run.run_id)
        promote(model, number)
        assert told.get(timeout=60) == f"models:/told/{number} is the champion"
    assert told.empty()  # of the alias `previous` it says nothing
