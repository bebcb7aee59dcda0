"""The patterns of names that a configuration gives, and what they say in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A form that names must have, as a record that describes itself.

    Args:
        regex: that it matches.
        rule: the same in words, what follows the key.
        others: a regular expression of what may stand nowhere in it.
        most: characters that it may have.
    """

    regex: str
    rule: str
    others: str
    most: int

    def fits(self, text: str) -> bool:
        """Tell if a text has the form and is no longer than it may be."""
        return len(text) <= self.most and bool(re.fullmatch(self.regex, text))

    def made_of(self, text: str) -> str:
        """A name like a text that is none, with _ for what may not stand in it; empty where that makes none."""
        name = re.sub(self.others, "_", text.strip())[: self.most].strip("_-.")
        return name if self.fits(name) else ""


NAME = Pattern(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    "must have letters, digits, _ . and - only, a letter or a digit first",
    r"[^A-Za-z0-9_.-]+",
    200,
)
# The lengths of an alias and of a model's name are those that MLflow's registry takes.
ALIAS = Pattern(
    r"^[A-Za-z][A-Za-z0-9_-]*$", "must have letters, digits, _ and - only, a letter first", r"[^A-Za-z0-9_-]+", 255
)
# In an address such as models:/NAME@ALIAS the other signs end the name, and a path begins with a dot.
MODEL = Pattern(
    r"^[^/:?#@\s.]([^/:?#@]*[^/:?#@\s])?$",
    "must have none of / : ? # @, no space at its ends and no . first",
    r"[/:?#@]+",
    256,
)
PATTERNS: Mapping[str, Pattern] = {pattern.regex: pattern for pattern in (NAME, ALIAS, MODEL)}
