"""The progress of a training that is at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a training has come in the middle of an epoch.

    Args:
        epoch: number of the epoch at work, from 1.
        step: steps of it that are done; all of them while it validates.
        steps: of an epoch.
        epochs: number of the last epoch that is asked for.
    """

    epoch: int
    step: int
    steps: int
    epochs: int


Listener = Callable[[StepProgress], None]
