"""Spaces of which nothing but names is known: how far these are trusted, and the kernels that follow from it.

Where an operation is worth about as much wherever it stands, to compare names across positions halves the regret; where
it is not, it misleads. Likelihood does not tell the two apart: whatever looks farther explains records better for that
alone. What tells is how well records are foreseen by names alone when they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hivenas.core.colony.encoding import Distances, Vector
from hivenas.core.colony.kernels import Kernel, Terms
from hivenas.core.colony.process import Process

_BY_NAME: tuple[Terms, ...] = (
    ((1.0, "blurred", 1.0),),
    ((1.0, "counts", 0.5),),
    ((0.5, "blurred", 1.0), (0.5, "counts", 0.5)),
)
_BY_POSITION: tuple[Terms, ...] = (((1.0, "hamming", 1.0),), ((0.33, "hamming", 4.0), (0.67, "hamming", 0.5)))
_NOISES = (0.05, 0.2)
_NOISE_LEFT_OUT = 0.3
_BEFORE, _EXPECTED = 10, 0.4  # so many records speak for this share of the variance before any is known
_POWER = 4.0
_LEAST, _MOST = 0.05, 0.7


def kernels(distances: Distances, scores: Vector) -> Sequence[Kernel]:
    """The kernels of a space whose names are trusted as far as they explain its records.

    Args:
        distances: between the records (n, n).
        scores: what came of them (n,), larger is better, about standard normal.
    """
    return kernels_of(share_of_names(distances, scores))


def kernels_of(share: float) -> Sequence[Kernel]:
    """Mixtures in which names, wherever they stand, have this share, and names at their positions the rest."""
    return [
        Kernel(terms=(*_weighted(1.0 - share, positions), *_weighted(share, names)), noise=noise)
        for positions in _BY_POSITION
        for names in _BY_NAME
        for noise in _NOISES
    ]


def share_of_names(distances: Distances, scores: Vector) -> float:
    """The say that names have whatever their position: from 0.05 to 0.7.

    Its odds are the fourth power of the odds of R², over those of 0.4: R² is the share of the records' variance that
    names alone explain of records that are left out, drawn towards 0.4 by ten further records.

    Args:
        distances: between the records (n, n).
        scores: what came of them (n,).
    """
    guesses = [Kernel(terms=terms, noise=_NOISE_LEFT_OUT) for terms in _BY_NAME]
    processes = [Process(guess, guess(distances), scores) for guess in guesses]
    evidence = np.array([process.evidence for process in processes])
    likelihood = np.exp(evidence - evidence.max())
    foreseen = likelihood @ np.array([process.left_out() for process in processes]) / likelihood.sum()
    variation = float(scores @ scores)
    explained = 1.0 - float((scores - foreseen) @ (scores - foreseen)) / variation if variation > 0 else 0.0
    known = len(scores)
    shrunk = min(max((known * explained + _BEFORE * _EXPECTED) / (known + _BEFORE), 0.0), 0.99)
    odds: float = (shrunk / (1.0 - shrunk) * (1.0 - _EXPECTED) / _EXPECTED) ** _POWER
    return min(max(odds / (1.0 + odds), _LEAST), _MOST)


def _weighted(weight: float, terms: Terms) -> Terms:
    return tuple((weight * own, kind, scale) for own, kind, scale in terms)
