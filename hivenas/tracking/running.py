"""The nested runs of trainings that go on: they exist from the beginning, and their curves grow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import mlflow
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from hivenas.core.children import Child
from hivenas.tracking.entities import KEY, metrics_of
from hivenas.tracking.store import ABSENT, skip_deleted

REASON = "hivenas.reason"
IN_TRAINING = "hivenas.in_training"  # on the parent: names of the nested runs that go on
_LARGEST_BATCH = 800  # metrics; parameters and tags count towards MLflow's limit of 1,000 too
_DIED = "ended with the process that made it"
_COMPLETE = frozenset({"FINISHED", "FAILED"})
_MAKERS = ("mlflow.source.", "mlflow.user", "hivenas.version")


def close_as_dead(client: mlflow.MlflowClient, runs: Iterable[Run]) -> None:
    """Ends runs that a process has left: as KILLED those of evaluations, which may be made yet, else as FAILED."""
    for run in runs:
        client.set_tag(run.info.run_id, REASON, _DIED)
        client.set_terminated(run.info.run_id, status="KILLED" if KEY in run.data.tags else "FAILED")


@dataclass(slots=True)
class ChildRun:
    """The run of a child that is not complete yet.

    Args:
        run: as it was when it was made or found.
        tags: that it has, as far as is known.
        is_known: whether the store has no other points of it than `points`.
        points: the latest values of its curves by their names and steps, of those of which they are known.
        is_running: whether it is RUNNING, as far as is known.
        is_left: whether it was ended before it was complete, so that it is to be taken up again.
    """

    run: Run
    tags: dict[str, str]
    is_known: bool
    is_running: bool = True
    is_left: bool = False
    points: dict[str, dict[int, float]] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Its id."""
        return str(self.run.info.run_id)

    @property
    def completed_ms(self) -> int:
        """The time of its end, in milliseconds since 1970, where it was completed before; else 0."""
        return int(self.run.info.end_time or 0) if self.run.info.status in _COMPLETE else 0


