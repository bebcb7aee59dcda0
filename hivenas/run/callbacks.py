"""Callbacks: what is called at the moments of a search, such as views, trackers and whatever a user adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from hivenas.core.progress import Progress
from hivenas.core.records import Direction, Proposal, Trial

if TYPE_CHECKING:
    from hivenas.run.result import SearchResult


class RunningSearch(Protocol):
    """A search as its callbacks see it."""

    @property
    def name(self) -> str:
        """The search's name."""
        ...

    @property
    def planned(self) -> int:
        """Evaluations at the most, without continuations."""
        ...

    @property
    def direction(self) -> Direction:
        """The side on which a better fitness lies."""
        ...

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial so far, those of earlier processes included."""
        ...

    @property
    def best(self) -> Trial | None:
        """The best trial so far; None where all have failed."""
        ...

    @property
    def time_limit(self) -> tuple[float, float] | None:
        """Seconds spent by now, and allowed, of wall time or else of processors; None without such a budget."""
        ...

    def stop(self, reason: str = "") -> None:
        """Ends the search: no further candidate is begun, and the best one is trained fully, as at the planned end.

        Candidates that other workers are training by then are trained to their end, and recorded like all others.

        Args:
            reason: said in the log.
        """
        ...


def leading_time(search: RunningSearch | None, done: int) -> tuple[float, float] | None:
    """Seconds spent and allowed, where a budget of time is further on than the evaluations: it ends the search first.

    Args:
        search: as its callbacks see it; None before it begins.
        done: evaluations so far, without continuations.

    Returns:
        None where the evaluations are further on, or no budget is set.
    """
    limit = search.time_limit if search else None
    return limit if search and limit and limit[0] / limit[1] > done / search.planned else None


class Callback:
    """Is called at the moments of a search, in the driver's process, in order; does nothing.

    Subclasses do what they are for. An exception ends the search in order, as Ctrl-C does: nothing that was recorded is
    lost, and the search can be resumed.
    """

    def on_start(self, search: RunningSearch) -> None:
        """Called before the first proposal of this process."""

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Called before new proposals are evaluated, those of a phase together."""

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        """Called when the training of a proposal has begun, and about once a second while it goes on.

        Executors that cannot tell, such as dask's, leave it out.

        Args:
            proposal: as it was submitted.
            progress: the epoch, the figures of those that have ended since the call before (there may be none), and the
                share of the epoch at work.
        """

    def on_wait(self) -> None:
        """Called where the search has waited for a second in which nothing happened."""

    def on_record(self, trial: Trial) -> None:
        """Called in the transaction that writes a trial: what is written to the ledger here is kept or lost with it."""

    def on_trial(self, trial: Trial) -> None:
        """Called when a trial is recorded and what it lets the strategy propose is being evaluated: time is cheap.

        Args:
            trial: as it is recorded, with its run where a tracker has made one.
        """

    def on_phase_end(self) -> None:
        """Called after `on_trial` for the last trial of a phase."""

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Called before an architecture is trained fully, for so many epochs; this may take long."""

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        """Called when a full training has begun, and about once a second while it goes on.

        Args:
            candidate: is trained, perhaps beside others.
            progress: as `on_progress` is given it.
        """

    def on_full_progress(self, done: int, planned: int) -> None:
        """Called before a full training begins, and when one has ended: how many of how many have."""

    def on_end(self, result: SearchResult) -> None:
        """Called when all is done, with what came of it; not where the search ends early."""


class CallbackList(Callback):
    """Calls several callbacks, in their order.

    Args:
        callbacks: what is called.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = tuple(callbacks)

    def on_start(self, search: RunningSearch) -> None:
        """Calls `on_start` of each."""
        for callback in self._callbacks:
            callback.on_start(search)

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Calls `on_submit` of each."""
        for callback in self._callbacks:
            callback.on_submit(proposals)

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        """Calls `on_progress` of each."""
        for callback in self._callbacks:
            callback.on_progress(proposal, progress)

    def on_wait(self) -> None:
        """Calls `on_wait` of each."""
        for callback in self._callbacks:
            callback.on_wait()

    def on_record(self, trial: Trial) -> None:
        """Calls `on_record` of each."""
        for callback in self._callbacks:
            callback.on_record(trial)

    def on_trial(self, trial: Trial) -> None:
        """Calls `on_trial` of each."""
        for callback in self._callbacks:
            callback.on_trial(trial)

    def on_phase_end(self) -> None:
        """Calls `on_phase_end` of each."""
        for callback in self._callbacks:
            callback.on_phase_end()

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Calls `on_full_training` of each."""
        for callback in self._callbacks:
            callback.on_full_training(candidate, epochs)

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        """Calls `on_full_epoch` of each."""
        for callback in self._callbacks:
            callback.on_full_epoch(candidate, progress)

    def on_full_progress(self, done: int, planned: int) -> None:
        """Calls `on_full_progress` of each."""
        for callback in self._callbacks:
            callback.on_full_progress(done, planned)

    def on_end(self, result: SearchResult) -> None:
        """Calls `on_end` of each."""
        for callback in self._callbacks:
            callback.on_end(result)
