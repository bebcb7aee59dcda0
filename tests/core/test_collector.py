from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hivenas.core.collector import without_collector


@pytest.fixture(autouse=True)
def _enabled_again() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_rests_within_and_is_afterwards_as_it_was() -> None:
    with without_collector():
        assert not gc.isenabled()
        with without_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(ImportError), without_collector():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_the_user_has_disabled_stays_so() -> None:
    gc.disable()
    with without_collector():
        pass
    assert not gc.isenabled()