class ChildRuns:
    """The runs of children until they are complete.

    MLflow keeps every point that it is told of, also one that it has; so of a curve only what is missing is told, or
    has come out otherwise than in an attempt before. Where a request has failed, which may have arrived nevertheless,
    the store is asked what it has.

    Args:
        client: of the store.
        tags_of: the tags of a child's run.
        make: makes the run of a child with these tags.
        find: the id of the run of a child by its key; empty where there is none.
    """

    def __init__(
        self,
        client: mlflow.MlflowClient,
        tags_of: Callable[[Child], dict[str, str]],
        make: Callable[[Child, Mapping[str, str]], Run],
        find: Callable[[str], str],
    ) -> None:
        self._client = client
        self._tags_of, self._make, self._find = tags_of, make, find
        self._runs: dict[str, ChildRun] = {}
        self._tried: set[str] = set()  # keys of those that are being made: they may be there
        self._named: str | None = None  # unknown: a process before may have named some

    def take_up(self, run: Run, *, is_left: bool) -> None:
        """Takes a run that an earlier process has left, for when its child is told of again."""
        if key := run.data.tags.get(KEY):
            tags = {REASON: _DIED} if is_left and run.info.status == "RUNNING" else {}
            known = dict(run.data.tags) | tags
            self._runs[key] = ChildRun(run, known, is_known=False, is_running=not is_left, is_left=is_left)

    def of(self, child: Child, tags: Mapping[str, str], *, again: bool = False) -> ChildRun:
        """The run of a child, which is made where there is none.

        Args:
            child: names it.
            tags: of its run.
            again: whether it may have been made before.
        """
        if known := self._runs.get(child.key) or self._runs.pop(child.shown_as, None):
            self._runs[child.key] = known
            return known
        found = self._find(child.key) if again or child.key in self._tried else ""
        found = found or (self._find(child.shown_as) if again and child.shown_as else "")
        self._tried.add(child.key)
        if found:
            run = self._client.get_run(found)
            made = ChildRun(run, dict(run.data.tags), is_known=False, is_running=run.info.status == "RUNNING")
        else:
            made = ChildRun(self._make(child, tags), dict(tags), is_known=True)
        if child.key:
            self._runs[child.key] = made
        return made

    def show(self, child: Child) -> str:
        """Shows a training that goes on, and the points that its curves lack; returns the run's id."""
        # A full training may have failed before, and is made anew on the same run.
        is_anew = child.tags.get("hivenas.phase") == "full_train"
        run = self._runs.get(child.key) or self.of(child, self._tags_of(child), again=is_anew)
        if not run.is_running:
            self._client.update_run(run.run_id, status="RUNNING")
            run.is_running = True
        self._take_up_again(run)
        if lacking := self._lacking(run, metrics_of(child)):
            self._log(run, lacking)
        return run.run_id

    def complete(self, child: Child, run: ChildRun, params: Sequence[Param], tags: Mapping[str, str]) -> None:
        """Adds all that a run lacks; one that an attempt before has left failed says so no more."""
        run.is_left |= REASON not in tags
        self._take_up_again(run)
        other = {key: text for key, text in tags.items() if run.tags.get(key) != text}
        # Of who has made it the first word counts.
        own = [RunTag(key, text) for key, text in other.items() if not (key in run.tags and key.startswith(_MAKERS))]
        self._log(run, self._lacking(run, metrics_of(child)), params, own)

    def forget(self, child: Child) -> None:
        """Lets go of a run that is complete."""
        self._runs.pop(child.key, None)
        self._tried.discard(child.key)

    def name(self, parent: str, names: str) -> None:
        """Has the parent name those that go on; a request where these are others than before."""
        if names == self._named or not parent:
            return
        if names:
            self._client.set_tag(parent, IN_TRAINING, names)
        else:
            self._drop_tag(parent, IN_TRAINING)
        self._named = names

    def end(self, parent: str) -> None:
        """Ends those that go on: their evaluations have not been recorded, and a resumption takes them up again."""
        for run in self._runs.values():
            if run.is_running:
                with skip_deleted():
                    self._client.set_terminated(run.run_id, status="KILLED")
                run.is_running, run.is_left = False, True
        self.name(parent, "")

    def _take_up_again(self, run: ChildRun) -> None:
        if run.is_left and REASON in run.tags:
            self._drop_tag(run.run_id, REASON)
            del run.tags[REASON]
        run.is_left = False

    def _drop_tag(self, run_id: str, name: str) -> None:
        """Deletes a tag; a request before, whose answer was lost, may have done so."""
        try:
            self._client.delete_tag(run_id, name)
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise

    def _lacking(self, run: ChildRun, metrics: Sequence[Metric]) -> list[Metric]:
        """The metrics that a run does not have; of what is no curve all, as those it has are the same."""
        for curve in {metric.key for metric in metrics if metric.step} - run.points.keys():
            history = [] if run.is_known else self._client.get_metric_history(run.run_id, curve)
            run.points[curve] = {
                int(point.step): point.value for point in sorted(history, key=lambda point: point.timestamp)
            }
        return [metric for metric in metrics if not metric.step or _is_other(metric, run.points[metric.key])]

    def _log(
        self, run: ChildRun, metrics: Sequence[Metric], params: Sequence[Param] = (), tags: Sequence[RunTag] = ()
    ) -> None:
        was_known, points = run.is_known, run.points
        run.is_known, run.points = False, {}  # until the store has answered
        self._client.log_batch(run.run_id, metrics=metrics[:_LARGEST_BATCH], params=params, tags=tags)
        for start in range(_LARGEST_BATCH, len(metrics), _LARGEST_BATCH):
            self._client.log_batch(run.run_id, metrics=metrics[start : start + _LARGEST_BATCH])
        for metric in metrics:
            points.setdefault(metric.key, {})[metric.step] = metric.value
        run.is_known, run.points = was_known, points


def _is_other(metric: Metric, points: Mapping[int, float]) -> bool:
    """True of a point that is not there, or with another value; of what is no number stores keep something else."""
    known = points.get(metric.step)
    return known is None or (math.isfinite(metric.value) and known != metric.value)
