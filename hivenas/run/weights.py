"""The saved states of a search: those that are kept (`results.keep_weights`), and those brought back from MLflow."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import Sequence

from hivenas.config.costs import Cost
from hivenas.core.front import front
from hivenas.core.history import ranking
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Direction, Proposal, Trial
from hivenas.core.tracker import Tracker
from hivenas.errors import TrackingError
from hivenas.run.callbacks import Callback, RunningSearch
from hivenas.storage import Ledger

logger = logging.getLogger("hivenas")


class Retention:
    """Says of a search's trials, as they come, whose saved states are not to be kept any longer.

    Nothing that the search may still start from is given up. Momentum evaluation may continue any candidate, a ladder
    any that is paused, and a neighbour may inherit from any other, until the last iteration has been run: with one of
    them, every state is kept until then. Without them nothing starts from a saved state, and what is not among the best
    is evicted at once. Neither a resumption nor the full training of a search needs one: a killed training goes on from
    its checkpoint, the full one starts from scratch; `hivenas train --from-weights` needs that of the best candidate.

    Args:
        keep: of how many candidates, the best ones; None for all.
        direction: where a better fitness lies.
        needed_later: whether the search may start from saved states, with momentum evaluation, a ladder or inheritance.
        costs: what is weighed against the fitness: beside the best, the members of the front keep theirs, unless no
            candidate does.
    """

    def __init__(
        self, keep: int | None, direction: Direction, *, needed_later: bool = False, costs: Sequence[Cost] = ()
    ) -> None:
        self.keep = keep
        self.needed_later = needed_later
        self._direction = direction
        self._costs = costs
        self._on_front: list[Trial] = []  # beside the best
        self._best: list[tuple[float, int, Trial]] = []

    def take(self, trial: Trial) -> list[Trial]:
        """Takes the next trial; returns whose states are to go now, perhaps its own."""
        if self.keep is None or self.needed_later or trial.failed or not trial.weights_filename:
            return []
        insort(self._best, (-self._direction.score(trial.fitness), trial.index, trial))
        others = [*self._on_front, *(each for _, _, each in self._best[self.keep :])]
        del self._best[self.keep :]
        members = self._members([*(each for _, _, each in self._best), *others])
        self._on_front = [each for each in others if each.index in members]
        return [each for each in others if each.index not in members]

    def _members(self, trials: Sequence[Trial]) -> set[int]:
        """The numbers of the trials that are on the front of some, where its members keep their states."""
        if not self._costs or not self.keep:
            return set()
        return {trial.index for trial in front(trials, self._direction, *self._costs)}

    def to_delete(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials whose states do not outlast the search: all but the latest of the best and of the front."""
        if self.keep is None:
            return []
        kept = {trial.index for trial in ranking(trials, self._direction)[: self.keep]} | self._members(trials)
        return [trial for trial in trials if trial.weights_filename and trial.index not in kept]


class WeightsKeeper(Callback):
    """Deletes saved states that are not kept, and brings those that a proposal starts from out of the tracker's store.

    Args:
        ledger: the search's record.
        objective: names the files of an evaluation.
        retention: whose states are kept.
        tracker: has the files that are not on this machine.
    """

    def __init__(self, ledger: Ledger, objective: ObjectiveInterface, retention: Retention, tracker: Tracker) -> None:
        self._ledger = ledger
        self._objective = objective
        self._retention = retention
        self._tracker = tracker
        self._evicted: list[Trial] = []  # whose saved states go with the next trial

    def on_start(self, search: RunningSearch) -> None:
        """Finds what an earlier process, or another setting, has left; its messages have deleted the rest."""
        for trial in search.trials:
            self._evicted += [evicted for evicted in self._retention.take(trial) if self._has_states(evicted)]

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Makes sure that the saved states which proposals start from are on this machine."""
        for proposal in proposals:
            self._fetch(proposal)

    def on_record(self, trial: Trial) -> None:
        """Notes whose saved states go because of a trial, perhaps its own."""
        self._evicted += self._retention.take(trial)

    def on_trial(self, trial: Trial) -> None:
        """Deletes them: the message which has the tracker do so is in the ledger."""
        for evicted in self._evicted:
            self._ledger.folder.drop_weights(self._objective.saved_states(evicted.evaluation))
        self._evicted = []

    @property
    def evicted(self) -> Sequence[Trial]:
        """The trials whose saved states go with the trial that is being recorded."""
        return self._evicted

    @property
    def gives_up(self) -> bool:
        """True where the end of the search deletes states that further iterations would start from."""
        return self._retention.needed_later and bool(self._going())

    def left(self) -> list[Trial]:
        """The trials whose saved states go with the end of the search; what was evicted before has gone already."""
        trials = self._going()
        return trials if self._retention.needed_later else [trial for trial in trials if self._has_states(trial)]

    def kept(self) -> set[int]:
        """The numbers of the trials whose saved states outlast the search, and are here."""
        going, folder = {trial.index for trial in self._going()}, self._ledger.folder.weights
        saved = [trial for trial in self._ledger.trials if trial.weights_filename and trial.index not in going]
        return {trial.index for trial in saved if (folder / trial.weights_filename).is_file()}

    def prune(self) -> None:
        """Deletes what is not kept of a search that has run: its closing, which has MLflow do so, is in the ledger."""
        for trial in self._going():
            self._ledger.folder.drop_weights(self._objective.saved_states(trial.evaluation))

    def _going(self) -> list[Trial]:
        return self._retention.to_delete(self._ledger.trials)

    def _has_states(self, trial: Trial) -> bool:
        names = self._objective.saved_states(trial.evaluation)
        return any((self._ledger.folder.weights / name).is_file() for name in names)

    def _fetch(self, proposal: Proposal) -> None:
        for name in filter(None, (proposal.weights_filename, proposal.inherits)):
            if (self._ledger.folder.weights / name).is_file():
                continue
            candidate = proposal.candidate if proposal.momentum_epochs else proposal.parent
            holders = [trial for trial in self._ledger.trials if trial.candidate == candidate and not trial.failed]
            # A neighbour inherits from a younger state, which is kept with its source's first training.
            trained = [trial for trial in holders if trial.phase == "evaluate"]
            exact = [trial for trial in holders if trial.weights_filename == name] or trained
            if exact and not self._fetch_from(exact[-1], name):
                logger.warning("%s, from which %s starts, is gone, here and in MLflow", name, proposal.candidate)

    def _fetch_from(self, trial: Trial, name: str) -> bool:
        try:
            run_id = trial.run_id or self._tracker.find(self._ledger.key(trial.index))
            if run_id:
                return self._tracker.fetch(run_id, f"weights/{name}", self._ledger.folder.weights)
        except TrackingError as error:
            raise TrackingError(f"{name} is kept in MLflow alone. {error}; then go on (--resume)") from error
        raise TrackingError(
            f"{name} is not on this machine, and MLflow was never told of evaluation {trial.index}, which it belongs "
            "to; run hivenas sync on the machine that trained it, then go on (--resume)"
        )


def clear_checkpoints(ledger: Ledger) -> None:
    """Removes what was kept of a finished search's trainings; there may be some of trainings outside it, which stay."""
    ledger.folder.clear_checkpoints("train", "momentum")
    for finalist in ledger.state.trainings.values():
        ledger.folder.drop_checkpoints(finalist.candidate)
