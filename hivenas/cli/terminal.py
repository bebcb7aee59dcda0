"""What a person sees of a command: progress, outcomes, errors in one line, orderly ends."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from hivenas.cli.json_lines import JsonLines
from hivenas.cli.outcomes import Outcome
from hivenas.run.callbacks import SearchListener

if TYPE_CHECKING:
    from hivenas.api import Plan
    from hivenas.cli.live import LiveView
    from hivenas.config import Config
    from hivenas.core.records import Proposal, Row
    from hivenas.run.final_training import Trained
    from hivenas.run.prediction import Prediction
    from hivenas.run.reproduction import Reproduction
    from hivenas.run.session import Finished

FAILED, WRONG_INPUT = 1, 2
_SHOWN_DIFFERENCES = 10
_LEAST_SHOWN = 24  # characters of an architecture, before other columns give way


@contextlib.contextmanager
def errors(resume_hint: ResumeHint | None = None, view: View | None = None) -> Iterator[None]:
    """One clear line for what went wrong, and its exit code: 2 for wrong input, 1 for failed work."""
    from hivenas.errors import HivenasError, InputError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with _orderly_end():
            yield
    except InputError as error:
        _fail(str(error), WRONG_INPUT, view)
    except HivenasError as error:
        _fail(str(error), FAILED, view, resume_hint)
    except KeyboardInterrupt as error:
        _fail(f"{error or 'interrupted'}; what was finished is kept", FAILED, view, resume_hint)


def _fail(reason: str, code: int, view: View | None, resume_hint: ResumeHint | None = None) -> NoReturn:
    if isinstance(view, JsonLines):
        view.failed(reason, code, resume_hint.offer() if resume_hint else "")
    _complain(f"{reason}{resume_hint or ''}")
    sys.exit(code)


def _complain(text: str) -> None:
    """Says it on the standard error; in a window between words, but for commands, which stand on lines of their own."""
    lines = f"hivenas: {_printable(text)}".splitlines()
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        lines = [each if each.startswith("  ") else wrapper.fill(each) for each in lines]
    click.echo("\n".join(lines), err=True)


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work in order, a second one at once."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        # Not with click, which writes past the live view.
        print("\nhivenas: ending in order; once more ends at once", file=sys.stderr, flush=True)
        raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ResumeHint:
    """How to go on with a search, as text: once there is something to go on with.

    Args:
        path, overrides, modules: as they were given.
    """

    def __init__(self, path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
        self._path = path
        self._overrides = overrides
        self._modules = modules
        self.config: Config | None = None

    def __str__(self) -> str:
        command = self.offer()
        return f". Go on with\n  {command}" if command else ""

    @property
    def command(self) -> str:
        """The command, whether or not there is anything to go on with; without a password."""
        from hivenas.config.text import masked

        given = [override for override in self._overrides if override.strip()]
        shown = [masked(each) if "optuna.storage" in each else each for each in given]
        sets = "".join(f" --set {shlex.quote(each)}" for each in shown)
        imports = "".join(f" --import {shlex.quote(module)}" for module in self._modules)
        return f"hivenas search --config {shlex.quote(self._path)}{sets}{imports} --resume"

    def offer(self) -> str:
        """The command; empty while there is nothing to go on with."""
        from hivenas.storage import read_state

        state = read_state(self.config) if self.config else None
        return "" if state is None or not state.has_begun else self.command


class Quiet(SearchListener, contextlib.AbstractContextManager["Quiet"]):
    """Says nothing but warnings, and what a command came to in one line."""

    def __exit__(self, *exc: object) -> None:
        """Nothing is to be ended."""

    def warn(self, text: str) -> None:
        """Says it on the standard error."""
        _complain(text)

    def conclude(self, outcome: Outcome, show: Callable[[], None]) -> None:
        """Says the outcome's line."""
        click.echo(outcome.line)


