"""The metrics of numbers: functions of the labels and of what was answered, both (images, 1), in the labels' unit.

`config.metrics` has the record of each, under its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def errors(labels: Numbers, answers: Numbers) -> NDArray[np.float64]:
    """The answer less the truth, of every image (images,)."""
    found: NDArray[np.float64] = answers.astype(np.float64).ravel() - labels.astype(np.float64).ravel()
    return found


def rmse(labels: Numbers, answers: Numbers) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean(errors(labels, answers) ** 2)))


def mae(labels: Numbers, answers: Numbers) -> float:
    """Mean size of the error."""
    return float(np.mean(np.abs(errors(labels, answers))))


def r2(labels: Numbers, answers: Numbers) -> float:
    """Share of the labels' variance that is explained, 1 − Σ error² / Σ (label − mean)²; below 0 the mean is better.

    Of labels that are all alike it is 1 where they are answered, else 0, as in scikit-learn.

    Source: N. R. Draper and H. Smith, Applied Regression Analysis (1998), chapter 1.
    """
    wrong = float((errors(labels, answers) ** 2).sum())
    exact = labels.astype(np.float64)
    spread = float(((exact - exact.mean()) ** 2).sum())
    if not spread:
        return float(not wrong)
    return 1.0 - wrong / spread


def per_output(labels: Numbers, answers: Numbers, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Figures of every output: none, as there is one output, of which the metrics tell."""
    return {}
