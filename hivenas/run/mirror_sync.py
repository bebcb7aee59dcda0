"""The callback that has the second record, in Optuna's storage, follow the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hivenas.core.records import Proposal, Trial
from hivenas.run.callbacks import Callback
from hivenas.storage import Ledger, Mirror


class MirrorSync(Callback):
    """Has the mirror follow the ledger: every trial, and the state of a phase when its first trial is recorded.

    Args:
        ledger: the search's record.
        mirror: the second record.
    """

    def __init__(self, ledger: Ledger, mirror: Mirror) -> None:
        self._ledger = ledger
        self._mirror = mirror
        self._state: dict[str, Any] | None = None

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Notes that a phase begins, whose state the mirror needs."""
        self._state = None

    def on_trial(self, trial: Trial) -> None:
        """Has the mirror take over what is new."""
        self._state = self._state or asdict(self._ledger.state)
        self._mirror.sync(self._ledger, self._state)
