"""Calls on real dask clusters of this machine: those that the executor starts, and one's own scheduler and workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pytest

from hivenas.config import ExecutionConfig
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Proposal
from hivenas.errors import ClusterError, ConfigError, WorkerDiedError
from hivenas.execution import Task, TaskExecutor, evaluate_with, make_executor
from hivenas.execution.dask_executor import DaskExecutor
from hivenas.execution.process import RESUBMISSIONS
from tests.clusters import Cluster
from tests.contracts import ExecutorContract
from tests.execution.test_process import die, nap, thread_settings
from tests.executors import task, timed
from tests.processes import SPHERE, Place
from tests.toy_objectives import TinyObjective

pytestmark = pytest.mark.process


def parent() -> int:
    """The dask worker, as this is called in a child of it."""
    return os.getppid()


def late_parent() -> int:
    """The dask worker, slowly enough that every worker is asked."""
    time.sleep(0.3)
    return os.getppid()


def kill_worker(deaths: Path, times: int | None = None) -> int:
    """Kills the dask worker that it is called in, as often as it is told to; returns how often that was."""
    before = len(deaths.read_text()) if deaths.exists() else 0
    if times is None or before < times:
        with deaths.open("a") as file:
            file.write("x")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return before


def interrupt_worker() -> int:
    """Sends the dask worker what Ctrl-C sends to the whole group; returns which one that was."""
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(0.5)
    return os.getppid()


def listening() -> list[str]:
    """Addresses at which the dask worker listens, as text of /proc."""
    lines = Path(f"/proc/{os.getppid()}/net/tcp").read_text().splitlines()[1:]
    inodes = {line.split()[9]: line.split()[1].partition(":")[0] for line in lines if line.split()[3] == "0A"}
    links = [os.readlink(link) for link in Path(f"/proc/{os.getppid()}/fd").iterdir() if link.is_symlink()]
    return [inodes[link[8:-1]] for link in links if link.startswith("socket:[") and link[8:-1] in inodes]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskExecutor]:
    """Two workers on this machine, for all that leaves them as they are."""
    config = ExecutionConfig(kind="dask", workers=2, threads=3, timeout_s=5.0)
    with make_executor(config, ResultsFolder(tmp_path_factory.mktemp("local"), "local")) as executor:
        yield executor


class TestDaskExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, workers: TaskExecutor) -> TaskExecutor:
        return workers


def test_calls_run_in_children_of_two_workers(workers: TaskExecutor) -> None:
    pids = {future.result() for future in [workers.submit(task(late_parent)) for _ in range(4)]}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_children_have_their_threads_set_before_anything_else(workers: TaskExecutor) -> None:
    assert workers.submit(task(thread_settings)).result() == ("3", "3", "3")


def test_nothing_of_a_cluster_on_this_machine_listens_to_others(workers: TaskExecutor) -> None:
    found = workers.submit(task(listening)).result()
    assert found
    assert set(found) == {"0100007F"}


def test_an_interruption_is_for_the_driver(workers: TaskExecutor) -> None:
    interrupted = workers.submit(task(interrupt_worker)).result()
    pids = {future.result() for future in [workers.submit(task(late_parent)) for _ in range(4)]}
    assert interrupted in pids


def test_what_needs_this_machine_stays_here(workers: TaskExecutor) -> None:
    assert workers.submit(Task("test", parent, local=True)).result() == os.getpid()


def test_an_objective_and_what_a_task_is_made_of_travel_by_value(workers: TaskExecutor) -> None:
    objective = TinyObjective(np.random.default_rng(1))
    proposals = [Proposal(index, 0, "scout", 0, objective.sample()) for index in range(4)]
    futures = [workers.submit(evaluate_with(objective, proposal)) for proposal in proposals]
    found = [replace(future.result(), seconds=0.0, started=0.0, worker="", extra={}) for future in futures]
    assert found == [objective.run(proposal) for proposal in proposals]
    assert workers.submit(task(lambda value: value + len(proposals), 1)).result() == 5


def test_a_call_whose_children_all_die_is_given_up_and_no_other(workers: TaskExecutor, tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    dead, other = workers.submit(task(die, deaths)), workers.submit(task(nap, 0.1))
    with pytest.raises(WorkerDiedError, match=r"died after .*, as 2 before it; .* \(on the dask worker tcp://127"):
        dead.result()
    assert other.result() == 0.1
    assert len(deaths.read_text()) == RESUBMISSIONS + 1


def test_a_call_over_its_time_is_ended_once_and_the_limit_is_for_candidates(workers: TaskExecutor) -> None:
    late, unlimited = workers.submit(timed(nap, 60.0)), workers.submit(task(nap, 5.5))
    with pytest.raises(WorkerDiedError, match=r"longer than execution\.timeout_s=5") as caught:
        late.result()
    assert "nap" in caught.value.last_words
    assert unlimited.result() == 5.5


@pytest.mark.slow
def test_a_call_whose_dask_worker_dies_is_run_again_and_three_times_at_the_most(tmp_path: Path) -> None:
    once, always = tmp_path / "once", tmp_path / "always"
    config = ExecutionConfig(kind="dask", workers=1)
    with make_executor(config, ResultsFolder(tmp_path, "killed")) as executor:
        assert executor.submit(task(kill_worker, once, 1)).result() == 1
        with pytest.raises(WorkerDiedError, match="3 dask workers died with it"):
            executor.submit(task(kill_worker, always)).result()
        assert executor.submit(task(os.getpid)).result() != os.getpid()
    assert len(always.read_text()) == RESUBMISSIONS + 1


def tasks_there(executor: DaskExecutor) -> set[str]:
    """The keys of the tasks that dask's workers have, begun or not."""
    assert executor._client is not None
    found: dict[str, list[str]] = executor._client.run(lambda dask_worker: list(dask_worker.state.tasks))
    return {key for keys in found.values() for key in keys}


