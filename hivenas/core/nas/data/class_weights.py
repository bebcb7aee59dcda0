"""The classes as the `evaluation` section speaks of them: how much each weighs, and how many a metric takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig
from hivenas.config.losses import BALANCED
from hivenas.config.text import nearest
from hivenas.core.nas.data.image_arrays import Labels
from hivenas.errors import ConfigError

_SHOWN = 10  # classes that are named


def needs_classes(config: EvaluationConfig) -> bool:
    """True where something of the section may not suit some classes."""
    return isinstance(config.class_weight, Mapping) or config.metric.least_classes > 2


def check_classes(config: EvaluationConfig, names: Sequence[str]) -> None:
    """Refuses what does not suit the classes of the data.

    Args:
        config: the `evaluation` section.
        names: of the classes.

    Raises:
        ConfigError: a metric of more classes than there are; a weight of a class that there is not.
    """
    least = config.metric.least_classes
    if len(names) < least:
        raise ConfigError(
            f"evaluation.fitness must not be {config.fitness} with fewer than {least} classes, of which it says "
            f"nothing, got {len(names)}; set fitness: accuracy"
        )
    if isinstance(config.class_weight, Mapping):
        _by_number(config.class_weight, names)


def class_weights(config: EvaluationConfig, labels: Labels, names: Sequence[str]) -> NDArray[np.float64] | None:
    """The weight of every class in the training's loss (classes,); None where all weigh alike.

    With `balanced` a class weighs n / (C · n_c) with n_c of n training images in it, so that all C weigh alike together
    and an image weighs 1 in the mean.

    Args:
        config: the `evaluation` section.
        labels: of the training images.
        names: of the classes.

    Raises:
        ConfigError: a weight of a class that there is not.

    Source: of the balanced ones, G. King and L. Zeng, Logistic regression in rare events data (2001).
    """
    given = config.class_weight
    if given is None:
        return None
    if given == BALANCED:
        counts = np.bincount(labels, minlength=len(names))
        return np.where(counts > 0, len(labels) / (len(names) * np.maximum(counts, 1)), 1.0)
    assert isinstance(given, Mapping)
    weights = np.ones(len(names))
    for code, weight in _by_number(given, names).items():
        weights[code] = weight
    return weights


def _by_number(weights: Mapping[str, float], names: Sequence[str]) -> dict[int, float]:
    """Weights by the number of their class, which is given by its name or its number from 0."""
    codes = {str(code): code for code in range(len(names))} | {name: code for code, name in enumerate(names)}
    found: dict[int, float] = {}
    for name, weight in weights.items():
        if name not in codes:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise ConfigError(
                f"evaluation.class_weight must name classes of the data, {', '.join(names[:_SHOWN])}{more}, or their "
                f"numbers from 0, got {name!r}{nearest(name, names) or '; correct it'}"
            )
        if codes[name] in found:
            raise ConfigError(
                f"evaluation.class_weight must name a class once, got {name!r} beside its name or number; leave one of "
                "them"
            )
        found[codes[name]] = weight
    return found
