"""The front of a search as a table: of each member its fitness, its cost, and what trains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hivenas.config.costs import Cost
from hivenas.core.bounds import at_most
from hivenas.core.front import cost_of
from hivenas.core.records import Trial
from hivenas.reports.text import figure, short

T = TypeVar("T")

MOST_TOLD = 12  # members in a terminal or a description


def front_table(
    front: Sequence[Trial], cost: Cost, *, name_of: Callable[[Trial], str] = lambda row: row.label
) -> list[list[str]]:
    """A header and a line a member of the front: fitness, cost, the option that trains it, evaluation, architecture.

    Args:
        front: its members, the cheapest first.
        cost: what is weighed against the fitness.
        name_of: what an evaluation is called.
    """
    table = [["fitness", cost.key, "hivenas train …", "evaluation", "architecture"]]
    for row in front:
        table.append([figure(row), cost_figure(row, cost), option(row, cost), name_of(row), short(row.encoded)])
    return table


def cost_figure(row: Trial, cost: Cost) -> str:
    """A cost for people: a whole number with its thousands set apart, else six digits."""
    value = cost_of(row, cost)
    return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"


def option(row: Trial, cost: Cost) -> str:
    """The option with which `hivenas train` trains a member of the front."""
    return f"--at '{at_most(row, cost)}'"


def an_example(front: Sequence[T]) -> T:
    """The member to name where one is: the best of those that are smaller than the best, which is trained anyway."""
    return front[-2] if len(front) > 1 else front[-1]


def spread(front: Sequence[Trial], most: int = MOST_TOLD) -> list[Trial]:
    """The members that are told: all, or of many the cheapest, the best and others evenly between them."""
    if len(front) <= most:
        return list(front)
    return [front[round(place * (len(front) - 1) / (most - 1))] for place in range(most)]
