from __future__ import annotations

from pathlib import Path

import pytest

from hivenas.config import from_mapping
from hivenas.run.data import describe_data
from hivenas.run.expected_time import expected_time, measured_time, recorded_time
from hivenas.run.plan import Plan
from tests.trials import trial

PLAN = Plan(space_size=10, evaluations=20, epochs=160, employees=1, onlookers=1)
TRIALS = [
    trial(0, seconds=12.0, epoch_s=2.0, curve=dict.fromkeys(range(1, 6), 0.5)),
    trial(1, seconds=24.0, epoch_s=4.0, curve=dict.fromkeys(range(1, 6), 0.5)),
    trial(2, status="failed"),
]


@pytest.mark.parametrize(
    ("settings", "search", "full"),
    [
        ({"execution": {"workers": 2}}, 270.0, 2 * 50 * 3.0),
        ({"execution": {"kind": "serial", "workers": 2}}, 540.0, 3 * 50 * 3.0),
        ({"full_train": {"enabled": False}}, 540.0, 0.0),
    ],
)
def test_the_time_at_most_follows_from_what_candidates_took(
    settings: dict[str, object], search: float, full: float
) -> None:
    found = expected_time(from_mapping(settings), PLAN, TRIALS, "recorded so far")
    assert found is not None
    assert (found.epoch, found.search, found.full_training) == (3.0, search, full)
    assert str(found).startswith("3 s an epoch in 2 candidates recorded so far; at most about ")


@pytest.mark.parametrize(
    ("settings", "evaluations"),
    [
        ({"budget": {"hours": 0.1}, "full_train": {"enabled": False}}, 13),  # 360 of 540 s
        ({"budget": {"hours": 0.1}}, 6),  # half of it is kept
        ({"budget": {"cpu_hours": 0.1}, "execution": {"workers": 2}, "full_train": {"enabled": False}}, 13),
        ({"budget": {"hours": 0.2}, "full_train": {"enabled": False}}, None),
        ({"budget": {"evaluations": 3}}, None),
    ],
)
def test_the_evaluations_for_which_a_budget_of_time_leaves_room(
    settings: dict[str, object], evaluations: int | None
) -> None:
    found = expected_time(from_mapping({"execution": {"kind": "serial"}} | settings), PLAN, TRIALS, "recorded so far")
    assert found is not None
    assert found.evaluations == evaluations
    room = f"; the budget leaves room for about {evaluations} of the evaluations"
    assert str(found).endswith(room) is (evaluations is not None)


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path) -> None:
    assert expected_time(from_mapping({}), PLAN, TRIALS[2:], "recorded so far") is None
    assert recorded_time(from_mapping({"results": {"dir": str(tmp_path)}}), PLAN, {}) is None


@pytest.mark.keras
def test_a_few_candidates_are_tried_on_some_of_the_images(tmp_path: Path) -> None:
    config = from_mapping(
        {
            "space": {"preset": "layerwise", "depth": 1, "operations": ["identity", "max_pool3x3"]},
            "evaluation": {"epochs": 4, "batch_size": 8},
            "execution": {"kind": "serial"},
            "results": {"dir": str(tmp_path / "results")},
        }
    )
    found = measured_time(config, PLAN, describe_data(config))
    assert found is not None
    assert found.of == "3 candidates tried on 80 images"
    assert found.search >= 160 * found.epoch > 0
    assert not (tmp_path / "results").exists()
