"""The commands: parse, call `hivenas.api`, print; nothing else."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from hivenas.cli import plans, results
from hivenas.cli.errors import FAILED, ResumeHint, complain, errors
from hivenas.cli.invocation import Invocation, import_named, work_in
from hivenas.cli.views import View, output_options
from hivenas.core.nas.training.export.formats import FORMATS
from hivenas.core.output import lasting_output

config_option = click.option(
    "--config", "config_path", required=True, type=click.Path(), metavar="FILE", help="The experiment's YAML file."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrides a key, such as evaluation.epochs=2; repeatable, and one text may hold several. "
    "Of two for one key the last counts.",
)
import_option = click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A Python module that registers parts of your own, such as operations or data sets, imported first; "
    "repeatable. HIVENAS_IMPORT may name further ones, separated by commas.",
)


def switch(name: str, help_text: str) -> Callable[[Any], Any]:
    """A flag that also takes true or false, as `mlflow run -P name=true` gives it.

    For commands without arguments alone: what comes after it would be taken as its value.
    """
    return click.option(name, type=bool, is_flag=False, flag_value="true", default="false", metavar="", help=help_text)


class Commands(click.Group):
    """Commands that outlive whoever reads what they print."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs a command; where all its work is to print, and that cannot be done, it has failed."""
        with lasting_output() as out:
            try:
                return super().main(*args, **kwargs)
            except SystemExit as end:
                out.flush()
                if end.code or out.lost is None or out.is_unread or out.is_said:
                    raise
                complain(f"the standard output takes nothing any more ({out.lost}); give it another place")
                sys.exit(FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hivenas")
@click.option(
    "-C",
    "--folder",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    help="Work in FOLDER: results are written there, and relative paths start from there. A configuration or data that "
    "are not there are looked for where hivenas was started. So `mlflow run` starts it in a project.",
)
@click.pass_context
def main(context: click.Context, folder: str | None) -> None:
    """Neural architecture search for Keras: an Artificial Bee Colony drives, MLflow sees everything."""
    context.obj = work_in(folder) if folder else None


@main.command()
@click.argument("name", metavar="[NAME]", default="digits")
def init(name: str) -> None:
    """Write NAME.yaml to begin with: every key with its default and its meaning, those that follow from others
    commented out.

    The configurations that come with hivenas are written under their own names: digits, the first run and the default,
    fashion_mnist, fashion_mnist_full, cifar10, sphere, table.
    """
    with errors():
        from hivenas.config.templates import start

        file = start(name)
        click.echo(f"wrote {file}\n\nNext:\n  look at the plan    hivenas check --config {file}")
        click.echo(f"  search              hivenas search --config {file}")


@main.command()
@config_option
@set_option
@import_option
@switch("--resume", "Go on with the search that the results folder holds.")
@switch("--overwrite", "Delete the search that the results folder holds.")
@output_options
def search(
    config_path: str,
    overrides: tuple[str, ...],
    modules: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    view: View,
) -> None:
    """Search, train the best candidate fully, test it, register it."""
    given = _given(config_path, overrides, modules)
    hint = ResumeHint(given)
    with errors(hint, view):
        from hivenas import api

        config = hint.config = given.load()
        with view:
            result = api.search(
                config, resume=resume, overwrite=overwrite, callbacks=[view], progress=False, go_on=hint.command
            )
        view.conclude(results.of_search(result), lambda: results.print_search(given, result))


@main.command()
@config_option
@set_option
@import_option
@click.option(
    "--at",
    metavar="BOUNDS",
    help="Train the best candidate within bounds, such as 'params<=20000' or 'fitness>=.9,macs<1e6'; where the fitness "
    "alone is bounded, the smallest.",
)
@switch("--from-weights", "Continue from the best candidate's saved weights instead of training from scratch.")
@output_options
def train(
    config_path: str,
    overrides: tuple[str, ...],
    modules: tuple[str, ...],
    at: str | None,
    from_weights: bool,
    view: View,
) -> None:
    """Train the best recorded candidate fully, or the best within bounds, test it, register it."""
    given = _given(config_path, overrides, modules)
    asked = f" --at {shlex.quote(at)}" if at is not None else ""
    hint = ResumeHint(given, f"train{asked}{' --from-weights' if from_weights else ''}")
    with errors(hint, view):
        from hivenas import api

        config = given.load()
        with view:
            trained = api.train(config, at=at, from_weights=from_weights, callbacks=[view])
        view.conclude(results.of_training(trained), lambda: results.print_trained(trained))


@main.command()
@click.argument("architecture", metavar="ARCH")
@config_option
@set_option
@import_option
@output_options
def arch(architecture: str, config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...], view: View) -> None:
    """Train a given architecture fully, such as 'input|sep3x3_32|max_pool3x3|output', and test it.

    Its model is logged in MLflow, not registered: mlflow.register_model("models:/m-…", NAME) does that, with the
    address that is printed.
    """
    given = _given(config_path, overrides, modules)
    hint = ResumeHint(given, f"arch {shlex.quote(architecture)}")
    with errors(hint, view):
        from hivenas import api

        config = given.load()
        with view:
            trained = api.train_custom(config, architecture, callbacks=[view])
        view.conclude(results.of_training(trained), lambda: results.print_trained(trained))


