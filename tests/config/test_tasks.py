"""Tasks in a configuration: what they decide, and what is refused with them in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hivenas.config import Config, from_mapping, from_record
from hivenas.config.metrics import metric_named, register_metric
from hivenas.config.tasks import TASKS, task_of
from hivenas.errors import ConfigError

NPZ = {"name": "npz", "path": "x.npz"}


def config(task: str, **evaluation: Any) -> Config:
    return from_mapping({"task": task, "dataset": NPZ, "evaluation": evaluation})


@pytest.mark.parametrize("name", TASKS)
def test_a_task_decides_what_is_left_out(name: str) -> None:
    task, given = TASKS[name], config(name)
    assert (given.evaluation.fitness, given.evaluation.loss) == (task.fitness, task.losses[0])
    assert given.evaluation.task is task
    assert from_mapping(given.to_mapping()) == from_record(given.to_mapping()) == given
    assert from_mapping(given.given()).evaluation == given.evaluation
    assert task_of(task.marks) is task
    assert TASKS["classify"].marks == {}


def test_a_candidate_with_settings_is_trained_for_the_same_task() -> None:
    given = from_mapping(
        {"task": "regress", "dataset": NPZ, "evaluation": {"fitness": "mae", "batch_size": "!Choice [8, 16]"}}
    )
    own = given.of("input|identity|output;batch_size=16")
    assert (own.evaluation.fitness, own.evaluation.batch_size) == ("mae", 16)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("piece", ["labels", "per_output"])
def test_a_tasks_pieces_are_where_it_says(name: str, piece: str) -> None:
    assert TASKS[name].piece(piece)


@pytest.mark.parametrize(
    ("task", "evaluation", "said"),
    [
        ("regres", {}, "task must be one of classify, multilabel, regress, got 'regres'; did you mean 'regress'?"),
        ("regress", {"fitness": "accuracy"}, "evaluation.fitness must be one of rmse, mae, r2 with task: regress, got"),
        ("classify", {"fitness": "rmse"}, "balanced_accuracy, f1_macro, auc, log_loss, top_5 with task: classify, got"),
        ("multilabel", {"loss": "focal"}, "evaluation.loss must be one of binary_cross_entropy with task: multilabel"),
        ("regress", {"class_weight": "balanced"}, "evaluation.class_weight must be null with task: regress"),
        ("multilabel", {"class_weight": {"a": 2}}, "evaluation.class_weight must be null with task: multilabel"),
        ("regress", {"label_smoothing": 0.1}, "evaluation.label_smoothing must be 0.0 with task: regress"),
        ("regress", {"augmentation": {"cutmix": 1.0}}, "evaluation.augmentation.cutmix must be 0.0 with task: regress"),
        ("regress", {"label_smoothing": "!Choice [0.0, 0.1]"}, "label_smoothing must be 0.0 with task: regress"),
        ("regress", {"stopping": "act"}, "evaluation.stopping must not be act with fitness: rmse"),
    ],
)
def test_what_says_nothing_of_a_task_is_refused(task: str, evaluation: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(task, **evaluation)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_data_sets_with_classes_are_for_classes() -> None:
    with pytest.raises(
        ConfigError, match=r"^dataset.name must be npz.* with task: regress, got digits, which has a cla"
    ):
        from_mapping({"task": "regress"})


@pytest.mark.usefixtures("metrics_as_found")
def test_a_metric_of_ones_own_is_of_its_task() -> None:
    @register_metric("worst", direction="minimize", task="regress")
    def worst(labels: Any, answers: Any) -> float:
        return float(np.abs(labels - answers).max())

    assert metric_named("worst").task == "regress"
    assert config("regress", fitness="worst").evaluation.metric.function is worst
    with pytest.raises(ConfigError, match="with task: multilabel, got 'worst'"):
        config("multilabel", fitness="worst")
    with pytest.raises(
        ConfigError, match="the task of metric 'best' must be one of classify, multilabel, regress, got"
    ):
        register_metric("best", worst, task="rank")
