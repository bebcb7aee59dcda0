"""The losses that `evaluation.loss` may name, and how `evaluation.class_weight` says what a class weighs in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hivenas.config.text import one_of, shown

BALANCED = "balanced"
ClassWeights = str | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of training images, as a record that describes itself.

    Args:
        name: as `evaluation.loss` names it.
        description: what it is, in a line.
        path: its function, as `module:name`: of labels, answers and the share of a label that is spread; traced. Which
            task takes it, the task's record says.
    """

    name: str
    description: str
    path: str


_HOME = "hivenas.core.nas.training.losses"

LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", "−ln of the probability that the right class is given", f"{_HOME}:cross_entropy"),
        Loss("focal", "that times (1 − the probability)²: what is known well counts less", f"{_HOME}:focal"),
        Loss(
            "binary_cross_entropy",
            "mean over the labels of −ln of the probability that each is there, or is not",
            f"{_HOME}:binary_cross_entropy",
        ),
        Loss(
            "mean_squared_error",
            "square of the error, as a share of the variance of the training labels",
            f"{_HOME}:mean_squared_error",
        ),
    )
}


def check_loss(name: object) -> str:
    """Refuses what is no loss.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(name, tuple(LOSSES))


def check_class_weight(value: object) -> object:
    """Refuses what does not say how much classes weigh; classes themselves are looked up when the data are known.

    Returns:
        null, `balanced`, or weights by the names or numbers of classes, as text.

    Raises:
        ValueError: the rule, the value and the way out.
    """
    if value is None or value == BALANCED:
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"must be null, balanced or weights by class, got {shown(value)}; {{rare: 5}}, say")
    for name, weight in value.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not 0 < weight < math.inf:
            raise ValueError(
                f"must give weights that are numbers greater than 0, got {name}: {shown(weight)}; leave a class out of "
                "the data that is not to count"
            )
    return {str(name): float(weight) for name, weight in value.items()}
