"""The record of a candidate's validation: all metrics, and the figures of every class or label."""

from __future__ import annotations

from typing import Any

from hivenas.config import EvaluationConfig
from hivenas.core.measured import METRICS, PER_CLASS, marked
from hivenas.core.metrics import all_metrics
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.loop import TrainingLoop


def validated(loop: TrainingLoop, data: Dataset, config: EvaluationConfig) -> dict[str, Any]:
    """All metrics of a network as of its last epoch, for an evaluation's `extra`.

    Args:
        loop: has trained it.
        data: the raw images.
        config: the `evaluation` section.
    """
    scores = loop.scores()
    return {
        **marked(config.metric),
        METRICS: all_metrics(data.y_val, scores, config.task.name),
        PER_CLASS: config.task.piece("per_output")(data.y_val, scores, data.class_names),
    }
