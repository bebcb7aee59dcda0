"""The agreement of two models that should answer alike, of each task."""

from __future__ import annotations

import numpy as np
import pytest

from hivenas.config.tasks import TASKS
from hivenas.core.agreement import CLASS, LABELS, NUMBER

CLOSE = {"rtol": 1e-2, "atol": 1e-3}


def test_classes_are_the_same_where_the_largest_answer_is_and_labels_where_all_of_them_are() -> None:
    truth = np.array([0, 1, 1])
    one = np.array([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], np.float32)
    other = np.array([[0.9, 0.6], [0.2, 0.8], [0.51, 0.49]], np.float32)
    assert CLASS.share(truth, one, other) == pytest.approx(2 / 3)
    assert LABELS.share(truth, one, other) == pytest.approx(1 / 3)
    for each in (CLASS, LABELS):
        assert each.is_close(truth, one, one + np.float32(1e-3), **CLOSE)
        assert not each.is_close(truth, one, other, **CLOSE)
        assert not each.is_close(truth, one, one[:, :1], **CLOSE)


@pytest.mark.parametrize(("mean", "unit"), [(0.0, 1.0), (1e6, 50.0), (0.0, 1e6), (2.0, 1e-3), (-3e8, 1e7)])
def test_numbers_are_compared_in_deviations_whatever_their_unit(mean: float, unit: float) -> None:
    truth = (mean + unit * np.linspace(-2, 2, 41)[:, None]).astype(np.float32)
    deviation = float(truth.astype(np.float64).std())
    for apart, share, close in ((5e-4, 1.0, True), (9e-3, 1.0, False), (2e-2, 0.0, False)):
        found = (truth + np.float64(apart * deviation)).astype(np.float32)
        assert NUMBER.share(truth, truth, found) == share
        assert NUMBER.is_close(truth, truth, found, **CLOSE) is close


def test_every_task_names_its_comparison() -> None:
    assert {name: task.piece("agreement") for name, task in TASKS.items()} == {
        "classify": CLASS,
        "multilabel": LABELS,
        "regress": NUMBER,
    }
