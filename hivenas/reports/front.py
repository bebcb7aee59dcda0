"""The front of a search as a table: of each member its fitness, its costs, and what trains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hivenas.config.costs import Cost, in_words
from hivenas.core.bounds import at_most
from hivenas.core.front import cost_of
from hivenas.core.records import Trial
from hivenas.reports.text import figure, kind_of, short

T = TypeVar("T")

MOST_TOLD = 12  # members in a terminal or a description


def front_table(
    front: Sequence[Trial],
    costs: Sequence[Cost],
    *,
    name_of: Callable[[Trial], str] = lambda row: row.label,
    has_options: bool = True,
) -> list[list[str]]:
    """A header and a line a member of the front: fitness, costs, the option that trains it, evaluation, architecture.

    Args:
        front: its members, in its order.
        costs: what is weighed against the fitness.
        name_of: what an evaluation is called.
        has_options: whether there is room for the options.
    """
    options = ["hivenas train …"] if has_options else []
    table = [["fitness", *(cost.key for cost in costs), *options, "evaluation", kind_of(front)]]
    for row in front:
        figures = (cost_figure(row, cost) for cost in costs)
        options = [option(row, costs)] if has_options else []
        table.append([figure(row), *figures, *options, name_of(row), short(row.encoded)])
    return table


def front_keys(costs: Sequence[Cost]) -> list[str]:
    """The names of the charts of a front, one a cost."""
    return ["front", *(f"front_{cost.key}" for cost in costs[1:])]


def compared(costs: Sequence[Cost]) -> str:
    """The figures in which members of a front are compared, for people: both, or all of several."""
    return f"{'both' if len(costs) == 1 else 'all of'} {in_words(['fitness', *(cost.label for cost in costs)])}"


def weighed(costs: Sequence[Cost]) -> str:
    """The fitness against the costs, for people."""
    return f"fitness against {in_words([cost.label for cost in costs])}"


def cost_figure(row: Trial, cost: Cost) -> str:
    """A cost for people: a whole number with its thousands set apart, else six digits."""
    value = cost_of(row, cost)
    return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"


def option(row: Trial, costs: Sequence[Cost]) -> str:
    """The option with which `hivenas train` trains a member of the front."""
    return f"--at '{','.join(map(str, at_most(row, *costs)))}'"


def an_example(front: Sequence[T]) -> T:
    """The member to name where one is: the best of those beside the best one, which is trained anyway."""
    return front[-2] if len(front) > 1 else front[-1]


def spread(front: Sequence[Trial], most: int = MOST_TOLD) -> list[Trial]:
    """The members that are told: all, or of many the first, the best and others evenly between them."""
    if len(front) <= most:
        return list(front)
    return [front[round(place * (len(front) - 1) / (most - 1))] for place in range(most)]
