"""The Pareto front of a search: candidates that no other one beats in both fitness and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hivenas.config.costs import Cost
from hivenas.core.history import ranking
from hivenas.core.measured import recorded_cost
from hivenas.core.records import Direction, Trial

Point = tuple[float, float]  # cost, score: the fitness with the sign with which more is better


def cost_of(trial: Trial, cost: Cost) -> float:
    """A trial's cost; infinite where it was not recorded."""
    return recorded_cost(trial.evaluation, cost)


def front(trials: Iterable[Trial], direction: Direction, cost: Cost) -> list[Trial]:
    """The latest trials of complete candidates that no other one beats, the cheapest first.

    One candidate beats another if it is at least as good in fitness and in cost and better in one of them; of equals
    the earlier stands for all. Candidates that failed, were stopped early or are paused have no place, nor have those
    whose cost is not recorded.

    Args:
        trials: of a search, in their order.
        direction: where a better fitness lies.
        cost: what is weighed against the fitness.
    """
    complete = [trial for trial in ranking(trials, direction) if trial.status == "complete"]
    # Best first, a sort by cost keeps the better of two that cost the same before the other.
    found: list[Trial] = []
    for trial in sorted(complete, key=lambda trial: cost_of(trial, cost)):
        if not math.isfinite(cost_of(trial, cost)):
            break
        if direction.is_better(trial.fitness, found[-1].fitness if found else None):
            found.append(trial)
    return found


def undominated(points: Iterable[Point]) -> list[Point]:
    """The points that no other one beats, ascending in both cost and score; equal ones once."""
    found: list[Point] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or score > found[-1][1]:
            found.append((cost, score))
    return found


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area between points and a reference that is worse than they are in both cost and score.

    Args:
        points: cost and score of each.
        reference: the highest cost and the lowest score that count; points beyond add nothing.

    Source: Zitzler and Thiele (1998), "Multiobjective optimization using evolutionary algorithms".
    """
    most, least = reference
    area, below = 0.0, least
    for cost, score in undominated(points):
        if cost < most and score > below:
            area += (most - cost) * (score - below)
            below = score
    return area
