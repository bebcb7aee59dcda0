"""MLflow's active runs of this process, without importing it: where nobody has, none is active."""

from __future__ import annotations

import sys
import threading
from typing import Any


def active_run_of(*threads: int) -> str:
    """The id of the run that is active in the first of some threads that has one; empty without one.

    MLflow keeps its active run for each thread. A pool's threads have none, though whoever has filled the pool has.

    Args:
        threads: their identifiers, see `threading.get_ident`.
    """
    fluent: Any = sys.modules.get("mlflow.tracking.fluent")  # which whoever starts a run has imported
    if fluent is None:
        return ""
    try:
        stacks = fluent._active_run_stack.get_all_thread_values()
    except AttributeError:  # another version of MLflow, of which only the calling thread's own is known
        run = fluent.active_run()
        return str(run.info.run_id) if run else ""
    living = {thread.ident for thread in threading.enumerate()}
    found = [stacks[each][-1] for each in threads if each in living and stacks.get(each)]
    return str(found[0].info.run_id) if found else ""


def main_thread() -> int:
    """The identifier of the main thread."""
    return threading.main_thread().ident or 0
