"""The hive's expectation of architectures that it has not visited: Gaussian processes that share the say."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hivenas.core.colony.encoding import Codes, DistanceKind, Distances, Encoding, Matrix

Vector = NDArray[np.float64]

Sizes = tuple[Matrix, Matrix]

_HEARD = 0.1  # share of the leading kernel's weight below which a kernel is not asked


@dataclass(frozen=True, slots=True)
class Kernel:
    """A guess of how alike two architectures perform: a mean of exp(−scale · distance) over kinds of distance.

    Where the sizes of networks are known, such as their parameters and multiply-adds, it may also take them for about
    as good as they are large: a linear function of the standardised logarithms u, whose covariance is u · u'.

    Args:
        terms: weight, kind of distance, and how fast likeness falls with it.
        noise: variance of what the distances do not explain, as a share of the whole.
        odds: log of how likely the guess is before anything is known.
        judged_by: the guess whose likelihood counts in the place of its own; None for its own.
        sizes: weight of the linear function of sizes; with those of the terms it sums to 1. A guess with one is made
            only where sizes are known.
    """

    terms: tuple[tuple[float, DistanceKind, float], ...]
    noise: float
    odds: float = 0.0
    judged_by: Kernel | None = None
    sizes: float = 0.0

    def __call__(self, distances: Distances, sizes: Sizes | None = None) -> Matrix:
        """Covariances as shares of the signal's variance.

        Args:
            distances: between two lists of architectures (rows, columns).
            sizes: the standardised sizes of the rows (rows, figures) and of the columns; None where they are unknown.
        """
        parts = (weight * np.exp(-scale * getattr(distances, kind)) for weight, kind, scale in self.terms)
        total: Matrix = sum(parts, np.zeros(1))
        return total + self.sizes * (sizes[0] @ sizes[1].T) if sizes and self.sizes else total

    def own(self, count: int, sizes: Matrix | None = None) -> Vector:
        """The covariance of each of so many architectures with itself, that is its variance (count,)."""
        total = np.full(count, sum(weight for weight, _, _ in self.terms))
        return total + self.sizes * (sizes**2).sum(axis=1) if sizes is not None and self.sizes else total


# Chosen on tables of 4 to 8 positions (docs/colony.md). The first believes in no likeness but that of the same
# operation at the same position. It looks less far than the others, which explain records better for that alone,
# whether names mean anything or not; so it is judged by what a Hamming distance explains that reaches as far as theirs.
KERNELS = (
    Kernel(
        terms=((1.0, "hamming", 2.0),),
        noise=0.05,
        odds=-0.5,
        judged_by=Kernel(terms=((0.25, "hamming", 3.2), (0.75, "hamming", 0.5)), noise=0.2),
    ),
    Kernel(terms=((0.23, "hamming", 3.2), (0.77, "blurred", 1.0)), noise=0.2),
    Kernel(terms=((0.26, "hamming", 3.2), (0.37, "blurred", 1.0), (0.37, "counts", 0.5)), noise=0.2),
    # Of networks: what each operation is, where it stands first and last, and their size. Likelihood finds it late.
    Kernel(terms=((0.4, "arguments", 3.2), (0.4, "places", 1.0)), sizes=0.2, noise=0.2, odds=3.0),
)


def normal_scores(values: Sequence[float] | Vector) -> Vector:
    """The quantiles of a standard normal that belong to the ranks of values, equals sharing their mean rank.

    What a surrogate learns are ranks: it stays calm where one bad training falls far below all others.
    """
    array = np.asarray(values, dtype=float)
    _, place, counts = np.unique(array, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2  # mean rank of each distinct value, from 0
    inverse = NormalDist().inv_cdf
    scores = np.array([inverse((rank + 0.5) / len(array)) for rank in ranks])
    scored: Vector = scores[place]
    return scored


class Surrogate:
    """Several Gaussian processes on the same records, weighted by how well they explain them.

    No kernel is safe on every space: where it does not matter at which position an operation stands, counting
    operations halves the regret; where it does, it misleads. Their scales are fixed, not fitted: with the few dozen
    records of a search, scales of the largest likelihood are too sure of themselves. What is left to learn is which
    of a handful of kernels to believe, by their marginal likelihood; the signal's variance is profiled.

    Args:
        encoding: of the space.
        kernels: the guesses, at least one.
        codes: the visited architectures (n, positions), n ≥ 1.
        scores: what came of them (n,), larger is better, about standard normal.
        sizes: theirs, standardised (n, figures); None where they are unknown.

    Source: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", ch. 2 and 5.4; Hoeting et al.
    (1999), "Bayesian model averaging: a tutorial".
    """

    def __init__(
        self,
        encoding: Encoding,
        kernels: Sequence[Kernel],
        codes: Codes,
        scores: Vector,
        *,
        sizes: Matrix | None = None,
    ) -> None:
        self.encoding = encoding
        self.codes = codes
        self.sizes = sizes
        distances = encoding.distances(codes, codes)
        both = None if sizes is None else (sizes, sizes)
        fits = [_Fit(kernel, kernel(distances, both), scores) for kernel in kernels if both or not kernel.sizes]
        evidence = np.array([_evidence(fit, distances, scores) for fit in fits])
        likelihood = np.exp(evidence - evidence.max())
        self._fits = [fit for fit, weight in zip(fits, likelihood, strict=True) if weight >= _HEARD]
        kept = likelihood[likelihood >= _HEARD]
        self.weights: Vector = kept / kept.sum()
        self.scores = scores

    def acquisition(self, codes: Codes, gain: Gain | None = None, *, sizes: Matrix | None = None) -> Acquisition:
        """The expectation of unvisited architectures (m, positions).

        Args:
            codes: of the architectures.
            gain: what scores are worth; None for their improvement over the best one.
            sizes: theirs, standardised (m, figures), where those of the visited ones are known.
        """
        return Acquisition(self, self._fits, codes, gain or Improvement(float(self.scores.max())), sizes=sizes)


class Gain(Protocol):
    """The worth of finding a score at each of some candidates."""

    def expected(self, mean: Vector, variance: Vector, beyond: Sequence[float] = ()) -> Vector:
        """The expected gain of every candidate, whose score is a normal variable.

        Args:
            mean: of the scores.
            variance: of the scores.
            beyond: the costs from which on gains count, where costs do; none for all.
        """
        ...

    def found(self, chosen: int, score: float) -> Gain:
        """The worth once this candidate was visited and had this score."""
        ...


@dataclass(frozen=True, slots=True)
class Improvement:
    """The improvement over the best score.

    Source: Jones, Schonlau and Welch (1998), "Efficient global optimization of expensive black-box functions".
    """

    best: float

    def expected(self, mean: Vector, variance: Vector, beyond: Sequence[float] = ()) -> Vector:
        """Expected improvement."""
        return expected_improvement(mean, variance, self.best)

    def found(self, chosen: int, score: float) -> Improvement:
        """The better of the two is the best from then on."""
        return Improvement(max(self.best, score))


class Acquisition:
    """The hive's expectation of the candidates of a phase, the bees already on their way counted in.

    As the bees of a phase fly at the same time, a bee assumes that those before it will find just what is expected
    (kriging believer): what they will have explored is certain then, and the next bee flies elsewhere.

    Source: Ginsbourger, Le Riche and Carraro (2010), "Kriging is well-suited to parallelize optimization".
    """

    def __init__(
        self, surrogate: Surrogate, fits: Sequence[_Fit], codes: Codes, gain: Gain, *, sizes: Matrix | None = None
    ) -> None:
        self._encoding = surrogate.encoding
        self._codes = codes
        self._sizes = sizes
        self._weights = surrogate.weights
        distances = self._encoding.distances(codes, surrogate.codes)
        both = None if sizes is None or surrogate.sizes is None else (sizes, surrogate.sizes)
        self._posteriors = [
            _Posterior(fit, fit.kernel(distances, both), fit.kernel.own(len(codes), sizes)) for fit in fits
        ]
        self._gains = [gain] * len(fits)  # each kernel expects another score of a bee that is on its way

    def mean(self) -> Vector:
        """Expected score of every candidate."""
        means = (weight * each.mean for weight, each in zip(self._weights, self._posteriors, strict=True))
        return sum(means, np.zeros(1))

    def improvement(self, beyond: Sequence[float] = ()) -> Vector:
        """Expected gain of every candidate, such as its improvement over the best score.

        Args:
            beyond: see `Gain.expected`.
        """
        gains = (
            weight * gain.expected(each.mean, each.variance, beyond)
            for weight, each, gain in zip(self._weights, self._posteriors, self._gains, strict=True)
        )
        return sum(gains, np.zeros(1))

    def assume(self, chosen: int) -> None:
        """Takes a candidate as visited, with the score that is expected of it."""
        distances = self._encoding.distances(self._codes, self._codes[chosen : chosen + 1])
        both = None if self._sizes is None else (self._sizes, self._sizes[chosen : chosen + 1])
        for each in self._posteriors:
            each.assume(chosen, distances, both)
        self._gains = [
            gain.found(chosen, float(each.mean[chosen]))
            for gain, each in zip(self._gains, self._posteriors, strict=True)
        ]


def expected_improvement(mean: Vector, variance: Vector, best: float) -> Vector:
    """E max(x − best, 0) of normal variables x."""
    deviation = np.sqrt(variance)
    gap = mean - best
    ratio = gap / deviation
    density = np.exp(-0.5 * ratio**2) / math.sqrt(2 * math.pi)
    below = 0.5 * np.array([math.erfc(-each / math.sqrt(2.0)) for each in ratio])
    gain: Vector = np.maximum(gap * below + deviation * density, 0.0)
    return gain


class _Fit:
    """One kernel's Gaussian process on the records, whose covariances (n, n) it is given."""

    def __init__(self, kernel: Kernel, covariance: Matrix, scores: Vector) -> None:
        n = len(scores)
        noisy = covariance + kernel.noise * np.eye(n)
        self.kernel = kernel
        self._noisy = noisy
        self.alpha = np.linalg.solve(noisy, scores)
        self.signal = max(float(scores @ self.alpha) / n, 1e-12)  # profiled variance; 0 where all scores are equal
        self.evidence = -0.5 * n * math.log(self.signal) - 0.5 * float(np.linalg.slogdet(noisy)[1])

    @functools.cached_property
    def inverse(self) -> Matrix:
        """Of the covariance of the records; a fit that is only judged by has no use for it."""
        inverse: Matrix = np.asarray(np.linalg.inv(self._noisy), dtype=np.float64)
        return inverse


