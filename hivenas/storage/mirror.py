"""Optuna's mirror follows the ledger: an outage of its storage, or a refusal, holds up nothing and loses nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hivenas.core.folder import ResultsFolder
from hivenas.core.outage import Outage
from hivenas.core.records import Trial
from hivenas.errors import ResultsExistError, StorageDeniedError, StorageError
from hivenas.storage.export import CIRCUMSTANCES, as_columns
from hivenas.storage.ledger import Ledger
from hivenas.storage.opening import Recovered
from hivenas.storage.optuna_study import MirrorStudy, Recorded
from hivenas.storage.state import SearchState
from hivenas.wording import number_of

_KEPT = (
    "Nothing is lost meanwhile: the results folder has everything, and what is missing there is added when the search "
    "ends, is resumed, or `hivenas sync` is run"
)

logger = logging.getLogger("hivenas")


class OptunaMirror:
    """Keeps Optuna's record of a search up with the ledger.

    Args:
        study: the record.
    """

    def __init__(self, study: MirrorStudy) -> None:
        self._study = study
        self._begun = False
        self._recorded = 0
        self._outage = Outage()

    def catch_up(self, folder: ResultsFolder, state: SearchState | None, trials: Sequence[Trial]) -> Recovered | None:
        """All of a search that another machine has recorded since, or that this one does not have.

        Args:
            folder: where the search is recorded here.
            state: of the search in the folder; None where there is none.
            trials: of the search in the folder.

        Returns:
            The state to go on from and all trials; None where the ledger lacks nothing.

        Raises:
            ConfigError: the study is of another space or configuration.
            ResultsExistError: folder and study have gone different ways, or are still going in another folder.
            StorageError: the storage cannot be reached.
        """
        recorded = self._study.recorded()
        if recorded is None or not recorded.state or (state is not None and state.uid != recorded.uid):
            return None  # a study of another search is refused when it is opened
        self._study.refuse_other()
        self._refuse_fork(folder, trials, recorded)
        restored = self._state_of(recorded)
        news = len(recorded.trials) - len(trials)
        if state is not None and (news < 0 or (news == 0 and restored.progress <= state.progress)):
            return None
        self._study.refuse_running()
        logger.warning(
            "%s from the study %r in %s, which %s does not have",
            number_of(news, "evaluation comes", "evaluations come"),
            self._study.name,
            self._study.shown,
            folder.path,
        )
        return restored, [*trials, *recorded.trials[len(trials) :]]

    def open(self, uid: str, *, overwrite: bool, replaces: str) -> str:
        """Makes ready to follow a search; see `opening.Mirror`.

        Raises:
            ResultsExistError: the study is another search's and not to be overwritten, or its search is running.
            StorageError: the storage cannot be reached.
        """
        recorded = self._study.recorded()
        if recorded is not None and recorded.trials and recorded.uid != uid and (overwrite or recorded.uid == replaces):
            self._study.refuse_running()
            return recorded.uid
        self._study.begin(uid, overwrite=False, replaces=recorded.uid if recorded and overwrite else replaces)
        self._begun = True
        return ""

    def sync(self, ledger: Ledger, state: Mapping[str, Any] | None = None, *, force: bool = False) -> int:
        """Takes over what is new, unless the storage was away a moment ago; see `opening.Mirror`."""
        if not ledger.state.uid:
            return 0  # no search is in the folder
        if force or not self._outage.is_pausing:
            started = time.monotonic()
            try:
                if not self._begun:
                    self._study.begin(ledger.state.uid, overwrite=False, replaces=ledger.state.replaces)
                    self._begun = True
                self._study.sync(ledger.trials, state or asdict(ledger.state))
                self._recorded = len(ledger.trials)
                self._outage.is_over(
                    f"Optuna's storage answers again; the study {self._study.name!r} has every evaluation"
                )
            except (StorageDeniedError, ResultsExistError) as error:
                self._outage.is_final(f"{error}. {_KEPT}")
            except StorageError as error:
                self._outage.goes_on(str(error), started)
        return len(ledger.trials) - self._recorded

    def _state_of(self, recorded: Recorded) -> SearchState:
        try:
            return SearchState(**recorded.state)
        except TypeError as error:
            raise ResultsExistError(
                f"the study {self._study.name!r} in {self._study.shown} is of another version ({error}); finish that "
                "search with the version that began it, or choose another study (--set optuna.study=…)"
            ) from None

    def _refuse_fork(self, folder: ResultsFolder, trials: Sequence[Trial], recorded: Recorded) -> None:
        """Refuses to go on where one search that was resumed on two machines at once has two continuations."""
        for mine, other in zip(trials, recorded.trials, strict=False):
            if _figures(mine) != _figures(other):
                raise ResultsExistError(
                    f"evaluation {mine.index} in {folder.path} is not that of the study {self._study.name!r} in "
                    f"{self._study.shown}: the search was resumed in two places; go on in the other one, or without "
                    "the study (--set optuna.storage=null)"
                )


def _figures(trial: Trial) -> dict[str, Any]:
    return {name: value for name, value in as_columns(trial).items() if name not in CIRCUMSTANCES}
