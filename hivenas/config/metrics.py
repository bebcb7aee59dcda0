"""The metrics that `evaluation.fitness` may name: what of a network's answers is looked for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

from hivenas.config.registry import METRICS, import_callable
from hivenas.config.tasks import CLASSIFY, MULTILABEL, REGRESS, check_task
from hivenas.config.text import one_of, shown
from hivenas.errors import ConfigError

# Of labels and answers as the task has them, see `Metric`.
MetricFunction = Callable[[Any, Any], float]
F = TypeVar("F", bound=MetricFunction)

ACCURACY = "accuracy"
_DIRECTIONS = ("maximize", "minimize")
# That records have of validation and test, under such names.
_OTHER_FIGURES = ("loss", "images", "metrics", "per_class", "data", f"{ACCURACY}_low", f"{ACCURACY}_high")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, as a record that describes itself; called with labels and scores it gives its value.

    Args:
        name: as `evaluation.fitness` names it.
        label: what it is, for people, in a word or two.
        description: what it is, in a line.
        function: its path, as `module:name`, imported when it is first called; or, of a user's own, the function.
        minimize: whether less of it is better.
        choices: of a share of right answers, how many equally likely answers guessing chooses among where there are so
            many classes; None where guessing has no value that is known, or the best value is not 1.
        guessed: of a loss, whose best value is 0, what guessing comes to where there are so many classes; None where
            that is not known, and of shares.
        least_classes: with fewer classes it says nothing.
        task: the name of the task whose answers it measures.
        is_share: whether it lies between 0 and 1; else it has a unit of its own, or nobody knows.
    """

    name: str
    label: str
    description: str
    function: str | MetricFunction
    minimize: bool = False
    choices: Callable[[int], float] | None = None
    guessed: Callable[[int], float] | None = None
    least_classes: int = 2
    task: str = CLASSIFY
    is_share: bool = False

    @property
    def worst(self) -> float:
        """The value that stands for a candidate which failed."""
        return worst_value(minimize=self.minimize, is_share=self.is_share)

    def __call__(self, labels: Any, scores: Any) -> float:
        """Its value.

        Args:
            labels: the classes as whole numbers from 0 (images,); of several labels an image 0 or 1 for each (images,
                labels); numbers (images, 1).
            scores: the probability of every class (images, classes), or of every label (images, labels); numbers
                (images, 1).
        """
        function = import_callable(self.function) if isinstance(self.function, str) else self.function
        return float(function(labels, scores))


def worst_value(*, minimize: bool, is_share: bool) -> float:
    """The figure of what failed: 0 of a share that is maximised, else infinitely bad."""
    return math.inf if minimize else 0.0 if is_share else -math.inf


_HOME, _OF_LABELS, _OF_NUMBERS = (f"hivenas.core.{name}" for name in ("metrics", "label_metrics", "number_metrics"))


def _of_labels(name: str, label: str, description: str, *, minimize: bool = False) -> Metric:
    function = f"{_OF_LABELS}:{name}"
    return Metric(
        name, label, description, function, minimize=minimize, least_classes=1, task=MULTILABEL, is_share=True
    )


def _of_numbers(name: str, label: str, description: str, *, minimize: bool = True) -> Metric:
    return Metric(name, label, description, f"{_OF_NUMBERS}:{name}", minimize=minimize, least_classes=1, task=REGRESS)


BUILT_IN_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(ACCURACY, "accuracy", "share of right answers", f"{_HOME}:accuracy", choices=float, is_share=True),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "mean over the classes of the share of their images that are recognised",
            f"{_HOME}:balanced_accuracy",
            choices=float,
            is_share=True,
        ),
        Metric(
            "f1_macro",
            "macro F1",
            "mean over the classes of F1, the harmonic mean of precision and recall",
            f"{_HOME}:f1_macro",
            choices=float,
            is_share=True,
        ),
        Metric(
            "auc",
            "AUC",
            "mean over the classes of the probability that an image of the class is given more of it than another",
            f"{_HOME}:auc",
            choices=lambda classes: 2.0,
            is_share=True,
        ),
        Metric(
            "log_loss",
            "log loss",
            "mean of −ln of the probability that the right class is given",
            f"{_HOME}:log_loss",
            minimize=True,
            guessed=math.log,
        ),
        Metric(
            "top_5",
            "top-5 accuracy",
            "share of images whose class is among the five most probable",
            f"{_HOME}:top_5",
            choices=lambda classes: classes / 5,
            is_share=True,
            least_classes=6,
        ),
        _of_labels("f1_labels", "F1 of the labels", "mean over the labels of F1 of those more probable than not"),
        _of_labels(
            "average_precision",
            "average precision",
            "mean over the labels of the area under the curve of precision over recall",
        ),
        _of_labels("exact_match", "exact match", "share of images all of whose labels are right"),
        _of_labels("hamming", "Hamming loss", "share of labels that are wrong", minimize=True),
        _of_numbers("rmse", "RMSE", "root of the mean squared error, in the labels' unit"),
        _of_numbers("mae", "mean absolute error", "mean size of the error, in the labels' unit"),
        _of_numbers("r2", "R²", "share of the labels' variance that is explained", minimize=False),
    )
}


