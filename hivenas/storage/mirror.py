"""Optuna's mirror follow the results folder: an outage of their storage holds up nothing and loses nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hivenas.core.folder import CIRCUMSTANCES, COLUMNS, ResultsFolder, write_atomically
from hivenas.core.outage import Outage
from hivenas.core.records import Row
from hivenas.errors import ResultsExistError, StorageError
from hivenas.storage.optuna_study import MirrorStudy, Recorded
from hivenas.storage.search_store import SearchState

_FIGURES = tuple(column for column in COLUMNS if column not in CIRCUMSTANCES)


class OptunaMirror:
    """Keeps Optuna's record of a search up with the results folder.

    Args:
        mirror: the record.
        say: is told in a line when the storage goes and when it is back.
    """

    def __init__(self, mirror: MirrorStudy, say: Callable[[str], None]) -> None:
        self._mirror = mirror
        self._say = say
        self._begun = False
        self._recorded = 0
        self._outage = Outage(say)

    def catch_up(self, folder: ResultsFolder, state: SearchState | None) -> SearchState | None:
        """Takes over what another machine has recorded since, or all of a search that this one does not have.

        Args:
            folder: where it is written.
            state: of the search in the folder; None where there is none.

        Returns:
            The state to go on from; None where neither has a search.

        Raises:
            ConfigError: the study is of another space or configuration.
            ResultsExistError: folder and study have gone different ways.
            StorageError: the storage cannot be reached.
        """
        recorded = self._mirror.recorded()
        if recorded is None or not recorded.state or (state is not None and state.uid != recorded.uid):
            return state  # a study of another search is refused when it is opened
        self._mirror.refuse_other()
        rows = folder.rows()
        self._refuse_fork(folder, rows, recorded)
        restored = self._state_of(recorded)
        news = len(recorded.rows) - len(rows)
        if state is not None and (news < 0 or (news == 0 and restored.progress <= state.progress)):
            return state
        self._say(
            f"{news} evaluations come from the study {self._mirror.name!r} in {self._mirror.shown}, which "
            f"{folder.path} does not have"
        )
        folder.rewrite(recorded.rows)
        write_atomically(folder.state, json.dumps(asdict(restored)))
        return restored

    def open(self, uid: str, *, overwrite: bool, replaces: str) -> str:
        """Makes ready to follow a search; see `search_store.Mirror`.

        Raises:
            ResultsExistError: the study is another search's and not to be overwritten.
            StorageError: the storage cannot be reached.
        """
        recorded = self._mirror.recorded()
        other = recorded.uid if recorded is not None and recorded.uid != uid else ""
        # A search that was killed before it evaluated anything has left a study without any content.
        is_empty = recorded is not None and not recorded.rows
        if other and (overwrite or is_empty or other == replaces):
            return other
        self._mirror.begin(uid, overwrite=False)
        self._begun = True
        return ""

    def follow(self, uid: str, rows: Sequence[Row], state: Mapping[str, Any], *, force: bool = False) -> int:
        """Takes over what is new, unless the storage was away a moment ago; see `search_store.Mirror`."""
        if force or not self._outage.is_pausing:
            started = time.monotonic()
            try:
                if not self._begun:
                    self._mirror.begin(uid, overwrite=True)
                    self._begun = True
                self._mirror.sync(rows, state)
                self._recorded = len(rows)
                self._outage.is_over(
                    f"Optuna's storage answers again; the study {self._mirror.name!r} has every evaluation"
                )
            except StorageError as error:
                self._outage.goes_on(str(error), started)
        return len(rows) - self._recorded

    def _state_of(self, recorded: Recorded) -> SearchState:
        try:
            return SearchState(**recorded.state)
        except TypeError as error:
            raise ResultsExistError(
                f"the study {self._mirror.name!r} in {self._mirror.shown} is of another version ({error}); finish that "
                "search with the version that began it, or choose another study (--set optuna.study=…)"
            ) from None

    def _refuse_fork(self, folder: ResultsFolder, rows: Sequence[Row], recorded: Recorded) -> None:
        """One search that was resumed on two machines at once has two continuations; only one can go on."""
        for mine, other in zip(rows, recorded.rows, strict=False):
            if any(getattr(mine, name) != getattr(other, name) for name in _FIGURES):
                raise ResultsExistError(
                    f"evaluation {mine.index} in {folder.path} is not that of the study {self._mirror.name!r} in "
                    f"{self._mirror.shown}: the search was resumed in two places; go on in the other one, or without "
                    "the study (--set optuna.storage=null)"
                )
