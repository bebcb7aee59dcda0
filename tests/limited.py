"""Searches by a clock of their own, for tests of what ends one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hivenas.config import Config, from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation, Proposal, Trial
from hivenas.core.strategies.kinds import make_strategy
from hivenas.execution import SerialExecutor, TaskExecutor
from hivenas.objectives.numerical import Sphere
from hivenas.run.budget import Limits, Meter
from hivenas.run.callbacks import Callback
from hivenas.run.loop import Search
from hivenas.storage import Ledger, open_search


class Time:
    """A clock that goes on by what evaluations take."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def settings(folder: Path, *overrides: str, **more: Any) -> Config:
    base = {
        "name": "limited",
        "objective": "sphere_min",
        "colony": {"size": 6, "iterations": 5, "employee_ratio": 0.5},
        "results": {"dir": str(folder)},
        **more,
    }
    return from_mapping(base, overrides)


def search(
    config: Config,
    *,
    resume: bool = False,
    takes: float = 0.0,
    time: Time | None = None,
    executor: TaskExecutor | None = None,
    callbacks: tuple[Callback, ...] = (),
    make: Callable[..., Any] = lambda rng: Sphere(3, rng=rng),
    wrap: Callable[[Any], Any] = lambda strategy: strategy,
) -> Ledger:
    """Searches, each evaluation by its time; returns the ledger, closed."""
    clock = time or Time()
    rng = np.random.default_rng(3)
    objective = make(rng)
    run = objective.run

    def timed(proposal: Proposal) -> Evaluation:
        clock.now += takes
        evaluation: Evaluation = run(proposal)
        return evaluation

    objective.run = timed
    with open_search(config, 1, resume=resume) as ledger:
        meter = Meter(ledger.state.spent, clock=clock, cpu_clock=clock)
        limits = Limits(config, objective.describe(), ledger.state, meter)
        strategy = wrap(make_strategy(objective, config.colony, rng))
        Search(strategy, objective, executor or SerialExecutor(), ledger, callbacks, limits=limits).run()
    return ledger


def ledger_folder(config: Config) -> ResultsFolder:
    return ResultsFolder(config.results.dir, config.name)


def figures(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [(t.index, t.iteration, t.role, t.candidate, t.fitness) for t in trials]
