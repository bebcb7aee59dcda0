"""The words of `hivenas forget`: what would go, what has gone, what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hivenas.cli.errors import printable
from hivenas.cli.results import Outcome
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.run.forgetting import Forgotten

_SHOWN = 10  # versions in a line


def agreed(plan: Forgotten) -> bool:
    """Asks a person whether all this is to be deleted; no is the default, and what an end of the input means."""
    lines = [f"{plan.name}: to be deleted are {_goes(plan)}", *_stays(plan)]
    if plan.unsent:
        lines.append(
            f"  lost with it: {number_of(plan.unsent, 'record')} that MLflow was never told (hivenas sync tells them)"
        )
    click.echo(printable("\n".join(lines)), err=True)
    try:
        return click.confirm("Delete all of that?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def of_forgotten(forgotten: Forgotten) -> Outcome:
    """The numbers of what was deleted, and the command for the rest."""
    verb = "deleted" if forgotten.done else "nothing was deleted of"
    fields = {
        "name": forgotten.name,
        "folder": str(forgotten.folder),
        "done": forgotten.done,
        "runs": list(forgotten.runs),
        "models": list(forgotten.models),
        "versions": list(forgotten.versions),
        "kept": [
            {"version": each.version, "aliases": list(each.aliases), "run_id": each.run_id} for each in forgotten.kept
        ],
        "unsent": forgotten.unsent,
        "left": [str(path) for path in forgotten.left],
        "gc": forgotten.gc,
    }
    return Outcome(printable(f"{forgotten.name}: {verb} {_goes(forgotten)}"), fields)


def print_forgotten(forgotten: Forgotten) -> None:
    """Says what was deleted, what stays, and how to have it deleted for good."""
    click.echo(of_forgotten(forgotten).line)
    if not forgotten.done:
        return
    for line in _stays(forgotten):
        click.echo(printable(line))
    if not forgotten.gc:
        return
    click.echo("\nMLflow keeps what is deleted until it is told to let go; for good, with its files:")
    commands = forgotten.gc.splitlines()
    for command in commands:
        click.echo(f"  {command}")
    if not all("--logged-model-ids" in command for command in commands):
        click.echo("without --logged-model-ids it takes all logged models, too, that were deleted in this store")


def _goes(plan: Forgotten) -> str:
    versions = ", ".join(plan.versions[:_SHOWN]) + (" …" if len(plan.versions) > _SHOWN else "")
    named = f"{number_of(len(plan.versions), 'registered version')}{f' ({versions})' if versions else ''}"
    runs, models = number_of(len(plan.runs), "run"), number_of(len(plan.models), "logged model")
    return f"{runs}, {models}, {named} and {plan.folder}"


def _reason(aliases: Sequence[str]) -> str:
    return f"for its alias {', '.join(aliases)}" if aliases else "as a version of another registered model"


def _stays(plan: Forgotten) -> list[str]:
    stays = [f"  stays: {each.version} with its run {each.run_id}, {_reason(each.aliases)}" for each in plan.kept]
    if plan.left:
        stays.append(f"  stays: {', '.join(map(str, plan.left))}, not of hivenas")
    if plan.study:
        stays.append("  stays: the study in Optuna's storage (optuna delete-study)")
    if plan.tracker:
        stays.append(f"  stays: what the tracker {plan.tracker} was told")
    return stays
