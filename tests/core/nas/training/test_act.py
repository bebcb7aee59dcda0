"""The Adaptive Cutoff Threshold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.errors import ConfigError


def test_the_published_thresholds() -> None:
    cutoff = TerminateOnThreshold(threshold_multiplier=0.25, diminishing_factor=0.25, n_classes=10)
    # They were published cut off after six digits, not rounded.
    assert [cutoff.threshold(epoch) for epoch in range(1, 6)] == pytest.approx(
        [0.325, 0.422459, 0.495327, 0.551867, 0.597014], rel=0, abs=1e-6
    )


def test_the_defaults_are_the_published_ones() -> None:
    assert TerminateOnThreshold() == TerminateOnThreshold("val_accuracy", 0.25, 0.25, 10)


# T(1) = 1/n + β(1 − 1/n), T(2) worked out by hand from 1/(1/c + ζ).
@pytest.mark.parametrize(
    ("classes", "beta", "zeta", "first", "second"),
    [
        (2, 0.25, 0.25, 0.625, 1 - 1 / (1 / 0.375 + 0.25)),
        (4, 0.5, 1.0, 0.625, 1 - 1 / (1 / 0.375 + 1.0)),
        (100, 0.25, 0.25, 0.2575, 1 - 1 / (1 / 0.7425 + 0.25)),
        (10, 0.15, 0.25, 0.235, 1 - 1 / (1 / 0.765 + 0.25)),
        (10, 0.25, 0.0, 0.325, 0.325),
        (10, 1.0, 0.25, 1.0, 1.0),
    ],
)
def test_the_threshold_starts_between_chance_and_one_whatever_the_number_of_classes(
    classes: int, beta: float, zeta: float, first: float, second: float
) -> None:
    cutoff = TerminateOnThreshold(threshold_multiplier=beta, diminishing_factor=zeta, n_classes=classes)
    assert cutoff.threshold(1) == pytest.approx(first)
    assert cutoff.threshold(2) == pytest.approx(second)


def test_training_stops_below_the_threshold_and_goes_on_at_it() -> None:
    cutoff = TerminateOnThreshold()
    for epoch in range(1, 6):
        threshold = cutoff.threshold(epoch)
        assert cutoff.stops(epoch, threshold - 1e-9)
        assert not cutoff.stops(epoch, threshold)
        assert not cutoff.stops(epoch, 1.0)


def test_beta_zero_switches_the_cutoff_off() -> None:
    off = TerminateOnThreshold(threshold_multiplier=0.0)
    assert not any(off.stops(epoch, 0.0) for epoch in range(1, 20))


_BETAS = st.floats(0.0, 0.99)
_ZETAS = st.floats(0.0, 10.0)
_CLASSES = st.integers(2, 1000)


@settings(deadline=None)
@given(beta=_BETAS, zeta=_ZETAS, classes=_CLASSES, epoch=st.integers(1, 1000), later=st.integers(1, 1000))
def test_the_threshold_never_falls_and_stays_below_one(
    beta: float, zeta: float, classes: int, epoch: int, later: int
) -> None:
    cutoff = TerminateOnThreshold(threshold_multiplier=beta, diminishing_factor=zeta, n_classes=classes)
    assert cutoff.threshold(1) == pytest.approx(1 / classes + beta * (1 - 1 / classes))
    assert cutoff.threshold(epoch) <= cutoff.threshold(epoch + later) < 1


@settings(deadline=None)
@given(beta=_BETAS, zeta=st.floats(0.01, 10.0), classes=_CLASSES, epoch=st.integers(1, 100))
def test_the_threshold_rises_where_zeta_is_positive(beta: float, zeta: float, classes: int, epoch: int) -> None:
    cutoff = TerminateOnThreshold(threshold_multiplier=beta, diminishing_factor=zeta, n_classes=classes)
    assert cutoff.threshold(epoch) < cutoff.threshold(epoch + 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"threshold_multiplier": 5.0}, "threshold_multiplier must be from 0 to 1, got 5.0"),
        ({"diminishing_factor": -1.0}, "diminishing_factor must be ≥ 0, got -1.0"),
        ({"n_classes": 0}, "n_classes must be ≥ 1, got 0"),
        ({"guessed": -2.0}, "guessed must be ≥ 0, got -2.0"),
    ],
)
def test_values_of_which_no_threshold_comes_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TerminateOnThreshold(**wrong)
