"""The second record, in Optuna's storage: opened, and the callback that has it follow the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hivenas.config import Config
from hivenas.core.collector import without_collector
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Proposal, Trial
from hivenas.run.callbacks import Callback
from hivenas.storage import Ledger, Mirror


def open_mirror(config: Config, info: ObjectiveInfo) -> Mirror | None:
    """Opens Optuna's record of a search; None where none is asked for.

    Args:
        config: the configuration.
        info: what the objective says of itself.

    Raises:
        ConfigError: the study is another search's, or the storage is MLflow's database.
        StorageError: the storage cannot be reached.
    """
    if config.optuna.storage is None:
        return None
    from hivenas.storage.mirror import OptunaMirror
    from hivenas.storage.optuna_study import open_study

    if config.tracking == "mlflow":
        with without_collector():
            from hivenas.tracking.store import refuse_shared

        refuse_shared(config.optuna.storage)
    return OptunaMirror(open_study(config, info))


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
