"""MLflow's runs: the search's parent run and the runs nested under it."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Run, RunTag

from hivenas.core.git import git_tags
from hivenas.core.recipe import package_version
from hivenas.core.tracked import Child, Closing, LoggedCandidate, Published, SearchCard, ServableModel, UsedData
from hivenas.core.tracker import Publisher
from hivenas.core.unicode import storable_record
from hivenas.errors import ConfigError, LostRunError, TrackingError
from hivenas.tracking.artifacts import drop_weights, keep_files
from hivenas.tracking.candidates import log_without_network
from hivenas.tracking.data_sets import dataset_inputs
from hivenas.tracking.entities import NOTE, linked, params_of
from hivenas.tracking.fetching import download
from hivenas.tracking.front import IS_ON_FRONT, mark_front
from hivenas.tracking.inherited import PARENT, Places, named_experiment, named_run
from hivenas.tracking.registry import LONGEST_TAG, published_on
from hivenas.tracking.running import IN_TRAINING, KEY, REASON, ChildRuns, close_as_dead
from hivenas.tracking.saved_view import save_view
from hivenas.tracking.store import (
    current_stores,
    fail_fast,
    found_run,
    prepare_store,
    shown_store,
    source_tags,
    translate_mlflow_errors,
)

logger = logging.getLogger("hivenas")


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
        self._experiment = experiment
        self._home = home
        self._command = command
        self._publisher = publisher
        self._drops = True  # until the store turns out to delete no files
        self._parent: str | None = None
        self.opened = ""  # the parent run that this process has set to RUNNING
        self._runs: dict[str, str] = {}

    @functools.cached_property
    def _client(self) -> mlflow.MlflowClient:
        prepare_store()
        return mlflow.MlflowClient()

    @functools.cached_property
    def _places(self) -> Places:
        return Places(self._client, self._experiment, self._home)

    @functools.cached_property
    def _children(self) -> ChildRuns:
        return ChildRuns(self._client, self._tags_of, self._make_child, self._run_of)

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
            if self._places.inherited.problem:
                raise ConfigError(self._places.inherited.problem)
            named_experiment(self._client, self._experiment)

    # -- the parent run of a search ----------------------------------------------------------------------------

    @property
    def project_run_id(self) -> str:
        """The run that `mlflow run` has made for this process; empty without one.

        It takes the store to know whether a run that the environment names is that; until that was asked it may be.
        """
        return self._places.own if "_places" in vars(self) else named_run()

    def resume_from(self, run_id: str, known: Mapping[str, str]) -> None:
        """Nests what follows under the parent of an earlier process, without asking the store.

        Args:
            run_id: the parent's id.
            known: ids of the runs that were tracked before, by key.
        """
        self._parent = run_id or None
        self._runs |= known

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
        card = storable_record(card)
        with translate_mlflow_errors():
            if run_id and self.require(run_id) != "active":
                logger.warning(
                    "the search's run %s was deleted in MLflow, so it goes on in a new one; hivenas sync --rehome "
                    "tells that what it does not have",
                    run_id,
                )
                run_id = ""
            inherited = self._places.inherited
            self._parent = run_id or self._places.found(card.uid) or inherited.own or self._created(card)
            self.opened = self._parent
            self._client.update_run(self._parent, status="RUNNING", name=self._places.name_for(self._parent, card.name))
            self._describe(card)
            if not run_id:
                save_view(
                    self._client, self._places.experiment_of(self._parent), self._experiment, minimize=card.minimize
                )
            if inherited.own and inherited.own != self._parent:
                self._client.set_tag(inherited.own, "hivenas.resumes", self._parent)
            if inherited.problem:
                logger.warning("%s. This search goes on in its own run", inherited.problem)
            return self._parent

    def require(self, run_id: str) -> str:
        """Makes sure that the parent run of a search is in this store; returns whether it is active or deleted.

        Raises:
            LostRunError: it is not; what it was to be told stays where it is.
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            if run := found_run(self._client, run_id):
                return str(run.info.lifecycle_stage)
        raise LostRunError(
            f"the run {run_id} of this search must be in the MLflow store, got {shown_store()} without it; "
            "set MLFLOW_TRACKING_URI to the store that the search began in (a relative one starts from the folder that "
            "it was started in); or, where the run was deleted for good or the store was set up anew, have everything "
            "told again in a new run by hivenas sync --rehome"
        )

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
            children = self._search(f"tags.`{PARENT}` = '{self._parent}' and attributes.status != 'FINISHED'")
            children = [run for run in children if run.info.status in {"RUNNING", "KILLED"}]
            pointers = self._search(f"tags.`hivenas.resumes` = '{self._parent}' and attributes.status = 'RUNNING'")
            dead = [run for run in children if run.info.status == "RUNNING" and run.data.tags.get(KEY) not in keeps]
            if dead and self._parent:
                self._drop_tags(self._client.get_run(self._parent), IN_TRAINING)
            dead += [run for run in pointers if run.info.run_id != named_run()]
            close_as_dead(self._client, dead)
            for run in children:
                self._children.take_up(run, is_left=run in dead or run.info.status == "KILLED")
            return len(dead)

    def close_abandoned(self, names: Collection[str]) -> None:
        """Closes what kills have left running of searches that were given up, and of trainings outside a search.

        Args:
            names: of the searches, or ids of their parent runs, or keys of the trainings.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            for name in names:
                parent = self._places.left(name)
                if parent and parent != named_run():
                    family = [self._client.get_run(parent), *self._search(f"tags.`{PARENT}` = '{parent}'", parent)]
                    close_as_dead(self._client, (run for run in family if run.info.status == "RUNNING"))

    def close_search(self, closing: Closing) -> None:
        """Ends the parent run, and the pointer to it where `mlflow run` made one for a resumption."""
        closing = storable_record(closing)
        with translate_mlflow_errors():
            self._children.end(closing.run_id)
            if not closing.reason:
                self._drop_tags(self._client.get_run(closing.run_id), REASON)
            finite = {key: value for key, value in closing.metrics.items() if math.isfinite(value)}
            final = [Metric(key, value, closing.end_ms, closing.step) for key, value in finite.items()]
            model = published_on(self._resolve(closing.trained)) if closing.trained else Published()
            tags = [RunTag(NOTE, self._linked(closing.named(model), closing.run_id))]
            if closing.reason:
                tags.append(RunTag(REASON, closing.reason[:LONGEST_TAG]))
            self._client.log_batch(closing.run_id, metrics=final, tags=tags)
            try:
                for file, folder in closing.artifacts:
                    if file.is_file():
                        self._client.log_artifact(closing.run_id, str(file), folder or None)
                self._drop(closing.delete_weights)
                if closing.front:
                    before = self._search(f"tags.`{PARENT}` = '{closing.run_id}' and {IS_ON_FRONT}")
                    mark_front(self._client, {self._resolve(key) for key in closing.front}, before)
            finally:  # where no files can be written the run is closed nevertheless
                self._client.set_terminated(closing.run_id, status=closing.status, end_time=closing.end_ms)
            if closing.pointer:
                self.point_to(closing.run_id, closing.pointer)

    def point_to(self, run_id: str, pointer: str) -> None:
        """Closes the run that `mlflow run` made for a resumption as a pointer to the search's own run."""
        with translate_mlflow_errors():
            self._places.point(pointer, run_id)

    def _created(self, card: SearchCard) -> str:
        tags = source_tags(self._command) | {"hivenas.uid": card.uid}
        above = self._places.above_search()
        tags |= {PARENT: above} if above else {}
        experiment = self._places.experiment_of(above)
        return str(self._client.create_run(experiment, run_name=card.name, tags=tags).info.run_id)

    def _describe(self, card: SearchCard) -> None:
        assert self._parent
        known = self._client.get_run(self._parent)
        params = [param for param in params_of(card.params) if param.key not in known.data.params]
        self._drop_tags(known, REASON, IN_TRAINING)
        tags = {"hivenas.search": card.name, "hivenas.phase": "search", "hivenas.version": package_version("hivenas")}
        tags |= {"hivenas.uid": card.uid} | git_tags()
        tags |= {NOTE: self._linked(card.note, self._parent)} if card.note else {}
        self._client.log_batch(self._parent, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
        self._client.log_text(self._parent, card.config_yaml, f"{card.name}.yaml")
        for picture in card.pictures:
            self._client.log_artifact(self._parent, str(picture), "plots")
        if card.data:
            used = UsedData(card.data, card.contexts, card.place)
            self._client.log_inputs(self._parent, datasets=dataset_inputs(used))

    def _drop_tags(self, run: Run, *names: str) -> None:
        """Takes away what an earlier process has said: why it ended, what it trained."""
        for name in set(names) & run.data.tags.keys():
            self._client.delete_tag(run.info.run_id, name)

    def _search(self, condition: str, beside: str = "") -> list[Run]:
        """Runs in the experiment of a run, by default of the one that is above new ones."""
        experiment = self._places.experiment_of(beside or self._parent or self._places.above_child())
        return list(self._client.search_runs([experiment], condition, max_results=1000))

    # -- nested runs -------------------------------------------------------------------------------------------

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """Tracks a finished evaluation: one call to make the run, one for its figures, one for its data, one a file."""
        child = storable_record(child)
        with translate_mlflow_errors():
            tags = self._tags_of(child)  # once: the store may be asked for the runs that they name
            run = self._children.of(child, tags, again=again)
            run_id = run.run_id
            child = replace(child, end_ms=run.completed_ms or child.end_ms)  # its figures are those that are there
            self._children.complete(child, run, params_of(child.params), tags)
            if child.used:
                self._client.log_inputs(run_id, datasets=dataset_inputs(child.used))
            keep_files(child, run.run.info.artifact_uri)
            self._drop(child.delete_weights)
            status = "FAILED" if child.failed else "FINISHED"
            self._client.set_terminated(run_id, status=status, end_time=child.end_ms)
            self._children.forget(child)
            if child.key:
                self._runs[child.key] = run_id
            self._tell_parent(child, again=again)
        return run_id

    def _tell_parent(self, child: Child, *, again: bool) -> None:
        """Adds to the parent's curves and, in the same request, replaces its description."""
        if not self._parent:
            return
        points = [Metric(k, v, child.end_ms, child.step) for k, v in child.progress.items() if math.isfinite(v)]
        # Of what is tracked again others may have told since.
        tags = [RunTag(NOTE, self._linked(child.overview, self._parent))] if child.overview and not again else []
        if points or tags:
            self._client.log_batch(self._parent, metrics=points, tags=tags)

    def _linked(self, note: str, parent: str) -> str:
        return linked(note, self._runs, self._places.experiment_of(parent)) if note else ""

    def _drop(self, keys: Iterable[str]) -> None:
        """Deletes the weights of children, if the store can."""
        for key in keys:
            run_id = self._run_of(key) if self._drops else ""
            if run_id and not drop_weights(self._client.get_run(run_id).info.artifact_uri):
                self._drops = False
                logger.warning(
                    "the MLflow store deletes no files, so weights that results.keep_weights does not keep stay there"
                )

    def publish(self, model: ServableModel, run: str) -> Published:
        """Has a model logged on the run with this id or key, and registered."""
        if self._publisher is None:
            raise TrackingError("a model can only be published where networks can be loaded")
        with translate_mlflow_errors():
            run_id = self._resolve(run)
        return self._publisher(model, run_id, current_stores())

    def log_candidate(self, candidate: LoggedCandidate, model: ServableModel | None = None) -> None:
        """Keeps a candidate as a logged model of its run, with its network where one is given and can be loaded."""
        candidate = storable_record(candidate)
        with translate_mlflow_errors():
            run_id = self._resolve(candidate.run)
            if not model or not self._publisher:
                log_without_network(self._client, candidate, run_id)
                return
        self._publisher(model, run_id, current_stores())

    def fetch(self, run: str, path: str, folder: Path) -> bool:
        """Downloads a file of the run with this id or key into a folder; returns whether it is there now.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            run_id = self._resolve(run)
        return download(self._client, run_id, path, folder)

    def show_running(self, children: Sequence[Child]) -> None:
        """Shows trainings that go on: a run each, a request for each that has new points, and who they are."""
        with translate_mlflow_errors():
            for child in map(storable_record, children):
                self._runs[child.key] = self._children.show(child)
            self._children.name(self._parent or "", ", ".join(child.name for child in children)[:LONGEST_TAG])

    def end_running(self) -> None:
        """Ends as KILLED what was shown and not tracked since."""
        with translate_mlflow_errors():
            self._children.end(self._parent or "")

    def _tags_of(self, child: Child) -> dict[str, str]:
        parent = self._parent or self._places.above_child()
        tags = {key: value[:LONGEST_TAG] for key, value in child.tags.items()}
        tags |= {tag: self._resolve(reference) for tag, reference in child.links.items()}
        tags |= source_tags(self._command) | {"hivenas.version": package_version("hivenas")}
        if child.key:
            tags[KEY] = child.key
        if parent:
            tags[PARENT] = parent
        if child.note:
            tags[NOTE] = self._linked(child.note, parent)
        return tags

    def _make_child(self, child: Child, tags: Mapping[str, str]) -> Run:
        start = child.start_ms or child.end_ms - int(1000 * child.metrics.get("seconds", 0.0))
        experiment = self._places.experiment_of(tags.get(PARENT, ""))
        return self._client.create_run(experiment, start_time=start, run_name=child.name, tags=dict(tags))

    def find(self, key: str) -> str:
        """The id of the run of the child with this key; empty where there is none.

        Raises:
            TrackingError: the store does not answer.
        """
        with translate_mlflow_errors():
            return self._run_of(key)

    def _resolve(self, reference: str) -> str:
        """The id of the run that a reference, an id or a key, stands for."""
        return (self._run_of(reference) or reference) if ":" in reference else reference

    def _run_of(self, key: str) -> str:
        """The id of the run of a child that was tracked before, by this process or another; empty without one."""
        if key and key not in self._runs:
            runs = self._search(f"tags.`{KEY}` = '{key}'")
            if not runs:
                return ""
            self._runs[key] = runs[0].info.run_id
        return self._runs.get(key, "")
