"""What a fully trained network answered on the test split: its accuracy, its confusions, its worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MISTAKES = 25
_SMALLEST = 1e-7  # a probability of 0 has an infinite loss


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers on the test split, and the images that were answered worst.

    Args:
        probabilities: of every class for every image (images, classes).
        labels: the true classes (images,).
        class_names: a name for every class.
        mistakes: positions of wrongly answered images, the surest mistake first.
        pictures: those images, raw (mistakes, height, width, channels).
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int32]
    class_names: tuple[str, ...]
    mistakes: NDArray[np.int64]
    pictures: NDArray[Any]

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.float32],
        labels: NDArray[np.int32],
        images: NDArray[Any],
        class_names: Sequence[str],
    ) -> Answers:
        """Finds the mistakes in what was answered for the raw images."""
        answers = probabilities.argmax(axis=1)
        wrong = np.flatnonzero(answers != labels)
        surest = np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")
        mistakes = wrong[surest[:_MISTAKES]].astype(np.int64)
        return cls(probabilities, labels, tuple(class_names), mistakes, images[mistakes])

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        given = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(given, _SMALLEST)).mean())

    def confusion(self) -> NDArray[np.int64]:
        """How often a class (row) was answered as another (column)."""
        classes = len(self.class_names)
        pairs = self.labels.astype(np.int64) * classes + self.probabilities.argmax(axis=1)
        return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)

    def save(self, path: Path) -> None:
        """Writes an npz file."""
        np.savez_compressed(
            path,
            probabilities=self.probabilities,
            labels=self.labels,
            class_names=np.array(self.class_names),
            mistakes=self.mistakes,
            pictures=self.pictures,
        )

    @classmethod
    def load(cls, path: Path) -> Answers:
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            names = tuple(str(name) for name in file["class_names"])
            return cls(file["probabilities"], file["labels"], names, file["mistakes"], file["pictures"])
