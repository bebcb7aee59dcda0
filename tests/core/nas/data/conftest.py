"""Fixtures of the data sets."""

from __future__ import annotations

import pytest

from hivenas.config.registry import DATASETS


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets what a test registers."""
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
