"""What a person sees of a command: progress, outcomes, errors in one line, orderly ends."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hivenas.config import Config
    from hivenas.core.records import Row
    from hivenas.full_training import Trained
    from hivenas.prediction import Prediction
    from hivenas.reproduction import Reproduction
    from hivenas.search_run import Finished

FAILED, WRONG_INPUT = 1, 2
_SHOWN_DIFFERENCES = 10


@contextlib.contextmanager
def errors(resume_hint: ResumeHint | None = None) -> Iterator[None]:
    """One clear line for what went wrong, and its exit code: 2 for wrong input, 1 for failed work."""
    from hivenas.errors import HivenasError, InputError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with _orderly_end():
            yield
    except InputError as error:
        click.echo(f"hivenas: {error}", err=True)
        sys.exit(WRONG_INPUT)
    except HivenasError as error:
        click.echo(f"hivenas: {error}{resume_hint or ''}", err=True)
        sys.exit(FAILED)
    except KeyboardInterrupt as error:
        click.echo(f"\nhivenas: {error or 'interrupted'}; what was finished is kept{resume_hint or ''}", err=True)
        sys.exit(FAILED)


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work in order, a second one at once."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        click.echo("\nhivenas: ending in order; once more ends at once", err=True)
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

    @property
    def command(self) -> str:
        """The command, whether or not there is anything to go on with; without a password."""
        from hivenas.config_text import masked

        given = [override for override in self._overrides if override.strip()]
        shown = [masked(each) if "optuna.storage" in each else each for each in given]
        sets = "".join(f" --set {shlex.quote(each)}" for each in shown)
        imports = "".join(f" --import {shlex.quote(module)}" for module in self._modules)
        return f"hivenas search --config {shlex.quote(self._path)}{sets}{imports} --resume"

    def __str__(self) -> str:
        from hivenas.storage import read_state

        state = read_state(self.config) if self.config else None
        if state is None or not state.has_begun:
            return ""
        return f". Go on with\n  {self.command}"


class Terminal(contextlib.AbstractContextManager["Terminal"]):
    """Progress for a person: a bar with best-so-far, candidate and time left, or plain lines without a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._planned = 0
        self._done = 0
        self._last = ""
        self._best = ""

    def __exit__(self, *exc: object) -> None:
        self._end_bar()

    def started(self, planned: int, done: int) -> None:
        """Shows how much there is to do."""
        self._planned, self._done = planned, done
        rest = f", {done} of them recorded before" if done else ""
        click.echo(f"searching: {planned} evaluations at the most{rest}")
        if sys.stdout.isatty():
            self._bar = click.progressbar(
                length=planned, show_pos=True, show_percent=False, item_show_func=lambda _: self._tail(), width=20
            )
            self._bar.__enter__()
            self._bar.update(done)

    def evaluated(self, row: Row, best: Row | None) -> None:
        """Shows an evaluation."""
        from hivenas.reports import figure, short

        self._done += row.phase == "evaluate"
        self._best = "best –" if best is None else f"best {figure(best)}"
        if self._bar is not None:
            width = max(10, _columns() - 72)
            self._last = short(row.candidate, width)
            self._bar.update(int(row.phase == "evaluate"))
        else:
            label = "momentum" if row.phase == "momentum" else row.bee
            outcome = figure(row) if row.status != "failed" else f"failed: {row.reason}"
            click.echo(f"{self._done:>4}/{self._planned} {label:<8} {outcome:<7} {self._best}  {short(row.candidate)}")

    def note(self, text: str) -> None:
        """Shows a line of its own."""
        self._end_bar()
        click.echo(text)

    def _tail(self) -> str:
        return f"{self._best}  {self._last}"

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def print_finished(config: Config, finished: Finished) -> None:
    """Says what a search has found and spent, and what can be done next."""
    from hivenas.reports import as_text, best_table

    summary = finished.summary
    click.echo(
        f"\n{summary.evaluations} evaluations, {summary.epochs} epochs, {summary.failed} failed, "
        f"{summary.reused} reused, {summary.seconds:.0f} s of evaluation\n"
    )
    click.echo(as_text(best_table(finished.rows, minimize=finished.minimize)))
    if finished.trained:
        print_trained(finished.trained)
    click.echo("\nNext:")
    if finished.waiting:
        file = shlex.quote(config.source or "FILE")
        click.echo(f"  tell MLflow        hivenas sync --config {file}    ({finished.waiting} records wait for it)")
    click.echo(f"  see every run      {_ui_command(finished.store)}")
    click.echo(f"  draw the report    hivenas report --config {shlex.quote(config.source or 'FILE')}")


def _ui_command(store: str) -> str:
    if store.startswith(("http:", "https:")):
        return f"open {re.sub('//[^/@]*@', '//', store)} and choose Model training"
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
