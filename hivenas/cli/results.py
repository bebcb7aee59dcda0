"""The results of commands: as text, in a line for people in a hurry, and as fields for programs."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from hivenas.cli.errors import printable
from hivenas.cli.tables import answers_fitted, shown, side_by_side
from hivenas.wording import number_of

if TYPE_CHECKING:
    from pathlib import Path

    from hivenas.cli.invocation import Invocation
    from hivenas.config.costs import Cost
    from hivenas.core.full_training import Finalist
    from hivenas.core.records import Evaluation, Trial
    from hivenas.reports.page import Comparison
    from hivenas.run.exporting import Export
    from hivenas.run.prediction import Answer
    from hivenas.run.reproduction import Reproduction
    from hivenas.run.result import SearchResult, Trained


_SHOWN_DIFFERENCES = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a command.

    Args:
        line: all of it in one line, as `--quiet` prints it.
        fields: of the last object that `--json` prints, plain data.
    """

    line: str
    fields: Mapping[str, Any]


def of_search(result: SearchResult) -> Outcome:
    """The best candidate, the counts, and the model where one was trained."""
    from hivenas.reports import figure, short

    summary, best = result.summary, result.best
    line = f"{result.name}: {number_of(summary.evaluations, 'evaluation')}, {summary.failed} failed"
    if best:
        line += f", best {figure(best)} {short(best.encoded)}"
    if result.full_training and result.tested:
        line += f", {_model_line(result.full_training, result.model_uri)}"
    if result.budget:
        line += f", {result.budget} spent"
    if result.waiting:
        line += f", {_waiting(result)} for hivenas sync"
    counts = {name: getattr(summary, name) for name in ("evaluations", "epochs", "failed", "reused", "seconds")}
    counts["paused"] = result.paused
    fields = {
        "name": result.name,
        "best": best and candidate_fields(best),
        "cost": result.cost and result.cost.key,
        "costs": [cost.key for cost in result.costs],
        "front": [candidate_fields(row) | _cost_fields(row, result.costs) for row in result.front],
        "run_id": result.run_id,
        **counts,
        "waiting": result.waiting,
        "test_accuracy": result.test_accuracy,
        "test_metrics": dict(result.test_metrics),
        "never_named": list(result.never_named),
        "model_uri": result.model_uri,
        "registered": result.registered,
        "finalists": [finalist_fields(each) for each in result.finalists],
        "spent": asdict(result.spent),
        "limits": dict(result.limits),
        "ended": result.ended,
    }
    return Outcome(line, fields)


def of_training(trained: Trained) -> Outcome:
    """The accuracies of a full training, its run and its model."""
    from hivenas.core.measured import TEST_METRICS

    evaluation = trained.evaluation
    fields = {
        "candidate": evaluation.candidate,
        "fitness": finite(evaluation.fitness),
        "epochs": evaluation.epochs,
        "params": evaluation.params,
        "run_id": trained.run_id,
        "test_accuracy": evaluation.extra.get("test_accuracy"),
        "test_metrics": dict(evaluation.extra.get(TEST_METRICS, {})),
        "model_uri": trained.published.uri,
        "registered": trained.published.verdict,
        "finalists": [finalist_fields(each) for each in trained.trainings.values()],
    }
    return Outcome(f"{evaluation.candidate}: {_model_line(evaluation, trained.published.uri)}", fields)


def of_reproduction(run_id: str, reproduction: Reproduction) -> Outcome:
    """The answer whether a training came out as it was, and what differs."""
    figures, environment = reproduction.figures, reproduction.environment
    epochs = len(reproduction.recipe.history)
    said = _differing(reproduction) if figures else f"{number_of(epochs, 'epoch')} equal to the last bit"
    fields = {
        "run_id": run_id,
        "exact": not figures,
        "epochs": epochs,
        "figures": [asdict(each) for each in figures],
        "environment": [asdict(each) for each in environment],
    }
    return Outcome(f"{run_id}: {said}", fields)


def _differing(reproduction: Reproduction) -> str:
    epochs = number_of(len(reproduction.recipe.history), "epoch")
    return f"{number_of(len(reproduction.figures), f'figure of {epochs} differs', f'figures of {epochs} differ')}"


def _waiting(result: SearchResult) -> str:
    return number_of(result.waiting, "record waits", "records wait")


def of_sync(taken: int, waiting: int) -> Outcome:
    """The number of records that were sent, and of those that still wait."""
    return Outcome(f"{number_of(taken, 'record')} taken, {waiting} still waiting", {"taken": taken, "waiting": waiting})


