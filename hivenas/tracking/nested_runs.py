"""The runs nested under a search's, or under the run that is active: shown, completed, and relieved of weights."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mlflow.entities import Metric, Run, RunTag

from hivenas.core.children import Child
from hivenas.core.recipe import package_version
from hivenas.errors import TrackingDeniedError, TrackingRefusedError
from hivenas.tracking.artifacts import drop_weights, keep_files
from hivenas.tracking.connection import Connection
from hivenas.tracking.data_sets import dataset_inputs
from hivenas.tracking.entities import KEY, LONGEST_TAG, NOTE, params_of
from hivenas.tracking.inherited import PARENT
from hivenas.tracking.known_runs import KnownRuns
from hivenas.tracking.running import ChildRuns
from hivenas.tracking.store import found_run, source_tags, translate_mlflow_errors

logger = logging.getLogger("hivenas")

_TRIES = 3  # an error of a server may pass, or be all that it says of files that it may not delete


class NestedRuns:
    """The runs of children, whose ids it has `known` remember.

    Args:
        connection: to the store.
        known: the parent, and the runs of children that were tracked before.
        command: what runs name as their source.
    """

    def __init__(self, connection: Connection, known: KnownRuns, command: str) -> None:
        self._connection = connection
        self._known = known
        self._command = command
        self._undeleted = 0  # requests in a row to delete weights that the store has failed to carry out

    @functools.cached_property
    def _incomplete(self) -> ChildRuns:
        return ChildRuns(self._connection.client, self._tags_of, self._make, self._known.find)

    def log(self, child: Child, *, again: bool) -> str:
        """Tracks a finished evaluation: one call to make the run, one for its figures, one for its data, one a file."""
        client = self._connection.client
        tags = self._tags_of(child)  # once: the store may be asked for the runs that they name
        run = self._incomplete.of(child, tags, again=again)
        status = "FAILED" if child.failed else "FINISHED"
        if run.run.info.status == status:  # its figures are those that are there
            child = replace(child, end_ms=run.completed_ms or child.end_ms)
        with self._ended_without_key(child, run.run_id):
            self._incomplete.complete(child, run, params_of(child.params), tags)
            if child.used:
                client.log_inputs(run.run_id, datasets=dataset_inputs(child.used))
            keep_files(child, run.run.info.artifact_uri)
        client.set_terminated(run.run_id, status=status, end_time=child.end_ms)
        self.drop_weights(child.delete_weights)
        self._incomplete.forget(child)
        self._known.take({child.key: run.run_id})
        self._tell_parent(child, again=again)
        return run.run_id

    @contextlib.contextmanager
    def _ended_without_key(self, child: Child, run_id: str) -> Iterator[None]:
        """Ends a run that the store takes in part, where nobody finds it again to tell the rest."""
        try:
            with translate_mlflow_errors():
                yield
        except (TrackingDeniedError, TrackingRefusedError, OSError):  # else the store is away, and hears nothing of it
            if not child.key:
                with contextlib.suppress(Exception):
                    self._connection.client.set_terminated(run_id, status="FAILED")
            raise

    def show(self, children: Sequence[Child]) -> None:
        """Shows trainings that go on: a run each, a request for each that has new points, and who they are."""
        for child in children:
            self._known.take({child.key: self._incomplete.show(child)})
        self._incomplete.name(self._known.parent, ", ".join(child.name for child in children)[:LONGEST_TAG])

    def end(self, parent: str = "") -> None:
        """Ends as KILLED what was shown and not tracked since; by default below the search's own run."""
        self._incomplete.end(parent or self._known.parent)

    def take_up(self, run: Run, *, is_left: bool) -> None:
        """Takes a run that an earlier process has left, for when its child is told of again."""
        self._incomplete.take_up(run, is_left=is_left)

    def drop_weights(self, keys: Iterable[str]) -> None:
        """Deletes the weights of children, if the store can; one that has not done so a few times is asked no more."""
        for key in keys:
            run_id = self._known.find(key) if self._undeleted < _TRIES else ""
            run = found_run(self._connection.client, run_id) if run_id else None
            if not run:
                continue
            done = drop_weights(run.info.artifact_uri)
            self._undeleted = 0 if done else _TRIES if done is False else self._undeleted + 1
            if self._undeleted == _TRIES:
                logger.warning(
                    "the MLflow store deletes no files, so weights that results.keep_weights does not keep stay there"
                )

    def _tell_parent(self, child: Child, *, again: bool) -> None:
        """Adds to the parent's curves and, in the same request, replaces its description."""
        parent = self._known.parent
        if not parent:
            return
        at_ms = child.progress_ms or child.end_ms
        points = [Metric(k, v, at_ms, child.step) for k, v in child.progress.items() if math.isfinite(v)]
        # Of what is tracked again others may have told since.
        tags = [RunTag(NOTE, self._known.linked(child.overview, parent))] if child.overview and not again else []
        if points or tags:
            self._connection.client.log_batch(parent, metrics=points, tags=tags)

    def _tags_of(self, child: Child) -> dict[str, str]:
        parent = self._known.above_child
        tags = {key: value[:LONGEST_TAG] for key, value in child.tags.items()}
        tags |= {tag: self._known.resolve(reference) for tag, reference in child.links.items()}
        tags |= source_tags(self._command) | {"hivenas.version": package_version("hivenas")}
        optional = {KEY: child.key, PARENT: parent, NOTE: self._known.linked(child.note, parent)}
        return tags | {tag: text for tag, text in optional.items() if text}

    def _make(self, child: Child, tags: Mapping[str, str]) -> Run:
        start = child.start_ms or child.end_ms - int(1000 * child.metrics.get("seconds", 0.0))
        experiment = self._connection.places.experiment_of(tags.get(PARENT, ""))
        return self._connection.client.create_run(experiment, start_time=start, run_name=child.name, tags=dict(tags))
