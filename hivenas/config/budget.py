"""The section `budget`: what a search and its full training may take, beside `colony.iterations`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hivenas.config.schema import Count, Section

Amount = Annotated[float, Field(gt=0.0, le=1e6)]
# Executors that can say what CPU time their workers took.
COUNTED_KINDS = ("process", "serial")
_MINUTE, _HOUR = 60.0, 3600.0


class BudgetConfig(Section):
    """`budget`: whatever of it is spent first ends the search; nothing by default."""

    principal = ("hours",)

    hours: Amount | None = None
    minutes: Amount | None = None
    cpu_hours: Amount | None = None
    evaluations: Count | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given: `wall` and `cpu` in seconds, `evaluations` without continuations."""
        times = [each * unit for each, unit in ((self.hours, _HOUR), (self.minutes, _MINUTE)) if each is not None]
        found = {
            "wall": min(times, default=None),
            "cpu": None if self.cpu_hours is None else self.cpu_hours * _HOUR,
            "evaluations": None if self.evaluations is None else float(self.evaluations),
        }
        return {key: limit for key, limit in found.items() if limit is not None}
