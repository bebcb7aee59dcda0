"""The charts of a search, in the order in which a page shows them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from hivenas.core.records import Direction, Trial
from hivenas.reports.attempts import attempted
from hivenas.reports.charts.chart import Chart
from hivenas.reports.charts.convergence import convergence
from hivenas.reports.charts.learning import learning
from hivenas.reports.charts.operations import operations
from hivenas.reports.charts.parameters import parameters
from hivenas.reports.charts.roles import contributions
from hivenas.reports.charts.timeline import workers

_KINDS = (convergence, operations, parameters, learning, contributions, workers)


def charts(rows: Sequence[Trial], direction: Direction) -> list[Chart]:
    """Every chart that the records of a search allow; one that cannot be drawn is left out, with a warning."""
    drawn = (attempted(f"the chart {kind.__name__}", functools.partial(kind, rows, direction), None) for kind in _KINDS)
    return [chart for chart in drawn if chart]
