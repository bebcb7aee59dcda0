"""Tables and figures of a search in words, the counts of its records, the description of a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hivenas.config.metrics import figure_told
from hivenas.config.settings import split_candidate
from hivenas.core.candidates import is_network, point_of
from hivenas.core.history import ranking
from hivenas.core.measured import CPU_SECONDS, PEAK_RSS_MB, metric_of, total_spent
from hivenas.core.records import Direction, Trial
from hivenas.core.unicode import shown_text

_NAMES = frozenset({"hivenas.classes", "hivenas.labels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The counts of a search, and what it took.

    Args:
        evaluations: continuations included.
        reused: records that were used again.
        failed: evaluations without a fitness.
        epochs: that were trained.
        seconds: wall time of all evaluations together.
        spent: processor time of all evaluations together, in seconds, and the largest peak of memory of one, in MiB,
            by their names; what is not known is left out.
    """

    evaluations: int
    reused: int
    failed: int
    epochs: int
    seconds: float
    spent: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Trial], *, reused: int, seconds: float) -> Summary:
        """Counts the records; momentum epochs count once, where they were trained."""
        epochs = sum(row.trained for row in rows if row.status != "failed")
        failed = sum(row.status == "failed" for row in rows)
        spent = total_spent(row.evaluation.extra for row in rows)
        return cls(evaluations=len(rows), reused=reused, failed=failed, epochs=epochs, seconds=seconds, spent=spent)

    def metrics(self) -> dict[str, float]:
        """As metrics of the parent run."""
        return {
            "evaluations": float(self.evaluations),
            "reused": float(self.reused),
            "failed": float(self.failed),
            "epochs": float(self.epochs),
            **self.spent,
        }


def best_table(
    rows: Sequence[Trial],
    direction: Direction,
    *,
    count: int = 5,
    name_of: Callable[[Trial], str] = lambda row: row.label,
) -> list[list[str]]:
    """A header and the best candidates: rank, fitness, parameters, epochs, evaluation, architecture; a dash for none.

    Where candidates were trained on, their momentum stands beside the epochs, such as 5+2; where they have inherited
    weights, the share of these.

    Args:
        rows: the records.
        direction: where a better fitness lies.
        count: how many of them.
        name_of: what an evaluation is called.
    """
    best = ranking(rows, direction)[:count]
    momentum = any(row.momentum_epochs for row in rows)
    inherited = any(row.inherited for row in best)
    further = ["momentum"] * momentum + ["inherited"] * inherited
    table = [["", "fitness", "parameters", "epochs", *further, "evaluation", kind_of(rows)]]
    for rank, row in enumerate(best, start=1):
        epochs = f"{row.epochs}+{row.momentum_epochs}" if row.momentum_epochs else str(row.epochs or "–")
        params = f"{row.params:,}" if row.params else "–"
        more = [f"{row.momentum:.3f}"] * momentum + [f"{row.inherited:.0%}"] * inherited
        table.append([str(rank), figure(row), params, epochs, *more, name_of(row), short(row.encoded)])
    return table


def figure(row: Trial) -> str:
    """A fitness for people: a share, such as the accuracy, to four places, any other to six digits.

    Earlier versions have recorded no metric of functions: those of points are known to be none.
    """
    return figure_told(row.fitness, "" if row.is_point else metric_of(row.evaluation.extra))


def kind_of(rows: Iterable[Trial]) -> str:
    """The word for the candidates: architecture, where they are networks."""
    return "architecture" if all(is_network(row.encoded) for row in rows) else "candidate"


def short(candidate: str, width: int = 0) -> str:
    """An architecture without its ends, or a point to four digits, cut to a width where one is given."""
    if (numbers := point_of(candidate)) is not None:
        point = ", ".join(f"{x:.4g}" for x in numbers)
        return f"({point})" if not width or len(point) + 2 <= width else f"({point}"[: width - 1] + "…"
    architecture, settings = split_candidate(candidate)
    text = architecture.removeprefix("input|").removesuffix("|output")
    text = " ".join([*text.split(), *(f"{key}={value}" for key, value in settings)])  # in one line
    return text if not width or len(text) <= width else text[: width - 1] + "…"


def as_text(table: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table)
    return "\n".join(lines)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """A table as markdown; the `|` of architectures become arrows."""
    lines = [[cell.replace("|", " → ") for cell in line] for line in table]
    head = "| " + " | ".join(lines[0]) + " |\n|" + " --- |" * len(lines[0])
    return head + "".join("\n| " + " | ".join(line) + " |" for line in lines[1:])


def model_note(origin: Mapping[str, str], config_yaml: str, returns: str) -> str:
    """The registered version's description: what it returns, search run, architecture, figures and configuration.

    The names of its classes or labels, of which there may be hundreds, are in its tags and its metadata alone.
    """
    shown = {key.removeprefix("hivenas."): value for key, value in origin.items() if key not in _NAMES}
    shown |= {key: value.replace("|", " → ") for key, value in shown.items() if key == "architecture"}
    lines = "".join(f"\n| {key} | {as_cell(value)} |" for key, value in shown.items())
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", config_yaml)), default=0))
    return (
        f"Takes raw images, as the data set gives them: standardisation is inside. Returns {returns}.\n\n"
        f"| | |\n| --- | --- |{lines}\n\n{fence}yaml\n{config_yaml}{fence}\n"
    )


def as_cell(text: str) -> str:
    """A text of anyone's within a table of markdown, in which nothing is markup."""
    marked = re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(shown_text(text).split())).replace("<", "&lt;")
    return re.sub(r"[\\`*|~]|(?<!\w)_|_(?!\w)|\](?=[(\[])", lambda found: f"\\{found[0]}", marked)


def spent_said(spent: Mapping[str, float]) -> str:
    """Processor time and memory for people; empty where they are not known."""
    cpu, memory = spent.get(CPU_SECONDS), spent.get(PEAK_RSS_MB)
    said = [f"{duration(cpu)} of processor time"] if cpu else []
    return ", ".join(said + ([f"at most {memory:,.0f} MiB of memory in a process"] if memory else []))


def duration(seconds: float) -> str:
    """A span of time for people, such as 3 min 12 s."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"
