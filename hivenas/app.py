"""The composition root: from a configuration to a search, a full training and a registered model."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.config import Config
from hivenas.core.evaluation import Evaluation, Proposal, decode_candidate
from hivenas.core.nas.datasets import check_path
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.search_space import decode
from hivenas.core.nas.stopping import judged_epochs
from hivenas.core.objective_interface import ObjectiveInterface
from hivenas.core.records import ResultsFolder, Row
from hivenas.core.seeds import derive_seed, drawn_seed
from hivenas.core.tracker import NullTracker, SearchCard
from hivenas.errors import ConfigError, DatasetError
from hivenas.execution import (
    Unlimited,
    augmented_examples,
    describe_data,
    make_executor,
    run_proposal,
    train_arch,
    train_best,
)
from hivenas.full_training import Trained, train_and_publish
from hivenas.reports import Summary, draw_augmentation, draw_plots, search_note
from hivenas.search import Search, SearchListener
from hivenas.storage import SearchStore, open_store, read_state

if TYPE_CHECKING:
    from hivenas.tracking import MlflowTracker

_GUARD_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration would do: size of the space, evaluations and epochs at the most, who flies.

    `share_within` is the estimated share of the space that `space.max_params` and `max_macs` admit; None without them.
    `judged` are the epochs after which a stopping rule may end a candidate's training.
    """

    space_size: int | None
    evaluations: int
    epochs: int
    employees: int
    onlookers: int
    share_within: float | None = None
    judged: range = range(0)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a search came to; `store` is the URI of the MLflow store that tracked it."""

    rows: tuple[Row, ...]
    summary: Summary
    run_id: str
    store: str
    minimize: bool
    trained: Trained | None


def plan(config: Config) -> Plan:
    """Checks a configuration beyond its file and says what a search would do.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing.
        DatasetError: a `dataset.path` that does not exist; with such limits also data that cannot be used.
    """
    colony = config.colony
    evaluations = colony.size * colony.iterations
    if config.objective != "nas":
        return Plan(None, evaluations, 0, colony.employees, colony.onlookers)
    check_path(config.dataset)
    with _naming(config):
        space = NASInterface.from_config(config, tracker=NullTracker()).search_space
    momentum = config.evaluation.momentum_epochs * colony.iterations
    epochs = evaluations * config.evaluation.epochs + momentum
    share = space.share_within(_GUARD_DRAWS, np.random.default_rng(0)) if space.bounded else None
    judged = judged_epochs(config.evaluation)
    return Plan(space.size, evaluations, epochs, colony.employees, colony.onlookers, share, judged)


def search(config: Config, listener: SearchListener, *, resume: bool = False, overwrite: bool = False) -> Finished:
    """Searches, fully trains the best candidate, tests it and registers the model.

    Args:
        config: the whole configuration.
        listener: is told of progress.
        resume: go on with the recorded search.
        overwrite: delete a recorded search first.

    Raises:
        InputError: the configuration, the data or the results folder do not allow it; nothing was trained.
        TrainingError: the full training failed; the search's records are kept.
    """
    plan(config)
    with open_store(config, drawn_seed(config.seed), resume=resume, overwrite=overwrite) as store:
        seeded = config.model_copy(update={"seed": store.state.seed})
        return _Run(seeded, store, listener).finish()


def train(config: Config, listener: SearchListener, *, from_weights: bool = False) -> Trained:
    """Fully trains the best recorded candidate and registers the model.

    Raises:
        MissingResultsError: no results, or no weights where they are needed.
        TrainingError: the training failed.
    """
    _refuse_numerical(config)
    plan(config)
    best = ResultsFolder(config.results.dir, config.name).best()
    listener.note(f"training {best.candidate} for {config.full_train.epochs} epochs")
    return _train_alone(config, lambda seeded: functools.partial(train_best, seeded, from_weights), config.model_name)


def train_custom(config: Config, arch: str, listener: SearchListener) -> Trained:
    """Fully trains a given architecture; it is tracked, not registered.

    Raises:
        ArchitectureError: a malformed architecture.
        TrainingError: the training failed.
    """
    _refuse_numerical(config)
    plan(config)
    decode(arch, NASInterface.from_config(config, tracker=NullTracker()).search_space.reference)
    listener.note(f"training {arch} for {config.full_train.epochs} epochs")
    return _train_alone(config, lambda seeded: functools.partial(train_arch, seeded, arch), None)


def draw_report(config: Config) -> tuple[list[Row], list[Path]]:
    """Draws the pictures of a recorded search, finished or not; it needs neither its data nor its operations.

    Raises:
        MissingResultsError: nothing was recorded.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    folder.best(minimizes(config))
    rows = folder.rows()
    return rows, draw_plots(rows, folder.plots, minimize=minimizes(config))


