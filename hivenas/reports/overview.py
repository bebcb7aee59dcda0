"""The description of a search's run: what it has found and spent, what failed, how to go on with it, how to use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hivenas.config.metrics import figure_told
from hivenas.config.text import listed
from hivenas.core.history import ranking
from hivenas.core.measured import interval_told
from hivenas.core.records import Trial
from hivenas.reports.candidate import as_code
from hivenas.reports.findings import busy_seconds, common_reasons
from hivenas.reports.front import an_example, front_keys, front_table, option, spread, weighed
from hivenas.reports.report_data import ReportData
from hivenas.reports.text import as_cell, as_markdown, best_table, duration, figure, short, spent_said
from hivenas.wording import number_of

LONGEST_NOTE = 7500  # characters: MLflow keeps 8,000 of a description, and links get longer when they are filled in
_SPACE = "\N{NO-BREAK SPACE}"


def search_note(
    data: ReportData,
    *,
    drawing: Callable[[str], Sequence[str]] | None = None,
    name_of: Callable[[Trial], str] = lambda row: row.label,
    longest: int = LONGEST_NOTE,
) -> str:
    """A search's description, in markdown.

    Args:
        data: the search.
        drawing: draws an architecture as lines of text; None where candidates are no architectures.
        name_of: what an evaluation is called, with a link to its run.
        longest: so many characters at the most; what matters least is left out first.
    """
    best = next(iter(ranking(data.rows, data.direction)), None)
    sections = [_head(data, best, name_of), _resume(data), _found(data, name_of), _model(data), _front(data, name_of)]
    lines = drawing(best.encoded) if best and drawing else ()
    sections.append("## The best architecture\n\n```text\n" + "\n".join(lines) + "\n```" if lines else "")
    sections.append(_spent(data))
    sections.append(_trainings(data))
    kept: set[int] = set()
    room = longest
    for place, section in enumerate(sections):
        if section and len(section) + 2 <= room:
            kept.add(place)
            room -= len(section) + 2
    # They are read in another order than that in which they matter.
    return "\n\n".join(sections[place] for place in (0, 5, 2, 4, 7, 3, 6, 1) if place in kept) + "\n"


def _head(data: ReportData, best: Trial | None, name_of: Callable[[Trial], str]) -> str:
    """The lines that MLflow shows before anybody asks for more: five."""
    lines, summary = [_standing(data)], data.summary
    if best:
        so_far = " so far" if data.condition == "running" else ""
        found = f"**Best{so_far}**: fitness {figure(best)} by {name_of(best)}"
        lines.append(f"{found}: {shortened(best.encoded)}" if best.params else found)
    if data.model_uri:
        lines.append(f'**Load it**: `mlflow.pyfunc.load_model("{data.model_uri}")`')
    if data.verdict:
        lines.append(f"**In the registry**: {data.verdict}")
    spent = number_of(summary.evaluations, "evaluation")
    if summary.epochs:
        spent += f", {number_of(summary.epochs, 'epoch')}"
    if wall := busy_seconds(data.rows):
        spent += f", {duration(wall)} wall time, {duration(summary.seconds)} of workers' time"
    failed = common_reasons(data.rows, "failed", 1)
    lines.append(f"**Spent**: {spent}; {summary.failed or 'none'} failed")
    lines[-1] += f", most often of {as_code(failed[0][0][:150])}" if failed else ""
    if data.condition != "finished":
        when = ", should its process be gone" if data.condition == "running" else ""
        lines.append(f"**Go on**{when}: `{data.resume}`")
    return "  \n".join(lines)


def _standing(data: ReportData) -> str:
    told = sum(row.phase == "evaluate" for row in data.rows)
    counted = f"{told:,} of at most {number_of(data.planned, 'evaluation')}"
    if data.condition == "running":
        return f"**Running**: {counted} so far; this page follows, iteration by iteration."
    if data.condition == "finished":
        if data.tested is None and data.test_accuracy is None:
            return f"**Finished** after {number_of(told, 'evaluation')}."
        accuracy = _tested(data)
        never = f"; it never answers {as_code(listed(data.never_named))}" if data.never_named else ""
        who = as_cell(data.model_told.replace("|", " → ")) or "the best network"
        return f"**Finished**: {who}, trained fully, has {accuracy}{never}."
    how = "Failed" if data.condition == "failed" else "Ended early"
    return f"**{how}** after {counted}: {as_code(data.reason)}"


def _tested(data: ReportData) -> str:
    """The test figure that was looked for with its interval, and the accuracy where that is another."""
    found, low_high = data.tested, data.test_interval
    accuracy = "" if data.test_accuracy is None else f"**{figure_told(data.test_accuracy)}** test accuracy"
    if found and not found.is_accuracy:
        between = f" (95 % confidence: {found.interval})"
        return f"**{found.told}** test {found.label}{between}" + (f", {accuracy}" if accuracy else "")
    return accuracy + (f" (95 % confidence: {interval_told(*low_high)})" if low_high else "")


def _found(data: ReportData, name_of: Callable[[Trial], str]) -> str:
    if not any(row.status != "failed" for row in data.rows):
        return ""
    table = as_markdown(_roomy(_shown(best_table(data.rows, data.direction, name_of=name_of))))
    where = "Pictures, the table of all evaluations and the configuration are among the artifacts."
    return f"## The five best\n\n{table}\n\n{where}"


def _front(data: ReportData, name_of: Callable[[Trial], str]) -> str:
    """The front, where costs are weighed against the fitness."""
    members = data.front
    if not members:
        return ""
    told = spread(members)
    heading = f"## The front: {weighed(data.costs)}"
    count = f" ({len(told)} of these {len(members)} are listed)" if len(told) < len(members) else ""
    what = "both" if len(data.costs) == 1 else "all of them"
    pictures = " and ".join(f"`plots/{name}.svg`" for name in front_keys(data.costs))
    verb = "shows" if len(data.costs) == 1 else "show"
    more = f"No candidate is better in {what}{count}; {pictures} among the artifacts {verb} all candidates."
    # The option of each would leave no room for its architecture, and says nothing that its costs do not.
    table = as_markdown(_roomy(_shown(front_table(told, data.costs, name_of=name_of, has_options=False))))
    train = data.command("train", option(an_example(told), data.costs))
    return f"{heading}\n\n{table}\n\n{more} Train one of them fully, and register it:\n\n```sh\n{train}\n```"


def _trainings(data: ReportData) -> str:
    table = _roomy([[as_cell(cell.replace("|", " → ")) for cell in line] for line in data.trainings])
    return f"## The full trainings\n\n{as_markdown(table)}" if table else ""


def _shown(table: Sequence[Sequence[str]]) -> list[list[str]]:
    """A table whose last cells are candidates, in which nothing of these is markup; links are in other cells."""
    return [[*line[:-1], as_cell(line[-1].replace("|", " → "))] for line in table]


def _roomy(table: Sequence[Sequence[str]]) -> list[list[str]]:
    """A table with room after its cells, as MLflow shows none between columns; room before them would be an indent."""
    return [[f"{cell}{2 * _SPACE}" for cell in line] for line in table]


def _model(data: ReportData) -> str:
    """The ways to use the model; every line names it, as the tracker leaves out lines that would name none."""
    uri = data.model_uri
    if not uri:
        return ""
    return (
        f"## Use the model `{uri}`\n\n"
        f'- from Python: `mlflow.pyfunc.load_model("{uri}").predict(images)`, raw images as the data set gives them\n'
        f"- for files: `hivenas predict {uri} image.png`\n"
        f"- as a server: `mlflow models serve -m {uri} --env-manager local`"
    )


def _spent(data: ReportData) -> str:
    summary, total = data.summary, len(data.rows)
    lines = [f"{number_of(summary.evaluations, 'evaluation')}; {number_of(summary.reused, 'time')} a record was reused"]
    if summary.epochs:
        lines[0] += f"; {number_of(summary.epochs, 'epoch')}"
    if wall := busy_seconds(data.rows):
        workers = len({row.worker for row in data.rows if row.worker})
        lines.append(
            f"{duration(wall)} wall time in which anything was trained, {duration(summary.seconds)} of workers' time "
            f"in {number_of(workers, 'worker process')}"
        )
    lines += [said] if (said := spent_said(summary.spent)) else []
    lines += [f"of the budget: {data.budget}"] if data.budget else []
    lines += [f"budget and patience: {data.ended}"] if data.ended else []
    if not summary.failed:
        lines.append("no evaluation failed")
    for status, what in (("failed", "failed"), ("stopped", "were stopped early")):
        count = sum(row.status == status for row in data.rows)
        reasons = common_reasons(data.rows, status)
        examples = "".join(f"\n    - {number} ×, such as {as_code(reason[:300])}" for reason, number in reasons)
        if count:
            lines.append(f"{count} of {number_of(total, 'evaluation')} {what}{examples}")
    if paused := sum(row.status == "paused" for row in ranking(data.rows, data.direction)):
        lines.append(f"{number_of(paused, 'candidate is', 'candidates are')} paused: others promised more")
    return "## What was spent, what failed\n\n" + "\n".join(f"- {line}" for line in lines)


def _resume(data: ReportData) -> str:
    place = f", in {as_code(data.place)}" if data.place else ""
    command = f"```sh\n{data.resume}\n```"
    if data.condition == "finished":
        how = "Nothing is left to do; with a larger `colony.iterations` the search flies on"
    elif data.obstacle:
        how = as_code(data.obstacle)
    else:
        how = "It goes on where it was, to the last bit"
    return f"## Go on\n\n{how}{place}:\n\n{command}"


def shortened(candidate: str, longest: int = 300) -> str:
    """An architecture in a line of markdown."""
    text = short(candidate).replace("|", " → ")
    return as_cell(text if len(text) <= longest else f"{text[: longest - 1]}…")
