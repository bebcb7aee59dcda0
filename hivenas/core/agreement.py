"""The agreement of two models that should answer alike, a task each: one of Keras, and what was exported of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.core.label_metrics import answered

_NEAR = 0.01  # deviations by which numbers may differ that count as the same
_STEPS = 4  # of float32, by which a number may be rounded otherwise

Rows = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The comparison of two models' answers to the same images.

    Args:
        share: of true labels, the answers that are expected and those that were found, the share of images that are
            answered alike, 0…1.
        rounding: of the same labels, by how much numbers may differ that are equal up to rounding, as a multiple of
            what probabilities may.
        relative: whether larger answers may differ by more.
    """

    share: Callable[[Rows, Rows, Rows], float]
    rounding: Callable[[Rows], float]
    relative: bool = True

    def is_close(self, labels: Rows, expected: Rows, found: Rows, *, rtol: float, atol: float) -> bool:
        """True where the answers are the same up to rounding.

        Args:
            labels: the true ones.
            expected: answers (images, outputs).
            found: the others' answers.
            rtol: of probabilities, by which share of them they may differ.
            atol: of probabilities, by how much they may differ beside that.
        """
        if expected.shape != found.shape:
            return False
        steps = 0.0 if self.relative else _STEPS * float(np.spacing(np.abs(expected).max(), dtype=np.float32))
        allowed = atol * self.rounding(labels) + steps
        return bool(np.allclose(found, expected, rtol=rtol if self.relative else 0.0, atol=allowed))


def deviation(labels: Rows) -> float:
    """The standard deviation of numbers; 1 where all are alike."""
    return float(labels.astype(np.float64).std()) or 1.0


def same_class(labels: Rows, expected: Rows, found: Rows) -> float:
    """Share of the images that are given the same class."""
    return float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())


def same_labels(labels: Rows, expected: Rows, found: Rows) -> float:
    """Share of the images that are given the same labels, all of them."""
    return float((answered(found) == answered(expected)).all(axis=1).mean())


def same_number(labels: Rows, expected: Rows, found: Rows) -> float:
    """Share of the images whose numbers differ by a hundredth of the labels' deviation at the most."""
    apart = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    return float((apart <= _NEAR * deviation(labels)).all(axis=1).mean())


CLASS = Agreement(same_class, lambda labels: 1.0)
LABELS = Agreement(same_labels, lambda labels: 1.0)
NUMBER = Agreement(same_number, deviation, relative=False)
