"""The thresholds of a champion, as a configuration gives them."""

from __future__ import annotations

from typing import Any

import pytest

from hivenas.config import from_mapping
from hivenas.config.promotion import PromotionThreshold, thresholds_of
from hivenas.errors import ConfigError

SPLIT = {"name": "npz", "path": "x.npz"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "registry.promote_if must map metrics to numbers, got 3; {accuracy: 0.9}, say"),
        ({"acuracy": 0.9}, "on the test split, got 'acuracy'; did you mean 'accuracy'?"),
        ({"rmse": 0.9}, "got 'rmse'; choose among accuracy, balanced_accuracy"),
        ({"accuracy": 90}, "promote_if.accuracy must be between 0 and 1, as accuracy is a share, got 90; 0.9, say"),
        ({"accuracy": "0.9"}, "must have a number for accuracy, got '0.9'"),
        ({"accuracy": True}, "must have a number for accuracy, got true"),
        ({"accuracy": float("nan")}, "must have a number for accuracy, got .nan"),
        ({"accuracy": {}}, "must say what accuracy is to reach, got {}"),
        (
            {"accuracy": {"least": 0.9}},
            "must have the keys threshold and min_improvement alone for accuracy, got 'least'",
        ),
        ({"accuracy": {"min_improvement": -0.1}}, "not negative for accuracy.min_improvement, got -0.1"),
    ],
)
def test_what_is_no_threshold_is_refused_in_a_line(given: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        from_mapping({"registry": {"promote_if": given}})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_thresholds_know_on_which_side_their_metric_is_better() -> None:
    given = {"accuracy": 1, "log_loss": {"threshold": 0.5, "min_improvement": 0.01}}
    config = from_mapping({"registry": {"promote_if": given}})
    assert from_mapping(config.to_mapping()) == config
    assert thresholds_of(config.registry.promote_if, config.evaluation.metric) == (
        PromotionThreshold("accuracy", threshold=1, label="accuracy"),
        PromotionThreshold("log_loss", threshold=0.5, min_improvement=0.01, minimize=True, label="log loss"),
    )
    assert from_mapping({}, ["registry.promote_if.accuracy=0.9"]).registry.promote_if == {"accuracy": 0.9}


def test_thresholds_are_of_the_metrics_of_the_task() -> None:
    regress = {"task": "regress", "dataset": SPLIT, "evaluation": {"fitness": "mae"}}
    assert from_mapping({**regress, "registry": {"promote_if": {"rmse": 3.5, "r2": -2.0}}})
    with pytest.raises(ConfigError, match="choose among rmse, mae, r2"):
        from_mapping({**regress, "registry": {"promote_if": {"accuracy": 0.9}}})


def test_thresholds_and_evaluations_that_nothing_reads_are_said() -> None:
    never = from_mapping({"registry": {"promote": "never", "promote_if": {"accuracy": 0.9}}})
    assert [line for line in never.warnings if line.startswith("registry.promote_if.accuracy=0.9 is not used")]
    labels = from_mapping({"task": "multilabel", "dataset": SPLIT, "registry": {"evaluation": True}})
    assert labels.warnings == (
        "registry.evaluation=true is not used with task=multilabel; it is for task: classify or regress",
    )