def _evidence(fit: _Fit, distances: Distances, scores: Vector) -> float:
    """The logarithm of how likely a kernel is, given the records."""
    rule = fit.kernel.judged_by
    return fit.kernel.odds + (fit if rule is None else _Fit(rule, rule(distances), scores)).evidence


class _Posterior:
    """One Gaussian process's view of the candidates.

    Args:
        fit: the process.
        cross: covariances of the candidates with the records (m, n).
        own: of each candidate with itself (m,).
    """

    def __init__(self, fit: _Fit, cross: Matrix, own: Vector) -> None:
        self._fit = fit
        self._cross = cross
        self._gain = self._cross @ fit.inverse
        self.mean: Vector = self._cross @ fit.alpha
        explained = np.einsum("ij,ij->i", self._gain, self._cross)
        self.variance: Vector = fit.signal * np.maximum(own - explained, 1e-9)
        self._assumed: list[tuple[Vector, float]] = []

    def assume(self, chosen: int, distances: Distances, sizes: Sizes | None = None) -> None:
        """Conditions the variance on a candidate as if it had been visited; the mean stays as it is."""
        fit = self._fit
        prior = fit.kernel(distances, sizes)[:, 0]
        covariance = fit.signal * (prior - self._gain @ self._cross[chosen])
        for earlier, scale in self._assumed:
            covariance = covariance - earlier * earlier[chosen] / scale
        scale = float(self.variance[chosen]) + fit.signal * fit.kernel.noise
        self._assumed.append((covariance, scale))
        self.variance = np.maximum(self.variance - covariance**2 / scale, 1e-12)
