"""Texts of anyone's as files and stores can hold them, and as people are to see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")
# Bytes of a file's name that are no UTF-8, as Python gives them; halves of surrogate pairs; NUL, which ends texts in C.
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
# Control characters, marks that turn the direction of text, what no XML may hold.
_UNSHOWN = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def storable(text: str) -> str:
    r"""A text in which what is no Unicode, or ends a text for some, is escaped: `caf\xe9` for a name in Latin-1."""
    return _UNSTORABLE.sub(_escaped, text)


def shown_text(text: str) -> str:
    """A text freed of characters that are not to be seen or that no XML may hold; what is no Unicode is escaped."""
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", storable(text))


def storable_record(record: T) -> T:
    """A record with every text in it `storable`, however deep; paths, which have their true names, stay as they are."""
    given: Any = record
    made = given
    if isinstance(given, str):
        made = storable(given)
    elif is_dataclass(given):
        made = replace(given, **{each.name: storable_record(getattr(given, each.name)) for each in fields(given)})  # type: ignore[type-var]
    elif isinstance(given, Mapping):
        made = {storable_record(key): storable_record(value) for key, value in given.items()}
    elif type(given) in (list, tuple):
        made = type(given)(storable_record(each) for each in given)
    found: T = made
    return found


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code & 0xFF:02x}" if code == 0 or 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
