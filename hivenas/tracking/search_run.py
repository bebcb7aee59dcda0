"""The parent run of a search: opened, found again, cleared of what a killed process has left, closed."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Collection

from mlflow.entities import Metric, Run, RunTag

from hivenas.core.children import UsedData
from hivenas.core.git import git_tags
from hivenas.core.publication import Published
from hivenas.core.recipe import package_version
from hivenas.core.search_run import Closing, SearchCard
from hivenas.errors import LostRunError, TrackingDeniedError
from hivenas.tracking.connection import Connection
from hivenas.tracking.data_sets import dataset_inputs
from hivenas.tracking.entities import KEY, LONGEST_TAG, NOTE, UID, params_of
from hivenas.tracking.front import IS_ON_FRONT, mark_front
from hivenas.tracking.inherited import PARENT, named_run
from hivenas.tracking.known_runs import KnownRuns
from hivenas.tracking.nested_runs import NestedRuns
from hivenas.tracking.registry import published_on
from hivenas.tracking.running import IN_TRAINING, REASON, close_as_dead
from hivenas.tracking.saved_view import save_view
from hivenas.tracking.store import found_run, shown_store, source_tags, translate_mlflow_errors

logger = logging.getLogger("hivenas")


class SearchRun:
    """The run of a search, which is the parent of what `known` finds and `nested` shows.

    Args:
        connection: to the store.
        known: gets the parent's id.
        nested: the runs below it.
        command: what it names as its source.
    """

    def __init__(self, connection: Connection, known: KnownRuns, nested: NestedRuns, command: str) -> None:
        self._connection = connection
        self._known = known
        self._nested = nested
        self._command = command
        self.opened = ""  # its id, once this process has set it to RUNNING

    def open(self, card: SearchCard, run_id: str) -> str:
        """Starts it, takes the one that `mlflow run` made, or goes on with that of a resumed search; returns its id.

        Args:
            card: what it shows.
            run_id: of the run of a resumed search; empty for a new one.
        """
        deleted = run_id if run_id and self.require(run_id) != "active" else ""
        if deleted:
            logger.warning(
                "the search's run %s was deleted in MLflow, so it goes on in a new one, with the runs below it that "
                "are left; hivenas sync --rehome tells that what it does not have",
                deleted,
            )
            run_id = ""
        client, places = self._connection.client, self._connection.places
        inherited = places.inherited
        parent = run_id or places.found(card.uid) or inherited.own or self._created(card)
        self.opened = self._known.parent = parent
        client.update_run(parent, status="RUNNING", name=places.name_for(parent, card.name))
        self._describe(card, parent)
        if deleted:
            self._adopt(deleted)
        if not run_id:
            save_view(client, places.experiment_of(parent), self._connection.experiment, minimize=card.minimize)
        if inherited.own and inherited.own != parent:
            client.set_tag(inherited.own, "hivenas.resumes", parent)
        if inherited.problem:
            logger.warning("%s. This search goes on in its own run", inherited.problem)
        return parent

    def _adopt(self, deleted: str) -> None:
        """Nests the children of a parent that was deleted, as MLflow leaves them, under the one in its place."""
        # A search gives 1,000 at the most, and those that have moved are not found again.
        while left := [run for run in self._known.search(f"tags.`{PARENT}` = '{deleted}'") if KEY in run.data.tags]:
            for run in left:
                self._connection.client.set_tag(run.info.run_id, PARENT, self._known.parent)

    def require(self, run_id: str) -> str:
        """Makes sure that it is in this store; returns whether it is active or deleted.

        Raises:
            LostRunError: it is not; what it was to be told stays where it is.
        """
        if run := found_run(self._connection.client, run_id):
            return str(run.info.lifecycle_stage)
        raise LostRunError(
            f"the run {run_id} of this search must be in the MLflow store, got {shown_store()} without it; "
            "set MLFLOW_TRACKING_URI to the store that the search began in (a relative one starts from the folder that "
            "it was started in); or, where the run was deleted for good or the store was set up anew, have everything "
            "told again in a new run by hivenas sync --rehome"
        )

    def close_dead(self, keeps: Collection[str]) -> int:
        """Closes what a killed process has left running: nested runs, and pointers to the search.

        Args:
            keeps: keys of children that are still to be completed.

        Returns:
            How many runs were closed.
        """
        client, parent = self._connection.client, self._known.parent
        children = self._known.search(f"tags.`{PARENT}` = '{parent}' and attributes.status != 'FINISHED'")
        # Others have no key: another search below this one, or what somebody else has nested there.
        children = [run for run in children if run.info.status in {"RUNNING", "KILLED"} and KEY in run.data.tags]
        pointers = self._known.search(f"tags.`hivenas.resumes` = '{parent}' and attributes.status = 'RUNNING'")
        dead = [run for run in children if run.info.status == "RUNNING" and run.data.tags.get(KEY) not in keeps]
        if dead and parent:
            self._drop_tags(client.get_run(parent), IN_TRAINING)
        dead += [run for run in pointers if run.info.run_id != named_run()]
        close_as_dead(client, dead)
        for run in children:
            self._nested.take_up(run, is_left=run in dead or run.info.status == "KILLED")
        return len(dead)

    def close_abandoned(self, names: Collection[str]) -> None:
        """Closes what kills have left running of searches that were given up, and of trainings outside a search.

        Args:
            names: of the searches, or ids of their parent runs, or keys of the trainings.
        """
        client, places = self._connection.client, self._connection.places
        for name in names:
            parent = places.left(name)
            if parent and parent != named_run():
                below = self._known.search(f"tags.`{PARENT}` = '{parent}'", parent)
                family = [client.get_run(parent), *(run for run in below if KEY in run.data.tags)]
                close_as_dead(client, (run for run in family if run.info.status == "RUNNING"))

    def close(self, closing: Closing) -> None:
        """Ends it, and the pointer to it where `mlflow run` made one for a resumption."""
        client, run_id = self._connection.client, closing.run_id
        self._nested.end(run_id)
        if not closing.reason:
            self._drop_tags(client.get_run(run_id), REASON)
        finite = {key: value for key, value in closing.metrics.items() if math.isfinite(value)}
        final = [Metric(key, value, closing.end_ms, closing.step) for key, value in finite.items()]
        trained = self._known.find(closing.trained)  # somebody may have deleted it
        model = Published()
        with contextlib.suppress(TrackingDeniedError), translate_mlflow_errors():  # models may be another one's to see
            model = published_on(trained) if trained else model
        tags = [RunTag(NOTE, self._known.linked(closing.named(model), run_id))]
        if closing.reason:
            tags.append(RunTag(REASON, closing.reason[:LONGEST_TAG]))
        client.log_batch(run_id, metrics=final, tags=tags)
        try:
            self._keep_at_the_end(closing)
        finally:  # where no files can be written the run is closed nevertheless
            client.set_terminated(run_id, status=closing.status, end_time=closing.end_ms)
        if closing.pointer:
            self._connection.places.point(closing.pointer, run_id)

    def _keep_at_the_end(self, closing: Closing) -> None:
        """Keeps the files of the end, deletes weights, and marks the front."""
        client = self._connection.client
        for file, folder in closing.artifacts:
            if file.is_file():
                client.log_artifact(closing.run_id, str(file), folder or None)
        self._nested.drop_weights(closing.delete_weights)
        if closing.front:
            before = self._known.search(f"tags.`{PARENT}` = '{closing.run_id}' and {IS_ON_FRONT}")
            mark_front(client, {self._known.resolve(key) for key in closing.front}, before)

    def _created(self, card: SearchCard) -> str:
        tags = source_tags(self._command) | {UID: card.uid}
        above = self._connection.places.above_search()
        tags |= {PARENT: above} if above else {}
        experiment = self._connection.places.experiment_of(above)
        return str(self._connection.client.create_run(experiment, run_name=card.name, tags=tags).info.run_id)

    def _describe(self, card: SearchCard, parent: str) -> None:
        client = self._connection.client
        known = client.get_run(parent)
        params = [param for param in params_of(card.params) if param.key not in known.data.params]
        self._drop_tags(known, REASON, IN_TRAINING)
        tags = {"hivenas.search": card.name, "hivenas.phase": "search", "hivenas.version": package_version("hivenas")}
        tags |= {UID: card.uid} | git_tags()
        tags |= {NOTE: self._known.linked(card.note, parent)} if card.note else {}
        client.log_batch(parent, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
        client.log_text(parent, card.config_yaml, f"{card.name}.yaml")
        for picture in card.pictures:
            client.log_artifact(parent, str(picture), "plots")
        if card.data:
            used = UsedData(card.data, card.contexts, card.place)
            client.log_inputs(parent, datasets=dataset_inputs(used))

    def _drop_tags(self, run: Run, *names: str) -> None:
        """Takes away what an earlier process has said: why it ended, what it trained."""
        for name in set(names) & run.data.tags.keys():
            self._connection.client.delete_tag(run.info.run_id, name)
