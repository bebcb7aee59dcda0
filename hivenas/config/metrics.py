"""The metrics that `evaluation.fitness` may name: what of a network's answers is looked for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

from hivenas.config.registry import METRICS, import_callable
from hivenas.config.text import one_of, shown
from hivenas.errors import ConfigError

# Of the classes of the images (images,) and a probability of every class (images, classes).
MetricFunction = Callable[[Any, Any], float]
F = TypeVar("F", bound=MetricFunction)

ACCURACY = "accuracy"
_DIRECTIONS = ("maximize", "minimize")
_OTHER_FIGURES = ("loss", "images")  # that records have of validation and test, under such names


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
    """

    name: str
    label: str
    description: str
    function: str | MetricFunction
    minimize: bool = False
    choices: Callable[[int], float] | None = None
    guessed: Callable[[int], float] | None = None
    least_classes: int = 2

    def __call__(self, labels: Any, scores: Any) -> float:
        """Its value.

        Args:
            labels: the classes as whole numbers from 0 (images,).
            scores: the probability of every class (images, classes).
        """
        function = import_callable(self.function) if isinstance(self.function, str) else self.function
        return float(function(labels, scores))


_HOME = "hivenas.core.metrics"

BUILT_IN_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(ACCURACY, "accuracy", "share of right answers", f"{_HOME}:accuracy", choices=float),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "mean over the classes of the share of their images that are recognised",
            f"{_HOME}:balanced_accuracy",
            choices=float,
        ),
        Metric(
            "f1_macro",
            "macro F1",
            "mean over the classes of F1, the harmonic mean of precision and recall",
            f"{_HOME}:f1_macro",
            choices=float,
        ),
        Metric(
            "auc",
            "AUC",
            "mean over the classes of the probability that an image of the class is given more of it than another",
            f"{_HOME}:auc",
            choices=lambda classes: 2.0,
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
            least_classes=6,
        ),
    )
}


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


def check_metric(name: str) -> str:
    """Refuses what is no metric.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(name, (*BUILT_IN_METRICS, *METRICS), "registered")


@overload
def register_metric(name: str, *, direction: str = ...) -> Callable[[F], F]: ...
@overload
def register_metric(name: str, function: F, direction: str = ...) -> F: ...
def register_metric(name: str, function: F | None = None, direction: str = "maximize") -> F | Callable[[F], F]:
    """Makes a metric of one's own known as `evaluation.fitness`; without a function, a decorator of one.

    Args:
        name: letters, digits and _.
        function: gets the classes of images as whole numbers from 0 (images,) and the probability of every class
            (images, classes), and returns a number. It is called after every epoch, on the validation images, and must
            answer alike whenever it gets the same. A candidate for which it raises, or gives no finite number, fails.
        direction: `maximize` or `minimize`.

    Returns:
        The function.

    Raises:
        ConfigError: not a name, one that is taken, no function of two arguments, or no direction.
    """
    if function is None and isinstance(name, str):
        return lambda decorated: register_metric(name, decorated, direction)
    if direction not in _DIRECTIONS:
        raise ConfigError(
            f"the direction of metric {name!r} must be maximize or minimize, got {shown(direction)}; choose one of them"
        )
    entry = Metric(
        name, name, "registered", cast(MetricFunction, function), minimize=str(direction) == "minimize", least_classes=1
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
