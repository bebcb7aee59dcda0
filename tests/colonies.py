"""Driving a strategy as a machine, for its contract and its tests."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Proposal, Status
from hivenas.core.seeds import arch_hash
from hivenas.core.strategy import Strategy

Make = Callable[[np.random.Generator], ObjectiveInterface]

# How often each operation of a table is worth something, and where most.
_WORTH = {"none": 0.0, "pool": 1.0, "conv": 3.0}


@dataclass
class History:
    """A phase of a run: what was asked, and what was told."""

    phase: str
    proposals: list[Proposal]
    evaluations: list[Evaluation]


def fly(objective: ObjectiveInterface, strategy: Strategy) -> list[History]:
    """Runs the strategy to its end."""
    told = []
    while proposals := strategy.ask():
        phase = str(strategy.state().get("phase", ""))
        evaluations = [objective.run(proposal) for proposal in proposals]
        strategy.tell(evaluations)
        told.append(History(phase, proposals, evaluations))
    return told


def evaluations_of(told: Sequence[History]) -> list[Evaluation]:
    """Everything that a run was told, in order."""
    return [evaluation for phase in told for evaluation in phase.evaluations]


def proposals_of(told: Sequence[History]) -> list[Proposal]:
    """Everything that a run asked for, in order."""
    return [proposal for phase in told for proposal in phase.proposals]


def answer(strategy: Strategy, *fitness: float, status: Status = "complete", **details: Any) -> list[Proposal]:
    """Tells the strategy these values for the proposals of its phase."""
    proposals = strategy.ask()
    evaluations = [Evaluation(p.candidate, status, f, **details) for p, f in zip(proposals, fitness, strict=True)]
    strategy.tell(evaluations)
    return proposals


def fails_now_and_then(arch: str) -> Status:
    """Every third architecture does not build."""
    return "failed" if int(arch_hash(arch)[:4], 16) % 3 == 0 else "complete"


def ends_in_every_way(arch: str) -> Status:
    """Some complete, some are stopped, some fail."""
    ways: tuple[Status, ...] = ("complete", "complete", "stopped", "failed")
    return ways[int(arch_hash(arch)[:4], 16) % 4]


def write_table(path: Path, layers: int = 4, *, costs: bool = False) -> Path:
    """A table of all chains of three operations; the positions do not matter alike, with costs also for what they cost.

    Args:
        path: the file.
        layers: operations of a chain.
        costs: whether it has the column params.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "fitness", *(["params"] if costs else [])])
        for each in itertools.product(_WORTH, repeat=layers):
            worth = sum(_WORTH[name] * (1 + layer % 2) for layer, name in enumerate(each)) - 2.5 * (each[0] == "conv")
            params = [sum(_WORTH[name] * (3 - layer % 2) for layer, name in enumerate(each))] if costs else []
            writer.writerow(["|".join(("input", *each, "output")), 50 + worth, *params])
    return path
