"""Encoded architectures as numbers, and how far apart two of them are."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hivenas.core.colony.definitions import Definition, unlikeness

Codes = NDArray[np.int16]
Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
DistanceKind = Literal["hamming", "blurred", "counts", "places", "arguments"]

_SAMPLE = 2000  # combinations of entries, by which the deviations of places are known
_BLUR = 2.0  # positions over which an operation counts as standing somewhere, the deviation of a Gaussian


class Distances:
    """Distances a position between two lists of architectures (rows, columns).

    Args:
        encoding: of the space.
        first: codes of the rows.
        second: codes of the columns.
    """

    def __init__(self, encoding: Encoding, first: Codes, second: Codes) -> None:
        self._encoding = encoding
        self._codes = first, second
        self._hot = encoding.one_hot(first), encoding.one_hot(second)
        self._likeness: dict[tuple[DistanceKind, float], Matrix] = {}

    def likeness(self, kind: DistanceKind, scale: float) -> Matrix:
        """exp(−scale · distance), which several kernels share."""
        if (kind, scale) not in self._likeness:
            self._likeness[kind, scale] = np.exp(-scale * getattr(self, kind))
        return self._likeness[kind, scale]

    @functools.cached_property
    def hamming(self) -> Matrix:
        """The share of positions that differ."""
        return self._encoding.differing(*self._hot)

    @functools.cached_property
    def arguments(self) -> Matrix:
        """As `hamming`, but operations differ by no more than their layers and arguments do, where these are known."""
        return self._encoding.differing_by_arguments(*self._hot)

    @functools.cached_property
    def blurred(self) -> Matrix:
        """Squared; an operation is smeared over the positions around it, so that one that moves by one is near."""
        return self._encoding.squared(*self._hot, "blurred")

    @functools.cached_property
    def counts(self) -> Matrix:
        """Squared; how differently often each operation occurs, wherever that is."""
        return self._encoding.squared(*self._hot, "counts")

    @functools.cached_property
    def places(self) -> Matrix:
        """The mean difference of how often, where first and where last each operation occurs, in deviations of each."""
        return self._encoding.places.distances(*self._codes)


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
        definitions: what entries stand for, see `ArchitectureObjective.definitions`.
    """

    def __init__(
        self,
        entries: Sequence[Sequence[str]],
        ranks: Sequence[Sequence[int]] = (),
        definitions: Mapping[str, Definition] | None = None,
    ) -> None:
        self.positions = len(entries)
        self._entries = entries
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
        self._near = self._nearness_by_arguments(same, definitions) if definitions else None
        blur = _blur(self.positions)
        blurred: Matrix = alike * (blur @ blur.T)[placed[:, None], placed[None, :]]
        self._metrics = {"blurred": blurred, "counts": alike}

    def codes(self, components: Sequence[Sequence[str]]) -> Codes:
        """The codes of architectures given by their components (rows, positions)."""
        rows = [[each[one] for each, one in zip(self._codes, row, strict=True)] for row in components]
        return np.array(rows, dtype=np.int16).reshape(len(rows), self.positions)

    @functools.cached_property
    def places(self) -> Places:
        """The places of operations, as numbers."""
        return Places(self._entries)

    def distances(self, first: Codes, second: Codes) -> Distances:
        """Every distance of each of the first from each of the second."""
        return Distances(self, first, second)

    def differing(self, one: Matrix, other: Matrix) -> Matrix:
        """The share of positions that differ between one-hot vectors."""
        hamming: Matrix = 1.0 - (one if self._same is None else one @ self._same) @ other.T / self.positions
        return hamming if self._same is None else np.maximum(hamming, 0.0)  # thirds are rounded

    def differing_by_arguments(self, one: Matrix, other: Matrix) -> Matrix:
        """The share of positions that differ between one-hot vectors, alike operations counting as a part of one."""
        if self._near is None:
            return self.differing(one, other)
        differing: Matrix = np.maximum(1.0 - one @ self._near @ other.T / self.positions, 0.0)
        return differing

    def _nearness_by_arguments(self, same: Matrix, definitions: Mapping[str, Definition]) -> Matrix:
        near = same.copy()
        for offset, each in zip(self._offsets, self._entries, strict=True):
            defined = [code for code, entry in enumerate(each) if entry in definitions]
            if defined:
                columns = offset + np.array(defined)
                near[np.ix_(columns, columns)] = 1.0 - unlikeness([definitions[each[code]] for code in defined])
        return near

    def squared(self, one: Matrix, other: Matrix, metric: Literal["blurred", "counts"]) -> Matrix:
        """Squared distances a position between one-hot vectors."""
        return _squared(one, other, self._metrics[metric]) / self.positions

    def one_hot(self, codes: Codes) -> Matrix:
        """One-hot vectors (n, entries of all positions)."""
        hot = np.zeros((len(codes), self._columns))
        hot[np.arange(len(codes))[:, None], self._offsets[None, :] + codes] = 1.0
        return hot


class Places:
    """The count, the first and the last place of each operation, in deviations over the space.

    Of each name φ is its count, the place where it stands first (beyond the end where it is absent) and last (0 there);
    the distance is the mean of |φ − φ'| over all of these that vary. As they are whole numbers from 0 to P, each is
    written as the P truth values φ ≥ 1 … φ ≥ P, and the distance is a matrix product.

    Args:
        entries: what may stand at every position.
    """

    def __init__(self, entries: Sequence[Sequence[str]]) -> None:
        self._most = len(entries)
        names = sorted({entry for each in entries for entry in each})
        self._names = len(names)
        widest = max(map(len, entries))
        self._named = np.zeros((len(entries), widest), dtype=np.int64)
        for position, each in enumerate(entries):
            self._named[position, : len(each)] = [names.index(entry) for entry in each]
        rng = np.random.default_rng(0)  # of what is usual in the space; nothing else is drawn from it
        sample = np.stack([rng.integers(len(each), size=_SAMPLE) for each in entries], axis=1)
        deviations = self._features(sample).std(axis=0)
        varied = deviations > 0
        scale = np.where(varied, 1.0 / np.where(varied, deviations, 1.0), 0.0) / max(1, int(varied.sum()))
        self._weights: Matrix = np.repeat(scale, self._most)

    def distances(self, first: Codes, second: Codes) -> Matrix:
        """The distance of each of the first from each of the second."""
        one, other = self._thermometers(first), self._thermometers(second)
        weighted = other * self._weights
        apart = (one @ self._weights)[:, None] + weighted.sum(axis=1)[None, :] - 2 * one @ weighted.T
        return np.maximum(np.asarray(apart, dtype=np.float64), 0.0)

    def _features(self, codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        names = self._named[np.arange(self._most)[None, :], codes]
        here = names[:, :, None] == np.arange(self._names)
        is_there = here.any(axis=1)
        first = np.where(is_there, here.argmax(axis=1), self._most)
        last = np.where(is_there, self._most - here[:, ::-1].argmax(axis=1), 0)
        return np.concatenate([here.sum(axis=1), first, last], axis=1)

    def _thermometers(self, codes: Codes) -> Matrix:
        features = self._features(codes)
        reached = features[:, :, None] >= np.arange(1, self._most + 1)
        return reached.reshape(len(codes), -1).astype(np.float64)


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
