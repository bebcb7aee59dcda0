"""The thresholds of `registry.promote_if`: what a model must reach on the test split to become the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hivenas.config.metrics import Metric, metrics_of
from hivenas.config.text import nearest, shown

_KEYS = ("threshold", "min_improvement")
_EXAMPLE = "{accuracy: 0.9}"
_BOTH = "{threshold: 0.9, min_improvement: 0.005}"


@dataclass(frozen=True, slots=True)
class PromotionThreshold:
    """A threshold that a model's test figure must not miss.

    Args:
        metric: name of the figure.
        threshold: that it must reach; None for none.
        min_improvement: by which it must be better than that of the version that has the alias, in its own unit; None
            for none.
        minimize: whether less of it is better.
        label: the metric for people.
    """

    metric: str
    threshold: float | None = None
    min_improvement: float | None = None
    minimize: bool = False
    label: str = ""


def check_promotion(given: object) -> dict[str, Any]:
    """Refuses what does not map metrics to thresholds: numbers, or `{threshold: …, min_improvement: …}`.

    Raises:
        ValueError: says what it must be.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"must map metrics to numbers, got {shown(given)}; {_EXAMPLE}, say")
    for name, wanted in given.items():
        parts = _parts(wanted)
        if not parts:
            raise ValueError(f"must say what {name} is to reach, got {{}}; {_EXAMPLE}, say")
        if unknown := [key for key in parts if key not in _KEYS]:
            raise ValueError(
                f"must have the keys {' and '.join(_KEYS)} alone for {name}, got {unknown[0]!r}; {_BOTH}, say"
            )
        for key, number in parts.items():
            _check_number(f"{name}.{key}" if parts is wanted else str(name), number, least=key == "min_improvement")
    return {str(name): dict(wanted) if isinstance(wanted, Mapping) else wanted for name, wanted in given.items()}


def _check_number(name: str, number: object, *, least: bool) -> None:
    is_number = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    if not is_number or (least and float(str(number)) < 0):
        kind = "a number that is not negative" if least else "a number"
        raise ValueError(f"must have {kind} for {name}, got {shown(number)}; {_EXAMPLE}, say")


def thresholds_of(given: Mapping[str, Any], fitness: Metric) -> tuple[PromotionThreshold, ...]:
    """The thresholds of `registry.promote_if`; those of figures that no test measures, or that none can reach, refused.

    Args:
        given: `registry.promote_if`, as `check_promotion` leaves it.
        fitness: what `evaluation.fitness` looks for, which is measured beside the task's own metrics.

    Raises:
        ValueError: names what there is.
    """
    known = {metric.name: metric for metric in (*metrics_of(fitness.task), fitness)}
    return tuple(_threshold(name, _parts(wanted), known) for name, wanted in given.items())


def _threshold(name: str, parts: Mapping[str, Any], known: Mapping[str, Metric]) -> PromotionThreshold:
    if name not in known:
        others = ", ".join(known)
        raise ValueError(
            f"registry.promote_if must name metrics that are measured on the test split, got {name!r}"
            f"{nearest(name, known) or f'; choose among {others}'}"
        )
    metric = known[name]
    made = PromotionThreshold(name, minimize=metric.minimize, label=metric.label, **parts)
    if metric.is_share and made.threshold is not None and not 0 <= made.threshold <= 1:
        raise ValueError(
            f"registry.promote_if.{name} must be between 0 and 1, as {metric.label} is a share, got "
            f"{made.threshold:g}; 0.9, say"
        )
    return made


def _parts(wanted: object) -> Mapping[str, Any]:
    """A threshold by its keys; a number alone is the one to reach."""
    return wanted if isinstance(wanted, Mapping) else {"threshold": wanted}
