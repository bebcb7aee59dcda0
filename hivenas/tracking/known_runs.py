"""The runs that keys stand for: remembered, or found in the store."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.entities import Run

from hivenas.tracking.connection import Connection
from hivenas.tracking.entities import KEY, linked


class KnownRuns:
    """The parent run, and the runs of its children by their keys.

    Args:
        connection: to the store.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.parent = ""  # empty where children belong to no search of this process
        self._ids: dict[str, str] = {}

    def take(self, ids: Mapping[str, str]) -> None:
        """Remembers the ids of runs by the keys of their children."""
        self._ids |= {key: run_id for key, run_id in ids.items() if key}

    @property
    def above_child(self) -> str:
        """The run under which a child is nested; empty for none."""
        return self.parent or self._connection.places.above_child()

    def search(self, condition: str, beside: str = "") -> list[Run]:
        """Runs in the experiment of a run, by default of the one that is above new ones."""
        experiment = self._connection.places.experiment_of(beside or self.above_child)
        return list(self._connection.client.search_runs([experiment], condition, max_results=1000))

    def find(self, key: str) -> str:
        """The id of the run of a child that was tracked before, by this process or another; empty without one."""
        if key and key not in self._ids:
            runs = self.search(f"tags.`{KEY}` = '{key}'")
            if not runs:
                return ""
            self._ids[key] = runs[0].info.run_id
        return self._ids.get(key, "")

    def resolve(self, reference: str) -> str:
        """The id of the run that a reference, an id or a key, stands for."""
        return (self.find(reference) or reference) if ":" in reference else reference

    def linked(self, note: str, parent: str) -> str:
        """A description whose links to runs are filled in, as far as these are remembered.

        Args:
            note: see `link_to`.
            parent: the run in whose experiment they are.
        """
        return linked(note, self._ids, self._connection.places.experiment_of(parent)) if note else ""
