"""The answers of a fully trained network on the test split, where these are no classes: several labels, or a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hivenas.config.metrics import Metric
from hivenas.config.tasks import MULTILABEL, REGRESS, TASKS, THRESHOLD
from hivenas.core.label_metrics import answered
from hivenas.core.measured import TEST_METRICS, TEST_PER_CLASS
from hivenas.core.metrics import SMALLEST, all_metrics
from hivenas.core.nas.data.joined_images import taken
from hivenas.core.nas.data.stored_images import Images
from hivenas.core.nas.training.predictions import WORST, looked_for, refuse_no_numbers
from hivenas.core.number_metrics import errors


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """The answers on the test split, and the images that were answered worst.

    Args:
        answers: of the network (images, outputs).
        labels: the true ones (images, outputs).
        names: of the outputs.
        worst: positions of the images that were answered worst, the worst first.
        pictures: those images, raw (worst, height, width, channels).
    """

    answers: NDArray[np.float32]
    labels: NDArray[np.float32]
    names: tuple[str, ...]
    worst: NDArray[np.int64]
    pictures: NDArray[Any]

    task: ClassVar[str]

    @classmethod
    def of(
        cls, answers: NDArray[np.float32], labels: NDArray[np.float32], images: Images, names: Sequence[str]
    ) -> Self:
        """Finds what was answered worst for the raw images.

        Raises:
            NotFiniteError: answers that are no numbers.
        """
        refuse_no_numbers(answers)
        wrong = cls.wrongness(labels, answers)
        worst = np.argsort(-wrong, kind="stable")[: min(WORST, int((wrong > 0).sum()))].astype(np.int64)
        return cls(answers, labels, tuple(names), worst, taken(images, worst))

    @staticmethod
    def wrongness(labels: NDArray[np.float32], answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """By how much each image was answered wrong (images,); 0 where it was right."""
        raise NotImplementedError

    @property
    def loss(self) -> float:
        """Mean loss of the answers."""
        raise NotImplementedError

    def told(self, metric: Metric) -> dict[str, Any]:
        """The figures of the test, for an evaluation's `extra`.

        Args:
            metric: what is looked for.

        Raises:
            MetricError: one of the user's own raises, or gives no finite number.
        """
        return {
            **looked_for(metric, self.labels, self.answers),
            "test_images": len(self.labels),
            "test_loss": self.loss,
            TEST_METRICS: all_metrics(self.labels, self.answers, self.task),
            TEST_PER_CLASS: TASKS[self.task].piece("per_output")(self.labels, self.answers, self.names),
        }

    def save(self, path: Path) -> None:
        """Writes an npz file."""
        np.savez_compressed(
            path,
            answers=self.answers,
            labels=self.labels,
            names=np.array(self.names, dtype=np.str_),
            worst=self.worst,
            pictures=self.pictures,
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            names = tuple(str(name) for name in file["names"])
            return cls(file["answers"], file["labels"], names, file["worst"], file["pictures"])


class LabelPredictions(TaskPredictions):
    """The probabilities of labels; worst is where most labels are wrong, of these where they are surest."""

    __slots__ = ()
    task = MULTILABEL

    @staticmethod
    def wrongness(labels: NDArray[np.float32], answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """The number of wrong labels, and as a fraction how sure they were."""
        wrong = answered(answers) != (labels > 0)
        sure = np.where(wrong, np.abs(answers - THRESHOLD), 0.0).sum(axis=1)
        found: NDArray[np.float64] = wrong.sum(axis=1) + sure / max(labels.shape[1], 1)
        return found

    @property
    def loss(self) -> float:
        """Mean binary cross-entropy."""
        given = np.where(self.labels > 0, self.answers, 1 - self.answers).astype(np.float64)
        return float(-np.log(np.maximum(given, SMALLEST)).mean())


class NumberPredictions(TaskPredictions):
    """Numbers; worst is where the error is largest."""

    __slots__ = ()
    task = REGRESS

    @staticmethod
    def wrongness(labels: NDArray[np.float32], answers: NDArray[np.float32]) -> NDArray[np.float64]:
        """The size of the error."""
        return np.abs(errors(labels, answers))

    @property
    def loss(self) -> float:
        """Mean squared error, in the square of the labels' unit."""
        return float((errors(self.labels, self.answers) ** 2).mean())
