"""The owner of a study, seen from a results folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.core.folder import ResultsFolder
from hivenas.core.lock import locked
from hivenas.storage.owner import Owner, condition_of


def folder(tmp_path: Path, name: str) -> ResultsFolder:
    made = ResultsFolder(tmp_path, name)
    made.path.mkdir()
    made.lock.touch()
    return made


def test_a_folder_is_read_as_it_was_written_and_nothing_else_is(tmp_path: Path) -> None:
    owner = Owner.of(folder(tmp_path, "here"))
    assert Owner.read(owner.text()) == owner
    assert owner.shown() == f"{tmp_path}/here on {owner.host}"
    assert [Owner.read(text) for text in ("", "null", "{}", "not json", '{"host": "x"}')] == [None] * 5


def test_who_is_at_work_is_asked_of_the_lock_where_it_can_be(tmp_path: Path) -> None:
    here, there = folder(tmp_path, "here"), folder(tmp_path, "there")
    other = Owner.of(there)
    assert condition_of(Owner.of(here), here) == "own"
    assert condition_of(other, here) == "left"
    with locked(there.lock):
        assert condition_of(other, here) == "running"
        assert condition_of(other, there) == "own"  # whoever asks holds the lock


@pytest.mark.parametrize("changed", [{"host": "another"}, {"inode": 1}, {"path": "/nowhere"}])
def test_of_a_folder_that_is_not_this_machines_nothing_is_known(tmp_path: Path, changed: dict[str, object]) -> None:
    here, there = folder(tmp_path, "here"), folder(tmp_path, "there")
    assert condition_of(replace(Owner.of(there), **changed), here) == "unknown"  # type: ignore[arg-type]
    assert condition_of(None, here) == "unknown"
