"""Plain Bayesian optimisation over architectures: a Gaussian process on Hamming distance, expected improvement.

A peer for `search_quality.py`. One architecture at a time; ten random ones first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import ndtr

from hivenas.core.colony.surrogate import normal_scores
from hivenas.objectives.table import TableObjective

FIRST = 10  # random architectures before the model is asked
BEST = 10  # architectures whose neighbours are looked at
RANDOM = 200  # random architectures that are looked at beside them

_Floats = NDArray[np.float64]
# Log-normal priors: median and standard deviation of the logarithm; and where the noise may lie.
_RATE, _NOISE, _WIDTH = np.log(0.3), np.log(0.05), 1.5
_RATES, _NOISES = (-5.0, 3.0), (-7.0, 1.0)


class HammingProcess:
    """A Gaussian process with kernel exp(−w · Hamming distance) and noise s, on rank-normal targets.

    w and s maximise the marginal likelihood times their priors, by coordinate steps, when the data have grown by three
    tenths; the variance of the signal is profiled out. In between, the Cholesky factor grows by a row a datum.

    Args:
        positions: components of an architecture.
        capacity: the most data that there will be.
    """

    def __init__(self, positions: int, capacity: int) -> None:
        self._positions = positions
        self._codes = np.empty((capacity, positions), dtype=np.int16)
        self._fitness = np.empty(capacity)
        self._distance = np.zeros((capacity, capacity), dtype=np.int16)
        self._factor = np.zeros((capacity, capacity))
        self._log = np.array([_RATE, _NOISE])
        self._factored = self._fitted = self.count = 0

    def add(self, codes: NDArray[np.int16], fitness: float) -> None:
        """Adds a datum."""
        n = self.count
        self._codes[n], self._fitness[n] = codes, fitness
        self._distance[n, : n + 1] = self._distance[: n + 1, n] = (self._codes[: n + 1] != codes).sum(axis=1)
        self.count += 1

    def expected_improvement(self, codes: NDArray[np.int16]) -> _Floats:
        """The expected improvement over the best datum, in units of the targets, of architectures (n, positions)."""
        self._fit()
        n, factor = self.count, self._factor[: self.count, : self.count]
        targets = normal_scores(self._fitness[:n])
        alpha = cho_solve((factor, True), targets, check_finite=False)
        scale = targets @ alpha / n
        known = self._codes[:n]
        distance = np.zeros((n, len(codes)), dtype=np.int8)
        for position in range(self._positions):
            distance += known[:, position, None] != codes[None, :, position]
        kernel = np.exp(-np.exp(self._log[0]) * np.arange(self._positions + 1))[distance]
        mean = alpha @ kernel
        solved = solve_triangular(factor, kernel, lower=True, check_finite=False, overwrite_b=True)
        deviation = np.sqrt(scale * np.maximum(1.0 - np.einsum("ij,ij->j", solved, solved), 1e-12))
        z = (mean - targets.max()) / deviation
        improvement: _Floats = deviation * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
        return improvement

    def _fit(self) -> None:
        if self.count >= max(self._fitted + 4, 1.3 * self._fitted):
            self._log = _climb(self._posterior, self._log)
            self._fitted, self._factored = self.count, 0
        if self._factored == 0:
            self._factor[: self.count, : self.count] = np.linalg.cholesky(self._kernel(self._log))
            self._factored = self.count
        while self._factored < self.count:
            self._grow()

    def _grow(self) -> None:
        m = self._factored
        row = np.exp(-np.exp(self._log[0]) * self._distance[m, :m])
        row = solve_triangular(self._factor[:m, :m], row, lower=True, check_finite=False)
        self._factor[m, :m] = row
        self._factor[m, m] = np.sqrt(max(1.0 + np.exp(self._log[1]) - row @ row, 1e-12))
        self._factored += 1

    def _kernel(self, log: _Floats) -> _Floats:
        n = self.count
        kernel: _Floats = np.exp(-np.exp(log[0]) * self._distance[:n, :n])
        kernel[np.diag_indices(n)] += np.exp(log[1])
        return kernel

    def _posterior(self, log: _Floats) -> float:
        """The logarithm of marginal likelihood times priors."""
        factor = np.linalg.cholesky(self._kernel(log))
        targets = normal_scores(self._fitness[: self.count])
        solved = solve_triangular(factor, targets, lower=True, check_finite=False)
        likelihood = -0.5 * self.count * np.log(solved @ solved / self.count) - np.log(np.diag(factor)).sum()
        return float(likelihood - 0.5 * (((log - (_RATE, _NOISE)) / _WIDTH) ** 2).sum())


def _climb(posterior: Callable[[_Floats], float], start: _Floats) -> _Floats:
    """Two sweeps over the coordinates, with steps of 0.6 then 0.3, at most three in one direction."""
    log, value = start.copy(), posterior(start)
    for step in (0.6, 0.3):
        for i, bounds in enumerate((_RATES, _NOISES)):
            for direction in (step, -step):
                moved = False
                for _ in range(3):
                    candidate = log.copy()
                    candidate[i] = np.clip(log[i] + direction, *bounds)
                    there = posterior(candidate)
                    if there <= value:
                        break
                    log, value, moved = candidate, there, True
                if moved:
                    break
    return log


def gp_bo(objective: TableObjective, budget: int, rng: np.random.Generator) -> Generator[str, float, None]:
    """The best expected improvement among the unvisited neighbours of the ten best and 200 random architectures."""
    table = objective.table
    process = HammingProcess(len(table.entries), budget)
    known: dict[int, float] = {}
    while len(known) < min(budget, objective.size):
        row = int(rng.integers(objective.size))
        if len(known) >= FIRST and (pool := _pool(objective, known, rng)):
            row = pool[int(np.argmax(process.expected_improvement(table.codes[pool])))]
        if row not in known:
            known[row] = yield table.architectures[row]
            process.add(table.codes[row], known[row])


def _pool(objective: TableObjective, known: dict[int, float], rng: np.random.Generator) -> list[int]:
    """Rows of unvisited architectures, none twice."""
    table = objective.table
    best = sorted(known, key=known.__getitem__, reverse=True)[:BEST]
    around = [table.rows[arch] for row in best for arch in objective.neighbors(table.architectures[row])]
    drawn = rng.integers(objective.size, size=RANDOM).tolist()
    return [row for row in dict.fromkeys(around + drawn) if row not in known]
