"""The time that a search will take at the most, by what its candidates have taken as far as they are recorded."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hivenas.config import Config
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Trial
from hivenas.errors import HivenasError
from hivenas.run.full_plan import Timing
from hivenas.run.plan import Plan
from hivenas.storage import read_ledger


@dataclass(frozen=True, slots=True)
class ExpectedTime:
    """Seconds that are expected of a search, at the most.

    Args:
        epoch: of a candidate.
        search: of all evaluations, with all workers.
        full_training: of the full training after it; 0 where there is none.
        candidates: how many have been measured.
    """

    epoch: float
    search: float
    full_training: float
    candidates: int

    def __str__(self) -> str:
        """A line for people."""
        then = f", then {_shown(self.full_training)} of full training" if self.full_training else ""
        return (
            f"{_shown(self.epoch)} an epoch in the {self.candidates} candidates recorded so far; at most about "
            f"{_shown(self.search)}{then}"
        )


def recorded_time(config: Config, plan: Plan, data: Mapping[str, Any]) -> ExpectedTime | None:
    """The time that a configuration's search will take, where one of its name has trained on the same data.

    Args:
        config: the configuration.
        plan: what it would do.
        data: what `describe_data` says.
    """
    try:
        state, trials = read_ledger(ResultsFolder(config.results.dir, config.name))
    except HivenasError:  # the search itself says what is wrong with the folder
        return None
    if state is None or data.get("digest", state.data) != state.data:
        return None
    return expected_time(config, plan, trials)


def expected_time(config: Config, plan: Plan, trials: Sequence[Trial]) -> ExpectedTime | None:
    """The time of a search whose candidates take as long, in the mean, as those of some trials.

    Args:
        config: the configuration.
        plan: what it would do.
        trials: recorded ones.

    Returns:
        None where none of them has trained.
    """
    timings = [timing for trial in trials if (timing := Timing.of(trial))]
    if not timings or not plan.epochs:
        return None
    epoch, start = (
        statistics.fmean(each) for each in zip(*((each.epoch, each.start) for each in timings), strict=True)
    )
    workers = 1 if config.execution.kind == "serial" else config.execution.workers
    full = config.full_train
    in_turn = math.ceil((full.finalists * full.seeds) / workers) + config.has_small_model if full.enabled else 0
    return ExpectedTime(
        epoch=epoch,
        search=(plan.evaluations * start + plan.epochs * epoch) / workers,
        full_training=in_turn * full.epochs * epoch,
        candidates=len(timings),
    )


def _shown(seconds: float) -> str:
    """Seconds for people, in the unit that suits them."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"
