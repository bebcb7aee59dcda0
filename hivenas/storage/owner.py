"""The results folder that a study is kept for: whether a search is at work there is asked of its lock."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hivenas.core.folder import ResultsFolder
from hivenas.core.lock import is_locked

OwnerCondition = Literal["own", "running", "left", "unknown"]


@dataclass(frozen=True, slots=True)
class Owner:
    """A results folder as others are told of it.

    Args:
        host: the machine.
        path: the folder, absolute.
        inode: its number, as containers may have a host's name and paths in common; 0 where there is no folder.
    """

    host: str
    path: str
    inode: int

    @classmethod
    def of(cls, folder: ResultsFolder) -> Owner:
        """The folder of this process."""
        return cls.at(folder.path.resolve())

    @classmethod
    def at(cls, path: Path) -> Owner:
        """A folder of this machine as it is now."""
        return cls(platform.node(), str(path), path.stat().st_ino if path.is_dir() else 0)

    @classmethod
    def read(cls, text: str) -> Owner | None:
        """The owner that `text` wrote; None for nothing, or for what another version wrote."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def text(self) -> str:
        """The folder as it is written down."""
        return json.dumps(asdict(self))

    def shown(self) -> str:
        """The folder for people."""
        return f"{self.path} on {self.host}"


def condition_of(owner: Owner | None, folder: ResultsFolder) -> OwnerCondition:
    """The condition of another search, seen from the locked folder of this one.

    Args:
        owner: where the other search is at home; None where that is not known.
        folder: of this search.

    Returns:
        `own` for this folder, whose lock shows that nobody else is at work; `running` and `left` where the other's lock
        can be asked; else `unknown`, as on another machine.
    """
    if owner is None:
        return "unknown"
    if owner == Owner.of(folder):
        return "own"
    path = Path(owner.path)
    lock = ResultsFolder(path.parent, path.name).lock
    if owner != Owner.at(path) or not os.access(lock, os.R_OK):
        return "unknown"
    return "running" if is_locked(lock) else "left"
