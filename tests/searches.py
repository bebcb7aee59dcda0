"""Small searches of networks that train, and what may end one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hivenas


def small_search(
    folder: Path, name: str, dataset: Mapping[str, Any], *, size: int, batch_size: int, **evaluation: Any
) -> dict[str, Any]:
    """The configuration of a search of one iteration over networks of a layer, trained for two epochs, untracked."""
    return {
        "name": name,
        "tracking": "none",
        "dataset": dict(dataset),
        "space": {"depth": 1, "operations": ["conv3x3_8", "identity", "max_pool3x3"], "input_stem": ["conv3x3_8"]},
        "evaluation": {"epochs": 2, "batch_size": batch_size, "stopping": "none", **evaluation},
        "colony": {"size": size, "iterations": 1},
        "full_train": {"enabled": False, "epochs": 2, "finalists": 1},
        "execution": {"kind": "serial", "checkpoint_s": 0},
        "results": {"dir": str(folder)},
    }


class InterruptsAt(hivenas.Callback):
    """Ctrl-C after so many trials."""

    def __init__(self, count: int) -> None:
        self.count = count

    def on_trial(self, trial: hivenas.Trial) -> None:
        if trial.index + 1 == self.count:
            raise KeyboardInterrupt
