from __future__ import annotations

from pathlib import Path

import pytest

from hivenas.config import from_mapping
from hivenas.run.expected_time import expected_time, recorded_time
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
    found = expected_time(from_mapping(settings), PLAN, TRIALS)
    assert found is not None
    assert (found.epoch, found.search, found.full_training, found.candidates) == (3.0, search, full, 2)
    assert str(found).startswith("3 s an epoch in the 2 candidates recorded so far; at most about ")


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path) -> None:
    assert expected_time(from_mapping({}), PLAN, TRIALS[2:]) is None
    assert recorded_time(from_mapping({"results": {"dir": str(tmp_path)}}), PLAN, {}) is None
