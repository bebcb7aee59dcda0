"""One Gaussian process on the records of a search."""

from __future__ import annotations

import functools
import math

import numpy as np

from hivenas.core.colony.encoding import Matrix, Vector
from hivenas.core.colony.kernels import Kernel


class Process:
    """A kernel's Gaussian process on some records, whose signal's variance is that of the largest likelihood.

    Args:
        kernel: the guess.
        covariance: of the records (n, n), as the kernel has it.
        scores: what came of them (n,).

    Source: Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", ch. 2 and 5.4.
    """

    def __init__(self, kernel: Kernel, covariance: Matrix, scores: Vector) -> None:
        n = len(scores)
        self.kernel = kernel
        self._noisy = covariance + kernel.noise * np.eye(n)
        self._scores = scores
        self.alpha = np.linalg.solve(self._noisy, scores)
        self.signal = max(float(scores @ self.alpha) / n, 1e-12)  # profiled variance; 0 where all scores are equal
        self.evidence = -0.5 * n * math.log(self.signal) - 0.5 * float(np.linalg.slogdet(self._noisy)[1])

    @functools.cached_property
    def inverse(self) -> Matrix:
        """Of the covariance of the records; a process that is only compared with others has no use for it."""
        inverse: Matrix = np.asarray(np.linalg.inv(self._noisy), dtype=np.float64)
        return inverse

    def left_out(self) -> Vector:
        """The score that is expected of each record by all others (n,).

        Source: Rasmussen and Williams (2006), equation 5.12.
        """
        expected: Vector = self._scores - self.alpha / np.diag(self.inverse)
        return expected
