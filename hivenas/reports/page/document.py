"""The pages as one file each: templates filled in, style and script inside, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.core.folder import write_atomically
from hivenas.reports.page.charts import charts
from hivenas.reports.page.report_data import MOST_SHOWN, ReportData
from hivenas.reports.page.tables import chain_of, components_of, contributions, heat, lines
from hivenas.reports.text import duration, figure

if TYPE_CHECKING:
    from jinja2 import Environment

# Control characters, halves of surrogate pairs, and marks that turn the direction of text: what reasons may hold.
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
CONDITIONS = {
    "finished": ("✓", "finished"),
    "running": ("●", "running"),
    "ended": ("■", "ended early"),
    "loose": ("◇", "asked for from Python"),
}


def write_report(data: ReportData, file: Path) -> Path:
    """Writes the report of a search as one HTML file that works from the disk.

    Args:
        data: what it tells.
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
    operations, cells = heat(data)
    table = lines(data)
    return render(
        "report.html",
        data=data,
        parts_of=components_of,
        best=ranked[0] if ranked else None,
        chain=chain_of(ranked[0].candidate) if ranked else [],
        summary=data.summary,
        stopped=sum(row.status == "stopped" for row in data.rows),
        continued=sum(row.phase == "momentum" for row in data.rows),
        charts=charts(data),
        operations=operations,
        heat=cells,
        shares=contributions(data),
        lines=table,
        kinds={letter for line in table for letter in line.kind.split()},
        most_shown=MOST_SHOWN,
        condition=CONDITIONS[data.condition],
    )


def render(template: str, **context: Any) -> str:
    """A page from its template; every text in it is escaped, and freed of characters that are not to be seen."""
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = (
        _environment()
        .get_template(template)
        .render(style=_source("page.css"), script=script, script_digest=digest, **context)
    )
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", html)


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
    made.filters |= {"duration": duration, "moment": _moment, "figure": figure, "quoted": shlex.quote}
    return made


def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
