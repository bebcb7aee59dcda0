"""The hive's expectation of architectures that it has not visited: Gaussian processes that share the say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from hivenas.core.colony import names
from hivenas.core.colony.encoding import Codes, Distances, Encoding, Matrix, Vector
from hivenas.core.colony.kernels import OF_SIZES, Kernel, Sizes
from hivenas.core.colony.process import Process

_HEARD, _MOST = 0.95, 6  # the heaviest kernels are asked, until they hold this share of the weight, and no more of them


class Guesses(Protocol):
    """The kernels that are believed in, at least one, given some records."""

    def __call__(self, distances: Distances, scores: Vector, *, sized: bool) -> Sequence[Kernel]:
        """The kernels.

        Args:
            distances: between the records (n, n).
            scores: what came of them (n,).
            sized: True where the sizes of networks are known.
        """
        ...


def known_guesses(distances: Distances, scores: Vector, *, sized: bool) -> Sequence[Kernel]:
    """One kernel where sizes are known, else those that `names` finds."""
    return (OF_SIZES,) if sized else names.kernels(distances, scores)


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

    Their scales are fixed, not fitted: with the few dozen records of a search, scales of the largest likelihood are
    too sure of themselves. What is left to learn is which of a handful of kernels to believe, by their marginal
    likelihood; the signal's variance is profiled.

    Args:
        encoding: of the space.
        codes: the visited architectures (n, positions), n ≥ 1.
        scores: what came of them (n,), larger is better, about standard normal.
        sizes: theirs, standardised (n, figures); None where they are unknown.
        guesses: the kernels.

    Source: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", ch. 2 and 5.4; Hoeting et al.
    (1999), "Bayesian model averaging: a tutorial".
    """

    def __init__(
        self,
        encoding: Encoding,
        codes: Codes,
        scores: Vector,
        *,
        sizes: Matrix | None = None,
        guesses: Guesses = known_guesses,
    ) -> None:
        self.encoding = encoding
        self.codes = codes
        self.sizes = sizes
        distances = encoding.distances(codes, codes)
        both = None if sizes is None else (sizes, sizes)
        kernels = guesses(distances, scores, sized=both is not None)
        processes = [Process(kernel, kernel(distances, both), scores) for kernel in kernels]
        evidence = np.array([process.evidence for process in processes])
        order = np.argsort(-evidence, kind="stable")
        likelihood = np.exp(evidence[order] - evidence.max())
        kept = min(int(np.searchsorted(np.cumsum(likelihood / likelihood.sum()), _HEARD)) + 1, _MOST)
        self._fits = [processes[i] for i in order[:kept]]
        self.weights: Vector = likelihood[:kept] / likelihood[:kept].sum()
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
        self, surrogate: Surrogate, fits: Sequence[Process], codes: Codes, gain: Gain, *, sizes: Matrix | None = None
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


class _Posterior:
    """One Gaussian process's view of the candidates.

    Args:
        fit: the process.
        cross: covariances of the candidates with the records (m, n).
        own: of each candidate with itself (m,).
    """

    def __init__(self, fit: Process, cross: Matrix, own: Vector) -> None:
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
