"""The pages as one file each: templates filled in, style and script inside, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.config.metrics import figure_told
from hivenas.config.text import listed
from hivenas.core.folder import write_atomically
from hivenas.core.history import ranking
from hivenas.core.measured import interval_told
from hivenas.core.unicode import shown_text
from hivenas.reports.charts import charts, role_names, style, symbols
from hivenas.reports.findings import MOST_DRAWN
from hivenas.reports.front import an_example, weighed
from hivenas.reports.page.tables import chain_of, columns, components_of, front_lines, lines, named, settings_of
from hivenas.reports.report_data import ReportData
from hivenas.reports.text import duration, figure, kind_of, spent_said
from hivenas.wording import number_of

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_REASONS = 50  # of failures, in a page
CONDITIONS = {
    "finished": ("✓", "finished"),
    "running": ("●", "running"),
    "failed": ("■", "failed"),
    "interrupted": ("■", "ended early"),
    "adhoc": ("◇", "asked for from Python"),
}


def write_report(data: ReportData, file: Path) -> Path:
    """Writes the report of a search as one HTML file that works from the disk.

    Args:
        data: the search.
        file: where it goes; an older one is replaced, whole or not at all.

    Returns:
        The file.

    Raises:
        DiskFullError: there is no space for it.
    """
    write_atomically(file, report_page(data))
    return file


def report_page(data: ReportData) -> str:
    """The report of a search as HTML."""
    ranked = data.ranked
    table = lines(data)
    front = front_lines(data)
    pictures = charts(data.rows, data.direction, data.costs)
    of_front = [chart for chart in pictures if chart.key.partition("_")[0] == "front"]
    return render(
        "report.html",
        data=data,
        parts_of=components_of,
        best=ranked[0] if ranked else None,
        kind=kind_of(data.rows),
        named=named(ranked[0].encoded) if ranked else "",
        chain=chain_of(ranked[0].encoded) if ranked else [],
        settings=settings_of(ranked[0].encoded) if ranked else "",
        summary=data.summary,
        spent=spent_said(data.summary.spent),
        stopped=sum(row.status == "stopped" for row in data.rows),
        paused=sum(row.status == "paused" for row in ranking(data.rows, data.direction)),
        continued=sum(row.phase == "momentum" for row in data.rows),
        front=front,
        front_example=an_example(front) if front else None,
        front_weighed=weighed(data.costs) if front else "",
        front_charts=of_front,
        charts=[chart for chart in pictures if chart not in of_front],
        lines=table,
        by_fitness=all(row.status != "paused" for row in data.rows),
        columns=columns(data),
        kinds={letter for line in table for letter in line.kind.split()},
        roles=role_names(data.rows),
        most_shown=MOST_DRAWN,
        most_reasons=_MOST_REASONS,
        condition=CONDITIONS[data.condition],
    )


def render(template: str, **context: Any) -> str:
    """A page from its template; every text in it is escaped, and freed of characters that are not to be seen."""
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = (
        _environment()
        .get_template(template)
        .render(style=style() + _source("page.css"), symbols=symbols(), script=script, script_digest=digest, **context)
    )
    return shown_text(html)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("hivenas.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "moment": _moment, "figure": figure, "quoted": shlex.quote, "listed": listed}
    made.filters |= {"number_of": number_of, "told": figure_told}
    made.globals["interval"] = interval_told
    return made


def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
