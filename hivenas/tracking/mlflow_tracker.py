"""The tracker of MLflow: every method is one thing that the store is told, its errors translated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from hivenas.core.children import Child
from hivenas.core.publication import LoggedCandidate, Published, ServableModel
from hivenas.core.search_run import Closing, SearchCard
from hivenas.core.tracker import Publisher
from hivenas.core.unicode import storable_record
from hivenas.errors import ConfigError, TrackingError
from hivenas.tracking.candidates import log_without_network
from hivenas.tracking.connection import Connection
from hivenas.tracking.fetching import download
from hivenas.tracking.inherited import named_experiment
from hivenas.tracking.known_runs import KnownRuns
from hivenas.tracking.nested_runs import NestedRuns
from hivenas.tracking.search_run import SearchRun
from hivenas.tracking.store import current_stores, fail_fast, prepare_store, translate_mlflow_errors


class MlflowTracker:
    """Tracks a search, or single calls from Python, in the current MLflow store.

    Everything that it is told may be told again after a failure: what is there already is completed, not doubled.

    Args:
        experiment: where runs are made that have no parent, unless the environment names another.
        home: run under which children are nested where neither a run is active in the calling thread nor `mlflow run`
            has made one for this process; without it they stand for themselves.
        command: what runs name as their source.
        publisher: carries out `registry.publish`, where networks can be loaded; None where nothing is published.
    """

    def __init__(
        self,
        experiment: str,
        *,
        home: str = "",
        command: str = "hivenas",
        publisher: Publisher | None = None,
    ) -> None:
        self._publisher = publisher
        self._connection = Connection(experiment, home)
        self._known = KnownRuns(self._connection)
        self._nested = NestedRuns(self._connection, self._known, command)
        self._search = SearchRun(self._connection, self._known, self._nested, command)

    @property
    def store(self) -> str:
        """The tracking URI."""
        return current_stores()[0]

    def limit_waiting(self) -> None:
        """Has MLflow give up a request after seconds; see `store.fail_fast`."""
        fail_fast()

    def prepare(self) -> None:
        """Makes sure that the store is there, and whatever the environment names in it.

        Raises:
            ConfigError: it names a run or an experiment that is not there.
            TrackingError: the store cannot be reached or opened.
        """
        prepare_store()
        with translate_mlflow_errors():
            if problem := self._connection.places.inherited.problem:
                raise ConfigError(problem)
            named_experiment(self._connection.client, self._connection.experiment)

    # -- the parent run of a search ----------------------------------------------------------------------------

    @property
    def opened(self) -> str:
        """The parent run that this process has set to RUNNING; empty before."""
        return self._search.opened

    @property
    def project_run_id(self) -> str:
        """The run that `mlflow run` has made for this process; empty without one.

        It takes the store to know whether a run that the environment names is that; until that was asked it may be.
        """
        return self._connection.own_run

    def resume_from(self, run_id: str, known: Mapping[str, str]) -> None:
        """Nests what follows under the parent of an earlier process, without asking the store.

        Args:
            run_id: the parent's id.
            known: ids of the runs that were tracked before, by key.
        """
        self._known.parent = run_id
        self._known.take(known)

    def open_search(self, card: SearchCard, run_id: str = "") -> str:
        """Starts the parent run, takes the one that `mlflow run` made, or goes on with that of a resumed search.

        A run of somebody else that the environment names is left as it is; a new parent is nested under it.

        Args:
            card: what it shows.
            run_id: of the parent run of a resumed search; empty for a new one.

        Returns:
            The parent's id.

        Raises:
            TrackingError: the store cannot be reached or opened.
        """
        with translate_mlflow_errors():
            return self._search.open(storable_record(card), run_id)

    def require(self, run_id: str) -> str:
        """Makes sure that the parent run of a search is in this store; returns whether it is active or deleted.

        Raises:
            LostRunError: it is not; what it was to be told stays where it is.
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            return self._search.require(run_id)

    def close_dead(self, keeps: Collection[str] = ()) -> int:
        """Closes what a killed process has left running: nested runs, and pointers to the search.

        Args:
            keeps: keys of children that are still to be completed.

        Returns:
            How many runs were closed.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            return self._search.close_dead(keeps)

    def close_abandoned(self, names: Collection[str]) -> None:
        """Closes what kills have left running of searches that were given up, and of trainings outside a search.

        Args:
            names: of the searches, or ids of their parent runs, or keys of the trainings.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            self._search.close_abandoned(names)

    def close_search(self, closing: Closing) -> None:
        """Ends the parent run, and the pointer to it where `mlflow run` made one for a resumption."""
        with translate_mlflow_errors():
            self._search.close(storable_record(closing))

    def point_to(self, run_id: str, pointer: str) -> None:
        """Closes the run that `mlflow run` made for a resumption as a pointer to the search's own run."""
        with translate_mlflow_errors():
            self._connection.places.point(pointer, run_id)

    # -- nested runs -------------------------------------------------------------------------------------------

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """Tracks a finished evaluation as a nested run; returns the run's id."""
        with translate_mlflow_errors():
            return self._nested.log(storable_record(child), again=again)

    def show_running(self, children: Sequence[Child]) -> None:
        """Shows trainings that go on, and names them on the parent run."""
        with translate_mlflow_errors():
            self._nested.show([storable_record(child) for child in children])

    def end_running(self) -> None:
        """Ends as KILLED what was shown and not tracked since."""
        with translate_mlflow_errors():
            self._nested.end()

    def find(self, key: str) -> str:
        """The id of the run of the child with this key; empty where there is none.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            return self._known.find(key)

    def fetch(self, run: str, path: str, folder: Path) -> bool:
        """Downloads a file of the run with this id or key into a folder; returns whether it is there now.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            run_id = self._known.resolve(run)
        return download(self._connection.client, run_id, path, folder)

    # -- models ------------------------------------------------------------------------------------------------

    def publish(self, model: ServableModel, run: str) -> Published:
        """Has a model logged on the run with this id or key, and registered."""
        if self._publisher is None:
            raise TrackingError("a model can only be published where networks can be loaded")
        with translate_mlflow_errors():
            run_id = self._known.resolve(run)
        return self._publisher(model, run_id, current_stores())

    def log_candidate(self, candidate: LoggedCandidate, model: ServableModel | None = None) -> None:
        """Keeps a candidate as a logged model of its run, with its network where one is given and can be loaded."""
        candidate = storable_record(candidate)
        with translate_mlflow_errors():
            run_id = self._known.resolve(candidate.run)
            if not model or not self._publisher:
                log_without_network(self._connection.client, candidate, run_id)
                return
        self._publisher(model, run_id, current_stores())
