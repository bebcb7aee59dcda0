"""The Pareto front of a search: candidates that no other one beats in fitness and every cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from hivenas.config.costs import Cost
from hivenas.core.history import ranking
from hivenas.core.measured import recorded_cost
from hivenas.core.records import Direction, Trial

Point = tuple[float, ...]  # the costs, then the score: the fitness with the sign with which more is better


def cost_of(trial: Trial, cost: Cost) -> float:
    """A trial's cost; infinite where it was not recorded."""
    return recorded_cost(trial.evaluation, cost)


def costs_no_more(one: Sequence[float], other: Sequence[float]) -> bool:
    """True where no cost of the one is larger than that of the other."""
    return all(own <= its for own, its in zip(one, other, strict=True))


def front(trials: Iterable[Trial], direction: Direction, *costs: Cost) -> list[Trial]:
    """The latest trials of complete candidates that no other one beats, that with the worst fitness first.

    With one cost that is the cheapest first. One candidate beats another if it is at least as good in fitness and in
    every cost and better in one of them; of equals the earlier stands for all. Candidates that failed, were stopped
    early or are paused have no place, nor have those of which a cost is not recorded.

    Args:
        trials: of a search, in their order.
        direction: where a better fitness lies.
        costs: what is weighed against the fitness, at least one.
    """
    complete = [trial for trial in ranking(trials, direction) if trial.status == "complete"]
    placed = [(tuple(cost_of(trial, cost) for cost in costs), trial) for trial in complete]
    found: list[tuple[tuple[float, ...], Trial]] = []
    # Best first, a sort by costs keeps the better of two that cost the same before the other.
    for own, trial in sorted(placed, key=lambda each: each[0]):
        if not all(map(math.isfinite, own)):
            continue
        # Of a single cost the last one is the best of all that cost no more.
        rivals = found[-1:] if len(costs) == 1 else [each for each in found if costs_no_more(each[0], own)]
        if all(direction.is_better(trial.fitness, rival.fitness) for _, rival in rivals):
            found.append((own, trial))
    return sorted((trial for _, trial in found), key=lambda trial: direction.score(trial.fitness))


def undominated(points: Iterable[Point]) -> list[Point]:
    """The points that no other one beats, ascending in their costs, the first before the second; equal ones once."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (*point[:-1], -point[-1])):
        # Of a single cost the last one has the highest score of all that cost no more.
        rivals = found[-1:] if len(point) == 2 else found
        if not any(rival[-1] >= point[-1] and costs_no_more(rival[:-1], point[:-1]) for rival in rivals):
            found.append(point)
    return found


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area, or volume, between points and a reference that is worse than they are in every cost and in score.

    With several costs it is the sum over slices along the first one, in each of which the points that cost no more
    dominate what they dominate in the others.

    Args:
        points: costs and score of each.
        reference: the highest costs and the lowest score that count; points beyond add nothing.

    Source: Zitzler and Thiele (1998), "Multiobjective optimization using evolutionary algorithms"; by slices, While,
    Hingston, Barone and Huband (2006), "A faster algorithm for calculating hypervolume".
    """
    most, *others = reference
    if len(others) > 1:
        within = [point for point in undominated(points) if point[0] < most]
        edges = [*sorted({point[0] for point in within}), most]
        return math.fsum(
            (end - begin) * hypervolume([point[1:] for point in within if point[0] <= begin], tuple(others))
            for begin, end in itertools.pairwise(edges)
        )
    area, below = 0.0, others[0]
    for cost, score in undominated(points):
        if cost < most and score > below:
            area += (most - cost) * (score - below)
            below = score
    return area