def of_export(export: Export) -> Outcome:
    """The files of an exported model, with what each is worth."""
    from hivenas.config.metrics import figure_told, label_of

    found = [
        asdict(each)
        | ({} if each.accuracy is None else {"accuracy": each.accuracy})
        | {"path": str(each.path), "model_uri": export.logged.get(each.format, "")}
        for each in export.exported
    ]
    told = ", ".join(f"{each.format} {figure_told(each.figures[each.metric], each.metric)}" for each in export.exported)
    label = label_of(export.exported[0].metric)
    fields = {"model": export.model, "folder": str(export.folder), "exported": found}
    return Outcome(f"{export.model} in {export.folder}: test {label} {told}", fields)


def candidate_fields(row: Trial) -> dict[str, Any]:
    """A recorded candidate as plain data."""
    return {
        "candidate": row.encoded,
        "fitness": finite(row.fitness),
        "epochs": row.epochs + row.momentum_epochs,
        "params": row.params,
        "index": row.index,
        "run_id": row.run_id,
    }


def _cost_fields(row: Trial, costs: Sequence[Cost]) -> dict[str, Any]:
    """The costs of a candidate, as plain data."""
    from hivenas.core.front import cost_of

    return {cost.key: int(cost_of(row, cost)) if cost.known else finite(cost_of(row, cost)) for cost in costs}


def finalist_fields(training: Finalist) -> dict[str, Any]:
    """A full training as plain data."""
    fields = asdict(training)
    return {key: value for key, value in fields.items() if key not in ("mark", "cause", "serves")}


def finite(value: float) -> float | None:
    """The value, None where it is no number: JSON has no word for infinity."""
    return float(value) if math.isfinite(value) else None


def _model_line(evaluation: Evaluation, uri: str) -> str:
    from hivenas.core.measured import FinalFigure

    tested = FinalFigure.of(evaluation)
    figures = [f"test {tested.label} {tested.told}"] if tested and not tested.is_accuracy else []
    return ", ".join([*figures, *_accuracy(evaluation), *([uri] if uri else [])])


def _accuracy(evaluation: Evaluation) -> list[str]:
    """The test accuracy in words; nothing of another task than classes."""
    from hivenas.config.metrics import figure_told

    accuracy = evaluation.extra.get("test_accuracy")
    return [] if accuracy is None else [f"test accuracy {figure_told(accuracy)}"]


def print_search(given: Invocation, result: SearchResult) -> None:
    """Says what a search has found and spent, and what can be done next."""
    from hivenas.reports import as_text, best_table

    summary = result.summary
    table = best_table(result.trials, result.direction)
    paused = f"{result.paused} paused, " if result.paused else ""
    click.echo(
        f"\n{number_of(summary.evaluations, 'evaluation')}, {number_of(summary.epochs, 'epoch')}, "
        f"{summary.failed} failed, {paused}{summary.reused} reused, {summary.seconds:.0f} s of evaluation\n"
    )
    click.echo(as_text(shown(table)))
    print_front(given, result)
    for line in filter(None, [result.budget and f"budget: {result.budget}", result.ended]):
        click.echo(f"\n{line}")
    _print_trainings(result.finalists, result.metric)
    if result.full_training:
        _print_model(result.full_training, result.model_uri, result.registered)
    click.echo("\nNext:")
    if result.waiting:
        click.echo(f"  tell MLflow        {given.command('sync')}    ({_waiting(result)} for it)")
    if result.store:
        click.echo(f"  see every run      {_ui_command(result.store)}")
    click.echo(f"  draw the report    {given.command('report')}")


def print_front(given: Invocation, result: SearchResult) -> None:
    """Prints the front of a search, with what trains each of its members; nothing where the fitness alone counts."""
    from hivenas.reports import as_text, front_table
    from hivenas.reports.front import an_example, compared, option, spread

    costs, members = result.costs, result.front
    if not members:
        return
    told = spread(members)
    count = f"{len(told)} of the {len(members)} on the front" if len(told) < len(members) else "the front"
    click.echo(f"\n{count}, no candidate is better in {compared(costs)}:\n")
    click.echo(as_text(shown(front_table(told, costs))))
    click.echo(f"\n  train one of them  {given.command('train', option(an_example(members), costs))}")


def print_report(given: Invocation, result: SearchResult, files: Sequence[Path]) -> None:
    """Prints the best of a recorded search, its front, and where its report is."""
    from hivenas.reports import as_text, best_table

    click.echo(as_text(shown(best_table(result.trials, result.direction))))
    print_front(given, result)
    for file in files:
        click.echo(f"wrote {file}")


def print_comparison(comparison: Comparison, page: Path) -> None:
    """Prints two searches side by side, and where their page is."""
    click.echo(comparison.as_text(lambda table: shown(table, side_by_side)))
    click.echo(f"\nwrote {page}")


def _ui_command(store: str) -> str:
    from hivenas.config.text import without_login
    from hivenas.run.report import ui_command

    if store.startswith(("http:", "https:")):
        return f"open {without_login(store)} and choose Model training"
    return f"{ui_command(store)}    (then open http://127.0.0.1:5000 and choose Model training)"


