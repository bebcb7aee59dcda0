"""The commands: parse, call `hivenas.app`, print; nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hivenas.config import Config
    from hivenas.core.records import Row
    from hivenas.full_training import Trained
    from hivenas.reproduction import Reproduction
    from hivenas.search_run import Finished

_FAILED, _WRONG_INPUT = 1, 2
_SHOWN_DIFFERENCES = 10

config_option = click.option(
    "--config", "config_path", required=True, type=click.Path(), metavar="FILE", help="The experiment's YAML file."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrides a key, such as evaluation.epochs=2; repeatable, and one text may hold several.",
)
import_option = click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A Python module that registers operations, cells or data sets of your own, imported first; repeatable. "
    "HIVENAS_IMPORT may name further ones, separated by commas.",
)


def switch(name: str, help_text: str) -> Callable[[Any], Any]:
    """A flag that also takes true or false, as `mlflow run -P name=true` gives it."""
    return click.option(name, type=bool, is_flag=False, flag_value="true", default="false", metavar="", help=help_text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hivenas")
def main() -> None:
    """Neural architecture search for Keras: an Artificial Bee Colony drives, MLflow sees everything."""


@main.command()
@config_option
@set_option
@import_option
@switch("--resume", "Go on with the search that the results folder holds.")
@switch("--overwrite", "Delete the search that the results folder holds.")
def search(
    config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...], resume: bool, overwrite: bool
) -> None:
    """Search, train the best candidate fully, test it, register it."""
    hint = _ResumeHint(config_path, overrides, modules)
    with _errors(hint):
        from hivenas import app

        config = hint.config = _load(config_path, overrides, modules)
        with _Terminal() as terminal:
            finished = app.search(config, terminal, resume=resume, overwrite=overwrite)
        _print_finished(config, finished)


@main.command()
@config_option
@set_option
@import_option
@switch("--from-weights", "Continue from the best candidate's saved weights instead of training from scratch.")
def train(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...], from_weights: bool) -> None:
    """Train the best recorded candidate fully, test it, register it."""
    with _errors():
        from hivenas import app

        config = _load(config_path, overrides, modules)
        with _Terminal() as terminal:
            trained = app.train(config, terminal, from_weights=from_weights)
        _print_trained(trained)


@main.command()
@click.argument("architecture", metavar="ARCH")
@config_option
@set_option
@import_option
def arch(architecture: str, config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
    """Train a given architecture fully, such as 'input|sep3x3_32|max_pool3x3|output'."""
    with _errors():
        from hivenas import app

        config = _load(config_path, overrides, modules)
        with _Terminal() as terminal:
            trained = app.train_custom(config, architecture, terminal)
        _print_trained(trained)


@main.command()
@config_option
@set_option
@import_option
def check(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
    """Check a configuration; print it with its defaults, and what a search would do."""
    with _errors():
        from hivenas import app

        config = _load(config_path, overrides, modules)
        plan = app.plan(config)
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


@main.command()
@click.argument("run_id", metavar="RUN_ID")
@import_option
def reproduce(run_id: str, modules: tuple[str, ...]) -> None:
    """Train the candidate of a run in MLflow again and say whether every figure is equal to the last bit."""
    with _errors():
        from hivenas import app

        _import(modules)
        with _Terminal() as terminal:
            reproduction = app.reproduce(run_id, terminal)
        _print_reproduction(reproduction)
        if reproduction.figures:
            sys.exit(_FAILED)


@main.command()
@config_option
@set_option
@import_option
def sync(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
    """Tell MLflow what a search could not tell it, once the store answers again."""
    with _errors():
        from hivenas import app
        from hivenas.errors import TrackingError

        config = _load(config_path, overrides, modules)
        with _Terminal() as terminal:
            taken, waiting = app.sync(config, terminal)
        click.echo(f"{taken} records taken, {waiting} still waiting")
        if waiting:
            raise TrackingError("the MLflow store has not taken everything; try again when it answers")


@main.command()
@config_option
@set_option
@import_option
def report(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
    """Draw the pictures and the table of a recorded search, finished or not."""
    with _errors():
        from hivenas import app
        from hivenas.objectives import minimizes
        from hivenas.reports import as_text, best_table

        config = _load(config_path, overrides, modules)
        rows, files = app.draw_report(config)
        click.echo(as_text(best_table(rows, minimize=minimizes(config))))
        for file in files:
            click.echo(f"wrote {file}")


def _import(modules: tuple[str, ...]) -> None:
    from hivenas.extensions import import_modules

    named = (*modules, *os.environ.get("HIVENAS_IMPORT", "").split(","))
    import_modules(name.strip() for name in named if name.strip())


def _load(path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> Config:
    from hivenas.config import load

    _import(modules)
    config = load(path, overrides)
    for warning in config.warnings:
        click.echo(f"hivenas: warning: {warning}", err=True)
    return config


@contextlib.contextmanager
def _errors(resume_hint: _ResumeHint | None = None) -> Iterator[None]:
    """One clear line for what went wrong, and its exit code: 2 for wrong input, 1 for failed work."""
    from hivenas.errors import HivenasError, InputError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with _orderly_end():
            yield
    except InputError as error:
        click.echo(f"hivenas: {error}", err=True)
        sys.exit(_WRONG_INPUT)
    except HivenasError as error:
        click.echo(f"hivenas: {error}{resume_hint or ''}", err=True)
        sys.exit(_FAILED)
    except KeyboardInterrupt as error:
        click.echo(f"\nhivenas: {error or 'interrupted'}; what was finished is kept{resume_hint or ''}", err=True)
        sys.exit(_FAILED)


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


class _ResumeHint:
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
        from hivenas.config_text import masked
        from hivenas.storage import read_state

        state = read_state(self.config) if self.config else None
        if state is None or not state.has_begun:
            return ""
        given = [override for override in self._overrides if override.strip()]
        shown = [masked(each) if "optuna.storage" in each else each for each in given]
        sets = "".join(f" --set {shlex.quote(each)}" for each in shown)
        imports = "".join(f" --import {shlex.quote(module)}" for module in self._modules)
        return f". Go on with\n  hivenas search --config {shlex.quote(self._path)}{sets}{imports} --resume"


class _Terminal(contextlib.AbstractContextManager["_Terminal"]):
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


def _print_finished(config: Config, finished: Finished) -> None:
    from hivenas.reports import as_text, best_table

    summary = finished.summary
    click.echo(
        f"\n{summary.evaluations} evaluations, {summary.epochs} epochs, {summary.failed} failed, "
        f"{summary.reused} reused, {summary.seconds:.0f} s of evaluation\n"
    )
    click.echo(as_text(best_table(finished.rows, minimize=finished.minimize)))
    if finished.trained:
        _print_trained(finished.trained)
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


def _print_reproduction(reproduction: Reproduction) -> None:
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


def _print_trained(trained: Trained) -> None:
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
