from __future__ import annotations

import pytest

from hivenas.config.scores import score_of

CURVE = [0.5, 0.9, 0.7, 0.8]


@pytest.mark.parametrize(
    ("score", "curve", "fitness"),
    [
        ("last", CURVE, 0.8),
        ("best", CURVE, 0.9),
        ("mean:1", CURVE, 0.8),
        ("mean:2", CURVE, 0.75),
        ("mean:3", CURVE, 0.8),
        ("mean:3", CURVE[:2], 0.7),  # ended early
        ("best", [0.4], 0.4),
    ],
)
def test_a_score_is_of_the_whole_curve(score: str, curve: list[float], fitness: float) -> None:
    assert score_of(curve, score) == pytest.approx(fitness, rel=1e-15)