class _Run:
    """A search from its start, or where it was left, to the registered model."""

    def __init__(self, config: Config, store: SearchStore, listener: SearchListener) -> None:
        from hivenas.tracking import MlflowTracker

        self.config = config
        self.store = store
        self.listener = listener
        self.tracker: MlflowTracker = MlflowTracker(config.name, command="hivenas search")
        self.rng = np.random.default_rng(derive_seed(store.state.seed, "search"))
        self.objective = _objective(config, self.rng)
        self.minimize = self.objective.is_minimize

    def finish(self) -> Finished:
        """Does what is still to be done."""
        if self.store.state.stage != "search" and not self._has_flown():
            self.store.save(stage="search", trained=False)
        if self._is_done():
            self.listener.note(f"{self.store.folder.path} holds a finished search; nothing is left to do")
            self.tracker.point_to(self.store.state.run_id)
            return self._finished(None)
        numerical = self.config.objective != "nas"
        with make_executor(self.config.execution, self.store.folder.log, serial=numerical) as executor:
            data = {} if numerical else executor.submit(Unlimited(describe_data), self.config).result()
            self._refuse_other_data(data)
            pictures = [] if numerical else self._draw_augmentation(executor)
            card = SearchCard(self.config.name, self.config.flat(), self.store.folder.yaml, data, pictures)
            run_id = self.tracker.open_search(card, self.store.state.run_id or None)
            self.store.save(run_id=run_id, data=data.get("digest", ""))
            try:
                trained = self._search_and_train(executor, data)
            except BaseException as error:
                interrupted = isinstance(error, KeyboardInterrupt)
                self._close("KILLED" if interrupted else "FAILED", None)
                raise
            self._close("FINISHED", trained)
            self.store.save(stage="done", trained=trained is not None)
        return self._finished(trained)

    def _refuse_other_data(self, data: Mapping[str, Any]) -> None:
        """Files of the user's own may have changed since the search began; fitness would not be comparable."""
        before = self.store.state.data
        if before and data and data["digest"] != before:
            raise DatasetError(
                f"the images of {self.config.dataset.name} are not those that the search in {self.store.folder.path} "
                f"began with, got digest {data['digest']} instead of {before}; restore them, or start another search "
                "(--set name=…)"
            )

    def _draw_augmentation(self, executor: Executor) -> list[Path]:
        """A page of what networks are trained on, where that is not the images as they are."""
        augmentation = self.config.evaluation.augmentation
        if not augmentation.is_on:
            return []
        examples = executor.submit(Unlimited(augmented_examples), self.config).result()
        return [draw_augmentation(examples, augmentation, self.store.folder.plots)]

    def _has_flown(self) -> bool:
        """Whether every iteration was flown; a resumed configuration may ask for more than the recorded one."""
        colony = self.store.state.colony
        return colony is not None and colony["iteration"] >= self.config.colony.iterations

    def _trains(self) -> bool:
        """Whether the best candidate is to be trained fully."""
        return self.config.full_train.enabled and self.config.objective == "nas"

    def _is_done(self) -> bool:
        state = self.store.state
        return state.stage == "done" and (state.trained or not self._trains())

    def _search_and_train(self, executor: Executor, data: Mapping[str, Any]) -> Trained | None:
        evaluate: Callable[[Proposal], Evaluation] = self.objective.run
        if self.config.objective == "nas":
            evaluate = functools.partial(run_proposal, self.config)
        if self.store.state.stage == "search":
            self._fly(evaluate, executor)
            self.store.save(stage="full_train")
        if not self._trains():
            return None
        best = self.store.folder.best()
        self.listener.note(f"training the best for {self.config.full_train.epochs} epochs: {best.candidate}")
        call = functools.partial(train_best, self.config, False)
        name = self.config.model_name
        return train_and_publish(self.config, call, executor, self.tracker, name, self.store.state.run_id, data)

    def _fly(self, evaluate: Callable[[Proposal], Evaluation], executor: Executor) -> None:
        from hivenas.core.colony.colony import ArtificialBeeColony

        momentum_epochs = self.config.evaluation.momentum_epochs if self.config.objective == "nas" else 0
        colony = ArtificialBeeColony(self.objective, self.config.colony, self.rng, momentum_epochs=momentum_epochs)
        done = sum(row.phase == "evaluate" for row in self.store.rows)
        self.listener.started(self.config.colony.size * self.config.colony.iterations, done)
        Search(
            colony,
            evaluate,
            executor,
            self.store,
            self.tracker,
            self.listener,
            brief=self.objective.brief,
            params_of=functools.partial(_params, self.objective),
            minimize=self.minimize,
        ).run()

    def _summary(self) -> Summary:
        state = self.store.state
        seconds = sum(row.seconds for row in self.store.rows)
        return Summary.of(self.store.rows, reused=state.colony["reused"] if state.colony else 0, seconds=seconds)

    def _close(self, status: str, trained: Trained | None) -> None:
        summary = self._summary()
        metrics = summary.metrics()
        if trained:
            metrics["test_accuracy"] = trained.evaluation.extra["test_accuracy"]
        note = search_note(
            self.config.name,
            self.store.rows,
            summary,
            minimize=self.minimize,
            test_accuracy=metrics.get("test_accuracy"),
            model_uri=trained.model_uri if trained else "",
        )
        plots = draw_plots(self.store.rows, self.store.folder.plots, minimize=self.minimize)
        artifacts = [(self.store.folder.csv, ""), *((file, "plots") for file in plots)]
        self.tracker.close_search(status, metrics, note, artifacts)

    def _finished(self, trained: Trained | None) -> Finished:
        from hivenas.tracking import current_stores

        run_id, uri = self.store.state.run_id, current_stores()[0]
        return Finished(tuple(self.store.rows), self._summary(), run_id, uri, self.minimize, trained)