@main.command()
@config_option
@set_option
@import_option
@click.option(
    "--measure",
    is_flag=True,
    help="Train a few candidates on some of the images to say the time of a search, and a worker's memory.",
)
@output_options
def check(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...], measure: bool, view: View) -> None:
    """Check a configuration; print it with its defaults, and what a search would do."""
    with errors(view=view):
        from hivenas import api

        config = _given(config_path, overrides, modules).load()
        view.mark = "# "  # what is printed is a configuration
        with view:
            plan, data = api.check(config), api.describe_data(config)
            time = api.expected_time(config, plan, data, measure=measure)
        view.only_print()
        storage = plans.storage_of(config, data, time)
        outcome = plans.of_plan(config, plan, data, time, storage)
        view.conclude(outcome, lambda: plans.print_plan(config, plan, data, time, storage))


@main.command()
@click.argument("run_id", metavar="RUN_ID")
@import_option
@output_options
def reproduce(run_id: str, modules: tuple[str, ...], view: View) -> None:
    """Train the candidate of a run in MLflow again and say whether every figure is equal to the last bit."""
    with errors(view=view):
        from hivenas import api

        import_named(modules)
        with view:
            reproduction = api.reproduce(run_id)
        view.conclude(results.of_reproduction(run_id, reproduction), lambda: results.print_reproduction(reproduction))
        if reproduction.figures:
            sys.exit(FAILED)


@main.command()
@config_option
@set_option
@import_option
@click.option(
    "--rehome",
    is_flag=True,
    help="Tell everything again that the store lacks, in a new run where the search's is gone.",
)
@output_options
def sync(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...], rehome: bool, view: View) -> None:
    """Tell MLflow what a search could not tell it, once the store answers again."""
    given = _given(config_path, overrides, modules)
    with errors(ResumeHint(given, "sync"), view):
        from hivenas import api

        config = given.load()
        with view:
            taken, waiting = api.sync(config, rehome=rehome)
        outcome = results.of_sync(taken, waiting)
        view.conclude(outcome, lambda: click.echo(outcome.line))
        if waiting:
            complain("the MLflow store has not taken everything; try again when it answers")
            sys.exit(FAILED)


@main.command()
@click.argument("model", metavar="MODEL")
@click.argument("files", metavar="FILES…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each image.")
@click.option(
    "--scale",
    type=(float, float),
    metavar="LOW HIGH",
    help="The values that stood for the bytes 0 and 255 in the training, where the model does not say; 0 255: as they "
    "are.",
)
@import_option
def predict(
    model: str,
    files: tuple[str, ...],
    as_json: bool,
    scale: tuple[float, float] | None,
    modules: tuple[str, ...],
) -> None:
    """Classify image files (png, jpg …) or the images of npz files, or answer what else the model is for.

    MODEL is models:/NAME@ALIAS, the NAME of a registered model for its champion, or the id of a run.
    """
    with errors():
        from hivenas import api

        import_named(modules)
        with View():
            predictions = api.predict(model, files, scale=scale)
        results.print_predictions(predictions, as_json=as_json)


@main.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--to",
    "formats",
    multiple=True,
    required=True,
    type=click.Choice([*FORMATS]),
    help="A format; repeatable.",
)
@click.option(
    "--out", metavar="FOLDER", help="Where every format gets a folder; without it export/ and the search's name."
)
@import_option
@output_options
def export(model: str, formats: tuple[str, ...], out: str | None, modules: tuple[str, ...], view: View) -> None:
    """Write a trained model for other runtimes; say how exact, how large and how fast it is there.

    MODEL is models:/NAME@ALIAS, the NAME of a registered model for its champion, or the id of a run.
    """
    with errors(view=view):
        from hivenas import api

        import_named(modules)
        with view:
            exported = api.export(model, formats, folder=out)
        view.conclude(results.of_export(exported), lambda: results.print_export(exported))


@main.command()
@config_option
@set_option
@import_option
def report(config_path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> None:
    """Write the report of a recorded search, finished or not: one HTML page, pictures, and the best as a table."""
    with errors():
        from hivenas import api

        given = _given(config_path, overrides, modules)
        config = given.load()
        with View():
            result, files = api.report(config)
        results.print_report(given, result, files)
        if not any(file.suffix == ".html" for file in files):
            sys.exit(FAILED)


@main.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--out", metavar="FILE", help="Where the page goes; without it beside the results folder of A.")
@import_option
def compare(one: str, other: str, out: str | None, modules: tuple[str, ...]) -> None:
    """Put two recorded searches side by side, here and as one HTML page.

    A and B are each the results folder of a search, such as results/digits, or its configuration file.
    """
    with errors():
        from hivenas.run.report import compare as compare_searches

        import_named(modules)
        with View():
            comparison, page = compare_searches(one, other, out)
        results.print_comparison(comparison, page)


@main.command()
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Delete without a question.")
@output_options
def forget(name: str, yes: bool, view: View) -> None:
    """Delete a search: its runs, its models without an alias, its results folder.

    NAME is that of a search in results/, or its results folder. A registered version that has an alias stays, with its
    run. What was exported stays too.
    """
    with errors(view=view):
        from hivenas import api
        from hivenas.cli import forgetting

        with View():
            forgotten = api.forget(name, agree=None if yes else forgetting.agreed)
        view.conclude(forgetting.of_forgotten(forgotten), lambda: forgetting.print_forgotten(forgotten))
        if not forgotten.done:
            sys.exit(FAILED)


def _given(path: str, overrides: tuple[str, ...], modules: tuple[str, ...]) -> Invocation:
    return Invocation(path, overrides, modules, project=click.get_current_context().obj)
