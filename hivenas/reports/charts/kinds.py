"""The charts of a search, in the order in which a page shows them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from hivenas.config.costs import Cost
from hivenas.core.records import Direction, Trial
from hivenas.reports.attempts import attempted
from hivenas.reports.charts.chart import Chart
from hivenas.reports.charts.convergence import convergence
from hivenas.reports.charts.learning import learning
from hivenas.reports.charts.operations import operations
from hivenas.reports.charts.parameters import parameters, weighed
from hivenas.reports.charts.roles import contributions
from hivenas.reports.charts.timeline import workers

_KINDS = (convergence, operations, parameters, learning, contributions, workers)


def charts(rows: Sequence[Trial], direction: Direction, costs: Sequence[Cost] = ()) -> list[Chart]:
    """Every chart that the records of a search allow; one that cannot be drawn is left out, with a warning.

    Args:
        rows: the records.
        direction: where a better fitness lies.
        costs: what is weighed against the fitness; their charts, one a cost, take the place of that of the parameters.
    """
    kinds: dict[str, Callable[[], Chart | None]] = {}
    for kind in _KINDS:
        if costs and kind is parameters:
            kinds |= {
                f"front by {each.key}": functools.partial(weighed, rows, direction, costs, each) for each in costs
            }
        else:
            kinds[kind.__name__] = functools.partial(kind, rows, direction)
    drawn = (attempted(f"the chart {name}", draw, None) for name, draw in kinds.items())
    return [chart for chart in drawn if chart]