# By name, and by what people read.
_SHARES = frozenset(
    each for metric in BUILT_IN_METRICS.values() if metric.is_share for each in (metric.name, metric.label)
)


def metrics_of(task: str) -> tuple[Metric, ...]:
    """The metrics of hivenas' own that measure the answers of a task."""
    return tuple(metric for metric in BUILT_IN_METRICS.values() if metric.task == task)


def known_of(task: str) -> tuple[str, ...]:
    """The names of all metrics of a task that this process knows."""
    registered = (name for name, metric in METRICS.items() if cast(Metric, metric).task == task)
    return (*(metric.name for metric in metrics_of(task)), *registered)


def metric_named(name: str) -> Metric:
    """A metric of hivenas' own, or one that was registered.

    Raises:
        ConfigError: this process knows none of the name.
    """
    known = BUILT_IN_METRICS.get(name) or METRICS.get(name)
    if known is None:
        raise ConfigError(
            f"the metric {name!r} must be registered in every process, got none; import the module that does it"
        )
    return cast(Metric, known)


def label_of(name: str) -> str:
    """A metric's name for people, also where this process does not know it."""
    known = BUILT_IN_METRICS.get(name)
    return known.label if known else name


def figure_told(value: float, metric: str = ACCURACY) -> str:
    """A metric's value for people: of a share four places, of any other six digits.

    What lies outside of 0 to 1 is no share, and of one too small for four places six digits are told too.

    Args:
        value: of the metric.
        metric: its name, or that for people.
    """
    places = f"{value:.4f}"
    return places if metric in _SHARES and (value == 0 or 0 < float(places) <= 1) else f"{value:.6g}"


def figure_recorded(value: float, metric: str = ACCURACY) -> str:
    """A metric's value as tags have it, which are read again: of a share six places, of any other ten digits.

    Args:
        value: of the metric.
        metric: its name.
    """
    return f"{value:.6f}" if metric in _SHARES else f"{value:.10g}"


def check_metric(name: object) -> str:
    """Refuses what is no metric.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(name, (*BUILT_IN_METRICS, *METRICS), "registered")


@overload
def register_metric(name: str, *, direction: str = ..., task: str = ...) -> Callable[[F], F]: ...
@overload
def register_metric(name: str, function: F, direction: str = ..., *, task: str = ...) -> F: ...
def register_metric(
    name: str, function: F | None = None, direction: str = "maximize", *, task: str = CLASSIFY
) -> F | Callable[[F], F]:
    """Makes a metric of one's own known as `evaluation.fitness`; without a function, a decorator of one.

    Args:
        name: letters, digits and _.
        function: gets the classes of images as whole numbers from 0 (images,) and the probability of every class
            (images, classes), and returns a number. It is called after every epoch, on the validation images, and must
            answer alike whenever it gets the same. A candidate for which it raises, or gives no finite number, fails.
        direction: `maximize` or `minimize`.
        task: `classify`, `multilabel` or `regress`: of whose labels and answers it is. With `multilabel` it gets 0 or 1
            for every label, and its probability (images, labels); with `regress` numbers, and those that were answered
            (images, 1).

    Returns:
        The function.

    Raises:
        ConfigError: not a name, one that is taken, no function of two arguments, no direction, or no task.
    """
    if function is None and isinstance(name, str):
        return lambda decorated: register_metric(name, decorated, direction, task=task)
    try:
        check_task(task)
    except ValueError as error:
        raise ConfigError(f"the task of metric {name!r} {error}") from None
    if direction not in _DIRECTIONS:
        raise ConfigError(
            f"the direction of metric {name!r} must be maximize or minimize, got {shown(direction)}; choose one of them"
        )
    entry = Metric(
        name,
        name,
        "registered",
        cast(MetricFunction, function),
        minimize=str(direction) == "minimize",
        least_classes=1,
        task=task,
    )
    METRICS.register(name, entry, (*BUILT_IN_METRICS, *_OTHER_FIGURES), _check_function)
    return function


def _check_function(name: str, metric: Metric) -> None:
    function = metric.function
    if not callable(function):
        raise ConfigError(
            f"the metric {name!r} must be a function of two arguments, labels and scores, got {shown(function)}; pass "
            "one"
        )
    try:
        inspect.signature(function).bind(None, None)
    except ValueError:  # one written in C may not say what it takes
        return
    except TypeError:
        raise ConfigError(
            f"the metric {name!r} must be a function of two arguments, labels and scores, got "
            f"{getattr(function, '__name__', 'one')}{inspect.signature(function)}; give it these"
        ) from None
