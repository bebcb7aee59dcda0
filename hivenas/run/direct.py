"""Calls of `NASInterface` from Python: each is recorded in a results folder of its own, and tracked."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hivenas.config import Config
from hivenas.core.children import Child, Page, RunContext, UsedData, child_of, link_to
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.recipe import Recipe
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal, Trial
from hivenas.core.tracker import Tracker
from hivenas.errors import TrackingError
from hivenas.reports.attempts import attempted
from hivenas.reports.candidate import CandidatePages
from hivenas.run.used_data import used_data
from hivenas.storage import Ledger, best_recorded, open_adhoc, open_folder, recorded_digest

logger = logging.getLogger("hivenas")


class Interface(Protocol):
    """The parts of `NASInterface` that calls are made of."""

    search_space: NASSearchSpace

    @property
    def eval_strategy(self) -> Any:
        """The NASEval that trains candidates."""
        ...

    def fully_train(self, arch_str: str, weights_filename: str | None = None, *, resume: bool = True) -> Evaluation:
        """Trains an architecture fully."""
        ...

    def run_params(self, candidate: Candidate) -> dict[str, str]:
        """A candidate as run parameters."""
        ...

    def saved_states(self, evaluation: Evaluation) -> Sequence[str]:
        """Names of an evaluation's files."""
        ...