class Terminal(SearchListener, contextlib.AbstractContextManager["Terminal"]):
    """Progress for a person: a view that is drawn anew in a terminal, a line an evaluation in a file or a pipe."""

    def __init__(self) -> None:
        self._planned = 0
        self._done = 0
        self._live: LiveView | None = None

    def __enter__(self) -> Terminal:
        if draws():
            from hivenas.cli.live import LiveView

            self._live = LiveView()
            self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live:
            self._live.__exit__(*exc)
            self._live = None

    def started(self, planned: int, done: int) -> None:
        """Shows how much there is to do."""
        self._planned, self._done = planned, done
        rest = f", {done} of them recorded before" if done else ""
        self.note(f"searching: {planned} evaluations at the most{rest}")
        if self._live:
            self._live.started(planned, done)

    def flying(self, proposals: Sequence[Proposal]) -> None:
        """Shows what is in training, where it can be shown."""
        if self._live:
            self._live.flying(proposals)

    def evaluated(self, row: Row, best: Row | None) -> None:
        """Shows an evaluation."""
        if row.status == "failed":
            row = replace(row, reason=_printable(row.reason))
        if self._live:
            self._live.evaluated(row, best)
            return
        from hivenas.reports import figure, short

        self._done += row.phase == "evaluate"
        label = "momentum" if row.phase == "momentum" else row.bee
        outcome = figure(row) if row.status != "failed" else f"failed: {row.reason}"
        shown = "best –" if best is None else f"best {figure(best)}"
        self.note(f"{self._done:>4}/{self._planned} {label:<8} {outcome:<7} {shown}  {short(row.candidate)}")

    def training(self, candidate: str, epochs: int) -> None:
        """Shows that what follows may take long."""
        if self._live:
            self._live.training(candidate, epochs)
        else:
            self.note(f"training fully for {epochs} epochs: {candidate}")

    def note(self, text: str) -> None:
        """Shows a line of its own."""
        if self._live:
            self._live.note(_printable(text))
        else:
            click.echo(_printable(text))

    def warn(self, text: str) -> None:
        """Shows a line of its own, in another colour where there are colours."""
        if self._live:
            self._live.warn(_printable(text))
        else:
            click.echo(_printable(text))

    def conclude(self, outcome: Outcome, show: Callable[[], None]) -> None:
        """Shows all of it."""
        show()


View = Terminal | Quiet | JsonLines


def draws() -> bool:
    """Whether the standard output is a terminal in which lines may be drawn anew, and its user has nothing against it.

    NO_COLOR and TERM=dumb ask for plain text, which then has no control characters at all.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not plain


def _printable(text: str) -> str:
    """A text without control characters, as a reason may have them that a library gave."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "�", text)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options `--quiet` and `--json`, and what follows from them as its argument `view`."""

    @click.option("--quiet", "-q", is_flag=True, help="Print warnings, errors and the result in one line, no more.")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line; all else goes to stderr.")
    @functools.wraps(command)
    def speaks(*args: Any, quiet: bool, as_json: bool, **kwargs: Any) -> None:
        if quiet and as_json:
            raise click.UsageError("--quiet and --json exclude each other, got both; give one of them")
        view = JsonLines(command.__name__) if as_json else Quiet() if quiet else Terminal()
        command(*args, view=view, **kwargs)

    return speaks


def print_finished(config: Config, finished: Finished) -> None:
    """Says what a search has found and spent, and what can be done next."""
    from hivenas.reports import as_text, best_table

    summary = finished.summary
    table = best_table(finished.rows, minimize=finished.minimize)
    click.echo(
        f"\n{summary.evaluations} evaluations, {summary.epochs} epochs, {summary.failed} failed, "
        f"{summary.reused} reused, {summary.seconds:.0f} s of evaluation\n"
    )
    click.echo(as_text(fitted(table, shutil.get_terminal_size().columns) if sys.stdout.isatty() else table))
    if finished.trained:
        print_trained(finished.trained)
    click.echo("\nNext:")
    if finished.waiting:
        file = shlex.quote(config.source or "FILE")
        click.echo(f"  tell MLflow        hivenas sync --config {file}    ({finished.waiting} records wait for it)")
    click.echo(f"  see every run      {_ui_command(finished.store)}")
    click.echo(f"  draw the report    hivenas report --config {shlex.quote(config.source or 'FILE')}")


def fitted(table: list[list[str]], width: int) -> list[list[str]]:
    """A table cut to a window: of its columns those between the second and the last give way, from the right."""
    wanted = min(_LEAST_SHOWN, max(len(line[-1]) for line in table))
    while (room := _room(table, width)) < wanted and len(table[0]) > 3:
        table = [[*line[:-2], line[-1]] for line in table]
    room = max(4, room)
    return [[*line[:-1], line[-1] if len(line[-1]) <= room else f"{line[-1][: room - 1]}…"] for line in table]


def _room(table: list[list[str]], width: int) -> int:
    """What is left of a window for the last column of a table."""
    return width - sum(max(map(len, column)) + 2 for column in list(zip(*table, strict=True))[:-1])


