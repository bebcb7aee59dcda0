"""The executor that calls on the workers of a dask cluster."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import signal
import sys
import uuid
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any, TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster
from distributed import Future as DaskFuture
from distributed.utils import silence_logging_cmgr

from hivenas.config import ExecutionConfig
from hivenas.core.folder import ResultsFolder
from hivenas.core.interruption import ANNOUNCED, ASKED
from hivenas.errors import ClusterError, HivenasError, WorkerDiedError, first_line
from hivenas.execution.base import TaskExecutor
from hivenas.execution.dask_worker import SearchPlugin, content, run_at
from hivenas.execution.process import RESUBMISSIONS, Worker, WorkerExecutor
from hivenas.execution.tasks import Task
from hivenas.execution.wire import Packer, Registrations

T = TypeVar("T")
_CONTENTS = 32  # saved states and shared values that the cluster keeps for further calls
_LOCAL: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": RESUBMISSIONS,
    # Workers of this machine that say nothing for minutes were suspended, with it or with their container.
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class DaskExecutor(TaskExecutor):
    """Carries out tasks on a dask cluster: processes of this machine, or the user's own cluster.

    Workers need neither this machine's disk nor MLflow: the saved states that a task starts from are sent along, the
    files that it makes come back with its result. The cluster is sought when the first task needs it.

    Args:
        config: the scheduler's address, or the number of workers of a cluster on this machine.
        folder: takes the files.
    """

    def __init__(self, config: ExecutionConfig, folder: ResultsFolder) -> None:
        self._config = config
        self._folder = folder
        self._name = f"hivenas-{uuid.uuid4().hex}"
        self._packer = Packer()
        self._here = WorkerExecutor(config.model_copy(update={"workers": 1}), folder.log)
        self._host: Worker | None = None  # of a cluster on this machine
        self._client: Client | None = None
        self._contents: OrderedDict[str, DaskFuture[bytes]] = OrderedDict()
        self._waiting: dict[str, DaskFuture[Any]] = {}  # by key
        self._futures: dict[str, Future[Any]] = {}  # what stands for them here
        self._stopped = False
        self._is_lost = False  # the scheduler has gone away, so that leave is taken of nobody

    def submit(self, task: Task[T]) -> Future[T]:
        """Sends a task; local ones stay here.

        Raises:
            ClusterError: the cluster cannot be reached.
            ConfigError: it cannot be pickled.
        """
        if task.local:
            return self._here.submit(task)
        packed = self._packer.pack(task)
        client = self._client = self._client or self._connected()
        files = {name: self._folder.weights / name for name in task.needs}
        there = {name: file for name, file in files.items() if file.is_file()}
        future: Future[T] = Future()
        key = f"hivenas-task-{uuid.uuid4().hex}"
        self._futures[key] = future
        try:
            states = [self._sent(client, file.read_bytes()) for file in there.values()]
            values = [self._sent(client, data) for data in packed.values.values()]
            names = tuple(there), tuple(packed.values)
            given = (self._name, replace(packed, values={}), *names, *states, *values)
            remote = client.submit(run_at, *given, key=key, pure=False)
        except Exception as error:
            del self._futures[key]
            raise self._lost(first_line(error)) from error
        self._waiting[key] = remote
        future.add_done_callback(functools.partial(self._give_up, key))
        remote.add_done_callback(functools.partial(self._arrived, future))
        return future

    def _begun(self, event: tuple[float, str]) -> None:
        """Has a task be running that a worker begins, as it tells by its key: it is waited for, and not cancelled."""
        future = self._futures.get(event[1])
        if future is not None and not (future.running() or future.done()):
            future.set_running_or_notify_cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the cluster, and ends one of this machine; with `cancel_futures` in the middle of what it does."""
        self._here.shutdown(wait, cancel_futures=cancel_futures)
        self._stopped = cancel_futures
        client, self._client = self._client, None
        if client is not None:
            self._leave(client)
        host, self._host = self._host, None
        if host is not None:
            with contextlib.suppress(WorkerDiedError):
                host.run(self._packer.pack(Task("cluster", end_cluster)))
            host.retire()

    def _leave(self, client: Client) -> None:
        if not self._is_lost:
            with contextlib.suppress(Exception):  # it may go away just now
                if self._stopped:
                    client.cancel(list(self._waiting.values()), force=True)
                client.unregister_worker_plugin(self._name)
        # A client that gives up a lost scheduler logs tracebacks, after the one line that says it.
        with silence_logging_cmgr(logging.CRITICAL) if self._is_lost else contextlib.nullcontext():
            client.close()

    def _connected(self) -> Client:
        address = self._config.address
        try:
            client = Client(address or self._begin_cluster(), set_as_default=False)
        except Exception as error:
            raise self._lost(first_line(error)) from error
        try:
            plugin = SearchPlugin(self._config, Registrations.of_this_process(), is_ours=address is None)
            client.register_plugin(plugin, name=self._name)
            client.subscribe_topic(self._name, self._begun)
        except Exception as error:
            client.close()
            raise ClusterError(
                f"the dask workers at {address} must have this version of hivenas, got {first_line(error)}; install it "
                "there"
            ) from error
        return client

    def _begin_cluster(self) -> str:
        """Has a process of its own start a cluster: its children would import the main module of this one."""
        config = self._config.model_copy(update={"recycle_after": sys.maxsize, "gpus": None})
        self._host = Worker(config, self._folder.log, Registrations())
        return self._host.run(self._packer.pack(Task("cluster", begin_cluster, (config.workers,))))

    def _sent(self, client: Client, data: bytes) -> DaskFuture[bytes]:
        """A saved state, or a shared value, in the cluster, sent once; dask copies it to whichever worker needs it."""
        key = f"hivenas-state-{hashlib.sha256(data).hexdigest()}"
        state = self._contents.pop(key, None)
        if state is None or state.status not in {"pending", "finished"}:
            state = client.submit(content, data, key=key)
        self._contents[key] = state
        while len(self._contents) > _CONTENTS:
            self._contents.popitem(last=False)
        return state

    def _give_up(self, key: str, future: Future[Any]) -> None:
        """Takes a task that was cancelled here from those that the cluster still has to begin."""
        remote = self._waiting.get(key)
        if future.cancelled() and remote is not None and not remote.done():
            remote.cancel()

    def _arrived(self, future: Future[Any], remote: DaskFuture[Any]) -> None:
        self._waiting.pop(str(remote.key), None)
        self._futures.pop(str(remote.key), None)
        if self._stopped and not future.cancel():
            future.set_exception(CancelledError())
        if future.done() or not (future.running() or future.set_running_or_notify_cancel()):
            return
        try:
            future.set_result(remote.result().unpack(self._folder))
        except KilledWorker as error:
            reason = f"{error.allowed_failures + 1} dask workers died with it, {error.last_worker.address} the last"
            future.set_exception(WorkerDiedError(reason))
        except HivenasError as error:
            future.set_exception(error)
        except CancelledError as error:
            self._is_lost = True
            future.set_exception(self._lost(f"no connection any more ({type(error).__name__})"))
        except Exception as error:
            future.set_exception(error)

    def _lost(self, reason: str) -> ClusterError:
        where = self._config.address or "of this machine"
        return ClusterError(
            f"the dask scheduler {where} must be reachable while a search goes on, got {reason}; start it again, or "
            "give another one (execution.address)"
        )


_clusters: list[LocalCluster] = []  # of this process


def begin_cluster(workers: int) -> str:
    """Starts a cluster in the process that this is called in, and returns its address."""
    for number in (*ASKED, *ANNOUNCED):  # so they are in its workers, too: the driver decides what ends
        signal.signal(number, signal.SIG_IGN)
    with dask.config.set(_LOCAL):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            memory_limit=0,  # what grows is the workers' children, and these are replaced
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.ERROR,
        )
    _clusters.append(cluster)
    return str(cluster.scheduler_address)


def end_cluster() -> None:
    """Ends the cluster of the process that this is called in."""
    while _clusters:
        _clusters.pop().close()