class DirectCalls:
    """Trains candidates in this process, records what came of them and tracks them.

    The results folder is locked in the meantime, and one that holds a search is refused before anything is trained.

    Args:
        config: the interface's configuration, with the run's seed.
        interface: trains.
        tracker: where runs are tracked; None for the configured tracker.
        thread: the one that has made the interface, whose active run is above runs of threads that have none.
    """

    def __init__(self, config: Config, interface: Interface, tracker: Tracker | None, *, thread: int) -> None:
        self._config = config
        self._interface = interface
        self._given = tracker
        self._made: tuple[tuple[str, tuple[str, str]], Tracker] | None = None  # for which run and stores
        self._thread = thread
        self._results = ResultsFolder(config.results.dir, config.name)

    def evaluate(self, candidate: str) -> Evaluation:
        """Trains and scores a candidate; see `NASInterface.evaluate`."""
        self._interface.search_space.parse(candidate)  # what is refused leaves no folder
        self._check_place()
        with open_adhoc(self._config) as ledger:
            evaluation: Evaluation = self._interface.eval_strategy.evaluate(candidate)
            proposal = Proposal(len(ledger.trials), 0, role="employee", role_id=0, candidate=evaluation.candidate)
            self._record(ledger, proposal, evaluation)
        return evaluation

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> Evaluation:
        """Continues an evaluated candidate's training; see `NASInterface.momentum_eval`."""
        self._interface.search_space.parse(candidate)
        self._check_place()
        with open_adhoc(self._config) as ledger:
            before = [trial for trial in ledger.trials if trial.candidate == candidate and not trial.failed]
            evaluation: Evaluation = self._interface.eval_strategy.momentum_eval(candidate, weights_filename, m_epochs)
            proposal = Proposal(
                len(ledger.trials),
                0,
                role="employee",
                role_id=0,
                candidate=evaluation.candidate,
                center_fitness=before[-1].fitness if before else None,
                momentum_epochs=m_epochs,
            )
            self._record(ledger, proposal, evaluation, continues=before[-1].run_id if before else "")
        return evaluation

    def fully_train_best(self, *, from_arch: bool) -> Evaluation:
        """Fully trains the best recorded candidate, of a search too; see `NASInterface.fully_train_best_model`."""
        best = best_recorded(self._results, Direction.of(self._config.evaluation.metric.minimize))
        weights = None if from_arch else best.weights_filename
        return self._fully_train(lambda: self._interface.fully_train(str(best.candidate), weights, resume=False))

    def fully_train(self, arch: str) -> Evaluation:
        """Fully trains a given architecture; see `NASInterface.train_custom_arch`."""
        decode(arch, self._interface.search_space.reference)
        self._config.of(arch)  # refuses settings that cannot be
        return self._fully_train(lambda: self._interface.fully_train(arch, resume=False))

    def _fully_train(self, train: Callable[[], Evaluation]) -> Evaluation:
        self._check_place()
        with open_folder(self._config, make=True) as ledger:
            if digest := recorded_digest(ledger, self._config):
                self._interface.eval_strategy.training_data.refuse_others(digest)
            evaluation = train()
            self._track(self._child(None, evaluation))
            ledger.folder.drop_checkpoints(str(evaluation.candidate))
        return evaluation

    def _record(self, ledger: Ledger, proposal: Proposal, evaluation: Evaluation, *, continues: str = "") -> None:
        run_id = self._track(self._child(proposal, evaluation, continues))
        ledger.record(Trial(proposal, evaluation, run_id))
        ledger.folder.drop_checkpoints(str(evaluation.candidate))

    def _child(self, proposal: Proposal | None, evaluation: Evaluation, continues: str = "") -> Child:
        origin = link_to(continues, "an earlier training") if continues else "an earlier training"
        data = self._interface.eval_strategy.data
        sizes = {"shape": data.shape, "classes": data.classes}

        def page() -> Page:
            return CandidatePages.of_space(self._config, sizes).of(proposal, evaluation, origin=origin)

        context = RunContext(
            search=self._config.name,
            phase=proposal.phase if proposal else "full_train",
            params=self._interface.run_params(evaluation.candidate),
            weights=self._files(evaluation),
            continues=continues,
            recipe=Recipe.of(self._config, evaluation, proposal).to_text(),
            page=attempted("the page of an evaluation", page, Page()),
            used=self._used(whole=proposal is None),
        )
        return child_of(proposal, evaluation, context)

    def _used(self, *, whole: bool) -> UsedData | None:
        """The data, the test split among them for a full training."""
        data = self._interface.eval_strategy.data
        known: dict[str, Any] = {"name": data.name, "digest": data.digest(), "shape": list(data.shape)}
        known |= {"dtype": str(data.x_train.dtype), "classes": data.classes}
        known |= {"train": len(data.x_train), "validation": len(data.x_val)}
        if not whole:
            return used_data(self._config, known, "training", "validation")
        known |= {"test_digest": data.test_digest(), "test": len(data.x_test)}
        return used_data(self._config, known, "training", "validation", "testing")

    def _files(self, evaluation: Evaluation) -> Sequence[Path]:
        return [self._results.weights / name for name in self._interface.saved_states(evaluation)]

    def _track(self, child: Child) -> str:
        """The id of the run; an hour of training is not thrown away because nobody could be told of it."""
        try:
            return self._tracker().log_child(child)
        except TrackingError as error:
            logger.warning("%s; %s is recorded in %s, untracked", error, child.name, self._results.path)
            return ""

    def _tracker(self) -> Tracker:
        """The tracker given, or one of the configured kind for the run that is active where the interface was made."""
        if self._given is not None:
            return self._given
        from hivenas.tracking import make_tracker
        from hivenas.tracking.active import active_run_of

        stores = ("", "")
        if self._config.tracking == "mlflow":  # others do without it
            from hivenas.tracking.store import current_stores

            stores = current_stores()
        home = active_run_of(self._thread)
        place = home, stores
        if self._made is None or self._made[0] != place:
            self._made = place, make_tracker(self._config, home=home)
        return self._made[1]

    def _check_place(self) -> None:
        """Refuses a run of the environment's that is not there, before anything is trained.

        Raises:
            ConfigError: names the variable.
        """
        tracker = self._tracker()
        if not tracker.project_run_id:
            return
        with contextlib.suppress(TrackingError):  # which is said when there is something to be told
            tracker.prepare()
