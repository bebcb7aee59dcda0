"""Answers to images by models whose answers are no classes: several labels, or a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hivenas.core.label_metrics import answered
from hivenas.run.prediction import json_line, place_of


@dataclass(frozen=True, slots=True)
class LabelsPrediction:
    """The labels that a model sees in an image.

    Args:
        file: where the image came from, as given.
        index: its place in an npz file; None for an image file.
        labels: those that are more probable than not, the most probable first.
        probabilities: of all labels, 0…1, by their names.
    """

    file: str
    index: int | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]

    head: ClassVar[tuple[str, ...]] = ("image", "labels")

    def to_json(self) -> str:
        """A line of JSON."""
        return json_line(asdict(self))

    def cells(self) -> list[str]:
        """A line of a table: image, and its labels with their probabilities."""
        said = ", ".join(f"{label} {self.probabilities[label]:.4f}" for label in self.labels)
        return [place_of(self.file, self.index), said or "none"]


def labels_of(file: str, index: int | None, row: NDArray[np.float32], names: Sequence[str]) -> LabelsPrediction:
    """The labels of an image.

    Args:
        file: where the image came from.
        index: its place in an npz file; None for an image file.
        row: the probability of every label (labels,).
        names: of the labels.
    """
    is_seen = answered(row)
    seen = [int(place) for place in np.argsort(-row, kind="stable") if is_seen[place]]
    probabilities = {name: float(value) for name, value in zip(names, row, strict=True)}
    return LabelsPrediction(file, index, tuple(names[place] for place in seen), probabilities)


@dataclass(frozen=True, slots=True)
class NumberPrediction:
    """The number that a model reads from an image.

    Args:
        file: where the image came from, as given.
        index: its place in an npz file; None for an image file.
        number: in the unit of the labels that it was trained on.
    """

    file: str
    index: int | None
    number: float

    head: ClassVar[tuple[str, ...]] = ("image", "number")

    def to_json(self) -> str:
        """A line of JSON."""
        return json_line(asdict(self))

    def cells(self) -> list[str]:
        """A line of a table: image and number."""
        return [place_of(self.file, self.index), f"{self.number:.6g}"]


def number_of(file: str, index: int | None, row: NDArray[np.float32], names: Sequence[str]) -> NumberPrediction:
    """The number of an image.

    Args:
        file: where the image came from.
        index: its place in an npz file; None for an image file.
        row: the number (1,).
        names: of the one output.
    """
    return NumberPrediction(file, index, float(row[0]))
