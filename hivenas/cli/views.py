"""Views: what a command shows while it is at work, one for each mode (live, plain, quiet, JSON)."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import click

from hivenas.cli.errors import complain, printable
from hivenas.cli.results import Outcome, candidate_fields, finite
from hivenas.config.text import number_of
from hivenas.core.output import LastingStream
from hivenas.run.callbacks import Callback, RunningSearch, leading_time
from hivenas.run.progress import draws

if TYPE_CHECKING:
    from hivenas.core.progress import Progress
    from hivenas.core.records import Proposal, Trial
    from hivenas.run.live import LiveView


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


class Terminal(View):
    """Progress for a person: a view that is drawn anew in a terminal, a line an evaluation in a file or a pipe."""

    outlives_output = True

    def __init__(self) -> None:
        self._planned = 0
        self._done = 0
        self._search: RunningSearch | None = None
        self._live: LiveView | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        if draws():
            from hivenas.run.live import LiveView

            self._live = LiveView()
            self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live:
            self._live.__exit__(*exc)
            self._live = None
        super().__exit__(*exc)

    def on_start(self, search: RunningSearch) -> None:
        """Shows how much there is to do."""
        self._search = search
        self._planned = search.planned
        self._done = sum(trial.phase == "evaluate" for trial in search.trials)
        from hivenas.reports.text import duration

        rest = f", {self._done} of them recorded before" if self._done else ""
        within = f"{duration(search.time_limit[1])} or " if search.time_limit else ""
        self.note(f"searching: {within}{number_of(self._planned, 'evaluation')} at the most{rest}")
        if self._live:
            self._live.on_start(search)

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Shows what is in training, where it can be shown."""
        if self._live:
            self._live.on_submit(proposals)

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        """Shows how far a training is, where it can be shown."""
        if self._live:
            self._live.on_progress(proposal, progress)

    def on_trial(self, trial: Trial) -> None:
        """Shows an evaluation."""
        if self._live:
            self._live.on_trial(trial)
            return
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
        return f"{self._done:>4}/{self._planned}"

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Shows that what follows may take long."""
        if self._live:
            self._live.on_full_training(candidate, epochs)
        else:
            self.note(f"training fully for {number_of(epochs, 'epoch')}: {candidate}")

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        """Shows how far a full training is, where it can be shown."""
        if self._live:
            self._live.on_full_epoch(candidate, progress)

    def on_full_progress(self, done: int, planned: int) -> None:
        """Shows the how-manieth full training it is, where it can be shown."""
        if self._live:
            self._live.on_full_progress(done, planned)

    def note(self, text: str) -> None:
        """Shows a line of its own."""
        if self._live:
            self._live.note(printable(text))
        else:
            click.echo(self.mark + printable(text))

    def warn(self, text: str) -> None:
        """Says it on the standard error, above the view where that is drawn on the same terminal."""
        if self._live and sys.stderr.isatty():
            self._live.warn(printable(text))
        else:
            complain(text)


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
        done = sum(trial.phase == "evaluate" for trial in search.trials)
        self._print("started", planned=search.planned, done=done)

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
        view: View = JsonLines(command.__name__) if as_json else Quiet() if quiet else Terminal()
        command(*args, view=view, **kwargs)

    return speaks
