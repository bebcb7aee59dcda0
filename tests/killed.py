"""Ends of processes, and the epochs that they have trained, as seen from inside."""

from __future__ import annotations

import pytest

from hivenas.core.records import EpochFigures


class Killed(BaseException):
    """The end of a process, for code that can only be killed from inside."""


def counted_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the epochs that are trained in this process from now on, as they end."""
    from hivenas.core.nas.training.loop import TrainingLoop

    epochs: list[int] = []
    one = TrainingLoop._one

    def counted(loop: TrainingLoop, epoch: int) -> EpochFigures:
        figures = one(loop, epoch)
        epochs.append(epoch)
        return figures

    monkeypatch.setattr(TrainingLoop, "_one", counted)
    return epochs
