"""In which condition a recorded search is: seen from outside, without a hand on it."""

from __future__ import annotations

import fcntl
from typing import Literal

from hivenas.core.folder import ResultsFolder
from hivenas.storage.search_store import SearchState


def condition_of(folder: ResultsFolder, state: SearchState | None) -> Literal["finished", "running", "ended", "loose"]:
    """Whether a search is finished, is running, or ended before it was finished, in whatever way.

    Args:
        folder: the results folder.
        state: what was read of it; None for evaluations that were asked for from Python, which are `loose`.
    """
    if state is None:
        return "loose"
    if state.stage == "done":
        return "finished"
    return "running" if _is_locked(folder) else "ended"


def _is_locked(folder: ResultsFolder) -> bool:
    """Whether a process is at work there; to ask takes the lock for an instant, shared with others that ask."""
    try:
        with (folder.path / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
