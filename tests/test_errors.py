from __future__ import annotations

import pickle

import pytest

from hivenas.errors import ConfigError, DiskFullError, MissingResultsError, WorkerDiedError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (RuntimeError("\n  \n one \n"), "RuntimeError: one"),
        (KeyError("name"), "KeyError: 'name'"),
        (ValueError(" \n"), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_an_error_is_told_by_its_first_line(error: BaseException, line: str) -> None:
    assert first_line(error) == line


@pytest.mark.parametrize("kind", [DiskFullError, WorkerDiedError, MissingResultsError, ConfigError])
def test_an_error_survives_the_way_from_a_worker(kind: type[Exception]) -> None:
    again = pickle.loads(pickle.dumps(kind("no space in x; make some")))
    assert (type(again), str(again)) == (kind, "no space in x; make some")
