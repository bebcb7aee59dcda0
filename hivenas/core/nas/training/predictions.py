"""The answers of a fully trained network on the test split; of classes its accuracy, its confusions, its mistakes."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hivenas.config.metrics import ACCURACY, Metric
from hivenas.core.measured import TEST_METRICS, TEST_PER_CLASS, marked
from hivenas.core.metrics import SMALLEST, MetricError, Scores, all_metrics, per_class, value_of
from hivenas.core.metrics import accuracy as share_of_right_answers
from hivenas.core.metrics import confusion as confusion_of
from hivenas.core.nas.data.joined_images import taken
from hivenas.core.nas.data.stored_images import Images
from hivenas.core.nas.training.failures import NotFiniteError
from hivenas.core.seeds import derive_seed
from hivenas.wording import number_of

WORST = 25  # images that are kept to be looked at
_RESAMPLES, _LEAST_RESAMPLES, _MOST_DRAWS = 1_000, 100, 20_000
_TWO_SIDED_95 = 1.959963984540054  # quantile 0.975 of the normal distribution
# Far above what the order of additions changes, far below what a person would call another answer.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-5
_STEPS = 16  # of float32, by which a number may be rounded otherwise


def same_answers(one: ArrayLike, other: ArrayLike, *, relative: bool = True) -> bool:
    """True where two networks answer alike, up to rounding.

    Args:
        one: answers (images, outputs).
        other: those of the other network.
        relative: whether larger answers may differ by more; else the more the larger their deviation is.
    """
    if np.shape(one) != np.shape(other):
        return False
    # Numbers around 0 are rounded by as much as the largest of them are.
    largest = float(np.max(np.abs(one), initial=1.0, where=np.isfinite(one)))
    if relative:
        return bool(np.allclose(one, other, rtol=_RELATIVE, atol=_ABSOLUTE * largest, equal_nan=True))
    step, deviation = np.spacing(np.float32(largest)), np.nanstd(np.asarray(one, np.float64))
    allowed = _RELATIVE * float(deviation) + _STEPS * float(step)
    return bool(np.allclose(one, other, rtol=0.0, atol=allowed, equal_nan=True))


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of right answers.

    Args:
        right: right answers.
        count: all answers, at least one.

    Returns:
        Its lower and upper end, within 0…1.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
    Statistical Association 22 (1927), 209–212.
    """
    share, square = right / count, _TWO_SIDED_95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = _TWO_SIDED_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    # Rounding alone would leave 0 and 1 where nothing or everything is right.
    return (0.0 if right == 0 else centre - half), (1.0 if right == count else centre + half)


def bootstrap_interval(metric: Metric, labels: NDArray[Any], scores: Scores) -> tuple[float, float]:
    """The 95 % confidence interval of a metric of answers: that of a thousand resamples, the middle 95 %.

    The draws depend on the labels alone, so that models are compared on the same resamples. Those that lack a class, or
    a label, which the images have are left out, as metrics of classes would be the mean of fewer there; so are those in
    which the metric has no value.

    Args:
        metric: of the answers.
        labels: the classes of the images (images,), their labels as zeros and ones (images, labels), or numbers.
        scores: the answers, such as the probability of every class for each (images, classes).

    Returns:
        Its lower and upper end; NaN where fewer than a hundred resamples are left.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, The Annals of Statistics 7 (1979), percentiles.
    """
    rng = np.random.default_rng(derive_seed(0, "bootstrap", len(labels)))
    values = []
    draws = (rng.integers(len(labels), size=len(labels)) for _ in range(_MOST_DRAWS))
    kinds = _kinds(labels)
    whole = (drawn for drawn in draws if kinds is None or _kinds(labels[drawn]) == kinds)
    for drawn in itertools.islice(whole, _RESAMPLES):
        with contextlib.suppress(MetricError):
            values.append(value_of(metric, labels[drawn], scores[drawn]))
    enough = len(values) >= _LEAST_RESAMPLES
    low, high = np.quantile(values, (0.025, 0.975)) if enough else (math.nan, math.nan)
    return float(low), float(high)


def _kinds(labels: NDArray[Any]) -> int | None:
    """The number of different classes, or of labels that some image has; None of numbers."""
    if labels.dtype.kind in "ui":
        return int(np.count_nonzero(np.bincount(labels)))
    return int(labels.any(axis=0).sum()) if labels.ndim == 2 else None


