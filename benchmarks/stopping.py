"""Replays the stopping rules on recorded learning curves: what do they save, and do they kill the best?

    python benchmarks/stopping.py TABLE.csv.gz… [--replays 300] [--networks 60]

A table has a row a network and its validation accuracies in columns acc_1, acc_2, … A replay draws networks at random,
in phases of 4 as a colony proposes them, and lets the rule of hivenas decide after every epoch of a training of 5, 10
or 20 epochs. Printed for every rule: in how many replays the network that would have ended best was stopped, which
share of the epochs was spent, and the rank correlation of the fitness that the search saw with the one after the whole
training.
"""

from __future__ import annotations

import csv
import gzip
import statistics
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig
from hivenas.core.history import Curves
from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.core.nas.training.rules import StoppingRule, median_thresholds

PHASE, CLASSES = 4, 10
HORIZONS = (5, 10, 20)
RULES: dict[str, dict[str, object]] = {
    "none": {"stopping": "none"},
    "act β .25 ζ .25": {"stopping": "act"},
    "act β .10 ζ .25": {"stopping": "act", "act": {"beta": 0.1}},
    "act β .25 ζ .10": {"stopping": "act", "act": {"zeta": 0.1}},
    "median from 1": {"stopping": "median", "median": {"from_epoch": 1}},
    "median from 2": {"stopping": "median", "median": {"from_epoch": 2}},
    "median from 3": {"stopping": "median", "median": {"from_epoch": 3}},
    "median from 3, of 3": {"stopping": "median", "median": {"from_epoch": 3, "candidates": 3}},
}


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule did to one sequence of networks: best stopped, share of epochs spent, rank correlation."""

    killed_best: bool
    spent: float
    correlation: float


def replay(curves: NDArray[np.float64], config: EvaluationConfig) -> Replay:
    """Lets a rule decide over networks in their order.

    Args:
        curves: validation accuracies (networks, epochs).
        config: the rule, and the epochs of a whole training.
    """
    cutoff = TerminateOnThreshold(
        threshold_multiplier=config.act.beta, diminishing_factor=config.act.zeta, n_classes=CLASSES
    )
    told: list[dict[int, float]] = []
    known = Curves()
    for start in range(0, len(curves), PHASE):
        thresholds = median_thresholds(known, config) if config.stopping == "median" else []
        rule = StoppingRule(cutoff if config.stopping == "act" else None, thresholds)
        phase = [_trained(curve, rule) for curve in curves[start : start + PHASE]]
        for seen in phase:
            known.add(seen)
        told += phase
    ages = np.array([len(curve) for curve in told])
    fitness = np.array([curve[len(curve)] for curve in told])
    final = curves[:, -1]
    return Replay(
        bool(ages[final.argmax()] < curves.shape[1]), float(ages.mean() / curves.shape[1]), _spearman(fitness, final)
    )


def _trained(curve: NDArray[np.float64], rule: StoppingRule) -> dict[int, float]:
    seen: dict[int, float] = {}
    for epoch, accuracy in enumerate(curve, start=1):
        seen[epoch] = float(accuracy)
        if epoch < len(curve) and rule.stop_reason(epoch, float(accuracy)):
            break
    return seen


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    ranks = np.array([np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (one, other)])
    return float(np.corrcoef(ranks)[0, 1])


def read_curves(table: Path) -> NDArray[np.float64]:
    """The accuracies of a table's networks (networks, epochs), those without a whole curve left out."""
    with gzip.open(table, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = sorted((c for c in rows[0] if c.startswith("acc_")), key=lambda c: int(c[4:]))
    return np.array([[float(row[c]) for c in columns] for row in rows if all(row[c] for c in columns)])


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--replays", default=300, show_default=True)
@click.option("--networks", default=60, show_default=True, help="In every replay.")
def main(tables: tuple[Path, ...], replays: int, networks: int) -> None:
    """Prints a line for every table, length of training and rule."""
    heads = ("best stopped", "epochs spent", "rank corr.")
    click.echo(f"{'table':<18} {'epochs':>6}  {'rule':<20}" + "".join(f" {head:>12}" for head in heads))
    for table in tables:
        curves = read_curves(table)
        for epochs in (horizon for horizon in HORIZONS if horizon <= curves.shape[1]):
            for name, settings in RULES.items():
                config = EvaluationConfig.model_validate({"epochs": epochs} | settings)
                rng = np.random.default_rng(1)
                chosen = (rng.choice(len(curves), networks, replace=False) for _ in range(replays))
                done = [replay(curves[sample, :epochs], config) for sample in chosen]
                killed = statistics.mean(r.killed_best for r in done)
                spent = statistics.mean(r.spent for r in done)
                correlation = statistics.mean(r.correlation for r in done)
                stem = table.name.split(".")[0]
                click.echo(f"{stem:<18} {epochs:>6}  {name:<20} {killed:>12.1%} {spent:>12.1%} {correlation:>12.3f}")


if __name__ == "__main__":
    main()