def _objective(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    from hivenas.benchmarks.numerical import Rosenbrock, Sphere

    if config.objective == "sphere_min":
        return Sphere(rng=rng)
    if config.objective == "sphere_max":
        return Sphere(rng=rng, minimize=False)
    if config.objective == "rosenbrock":
        return Rosenbrock(rng=rng)
    with _naming(config):
        return NASInterface.from_config(config, tracker=NullTracker(), rng=rng)


def minimizes(config: Config) -> bool:
    """Whether the configured objective is better when smaller."""
    return config.objective in ("sphere_min", "rosenbrock")


def _refuse_numerical(config: Config) -> None:
    if config.objective != "nas":
        raise ConfigError(
            f"a full training needs objective: nas, got objective={config.objective}"
            f"{f' ({config.source})' if config.source else ''}; there is no network to train"
        )


def _params(objective: ObjectiveInterface, candidate: str) -> dict[str, str]:
    if isinstance(objective, NASInterface):
        return objective.operation_params(candidate)
    return {f"x_{i:02d}": repr(value) for i, value in enumerate(decode_candidate(candidate))}


def _train_alone(
    config: Config, call_of: Callable[[Config], Callable[[], Evaluation]], register_as: str | None
) -> Trained:
    """A full training outside a search: with the seed and under the run of the recorded search, if there is one."""
    from hivenas.tracking import MlflowTracker, prepare_store

    prepare_store()
    state = read_state(config)
    recorded = state.seed if state and config.seed is None else config.seed
    seeded = config.model_copy(update={"seed": drawn_seed(recorded)})
    with make_executor(config.execution, ResultsFolder(config.results.dir, config.name).log) as executor:
        data = executor.submit(Unlimited(describe_data), seeded).result()
        run_id = state.run_id if state else ""
        tracker = MlflowTracker(config.name, home=run_id, command="hivenas train")
        return train_and_publish(seeded, call_of(seeded), executor, tracker, register_as, run_id, data)


@contextlib.contextmanager
def _naming(config: Config) -> Iterator[None]:
    """Adds the configuration's file, and its own names of keys, to errors that are found after it was read."""
    try:
        yield
    except ConfigError as error:
        message = config.as_written(str(error))
        if not config.source or config.source in message:
            raise type(error)(message) from None
        rule, _, way_out = message.partition("; ")
        raise type(error)(f"{rule} ({config.source}){f'; {way_out}' if way_out else ''}") from None
