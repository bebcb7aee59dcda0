"""The store, which is asked when something is first needed of it."""

from __future__ import annotations

import functools

import mlflow

from hivenas.tracking.inherited import Places, named_run
from hivenas.tracking.store import prepare_store


class Connection:
    """The client of the current store, and the places in it.

    Args:
        experiment: where runs are made that have no parent, unless the environment names another.
        home: run under which children are nested that have no other; see `Places`.
    """

    def __init__(self, experiment: str, home: str) -> None:
        self.experiment = experiment
        self._home = home

    @functools.cached_property
    def client(self) -> mlflow.MlflowClient:
        """MLflow's client; the first use makes sure that the store is there."""
        prepare_store()
        return mlflow.MlflowClient()

    @functools.cached_property
    def places(self) -> Places:
        """Experiments, and the runs above new ones."""
        return Places(self.client, self.experiment, self._home)

    @property
    def own_run(self) -> str:
        """The run that was made for this process; as long as the store was not asked, the one that may be."""
        return self.places.own if "places" in vars(self) else named_run()
