from __future__ import annotations

import pytest

from hivenas.errors import first_line


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
