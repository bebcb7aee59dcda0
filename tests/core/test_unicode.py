from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from hivenas.core.unicode import storable, storable_record


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("naïve ✓ 😀 \u202e|`$_\n", "naïve ✓ 😀 \u202e|`$_\n"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        (os.fsdecode(b"\xff\xfe"), r"\xff\xfe"),
        ("half \ud83d", r"half \ud83d"),
        ("half \udc01", r"half \udc01"),
        ("a\0b", r"a\x00b"),
        ("", ""),
    ],
)
def test_what_stores_cannot_hold_is_escaped_and_nothing_else(text: str, stored: str) -> None:
    assert storable(text) == stored
    stored.encode("utf-8")


@dataclass(frozen=True, slots=True)
class Record:
    text: str
    file: Path
    inner: tuple[object, ...] = ()


def test_texts_are_escaped_however_deep_and_paths_keep_their_true_names() -> None:
    name = os.fsdecode(b"caf\xe9")
    record = Record(name, Path(name), ({name: [name, 1, None]}, Record(name, Path(name))))
    shown = r"caf\xe9"
    made = storable_record(record)
    assert made == Record(shown, Path(name), ({shown: [shown, 1, None]}, Record(shown, Path(name))))