def _ui_command(store: str) -> str:
    from hivenas.config.text import without_login

    if store.startswith(("http:", "https:")):
        return f"open {without_login(store)} and choose Model training"
    at_home = store == "sqlite:///mlflow.db" or store == f"sqlite:///{os.getcwd()}/mlflow.db"
    # A store elsewhere may have a password in its URI, which does not belong on a screen.
    command = "mlflow ui" if at_home else 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    return f"{command}    (then open http://127.0.0.1:5000 and choose Model training)"


def print_reproduction(reproduction: Reproduction) -> None:
    """Says whether a training came out as it was, and what differs."""
    from hivenas.reports import as_text

    for now in reproduction.history:
        click.echo(f"epoch {now.epoch:>3}: loss {now.loss!r}, val_accuracy {now.val_accuracy!r}")
    epochs = len(reproduction.recipe.history)
    if not reproduction.figures:
        click.echo(f"every figure of {epochs} epochs is equal to the last bit")
    else:
        click.echo(f"\n{len(reproduction.figures)} figures of {epochs} epochs differ, such as\n")
        lines = [[d.what, d.before, d.now] for d in reproduction.figures[:_SHOWN_DIFFERENCES]]
        click.echo(as_text([["", "then", "now"], *lines]))
    if reproduction.environment:
        click.echo("\nnot as it was then:\n")
        click.echo(as_text([["", "then", "now"], *([d.what, d.before, d.now] for d in reproduction.environment)]))
    elif reproduction.figures:
        click.echo("\nversions, threads, processor and data are those of then")


def print_predictions(predictions: Sequence[Prediction], *, as_json: bool) -> None:
    """Prints what images were taken for: a table, or a line of JSON for each."""
    from hivenas.reports import as_text

    if as_json:
        for prediction in predictions:
            click.echo(prediction.to_json())
    else:
        head = ["image", "class", "probability", "next best", "probability"]
        click.echo(as_text([head, *(prediction.cells() for prediction in predictions)]))


def print_trained(trained: Trained) -> None:
    """Says what a full training came to."""
    figures = trained.evaluation.extra
    click.echo(
        f"\nfully trained: test accuracy {figures['test_accuracy']:.4f} (95 %: {figures['test_accuracy_low']:.4f} … "
        f"{figures['test_accuracy_high']:.4f}, {figures['test_images']} images), "
        f"validation accuracy {trained.evaluation.fitness:.4f}"
    )
    uri, verdict = trained.published.uri, trained.published.verdict
    if verdict:
        click.echo(f"registered: {verdict}")
    if uri:
        click.echo(f"  load the model     python -c \"import mlflow; model = mlflow.pyfunc.load_model('{uri}')\"")
        click.echo(f"  classify images    hivenas predict {shlex.quote(uri)} FILES…")


def print_plan(config: Config, plan: Plan) -> None:
    """Prints a configuration with its defaults, and what a search would do."""
    click.echo(config.to_yaml())
    size = "continuous" if plan.space_size is None else f"{plan.space_size:,} architectures"
    bounded = plan.share_within is not None
    click.echo(f"# space:        {'at most ' if bounded else ''}{size}")
    if plan.share_within is not None:
        share = f"{100 * plan.share_within:.3g}" if plan.share_within else "under 0.1"
        limits = " and ".join(
            f"{key}={limit:,}" for key in ("max_params", "max_macs") if (limit := getattr(config.space, key))
        )
        click.echo(f"# guards:       {share} % of {size} fit {limits}")
    click.echo(f"# colony:       {plan.employees} employees, {plan.onlookers} onlookers")
    click.echo(f"# evaluations:  {plan.evaluations:,} at the most")
    if plan.epochs:
        click.echo(f"# epochs:       {plan.epochs:,} at the most")
    if plan.epochs:
        epochs = f"after epochs {plan.judged[0]} to {plan.judged[-1]}" if plan.judged else "judges no epoch"
        click.echo(f"# stopping:     {config.evaluation.stopping}, {epochs}")
    if plan.epochs and config.evaluation.momentum_epochs:
        click.echo(f"# momentum:     {config.evaluation.momentum_epochs} of them in every iteration")
    if plan.epochs and config.full_train.enabled:
        click.echo(f"# then:         {config.full_train.epochs} epochs of full training")
    click.echo(f"# results:      {config.results.dir}/{config.name}/")
