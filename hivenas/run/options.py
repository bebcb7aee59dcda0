"""The things that a search is given beside its configuration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hivenas.run.budget import Clock
from hivenas.run.callbacks import Callback
from hivenas.storage import Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The things that a search is given beside its configuration.

    Args:
        callbacks: are called at its moments, after those that keep its records.
        mirror: the second record, in Optuna's storage; None for none.
        go_on: the command with which the search goes on, for its run's description; empty for that of the
            configuration's file.
        clock: by which a budget of time is counted, in seconds.
    """

    callbacks: Sequence[Callback] = ()
    mirror: Mirror | None = None
    go_on: str = ""
    clock: Clock = time.monotonic