def print_reproduction(reproduction: Reproduction) -> None:
    """Says whether a training came out as it was, and what differs."""
    from hivenas.config.tasks import task_of
    from hivenas.reports import as_text

    share = task_of(reproduction.recipe.config).share
    for now in reproduction.history:
        click.echo(f"epoch {now.epoch:>3}: loss {now.loss!r}, val_{share} {now.val_accuracy!r}")
    epochs = len(reproduction.recipe.history)
    if not reproduction.figures:
        click.echo(f"every figure of {number_of(epochs, 'epoch')} is equal to the last bit")
    else:
        click.echo(f"\n{_differing(reproduction)}, such as\n")
        lines = [[d.what, d.before, d.now] for d in reproduction.figures[:_SHOWN_DIFFERENCES]]
        click.echo(as_text(shown([["", "then", "now"], *lines], side_by_side)))
    if environment := reproduction.environment:
        click.echo("\nnot as it was then:\n")
        lines = [[d.what, d.before, d.now] for d in environment]
        click.echo(as_text(shown([["", "then", "now"], *lines], side_by_side)))
    elif reproduction.figures:
        click.echo("\nversions, threads, processor and data are those of then")


def print_predictions(predictions: Sequence[Answer], *, as_json: bool) -> None:
    """Prints what images were taken for: a table, or a line of JSON for each."""
    from hivenas.reports import as_text

    if as_json:
        for prediction in predictions:
            click.echo(prediction.to_json())
    elif predictions:
        head = list(predictions[0].head)
        lines = [[" ".join(printable(cell).splitlines()) for cell in each.cells()] for each in predictions]
        click.echo(as_text(shown([head, *lines], answers_fitted)))


def print_export(export: Export) -> None:
    """Prints a table of the formats that a model was written in, and where they are."""
    from hivenas.config.metrics import figure_told, label_of
    from hivenas.config.tasks import TASKS
    from hivenas.reports import as_text

    first = export.exported[0]
    task = TASKS[first.task]
    figures = [f"test {label_of(name)}" for name in first.figures]
    head = ["format", *figures, f"same {task.same}", "size", "p50", "p95", "file"]
    lines = [
        [
            each.format,
            *(figure_told(value, name) for name, value in each.figures.items()),
            f"{each.agreement:.2%}",
            f"{each.size / 1000:,.1f} kB",
            f"{each.p50_ms:.3f} ms",
            f"{each.p95_ms:.3f} ms",
            os.path.relpath(each.path),
        ]
        for each in export.exported
    ]
    click.echo(as_text(shown([head, *lines])))
    images = number_of(first.images, "test image")
    click.echo(f"\n{images}; same {task.same}: {task.same_as}; p50 and p95: of one image, on one thread")
    for name, uri in export.logged.items():
        click.echo(f"logged: {name} as {uri}")


def print_trained(trained: Trained) -> None:
    """Says what a full training came to."""
    from hivenas.config.metrics import label_of
    from hivenas.core.full_training import best_first
    from hivenas.core.measured import metric_of

    label = label_of(metric_of(trained.evaluation.extra))
    _print_trainings(best_first(trained.trainings.values(), trained.direction), f"validation {label}")
    _print_model(trained.evaluation, trained.published.uri, trained.published.verdict)


def _print_trainings(trainings: Sequence[Finalist], metric: str) -> None:
    """Prints the full trainings that were made, where there is more to tell than that there was one."""
    from hivenas.reports import as_text
    from hivenas.reports.trainings import as_table, is_told

    if is_told(trainings):
        table = as_table(trainings, metric)
        click.echo(f"\nfull trainings:\n\n{as_text(shown(table))}")


def _print_model(evaluation: Evaluation, uri: str, verdict: str) -> None:
    from hivenas.config.metrics import figure_told
    from hivenas.config.tasks import task_of
    from hivenas.core.measured import FinalFigure

    figures, tested = evaluation.extra, FinalFigure.of(evaluation)
    assert tested
    others = "" if tested.is_accuracy else "".join(f"{accuracy}, " for accuracy in _accuracy(evaluation))
    click.echo(
        f"\nfully trained: test {tested.label} {tested.told} (95 %: {tested.interval}, "
        f"{number_of(figures['test_images'], 'image')}), {others}validation {tested.label} "
        f"{figure_told(evaluation.fitness, tested.metric)}"
    )
    if verdict:
        click.echo(f"registered: {verdict}")
    if uri:
        click.echo(f"  load the model     python -c \"import mlflow; model = mlflow.pyfunc.load_model('{uri}')\"")
        click.echo(f"  {task_of(figures).use:<18} hivenas predict {shlex.quote(uri)} FILES…")