def refuse_no_numbers(answers: NDArray[np.float32]) -> None:
    """Refuses answers (images, outputs) that are no finite numbers.

    Raises:
        NotFiniteError: says how many.
    """
    if broken := int((~np.isfinite(answers).all(axis=1)).sum()):
        raise NotFiniteError(f"the answers to {broken} of {number_of(len(answers), 'test image')} are not finite")


def looked_for(metric: Metric, labels: NDArray[Any], answers: Scores) -> dict[str, Any]:
    """The test figure that is looked for with its interval, and whose it is, for an evaluation's `extra`.

    Raises:
        MetricError: one of the user's own raises, or gives no finite number.
    """
    low, high = bootstrap_interval(metric, labels, answers)
    name = f"test_{metric.name}"
    own = {name: value_of(metric, labels, answers), f"{name}_low": low, f"{name}_high": high}
    return {**marked(metric), **own}


class Tested(Protocol):
    """The answers of a fully trained network on the test split, whatever its task.

    Attributes:
        answers: of the network (images, outputs).
        labels: the true ones.
    """

    @property
    def answers(self) -> NDArray[np.float32]:
        """Of the network (images, outputs)."""
        ...

    @property
    def labels(self) -> NDArray[Any]:
        """The classes (images,), or numbers or labels (images, outputs)."""
        ...

    def told(self, metric: Metric) -> dict[str, Any]:
        """The figures of the test, for an evaluation's `extra`: at least `test_NAME` of the metric, `test_images`."""
        ...

    def save(self, path: Path) -> None:
        """Writes an npz file, which `load` of the class reads."""
        ...


@dataclass(frozen=True, slots=True)
class TestPredictions:
    """The probabilities of classes on the test split, and the images whose wrong answers were surest.

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
        images: Images,
        class_names: Sequence[str],
    ) -> TestPredictions:
        """Finds the mistakes in what was answered for the raw images.

        Raises:
            NotFiniteError: probabilities that are none.
        """
        refuse_no_numbers(probabilities)
        answers = probabilities.argmax(axis=1)
        wrong = np.flatnonzero(answers != labels)
        surest = np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")
        mistakes = wrong[surest[:WORST]].astype(np.int64)
        pictures = taken(images, mistakes)
        return cls(probabilities, labels, class_names=tuple(class_names), mistakes=mistakes, pictures=pictures)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return share_of_right_answers(self.labels, self.probabilities)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy, see `wilson_interval`."""
        return wilson_interval(int((self.probabilities.argmax(axis=1) == self.labels).sum()), len(self.labels))

    @property
    def never_named(self) -> tuple[str, ...]:
        """The classes that the split has and that no image was taken for."""
        named = np.unique(self.probabilities.argmax(axis=1))
        return tuple(self.class_names[code] for code in np.setdiff1d(self.labels, named))

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        given = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(given, SMALLEST)).mean())

    def confusion(self) -> NDArray[np.int64]:
        """Count the images of a class (row) that were answered as another (column)."""
        return confusion_of(self.labels, self.probabilities)

    def measured(self, metric: Metric) -> dict[str, Any]:
        """All metrics and the figures of every class, for an evaluation's `extra`.

        Args:
            metric: what is looked for; where that is not the accuracy it is there with its interval, too.

        Raises:
            MetricError: one of the user's own raises, or gives no finite number.
        """
        found = {
            TEST_METRICS: all_metrics(self.labels, self.probabilities),
            TEST_PER_CLASS: per_class(self.labels, self.probabilities, self.class_names),
        }
        if metric.name == ACCURACY:
            return found
        return {**looked_for(metric, self.labels, self.probabilities), **found}

    @property
    def answers(self) -> NDArray[np.float32]:
        """The probabilities."""
        return self.probabilities

    def told(self, metric: Metric) -> dict[str, Any]:
        """The figures of the test, for an evaluation's `extra`.

        Args:
            metric: what is looked for.

        Raises:
            MetricError: one of the user's own raises, or gives no finite number.
        """
        low, high = self.interval
        found = {
            "test_accuracy": self.accuracy,
            "test_accuracy_low": low,
            "test_accuracy_high": high,
            "test_images": len(self.labels),
            "test_loss": self.loss,
            **self.measured(metric),
        }
        return found | ({"never_named": list(self.never_named)} if self.never_named else {})

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
    def load(cls, path: Path) -> TestPredictions:
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            names = tuple(str(name) for name in file["class_names"])
            return cls(
                file["probabilities"],
                file["labels"],
                class_names=names,
                mistakes=file["mistakes"],
                pictures=file["pictures"],
            )
