"""The metrics that an evaluation tells of, in its `extra`: of its validation, and of a full training's test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from hivenas.config.costs import Cost
from hivenas.config.metrics import ACCURACY, Metric, figure_told, label_of
from hivenas.config.tasks import TASKS, task_of
from hivenas.core.records import Evaluation

# The keys: the name of what is looked for, where that is not the accuracy; every metric of the validation after the
# last epoch, by name; recall, precision and F1 of every class then; both of the test.
METRIC, METRICS, PER_CLASS = "metric", "metrics", "per_class"
TEST_METRICS, TEST_PER_CLASS = "test_metrics", "test_per_class"
IMAGE_SHARE = "image_share"  # of the training images a candidate has seen so many, where that is not all
# What it took, which differs from run to run as its seconds do: processor time, peaks of memory in MiB.
SPENT = "spent"
CPU_SECONDS, PEAK_RSS_MB, GPU_PEAK_MB = SPENT_NAMES = ("cpu_seconds", "peak_rss_mb", "gpu_peak_mb")


@dataclass(frozen=True, slots=True)
class FinalFigure:
    """The test of a fully trained model: the figure that is looked for, with its 95 % confidence interval.

    Args:
        metric: its name.
        value: of the test split.
        low: end of the interval.
        high: its other end.
    """

    metric: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self | None:
        """The one that an evaluation tells of; None where it was not tested."""
        extra = evaluation.extra
        metric = metric_of(extra)
        name = f"test_{metric}"
        if extra.get(name) is None:
            return None
        value, low, high = (float(extra.get(key, math.nan)) for key in (name, f"{name}_low", f"{name}_high"))
        return cls(metric, value, low, high)

    @property
    def is_accuracy(self) -> bool:
        """True where nothing else is looked for."""
        return self.metric == ACCURACY

    @property
    def label(self) -> str:
        """The metric for people."""
        return label_of(self.metric)

    @property
    def told(self) -> str:
        """The figure for people."""
        return figure_told(self.value, self.metric)

    @property
    def interval(self) -> str:
        """The interval for people."""
        return interval_told(self.low, self.high, self.metric)


def interval_told(low: float, high: float, metric: str = ACCURACY) -> str:
    """The interval of a metric's value for people.

    Args:
        low: its end.
        high: its other end.
        metric: name of the metric.
    """
    if math.isnan(low):
        return "not known"
    return f"{figure_told(low, metric)} … {figure_told(high, metric)}"


def recorded_cost(evaluation: Evaluation, cost: Cost) -> float:
    """The cost that an evaluation has recorded; infinite where it has none, as one that failed before it was known."""
    if cost.known:
        return float(getattr(evaluation, cost.key))
    told = float(evaluation.extra.get(cost.key, math.inf))
    return told if math.isfinite(told) else math.inf


def metric_of(extra: Mapping[str, Any]) -> str:
    """The name of the metric that is looked for."""
    return str(extra.get(METRIC, ACCURACY))


def marked(metric: Metric) -> dict[str, str]:
    """The metric that is looked for, and its task, for an evaluation's `extra`; nothing where that is the accuracy."""
    return {} if metric.name == ACCURACY else {METRIC: metric.name, **TASKS[metric.task].marks}


def test_figures(extra: Mapping[str, Any]) -> dict[str, float]:
    """The test of a full training: accuracy and loss, or of other tasks the figure that is looked for, and the loss."""
    name = "test_accuracy" if "test_accuracy" in extra else f"test_{metric_of(extra)}"
    return {key: float(extra[key]) for key in (name, "test_loss")}


def spent_of(extra: Mapping[str, Any]) -> dict[str, float]:
    """Processor time in seconds and peaks of memory in MiB, by their names; nothing where they are not known."""
    return dict(extra.get(SPENT, {}))


def total_spent(extras: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Processor time in all and the largest peaks of memory, by their names; nothing where they are not known."""
    found = [spent_of(extra) for extra in extras]
    known = {name: [spent[name] for spent in found if name in spent] for name in SPENT_NAMES}
    return {name: math.fsum(each) if name == CPU_SECONDS else max(each) for name, each in known.items() if each}


def tracked_metrics(extra: Mapping[str, Any]) -> dict[str, float]:
    """The metrics without a curve, those of the test, of that the figures of every class, and what it took, by name."""
    curves = {task_of(extra).share, metric_of(extra)}
    found = {f"val_{name}": value for name, value in extra.get(METRICS, {}).items() if name not in curves}
    found |= {f"test_{name}": value for name, value in extra.get(TEST_METRICS, {}).items() if name != ACCURACY}
    for name, figures in extra.get(TEST_PER_CLASS, {}).items():
        found |= {f"test_{key}/{name}": value for key, value in figures.items()}
    return found | spent_of(extra)
