"""The description of a search's run: what it has found and spent, what failed, how to go on with it, how to use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hivenas.core.nas.pages import as_code
from hivenas.core.records import Row, ranking
from hivenas.reports.findings import busy_seconds, common_reasons
from hivenas.reports.text import Summary, as_markdown, best_table, figure

LONGEST_NOTE = 8000  # characters of a description that MLflow keeps


@dataclass(frozen=True, slots=True)
class Progress:
    """How a search stands.

    Args:
        name: of the search.
        state: RUNNING, FINISHED, FAILED or KILLED.
        rows: the records.
        summary: their counts.
        planned: evaluations at the most, continuations not counted.
        minimize: whether a smaller fitness is better.
        resume: the command with which it goes on.
        place: where that is to be given.
        reason: why it ended early; empty otherwise.
        test_accuracy: of the fully trained best; None where there is none.
        model_uri: of the registered model; empty where there is none.
    """

    name: str
    state: str
    rows: Sequence[Row]
    summary: Summary
    planned: int
    minimize: bool
    resume: str
    place: str = ""
    reason: str = ""
    test_accuracy: float | None = None
    model_uri: str = ""


def search_note(
    progress: Progress,
    *,
    drawing: Callable[[str], Sequence[str]] | None = None,
    name_of: Callable[[Row], str] = lambda row: row.label,
    longest: int = LONGEST_NOTE,
) -> str:
    """A search's description, in markdown.

    Args:
        progress: how the search stands.
        drawing: draws an architecture as lines of text; None where candidates are no architectures.
        name_of: what an evaluation is called, with a link to its run.
        longest: so many characters at the most; what matters least is left out first.
    """
    best = next(iter(ranking(progress.rows, progress.minimize)), None)
    sections = [_head(progress), _resume(progress), _found(progress, best, name_of), _model(progress)]
    if best and drawing:
        sections.append("## The best architecture\n\n```text\n" + "\n".join(drawing(best.candidate)) + "\n```")
    sections += [_spent(progress), _failed(progress)]
    # In the order in which they are read; in the order above, those that still fit.
    read = [0, 2, 4, 3, 5, 6, 1] if best and drawing else [0, 2, 3, 4, 5, 1]
    kept: set[int] = set()
    room = longest
    for place, section in enumerate(sections):
        if section and len(section) + 2 <= room:
            kept.add(place)
            room -= len(section) + 2
    return "\n\n".join(sections[place] for place in read if place in kept) + "\n"


def _head(progress: Progress) -> str:
    told = sum(row.phase == "evaluate" for row in progress.rows)
    counted = f"{told} of at most {progress.planned} evaluations"
    heads = {
        "RUNNING": f"**Running**: {counted} so far. This page is brought up to date as the search goes on; "
        "if its process is gone, go on with the command below.",
        "FINISHED": f"**Finished** after {told} evaluations.",
        "FAILED": f"**Failed** after {counted}: {as_code(progress.reason)}.",
        "KILLED": f"**Ended early** after {counted}: {as_code(progress.reason)}.",
    }
    text = f"# Search `{progress.name}`\n\n{heads[progress.state]}"
    if progress.test_accuracy is not None:
        text += (
            f" The best network, fully trained, has **{progress.test_accuracy:.4f}** test accuracy, on images that the "
            "search never saw."
        )
    return text


def _found(progress: Progress, best: Row | None, name_of: Callable[[Row], str]) -> str:
    if best is None:
        return ""
    table = as_markdown(best_table(progress.rows, minimize=progress.minimize, name_of=name_of))
    return f"## The five best: {figure(best)} leads\n\n{table}"


def _model(progress: Progress) -> str:
    if not progress.model_uri:
        return ""
    uri = progress.model_uri
    return (
        "## Use the model\n\nIt takes raw images, as the data set gives them.\n\n"
        f'```python\nimport mlflow\n\nmodel = mlflow.pyfunc.load_model("{uri}")\n'
        "model.predict(images)  # probabilities of the classes, a row an image\n```\n\n"
        f"```sh\nhivenas predict {uri} image.png\nmlflow models serve -m {uri} --env-manager local\n```"
    )


def _spent(progress: Progress) -> str:
    summary = progress.summary
    cells = [("evaluations", str(summary.evaluations)), ("records reused", str(summary.reused))]
    if summary.epochs:
        cells.append(("epochs", f"{summary.epochs:,}"))
    wall = busy_seconds(progress.rows)
    if wall:
        workers = len({row.worker for row in progress.rows if row.worker})
        cells += [("wall time", duration(wall)), ("workers' time", duration(summary.seconds))]
        cells.append(("worker processes", str(workers)))
    elif summary.seconds:
        cells.append(("time of evaluations", duration(summary.seconds)))
    return "## Spent\n\n" + as_markdown([[name for name, _ in cells], [value for _, value in cells]])


def _failed(progress: Progress) -> str:
    total = len(progress.rows)
    lines = []
    for status, what in (("failed", "failed"), ("stopped", "were stopped early")):
        count = sum(row.status == status for row in progress.rows)
        if not count:
            continue
        reasons = common_reasons(progress.rows, status)
        shown = "".join(f"\n- {number} ×, such as {as_code(reason)}" for reason, number in reasons)
        lines.append(f"{count} of {total} evaluations {what}:\n{shown}")
    if not any(row.status == "failed" for row in progress.rows):
        lines.insert(0, "No evaluation failed.")
    return "## What failed\n\n" + "\n\n".join(lines) if progress.rows else ""


def _resume(progress: Progress) -> str:
    place = f", in `{progress.place}`" if progress.place else ""
    command = f"```sh\n{progress.resume}\n```"
    if progress.state == "FINISHED":
        how = "Nothing is left to do; with a larger `colony.iterations` the search flies on"
    else:
        how = "It goes on where it was, to the last bit"
    return f"## Go on\n\n{how}{place}:\n\n{command}"


def duration(seconds: float) -> str:
    """A span of time for people, such as 3 min 12 s."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"
