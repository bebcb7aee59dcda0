"""A training of a candidate as a record, whatever comes of it: with what it took, and where."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace

from hivenas.core.measured import SPENT
from hivenas.core.nas.training.failures import CAUSE
from hivenas.core.nas.training.loop import cause_of
from hivenas.core.nas.training.serving import UnfaithfulModelError
from hivenas.core.nas.training.spending import Spending
from hivenas.core.records import Evaluation
from hivenas.core.stopwatch import Stopwatch
from hivenas.errors import DatasetError, DiskFullError, MissingResultsError, innermost


def guarded(candidate: str, train: Callable[[], Evaluation], *, worst: float) -> Evaluation:
    """Runs a training; an error that the candidate is to blame for is a failed evaluation, which says why.

    Args:
        candidate: the architecture.
        train: trains it.
        worst: fitness of what failed.

    Returns:
        The evaluation with wall seconds, the time of its start, its worker, and what it has spent of the machine.

    Raises:
        DatasetError: the data cannot be read.
        MissingResultsError: a file that it needs is gone.
        DiskFullError: no space for its files.
    """
    watch, spending = Stopwatch(), Spending()
    try:
        evaluation = train()
    except (DatasetError, MissingResultsError, DiskFullError):
        raise  # nothing that the candidate is to blame for
    except Exception as error:
        reason = str(error) if isinstance(error, UnfaithfulModelError) else innermost(error)
        failed = Evaluation.failure(candidate, reason, traceback=traceback.format_exc(), worst=worst)
        evaluation = replace(failed, extra={CAUSE: cause_of(error)})
    return watch.note(replace(evaluation, extra={**evaluation.extra, SPENT: spending.figures()}))
