"""Encoded architectures as numbers, and how far apart two of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int16]
Matrix = NDArray[np.float64]
DistanceKind = Literal["hamming", "blurred", "counts"]

_BLUR = 2.0  # positions over which an operation counts as standing somewhere, the deviation of a Gaussian


@dataclass(frozen=True, slots=True)
class Distances:
    """Squared distances a position between two lists of architectures (rows, columns).

    Args:
        hamming: the share of positions that differ.
        blurred: the same where an operation is smeared over the positions around it: an operation that moves by a
            position is near.
        counts: how differently often each operation occurs, wherever that is.
    """

    hamming: Matrix
    blurred: Matrix
    counts: Matrix


class Encoding:
    """Turns components into codes, and codes into distances.

    All distances are of the form (h − h')ᵀ G (h − h') for one-hot vectors h over all entries of all positions. G is
    the unit matrix halved (two entries are alike where both position and name agree), a matrix that is 1 wherever the
    names agree, and in between one in which equal names count the less, the farther apart their positions are.

    At a position of numbers two entries are the more alike, the fewer steps are between them: the lowest and the
    highest are as unlike as two operations, and what is between them falls in equal steps.

    Args:
        entries: what may stand at every position.
        ranks: the place in the order of each entry at a position of numbers, nothing at others; none where there are
            no numbers.
    """

    def __init__(self, entries: Sequence[Sequence[str]], ranks: Sequence[Sequence[int]] = ()) -> None:
        self.positions = len(entries)
        self._codes = [{entry: code for code, entry in enumerate(each)} for each in entries]
        sizes = [len(each) for each in entries]
        self._offsets = np.cumsum([0, *sizes[:-1]])
        self._columns = sum(sizes)
        names = sorted({entry for each in entries for entry in each})
        named = np.array([names.index(entry) for each in entries for entry in each])
        placed = np.repeat(np.arange(self.positions), sizes)
        alike = (named[:, None] == named[None, :]).astype(float)
        same = np.eye(self._columns)
        for position, each in enumerate(ranks):
            if len(each) > 1:
                place = slice(self._offsets[position], self._offsets[position] + sizes[position])
                alike[place, place] = same[place, place] = _nearness(each)
        self._same: Matrix | None = same if any(ranks) else None
        blur = _blur(self.positions)
        self._blurred: Matrix = alike * (blur @ blur.T)[placed[:, None], placed[None, :]]
        self._counts: Matrix = alike

    def codes(self, components: Sequence[Sequence[str]]) -> Codes:
        """The codes of architectures given by their components (rows, positions)."""
        rows = [[each[one] for each, one in zip(self._codes, row, strict=True)] for row in components]
        return np.array(rows, dtype=np.int16).reshape(len(rows), self.positions)

    def distances(self, first: Codes, second: Codes) -> Distances:
        """Every distance of each of the first from each of the second."""
        one, other = self._one_hot(first), self._one_hot(second)
        hamming = 1.0 - (one if self._same is None else one @ self._same) @ other.T / self.positions
        if self._same is not None:
            hamming = np.maximum(hamming, 0.0)  # thirds are rounded
        blurred, counts = (_squared(one, other, metric) / self.positions for metric in (self._blurred, self._counts))
        return Distances(hamming, blurred, counts)

    def _one_hot(self, codes: Codes) -> Matrix:
        hot = np.zeros((len(codes), self._columns))
        hot[np.arange(len(codes))[:, None], self._offsets[None, :] + codes] = 1.0
        return hot


def _nearness(ranks: Sequence[int]) -> Matrix:
    """1 of an entry and itself, falling with the steps between two to 0 of the ends; positive semidefinite (Pólya)."""
    places = np.asarray(ranks, dtype=np.float64)
    nearness: Matrix = 1.0 - np.abs(places[:, None] - places[None, :]) / (len(places) - 1)
    return nearness


def _blur(positions: int) -> Matrix:
    """Row i: how much of what stands at position i is seen at each position; a row sums to 1."""
    apart = np.arange(positions)[:, None] - np.arange(positions)[None, :]
    weights = np.exp(-(apart**2) / (2 * _BLUR**2))
    blurred: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return blurred


def _squared(one: Matrix, other: Matrix, metric: Matrix) -> Matrix:
    seen = other @ metric
    lengths = np.einsum("ij,ij->i", one @ metric, one)[:, None] + np.einsum("ij,ij->i", seen, other)[None, :]
    squared: Matrix = np.maximum(lengths - 2 * one @ seen.T, 0.0)
    return squared
