"""The port through which everything that is worth watching leaves the core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from hivenas.core.children import Child
from hivenas.core.publication import LoggedCandidate, Published, ServableModel
from hivenas.core.search_run import Closing, SearchCard

Publisher = Callable[[ServableModel, str, tuple[str, str]], Published]


class Tracker(Protocol):
    """Receives what happens, in order; every method may be called in the driver's process only.

    What it is told may be told again after a failure: what is there already is completed, not doubled. Every method but
    `resume_from` may raise a TrackingError (it does not work now; the same call may succeed later) or a
    TrackingRefusedError (it was refused, and would be again).
    """

    @property
    def opened(self) -> str:
        """The id of the parent run that this process has opened; empty before."""
        ...

    @property
    def store(self) -> str:
        """The address of its store, for people and programs; empty for none."""
        ...

    @property
    def project_run_id(self) -> str:
        """The run that a project's launcher has made for this process; empty without one."""
        ...

    def limit_waiting(self) -> None:
        """Has requests to the store given up after seconds, in this process and its workers."""
        ...

    def prepare(self) -> None:
        """Makes sure that the store is there, before several processes open it."""
        ...

    def resume_from(self, run_id: str, known: Mapping[str, str]) -> None:
        """Nests what follows under the parent of an earlier process, without asking the store.

        Args:
            run_id: the parent's id.
            known: ids of the runs that were tracked before, by key.
        """
        ...

    def open_search(self, card: SearchCard, run_id: str = "") -> str:
        """Starts the parent run of a search, or goes on with that of a resumed one; returns its id."""
        ...

    def require(self, run_id: str) -> str:
        """Makes sure that the parent run of a search is in this store; returns its lifecycle stage.

        Raises:
            MissingResultsError: it is not; what it was to be told stays where it is.
        """
        ...

    def close_dead(self, keeps: Collection[str] = ()) -> int:
        """Closes nested runs that a killed process has left running, but for those of the keys to keep."""
        ...

    def close_abandoned(self, names: Collection[str]) -> None:
        """Closes what kills have left running of searches that were given up, and of trainings outside a search.

        Args:
            names: of the searches, or ids of their parent runs, or keys of the trainings, which have a colon.
        """
        ...

    def point_to(self, run_id: str, pointer: str) -> None:
        """Closes the run that was made for a resumption as a pointer to the search's own run."""
        ...

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """Tracks a finished evaluation as a nested run.

        Args:
            child: what the run shows.
            again: whether it may have been tracked before, wholly or in part; what is there is then completed.

        Returns:
            The run's id.
        """
        ...

    def close_search(self, closing: Closing) -> None:
        """Ends the parent run of a search."""
        ...

    def publish(self, model: ServableModel, run: str) -> Published:
        """Logs a model on the run with this id or key and registers it."""
        ...

    def find(self, key: str) -> str:
        """The id of the run of the child with this key; empty where there is none."""
        ...

    def fetch(self, run: str, path: str, folder: Path) -> bool:
        """Brings a file of the run with this id or key into a folder; returns whether it is there now."""
        ...


@runtime_checkable
class LiveTracker(Protocol):
    """A tracker that can show trainings while they go on; both methods raise as those of `Tracker` do."""

    def show_running(self, children: Sequence[Child]) -> None:
        """Shows trainings that go on, and no others; what is there of them is not doubled.

        Args:
            children: the nested run of each, with the figures of all epochs so far.
        """
        ...

    def end_running(self) -> None:
        """Ends those that were shown and not tracked with `log_child` since; they may be shown again."""
        ...


@runtime_checkable
class CandidateTracker(Protocol):
    """A tracker that keeps models of candidates; it raises as `Tracker` does."""

    def log_candidate(self, candidate: LoggedCandidate, model: ServableModel | None = None) -> None:
        """Keeps a candidate as a model of its run, once; what was begun before is finished.

        Args:
            candidate: what is kept.
            model: its network; None where that is not kept.
        """
        ...


class NullTracker:
    """Tracks nothing: `tracking: none`.

    Args:
        experiment: taken as by other trackers, like those that follow, and not looked at.
        home: not looked at.
        command: not looked at.
        publisher: not looked at.
    """

    def __init__(
        self, experiment: str = "", *, home: str = "", command: str = "", publisher: Publisher | None = None
    ) -> None:
        self.opened = ""

    @property
    def store(self) -> str:
        """Nowhere."""
        return ""

    @property
    def project_run_id(self) -> str:
        """No run."""
        return ""

    def limit_waiting(self) -> None:
        """Nothing."""

    def prepare(self) -> None:
        """Nothing."""

    def resume_from(self, run_id: str, known: Mapping[str, str]) -> None:
        """Nothing."""

    def open_search(self, card: SearchCard, run_id: str = "") -> str:
        """No run, no id."""
        return ""

    def require(self, run_id: str) -> str:
        """Nothing is required."""
        return "active"

    def close_dead(self, keeps: Collection[str] = ()) -> int:
        """No runs."""
        return 0

    def close_abandoned(self, names: Collection[str]) -> None:
        """Nothing."""

    def point_to(self, run_id: str, pointer: str) -> None:
        """Nothing."""

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """No run, no id."""
        return ""

    def close_search(self, closing: Closing) -> None:
        """Nothing."""

    def publish(self, model: ServableModel, run: str) -> Published:
        """No model, no URI."""
        return Published()

    def find(self, key: str) -> str:
        """No run, no id."""
        return ""

    def fetch(self, run: str, path: str, folder: Path) -> bool:
        """No file."""
        return False
