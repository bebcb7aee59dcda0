"""The key for what is looked for, and the weights of classes: what is taken, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hivenas.config import from_mapping, registry
from hivenas.config.metrics import (
    BUILT_IN_METRICS,
    figure_recorded,
    figure_told,
    label_of,
    metric_named,
    register_metric,
)
from hivenas.config.registry import main_entries, register_entries
from hivenas.errors import ConfigError


def cost(labels: Any, scores: Any) -> float:
    return float((10 * (labels == 1) * scores[:, 0]).mean())


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"fitness": "f1"}, "evaluation.fitness must be one of accuracy, balanced_accuracy, f1_macro, auc, log_loss"),
        ({"fitness": "balanced_acuracy"}, "did you mean 'balanced_accuracy'?"),
        ({"fitness": 3}, "or registered, got 3"),
        ({"loss": "fokal"}, "mean_squared_error, got 'fokal'; did you mean 'focal'"),
        ({"class_weight": "even"}, "evaluation.class_weight must be null, balanced or weights by class, got 'even'"),
        ({"class_weight": {}}, "must be null, balanced or weights by class, got {}"),
        ({"class_weight": {"cat": 0}}, "must give weights that are numbers greater than 0, got cat: 0"),
        ({"class_weight": {"cat": -1.5}}, "greater than 0, got cat: -1.5"),
        ({"class_weight": {"cat": True}}, "greater than 0, got cat: true"),
        ({"class_weight": {"cat": float("inf")}}, "greater than 0, got cat: .inf"),
        ({"class_weight": {"cat": "much"}}, "greater than 0, got cat: 'much'"),
    ],
)
def test_what_does_not_say_what_to_look_for_is_refused(evaluation: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_mapping({"evaluation": evaluation})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("weights", ["balanced", None, {"cat": 5, "3": 0.5}, {3: 2}])
def test_a_configuration_keeps_its_weights(weights: Any) -> None:
    config = from_mapping({"evaluation": {"class_weight": weights, "loss": "focal", "fitness": "auc"}})
    again = from_mapping(config.to_mapping())
    assert again == config
    given = again.evaluation.class_weight
    assert given == (
        {str(name): float(weight) for name, weight in weights.items()} if isinstance(weights, dict) else weights
    )


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
def test_a_metric_says_what_it_is(name: str) -> None:
    metric = metric_named(name)
    data = {"task": metric.task} | ({} if metric.task == "classify" else {"dataset": {"name": "npz", "path": "x.npz"}})
    assert from_mapping({**data, "evaluation": {"fitness": name}}).evaluation.metric is metric
    assert metric.minimize is (name in ("log_loss", "hamming", "rmse", "mae"))
    assert metric.label == label_of(name)
    assert metric.description


@pytest.mark.usefixtures("metrics_as_found")
def test_one_of_ones_own_is_known_by_its_name_and_travels() -> None:
    assert register_metric("cost", cost, "minimize") is cost
    metric = from_mapping({"evaluation": {"fitness": "cost"}}).evaluation.metric
    assert (metric.minimize, metric.label, label_of("cost")) == (True, "cost", "cost")
    assert metric(np.array([0, 1]), np.array([[0.5, 0.5], [0.4, 0.6]])) == 2.0
    assert __name__ in registry.registered_modules()

    @register_metric("rate", direction="maximize")
    def rate(labels: Any, scores: Any) -> float:
        return 0.5

    assert metric_named("rate").function is rate
    entries = [{}, {}, {}, {"sent": metric_named("rate")}]
    register_entries(entries)
    assert metric_named("sent").function is rate
    assert main_entries()[-1] == {"sent": metric_named("rate")}


@pytest.mark.usefixtures("metrics_as_found")
@pytest.mark.parametrize(
    ("name", "function", "direction", "said"),
    [
        (
            "one",
            lambda labels: 0.0,
            "maximize",
            "the metric 'one' must be a function of two arguments, labels and scor",
        ),
        ("none", 3, "maximize", "the metric 'none' must be a function of two arguments, labels and scores, got 3"),
        ("three", lambda a, b, c: 0.0, "maximize", "'three' must be a function of two arguments, labels and scores"),
        ("cost", cost, "down", "the direction of metric 'cost' must be maximize or minimize, got 'down'"),
        ("auc", cost, "minimize", "'auc' is built in, so a metric cannot take the name"),
        ("loss", cost, "minimize", "'loss' is built in, so a metric cannot take the name"),
        *(
            (name, cost, "minimize", f"'{name}' is built in, so a metric cannot take the name")
            for name in ("metrics", "per_class", "data", "accuracy_low", "accuracy_high")
        ),
        ("my cost", cost, "minimize", "the name of a metric must be letters, digits and _, got 'my cost'"),
        (cost, None, "minimize", "a metric must be registered by name"),
    ],
)
def test_what_is_no_metric_is_refused(name: Any, function: Any, direction: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        register_metric(name, function, direction)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_that_this_process_does_not_know_is_named() -> None:
    with pytest.raises(ConfigError, match="the metric 'gone' must be registered in every process"):
        metric_named("gone")
    assert label_of("gone") == "gone"


@pytest.mark.parametrize(
    ("value", "metric", "told", "recorded"),
    [
        (0.9, "accuracy", "0.9000", "0.900000"),
        (1.0, "accuracy", "1.0000", "1.000000"),
        (0.0, "f1_labels", "0.0000", "0.000000"),
        (4e-5, "hamming", "4e-05", "0.000040"),
        (1234.5, "accuracy", "1234.5", "1234.500000"),
        (1.23456789e-7, "rmse", "1.23457e-07", "1.23456789e-07"),
        (12345.6789, "mae", "12345.7", "12345.6789"),
        (-0.25, "r2", "-0.25", "-0.25"),
        (float("inf"), "log_loss", "inf", "inf"),
        (-3.5, "own_metric", "-3.5", "-3.5"),
    ],
)
def test_a_share_has_so_many_places_and_any_other_figure_so_many_digits(
    value: float, metric: str, told: str, recorded: str
) -> None:
    assert figure_told(value, metric) == figure_told(value, label_of(metric)) == told
    assert figure_recorded(value, metric) == recorded
    assert float(recorded) == value
