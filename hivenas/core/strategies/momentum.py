"""Momentum evaluation: who of the recorded candidates is trained further, and by how many epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


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
