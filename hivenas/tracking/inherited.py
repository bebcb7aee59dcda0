"""The places that others name for a run: variables of the environment, and runs that are active here."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shlex
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils import name_utils

from hivenas.core.clock import now_ms
from hivenas.errors import ConfigError, TrackingRefusedError
from hivenas.tracking.active import active_run_of, main_thread
from hivenas.tracking.entities import KEY, NOTE, UID, make_experiment
from hivenas.tracking.store import ABSENT, tagged_run, translate_mlflow_errors

PARENT = "mlflow.parentRunId"
_RUN, _NAME, _ID = "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"
_COMMANDS = {"main": "search"}  # of the project's entry points that are not named after theirs
_FOLDER = "-C"  # as MLproject gives it
_NAMELESS = ("", "..")  # of . and .., which become paths with names
_NO_SUCH = frozenset({ABSENT, "INVALID_PARAMETER_VALUE"})  # the latter of an id that cannot be one

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class InheritedRun:
    """The run that MLFLOW_RUN_ID names.

    The variable says nothing of whose run it is: `mlflow run` sets it for the command that it starts, and every process
    below inherits it, as it does where a script has set it or a shell has kept it.

    Args:
        own: its id, where it was made for this very command and nothing is in it yet; empty otherwise.
        other: its id, where it is somebody else's; empty otherwise.
        ended: how somebody else's run has ended, such as FINISHED; empty where it has not.
        problem: why there is no such run, with the way out; empty otherwise.
    """

    own: str = ""
    other: str = ""
    ended: str = ""
    problem: str = ""


def named_run() -> str:
    """The id in MLFLOW_RUN_ID; empty without one."""
    return os.environ.get(_RUN, "").strip()


def inherited_run(client: MlflowClient) -> InheritedRun:
    """Looks at the run that MLFLOW_RUN_ID names.

    Raises:
        MlflowException: the store does not answer.
    """
    run_id = named_run()
    if not run_id:
        return InheritedRun()
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in _NO_SUCH:
            raise
        return InheritedRun(problem=_problem(run_id, "which is not in the MLflow store"))
    if run.info.lifecycle_stage != "active":
        return InheritedRun(problem=_problem(run_id, "a run that was deleted"))
    if _is_for(run, sys.argv) and _is_untouched(client, run):
        return InheritedRun(own=run_id)
    return InheritedRun(other=run_id, ended="" if run.info.status == "RUNNING" else run.info.status)


def _problem(run_id: str, what: str) -> str:
    return f"{_RUN} must name a run of this MLflow store, got {run_id!r}, {what}; unset {_RUN}, or correct it"


def _is_for(run: Run, argv: Sequence[str]) -> bool:
    """True for a run that `mlflow run` has made of this project, for the command with these arguments."""
    tags, program = run.data.tags, Path(argv[0] if argv else "")
    is_command = program.stem == "hivenas" or (program.name == "__main__.py" and program.parent.name == "hivenas")
    entry = tags.get("mlflow.project.entryPoint", "")
    command = argv[3:4] if argv[1:2] == [_FOLDER] else argv[1:2]
    if not is_command or tags.get("mlflow.source.type") != "PROJECT" or command != [_COMMANDS.get(entry, entry)]:
        return False
    # Another project's run may have a command of hivenas among others, which come after it.
    is_ours = bool(declared := _parameters(entry)) and declared <= run.data.params.keys()
    return is_ours and all(_is_given(value, argv[1:]) for value in run.data.params.values())


def _is_drawn(name: str) -> bool:
    """True for a name that MLflow has drawn, such as `bold-fox-123`, or for none; as far as its words are known."""
    words = getattr(name_utils, "_GENERATOR_PREDICATES", ()), getattr(name_utils, "_GENERATOR_NOUNS", ())
    first, _, rest = name.partition("-")
    second, _, number = rest.rpartition("-")
    return not name or (number.isdigit() and first in words[0] and second in words[1])


def _parameters(entry: str) -> set[str]:
    """The parameters of an entry point of this project; none where hivenas does not run from its project."""
    file = Path(__file__).parents[2] / "MLproject"
    try:
        project = yaml.safe_load(file.read_text(encoding="utf-8"))
        return set(project["entry_points"][entry]["parameters"])
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return set()


def _is_given(value: str, arguments: Sequence[str]) -> bool:
    """True where a parameter of the project is among the arguments.

    MLflow writes it down as a shell would need it, quoted; a path arrives among the arguments made absolute.
    """
    given = [text for argument in arguments for text in (argument, argument.partition("=")[2])]
    with contextlib.suppress(ValueError):  # of one that was not quoted
        value = " ".join(shlex.split(value))
    paths = [Path(text) for text in given if text]
    if value and Path(value).name in _NAMELESS:
        return any(path.is_absolute() for path in paths)
    return value in given or (bool(value) and Path(value).name in {path.name for path in paths})


def _is_untouched(client: MlflowClient, run: Run) -> bool:
    """True where nothing is in a run but what `mlflow run` has put there."""
    foreign_tags = [tag for tag in run.data.tags if not tag.startswith("mlflow.") or tag == NOTE]
    if run.info.status != "RUNNING" or run.data.metrics or foreign_tags:
        return False
    if run.inputs and (run.inputs.dataset_inputs or run.inputs.model_inputs):
        return False
    nested = f"tags.`{PARENT}` = '{run.info.run_id}'"
    return not client.search_runs([run.info.experiment_id], nested, max_results=1)


def named_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """The experiment for runs without a parent: the environment's, as MLflow understands it, else one of a name.

    Args:
        client: asks the store.
        name: of the configuration.

    Returns:
        The experiment; None where it is not there yet.

    Raises:
        ConfigError: MLFLOW_EXPERIMENT_ID names none, or another one than MLFLOW_EXPERIMENT_NAME.
    """
    wanted, number = os.environ.get(_NAME, ""), os.environ.get(_ID, "")
    found: Experiment | None = client.get_experiment_by_name(wanted or name) if wanted or not number else None
    if not number:
        return found
    if wanted:
        if found is None or str(found.experiment_id) != number:
            raise ConfigError(
                f"{_NAME} and {_ID} must name one experiment, got {wanted!r} and {number!r}; unset one of them"
            )
        return found
    try:
        return client.get_experiment(number)
    except MlflowException as error:
        if error.error_code not in _NO_SUCH:
            raise
        raise ConfigError(
            f"{_ID} must name an experiment of this MLflow store, got {number!r}; unset {_ID}, or correct it"
        ) from None


def experiment_for(client: MlflowClient, name: str) -> str:
    """The id of the experiment for runs without a parent, which is made where there is none.

    Raises:
        ConfigError: the environment names none.
        TrackingRefusedError: it was deleted.
    """
    found = named_experiment(client, name)
    wanted = os.environ.get(_NAME, "") or name
    if found is None:
        found = client.get_experiment(make_experiment(client, wanted))
    if found.name != name:
        logger.info("the environment names the experiment %r, where runs go in the place of %r", found.name, name)
    if found.lifecycle_stage != "active":
        raise TrackingRefusedError(
            f"the experiment {found.name!r} was deleted in MLflow; restore it (mlflow experiments restore "
            f"-x {found.experiment_id}), name another ({_NAME}=…) or choose another name (--set name=…)"
        )
    return str(found.experiment_id)


class Places:
    """The experiments of runs, and the runs above them.

    Args:
        client: asks the store.
        experiment: of runs without a parent, unless the environment names another.
        home: run under which children are nested where neither a run is active in the calling thread nor `mlflow run`
            has made one for this process; empty for none.
    """

    def __init__(self, client: MlflowClient, experiment: str, home: str) -> None:
        self._client = client
        self._experiment = experiment
        self._home = home
        self._experiments: dict[str, str] = {}

    @functools.cached_property
    def inherited(self) -> InheritedRun:
        """The run that the environment names, as it was when it was first asked for."""
        return inherited_run(self._client)

    @property
    def own(self) -> str:
        """The run that was made for this command; as long as the store was not asked, the one that may be."""
        return self.inherited.own if "inherited" in vars(self) else named_run()

    def experiment_of(self, parent: str) -> str:
        """The id of the experiment of runs below a parent, beside it; of those without one."""
        if parent not in self._experiments:
            self._experiments[parent] = (
                str(self._client.get_run(parent).info.experiment_id)
                if parent
                else experiment_for(self._client, self._experiment)
            )
        return self._experiments[parent]

    def above_search(self) -> str:
        """The run of somebody else under which a new search is nested; empty for none."""
        other, ended = self.inherited.other, self.inherited.ended
        if other:
            logger.log(
                logging.WARNING if ended else logging.INFO,
                "MLFLOW_RUN_ID names the run %s, which is not this command's%s; the search gets a run of its own below "
                "it. For one that stands by itself, unset MLFLOW_RUN_ID",
                other,
                f" and has ended ({ended})" if ended else "",
            )
        return other

    def above_child(self) -> str:
        """The run under which a child is nested that belongs to no search of this process; empty for none."""
        own = active_run_of(threading.get_ident()) or self.inherited.own
        home = self._home if not own and self._home and self.has(self._home) else ""
        return own or home or active_run_of(main_thread()) or self.inherited.other

    def found(self, uid: str) -> str:
        """The parent run that a process made which was killed before it could write down the run's id."""
        named = named_experiment(self._client, self._experiment)
        homes = {str(named.experiment_id)} if named else set()
        homes |= {self.experiment_of(self.inherited.other)} if self.inherited.other else set()
        run = tagged_run(self._client, homes, UID, uid) if uid else None
        return str(run.info.run_id) if run else ""

    def left(self, name: str) -> str:
        """The run that was left, by its id, the name of its search, or the key of a child, wherever that was made."""
        if ":" not in name and self.has(name):
            return name
        run = tagged_run(self._client, self._everywhere, KEY if ":" in name else UID, name)
        return str(run.info.run_id) if run else ""

    @functools.cached_property
    def _everywhere(self) -> list[str]:
        """The ids of all experiments, as they were when they were first asked for."""
        return [str(each.experiment_id) for each in self._client.search_experiments()]

    def name_for(self, run_id: str, name: str) -> str | None:
        """The name that a run is to get: that of the search where `mlflow run` has made it and nobody has named it.

        Args:
            run_id: of the search's run.
            name: of the search.

        Returns:
            None to leave it as it is.
        """
        if run_id != self.inherited.own:
            return None
        return name if _is_drawn(str(self._client.get_run(run_id).info.run_name or "")) else None

    def has(self, run_id: str) -> bool:
        """True where a run is in the store, and not deleted.

        Raises:
            TrackingError: the store does not answer.
        """
        try:
            with translate_mlflow_errors():
                return str(self._client.get_run(run_id).info.lifecycle_stage) == "active"
        except TrackingRefusedError:
            return False

    def point(self, pointer: str, run_id: str) -> None:
        """Closes the run that `mlflow run` made for a resumption as a pointer to the search's own run.

        Args:
            pointer: that run; somebody else's is left alone.
            run_id: of the search.
        """
        if not pointer or pointer == run_id or not self.has(run_id) or not self.has(pointer):
            return
        tags = self._client.get_run(pointer).data.tags
        if pointer != self.inherited.own and tags.get("hivenas.resumes") != run_id:
            return
        search = self._client.get_run(run_id)
        end = search.info.end_time or now_ms()
        final = [Metric(key, value, end, 0) for key, value in search.data.metrics.items()]
        note = f"Resumed the search of run `{run_id}`; everything is there."
        self._client.log_batch(pointer, metrics=final, tags=[RunTag("hivenas.resumes", run_id), RunTag(NOTE, note)])
        self._client.set_terminated(pointer, status=search.info.status)
