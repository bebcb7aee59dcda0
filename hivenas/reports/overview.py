"""The description of a search's run: what it has found and spent, what failed, how to go on with it, how to use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hivenas.core.history import ranking
from hivenas.core.records import Row
from hivenas.reports.candidate import as_code
from hivenas.reports.findings import busy_seconds, common_reasons
from hivenas.reports.text import Summary, as_markdown, best_table, duration, figure, short

LONGEST_NOTE = 7500  # characters: MLflow keeps 8,000 of a description, and links get longer when they are filled in
_SPACE = "\N{NO-BREAK SPACE}"


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
        interval: the 95 % confidence interval of that accuracy; None where there is none.
        model_uri: of the registered model; empty where there is none.
        verdict: whether that has become the champion; empty where there is none.
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
    interval: tuple[float, float] | None = None
    model_uri: str = ""
    verdict: str = ""


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
    sections = [_head(progress, best, name_of), _resume(progress), _found(progress, name_of), _model(progress)]
    lines = drawing(best.candidate) if best and drawing else ()
    sections.append("## The best architecture\n\n```text\n" + "\n".join(lines) + "\n```" if lines else "")
    sections.append(_spent(progress))
    kept: set[int] = set()
    room = longest
    for place, section in enumerate(sections):
        if section and len(section) + 2 <= room:
            kept.add(place)
            room -= len(section) + 2
    # They are read in another order than that in which they matter.
    return "\n\n".join(sections[place] for place in (0, 4, 2, 3, 5, 1) if place in kept) + "\n"


def _head(progress: Progress, best: Row | None, name_of: Callable[[Row], str]) -> str:
    """What MLflow shows before anybody asks for more: five lines."""
    lines = [_standing(progress)]
    if best:
        so_far = " so far" if progress.state == "RUNNING" else ""
        found = f"**Best{so_far}**: fitness {figure(best)} by {name_of(best)}"
        lines.append(f"{found}: {shortened(best.candidate)}" if best.params else found)
    if progress.model_uri:
        lines.append(f'**Load it**: `mlflow.pyfunc.load_model("{progress.model_uri}")`')
    if progress.verdict:
        lines.append(f"**In the registry**: {progress.verdict}")
    spent = f"{progress.summary.evaluations} evaluations"
    if progress.summary.epochs:
        spent += f", {progress.summary.epochs:,} epochs"
    if wall := busy_seconds(progress.rows):
        spent += f", {duration(wall)} wall time, {duration(progress.summary.seconds)} of workers' time"
    failed = common_reasons(progress.rows, "failed", 1)
    lines.append(f"**Spent**: {spent}; {progress.summary.failed or 'none'} failed")
    lines[-1] += f", most often of {as_code(failed[0][0][:150])}" if failed else ""
    if progress.state != "FINISHED":
        when = ", should its process be gone" if progress.state == "RUNNING" else ""
        lines.append(f"**Go on**{when}: `{progress.resume}`")
    return "  \n".join(lines)


def _standing(progress: Progress) -> str:
    told = sum(row.phase == "evaluate" for row in progress.rows)
    counted = f"{told} of at most {progress.planned} evaluations"
    if progress.state == "RUNNING":
        return f"**Running**: {counted} so far; this page follows, iteration by iteration."
    if progress.state == "FINISHED":
        if progress.test_accuracy is None:
            return f"**Finished** after {told} evaluations."
        low_high = progress.interval
        between = f" (95 % confidence: {low_high[0]:.4f} … {low_high[1]:.4f})" if low_high else ""
        accuracy = f"**{progress.test_accuracy:.4f}** test accuracy{between}"
        return f"**Finished**: the best network, trained fully, has {accuracy}."
    how = "Failed" if progress.state == "FAILED" else "Ended early"
    return f"**{how}** after {counted}: {as_code(progress.reason)}"


def _found(progress: Progress, name_of: Callable[[Row], str]) -> str:
    if not any(row.status != "failed" for row in progress.rows):
        return ""
    best = best_table(progress.rows, minimize=progress.minimize, name_of=name_of)
    # MLflow shows tables without any room between their columns.
    table = as_markdown([[f"{_SPACE}{cell}{_SPACE}" for cell in line] for line in best])
    where = "Pictures, the table of all evaluations and the configuration are among the artifacts."
    return f"## The five best\n\n{table}\n\n{where}"


def _model(progress: Progress) -> str:
    """How the model is used; every line names it, as the tracker leaves out lines that would name none."""
    uri = progress.model_uri
    if not uri:
        return ""
    return (
        f"## Use the model `{uri}`\n\n"
        f'- from Python: `mlflow.pyfunc.load_model("{uri}").predict(images)`, raw images as the data set gives them\n'
        f"- for files: `hivenas predict {uri} image.png`\n"
        f"- as a server: `mlflow models serve -m {uri} --env-manager local`"
    )


def _spent(progress: Progress) -> str:
    summary, total = progress.summary, len(progress.rows)
    lines = [f"{summary.evaluations} evaluations; {summary.reused} times a record was reused"]
    if summary.epochs:
        lines[0] += f"; {summary.epochs:,} epochs"
    if wall := busy_seconds(progress.rows):
        workers = len({row.worker for row in progress.rows if row.worker})
        lines.append(
            f"{duration(wall)} wall time in which anything was trained, {duration(summary.seconds)} of workers' time "
            f"in {workers} worker {'process' if workers == 1 else 'processes'}"
        )
    if not summary.failed:
        lines.append("no evaluation failed")
    for status, what in (("failed", "failed"), ("stopped", "were stopped early")):
        count = sum(row.status == status for row in progress.rows)
        reasons = common_reasons(progress.rows, status)
        examples = "".join(f"\n    - {number} ×, such as {as_code(reason[:300])}" for reason, number in reasons)
        if count:
            lines.append(f"{count} of {total} evaluations {what}{examples}")
    return "## What was spent, what failed\n\n" + "\n".join(f"- {line}" for line in lines)


def _resume(progress: Progress) -> str:
    place = f", in `{progress.place}`" if progress.place else ""
    command = f"```sh\n{progress.resume}\n```"
    if progress.state == "FINISHED":
        how = "Nothing is left to do; with a larger `colony.iterations` the search flies on"
    else:
        how = "It goes on where it was, to the last bit"
    return f"## Go on\n\n{how}{place}:\n\n{command}"


def shortened(candidate: str, longest: int = 300) -> str:
    """An architecture in a line of markdown."""
    text = short(candidate).replace("|", " → ")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
