"""What a program sees of a command: one JSON object a line on the standard output, everything else on the other."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hivenas.cli.outcomes import Outcome, candidate_fields, finite
from hivenas.run.callbacks import SearchListener

if TYPE_CHECKING:
    from hivenas.core.records import Row


class JsonLines(SearchListener, contextlib.AbstractContextManager["JsonLines"]):
    """Prints an object for every event; its field `event` says which, the README says what else it has.

    Whatever else is printed to the standard output while it is entered goes to the standard error instead.

    Args:
        command: named in the last object.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._out = sys.stdout
        self._done = contextlib.ExitStack()

    def __enter__(self) -> JsonLines:
        self._done.enter_context(contextlib.redirect_stdout(sys.stderr))
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.close()

    def started(self, planned: int, done: int) -> None:
        """Event `started`."""
        self._print("started", planned=planned, done=done)

    def evaluated(self, row: Row, best: Row | None) -> None:
        """Event `evaluated`."""
        self._print(
            "evaluated",
            **candidate_fields(row),
            phase=row.phase,
            iteration=row.iteration,
            bee=row.bee,
            bee_id=row.bee_id,
            status=row.status,
            reason=row.reason,
            seconds=row.seconds,
            best_candidate=best and best.candidate,
            best_fitness=best and finite(best.fitness),
        )

    def training(self, candidate: str, epochs: int) -> None:
        """Event `training`."""
        self._print("training", candidate=candidate, epochs=epochs)

    def note(self, text: str) -> None:
        """Event `note` of level `info`."""
        self._print("note", level="info", text=text)

    def warn(self, text: str) -> None:
        """Event `note` of level `warning`."""
        self._print("note", level="warning", text=text)

    def conclude(self, outcome: Outcome, show: Callable[[], None]) -> None:
        """Event `finished`, the last one."""
        self._print("finished", command=self._command, **outcome.fields)

    def failed(self, reason: str, code: int, way_on: str) -> None:
        """Event `failed`, the last one."""
        self._print("failed", command=self._command, reason=reason, exit_code=code, resume=way_on)

    def _print(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}, allow_nan=False), file=self._out, flush=True)
