"""Bounds of what a candidate may cost or must reach, such as `params<=20000` and `fitness>=.9`: read, and chosen by."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hivenas.config.costs import COSTS, FITNESS, Cost
from hivenas.core.front import cost_of
from hivenas.core.history import ranking
from hivenas.core.records import Direction, Trial
from hivenas.core.rounding import reaches
from hivenas.errors import ConfigError

_Relation = Callable[[float, float], bool]
# The longer ones first, as they are looked for in this order.
_RELATIONS: Mapping[str, _Relation] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
# Of a fitness, which is rounded; costs are not.
_OF_FITNESS: Mapping[str, _Relation] = {
    "<=": lambda value, limit: reaches(limit, value),
    ">=": reaches,
    "<": lambda value, limit: not reaches(value, limit),
    ">": lambda value, limit: not reaches(limit, value),
}
_BOUND = re.compile(rf"\s*(\w+)\s*({'|'.join(_RELATIONS)})\s*([^<>=]+?)\s*")


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of one figure.

    Args:
        figure: `fitness`, or the key of a cost.
        relation: `<=`, `<`, `>=` or `>`.
        limit: what the figure is compared with; finite.
    """

    figure: str
    relation: str
    limit: float

    def holds(self, trial: Trial) -> bool:
        """True where the figure of a trial is within the bound, a fitness up to rounding."""
        if self.figure == FITNESS:
            return _OF_FITNESS[self.relation](trial.fitness, self.limit)
        value = cost_of(trial, COSTS[self.figure])
        # A cost that is not on record is infinite, and within no bound.
        return math.isfinite(value) and _RELATIONS[self.relation](value, self.limit)

    def __str__(self) -> str:
        """The bound as `parse_bounds` reads it."""
        return f"{self.figure}{self.relation}{exactly(self.limit)}"


def exactly(value: float) -> str:
    """A figure in so many digits that reading them gives the same again; a whole number without a point."""
    return f"{value:.0f}" if value.is_integer() else repr(value)


def at_most(trial: Trial, *costs: Cost) -> tuple[Bound, ...]:
    """The bounds within which no candidate of a search is better than this member of its front."""
    return tuple(Bound(cost.key, "<=", cost_of(trial, cost)) for cost in costs)


def parse_bounds(text: str) -> tuple[Bound, ...]:
    """The bounds of an expression.

    Args:
        text: such as `params<=20000,fitness>=.9`: a figure, a relation and a number each, separated by commas.

    Raises:
        ConfigError: it is not such an expression; names the part that is wrong.
    """
    return tuple(_bound(part) for part in text.split(","))


def _bound(part: str) -> Bound:
    found = _BOUND.fullmatch(part)
    figures = (FITNESS, *COSTS)
    try:
        limit = float(found[3]) if found else math.nan
    except ValueError:
        limit = math.nan
    if not found or found[1] not in figures or not math.isfinite(limit):
        *others, last = figures
        raise ConfigError(
            f"at must be bounds of {', '.join(others)} or {last} by <=, <, >= or >, separated by commas, got "
            f"{part.strip()!r}; write 'params<=20000,fitness>=.9', say"
        )
    return Bound(found[1], found[2], limit)


def best_within(trials: Iterable[Trial], bounds: Sequence[Bound], direction: Direction, *costs: Cost) -> Trial | None:
    """The complete candidate with the best fitness that is within all bounds; None where there is none.

    Of equals it is the one with the smallest cost; of several costs the first decides, the second among equals. Where
    the fitness alone is bounded the costs come before it, and the best of those that are equal in all is taken.

    Args:
        trials: of a search, in their order.
        bounds: at least one.
        direction: where a better fitness lies.
        costs: what is weighed against the fitness, at least one.
    """
    complete = [trial for trial in ranking(trials, direction) if trial.status == "complete"]
    within = [trial for trial in complete if all(bound.holds(trial) for bound in bounds)]
    cheapest = sorted(within, key=lambda trial: [cost_of(trial, cost) for cost in costs])
    if all(bound.figure == FITNESS for bound in bounds):
        return next(iter(cheapest), None)
    return next(iter(ranking(cheapest, direction)), None)
