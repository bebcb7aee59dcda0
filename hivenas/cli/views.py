"""Views: what a command shows while it is at work, one for each mode (live, plain, quiet, JSON)."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import click

from hivenas.cli.errors import complain, printable
from hivenas.cli.results import Outcome, candidate_fields, finite
from hivenas.core.output import LastingStream
from hivenas.run.callbacks import Callback, CallbackList, RunningSearch, leading_time
from hivenas.run.progress import draws
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.core.records import Trial


class View(Callback, contextlib.AbstractContextManager["View"]):
    """Shows progress; while it is entered, notes and warnings come to it through the logger `hivenas`."""

    outlives_output: ClassVar[bool] = False  # the work is worth more than what is printed of it
    mark: str = ""  # before a note, where a command prints a file: that of a comment

    def __enter__(self) -> Self:
        if self.outlives_output and isinstance(sys.stdout, LastingStream):
            sys.stdout.on_loss(_complain_of_loss)
        self._handler = _Forwarding(self)
        self._logger = logging.getLogger("hivenas")
        self._before = self._logger.level, self._logger.propagate
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        self._logger.addHandler(self._handler)
        return self

    def __exit__(self, *exc: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]

    def only_print(self) -> None:
        """Hears that from here on all the work is to print: where that cannot be done, the command has failed."""
        if isinstance(sys.stdout, LastingStream):
            sys.stdout.on_loss(None)

    def note(self, text: str) -> None:
        """Shows a line of its own; nothing here."""

    def warn(self, text: str) -> None:
        """Says it on the standard error."""
        complain(text)

    def conclude(self, outcome: Outcome, show: Callable[[], None]) -> None:
        """Shows what the command came to: all of it."""
        show()

    def failed(self, reason: str, code: int, way_on: str) -> None:
        """Hears that the command failed, which is said elsewhere."""


def _complain_of_loss(reason: str) -> None:
    complain(f"warning: the standard output takes nothing any more ({reason}); the work goes on without it")


class _Forwarding(logging.Handler):
    """Gives records of the logger to a view."""

    def __init__(self, view: View) -> None:
        super().__init__(logging.INFO)
        self._view = view

    def emit(self, record: logging.LogRecord) -> None:
        """A note or a warning."""
        (self._view.warn if record.levelno >= logging.WARNING else self._view.note)(record.getMessage())


class Quiet(View):
    """Says nothing but warnings, and what a command came to in one line."""

    outlives_output = True

    def conclude(self, outcome: Outcome, show: Callable[[], None]) -> None:
        """Says the outcome's line."""
        click.echo(outcome.line)


class Plain(View):
    """Progress for a person in a file or a pipe: a line an evaluation."""

    outlives_output = True

    def __init__(self) -> None:
        self._done = 0
        self._search: RunningSearch | None = None

    def on_start(self, search: RunningSearch) -> None:
        """Says how much there is to do."""
        self._search = search
        self._done = _done(search)
        self.note(_to_do(search))

    def on_trial(self, trial: Trial) -> None:
        """Says what came of an evaluation, and what the best is."""
        from hivenas.reports import figure, short

        self._done += trial.phase == "evaluate"
        label = "momentum" if trial.phase == "momentum" else trial.role
        outcome = figure(trial) if not trial.failed else f"failed: {trial.reason}"
        best = self._search.best if self._search else None
        shown = "best –" if best is None else f"best {figure(best)}"
        self.note(f"{self._place()} {label:<8} {outcome:<7} {shown}  {short(trial.encoded)}")

    def _place(self) -> str:
        """The place of an evaluation in the search: of its time, where a budget of that ends it first."""
        from hivenas.reports.text import duration

        if limit := leading_time(self._search, self._done):
            return f"{self._done:>4} in {duration(limit[0])} of {duration(limit[1])}"
        return f"{self._done:>4}/{self._search.planned if self._search else 0}"

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Says that what follows may take long."""
        self.note(f"training fully for {number_of(epochs, 'epoch')}: {candidate}")

    def note(self, text: str) -> None:
        """Says it in a line of its own."""
        click.echo(self.mark + printable(text))


class Drawn(CallbackList, View):
    """Progress for a person at a terminal: lines that are drawn anew, below what is said for good."""

    outlives_output = True

    def __init__(self) -> None:
        from hivenas.run.live import LiveView

        self._live = LiveView()
        super().__init__([self._live])

    def __enter__(self) -> Self:
        super().__enter__()
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(*exc)
        super().__exit__(*exc)

    def on_start(self, search: RunningSearch) -> None:
        """Says how much there is to do, and begins to draw."""
        self.note(_to_do(search))
        super().on_start(search)

    def note(self, text: str) -> None:
        """Says it above what is drawn."""
        self._live.note(printable(text))

    def warn(self, text: str) -> None:
        """Says it on the standard error, above what is drawn where that is the same terminal."""
        if sys.stderr.isatty():
            self._live.warn(printable(text))
        else:
            complain(text)


def _done(search: RunningSearch) -> int:
    """Evaluations that were recorded before, without continuations."""
    return sum(trial.phase == "evaluate" for trial in search.trials)


def _to_do(search: RunningSearch) -> str:
    from hivenas.reports.text import duration

    rest = f", {done} of them recorded before" if (done := _done(search)) else ""
    within = f"{duration(search.time_limit[1])} or " if search.time_limit else ""
    return f"searching: {within}{number_of(search.planned, 'evaluation')} at the most{rest}"


class JsonLines(View):
    """Prints an object for every event; its field `event` says which, the README says what else it has.

    Whatever else is printed to the standard output while it is entered goes to the standard error instead.

    Args:
        command: named in the last object.
    """

    outlives_output = True

    def __init__(self, command: str) -> None:
        self._command = command
        self._search: RunningSearch | None = None
        self._out = sys.stdout
        self._done = contextlib.ExitStack()

    def __enter__(self) -> Self:
        super().__enter__()
        self._done.enter_context(contextlib.redirect_stdout(sys.stderr))
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.close()
        super().__exit__(*exc)

    def on_start(self, search: RunningSearch) -> None:
        """Event `started`."""
        self._search = search
        self._print("started", planned=search.planned, done=_done(search))

    def on_trial(self, trial: Trial) -> None:
        """Event `evaluated`, with the run that a tracker has made of it by now."""
        best = self._search.best if self._search else None
        self._print(
            "evaluated",
            **candidate_fields(trial),
            phase=trial.phase,
            iteration=trial.iteration,
            bee=trial.role,
            bee_id=trial.role_id,
            status=trial.status,
            reason=trial.reason,
            seconds=trial.seconds,
            best_candidate=best and best.encoded,
            best_fitness=best and finite(best.fitness),
        )

    def on_full_training(self, candidate: str, epochs: int) -> None:
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


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options `--quiet` and `--json`, and what follows from them as its argument `view`."""

    @click.option("--quiet", "-q", is_flag=True, help="Print warnings, errors and the result in one line, no more.")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line; all else goes to stderr.")
    @functools.wraps(command)
    def speaks(*args: Any, quiet: bool, as_json: bool, **kwargs: Any) -> None:
        if quiet and as_json:
            raise click.UsageError("--quiet and --json exclude each other, got both; give one of them")
        view = _view(command.__name__, quiet=quiet, as_json=as_json)
        command(*args, view=view, **kwargs)

    return speaks


def _view(command: str, *, quiet: bool, as_json: bool) -> View:
    if as_json:
        return JsonLines(command)
    if quiet:
        return Quiet()
    return Drawn() if draws() else Plain()
