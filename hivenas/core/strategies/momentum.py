"""Momentum evaluation: what momentum a candidate has, who is trained further for it, and by how many epochs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hivenas.core.records import Candidate, Evaluation
from hivenas.core.strategies.continuations import Continuations


class Momentum(Continuations):
    """Continues candidates by epochs that are drawn after every iteration.

    Args:
        epochs: handed out in an iteration.
        rng: the generator of every draw.
    """

    def __init__(self, epochs: int, rng: np.random.Generator) -> None:
        self._epochs = epochs
        self._rng = rng

    @property
    def phases(self) -> tuple[str, ...]:
        """One, of all continuations."""
        return ("momentum",)

    def chosen(
        self, phase: str, known: Mapping[str, Evaluation], away: Collection[Candidate], *, over: bool
    ) -> list[tuple[str, int]]:
        """The candidates that have drawn epochs, see `allocate_epochs`."""
        able = {name: e for name, e in known.items() if e.status != "failed" and e.filename and name not in away}
        momenta, ages = [e.momentum for e in able.values()], [e.age for e in able.values()]
        given = allocate_epochs(self._epochs, momenta, ages, self._rng)
        return [(name, epochs) for name, epochs in zip(able, given, strict=True) if epochs]


def allocate_epochs(pool: int, momenta: Sequence[float], epochs: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Hands out a pool of epochs one by one.

    A candidate draws each epoch with probability proportional to momentum / (epochs + momentum epochs so far),
    the epochs that it has just been given counted in.

    Args:
        pool: epochs to hand out.
        momenta: momentum of every candidate; negative and non-finite ones count as 0.
        epochs: epochs that every candidate has been trained for, momentum epochs included (each ≥ 1).
        rng: the generator to draw from.

    Returns:
        Epochs given to each candidate: they sum to the pool, or are all 0 where no candidate has momentum.

    Source: HiveNAS, momentum evaluation; there, negative momenta could make probabilities negative.
    """
    given = [0] * len(momenta)
    weights = np.array([m if math.isfinite(m) and m > 0 else 0.0 for m in momenta])
    if not weights.any():
        return given
    weights /= weights.max()
    trained = np.asarray(epochs, dtype=float)
    for _ in range(pool):
        shares = weights / trained
        winner = int(rng.choice(len(given), p=shares / shares.sum()))
        given[winner] += 1
        trained[winner] += 1
    return given


def momentum_values(accuracies: list[float]) -> list[float]:
    """Momentum of every epoch: μ(ε) = α(ε) for ε < 2, else (α(ε) − α(ε−1)) / (α(ε−1) − α(ε−2)).

    Args:
        accuracies: validation accuracy α of the epochs ε = 0, 1, … (fractions in 0…1).

    Returns:
        One value an epoch; 0 where the denominator is 0.

    Source: HiveNAS, momentum evaluation.
    """
    values = accuracies[:2]
    for before, last, now in zip(accuracies, accuracies[1:], accuracies[2:], strict=False):
        values.append((now - last) / (last - before) if last != before else 0.0)
    return values


def mean_momentum(accuracies: list[float]) -> float:
    """A candidate's momentum: the mean of its epochs' momentum values, 0 without epochs."""
    values = momentum_values(accuracies)
    return math.fsum(values) / len(values) if values else 0.0