def wait_there(folder: Path, number: int) -> int:
    """Says that it is carried out, and waits until it may end."""
    (folder / str(number)).touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return number


def test_what_the_workers_are_at_is_not_cancelled_and_what_waits_for_them_is_not_carried_out(
    workers: TaskExecutor, tmp_path: Path
) -> None:
    assert isinstance(workers, DaskExecutor)
    futures = [workers.submit(task(wait_there, tmp_path, number)) for number in range(5)]
    own = set(workers._waiting)
    while sum(each.running() for each in futures) < 2:
        time.sleep(0.01)
    begun = [number for number, each in enumerate(futures) if not each.cancel()]
    while len(own & tasks_there(workers)) > len(begun):  # until the workers have heard of it
        time.sleep(0.01)
    (tmp_path / "go").touch()
    after = workers.submit(task(wait_there, tmp_path, 5))
    assert [futures[number].result() for number in begun] == begun
    assert after.result() == 5
    assert {file.name for file in tmp_path.iterdir()} == {"go", "5", *map(str, begun)}
    assert len(begun) == 2


def test_an_error_inside_the_block_ends_calls_at_once(tmp_path: Path) -> None:
    pids = []

    def fail_in_the_middle() -> None:
        with make_executor(ExecutionConfig(kind="dask"), ResultsFolder(tmp_path, "ended")) as executor:
            pids.append(executor.submit(task(parent)).result())
            executor.submit(task(nap, 600.0))
            raise KeyError

    with pytest.raises(KeyError):
        fail_in_the_middle()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_an_error_of_the_cluster_not_of_the_call(tmp_path: Path) -> None:
    with Cluster(tmp_path, workers=1) as cluster, dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
        config = ExecutionConfig(kind="dask", address=cluster.address)
        executor = make_executor(config, ResultsFolder(tmp_path, "lost"))
        assert executor.submit(task(nap, 0.1)).result() == 0.1
        future = executor.submit(task(nap, 600.0))
        cluster.scheduler.kill()
        with pytest.raises(ClusterError, match=rf"scheduler {cluster.address} must be reachable"):
            future.result()
        executor.shutdown(cancel_futures=True)
        with pytest.raises(ClusterError, match="must be reachable while a search goes on, got OSError"):
            make_executor(config, ResultsFolder(tmp_path, "lost")).submit(task(os.getpid))


def test_a_module_that_a_worker_does_not_have_is_named_with_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivenas.config.registry._imported", {"only_here": None})
    with Cluster(tmp_path, workers=1) as cluster:
        config = ExecutionConfig(kind="dask", address=cluster.address)
        with (
            make_executor(config, ResultsFolder(tmp_path, "modules")) as executor,
            pytest.raises(ConfigError, match=r"module 'only_here'.*\(on the dask worker tcp://127\.0\.0\.1"),
        ):
            executor.submit(task(os.getpid)).result()


SCRIPT = """
import os, pathlib, signal, sys
print("the script runs", flush=True)
from hivenas.config import ExecutionConfig
from hivenas.core.folder import ResultsFolder
from hivenas.execution import Task, make_executor
executor = make_executor(ExecutionConfig(kind="dask", workers=2), ResultsFolder(pathlib.Path.cwd(), "script"))
print(executor.submit(Task("test", lambda: len(sys.argv))).result(), flush=True)
if "killed" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
executor.shutdown()
"""


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["killed"], -signal.SIGKILL)])
def test_a_script_needs_no_guard_and_leaves_no_process_behind(tmp_path: Path, arguments: list[str], code: int) -> None:
    place = Place(tmp_path, SPHERE.format(name="script", seed=1, iterations=1))
    (tmp_path / "script.py").write_text(SCRIPT)
    script = place.run(command=[sys.executable, "script.py", *arguments])
    assert script.wait() == code, script.output
    assert script.output.splitlines() == ["the script runs", f"{len(arguments) + 1}"]
    assert script.group_ends()
