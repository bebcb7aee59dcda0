from __future__ import annotations

import logging
import time

import pytest

from hivenas.core.outage import Outage


def test_a_store_that_does_not_answer_is_left_alone_for_a_while_and_spoken_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    outage.is_over("back")
    assert not outage.is_pausing
    for _ in range(3):
        outage.goes_on("away", time.monotonic())
        assert outage.is_pausing
    outage.is_over("back")
    assert not outage.is_pausing
    outage.is_over("back")
    assert caplog.record_tuples == [("hivenas", logging.WARNING, "away"), ("hivenas", logging.WARNING, "back")]


def test_a_store_that_is_slow_to_fail_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivenas.core.outage.PAUSE_S", 0.0)
    outage = Outage()
    outage.goes_on("away", time.monotonic() - 100.0)
    assert outage.is_pausing


def test_a_store_that_refuses_is_not_asked_again_and_spoken_of_once(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage()
    outage.goes_on("away", time.monotonic())
    for _ in range(3):
        outage.is_final("refused")
        assert outage.is_pausing
    outage.is_over("back")
    assert not outage.is_pausing
    outage.is_final("")  # the user knows
    outage.is_final("refused")
    assert [each.getMessage() for each in caplog.records] == ["away", "refused", "back"]
