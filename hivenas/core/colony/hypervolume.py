"""The aim of a hive that weighs fitness against costs: the area, or volume, that its front dominates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hivenas.core.colony.dominated_volume import DominatedVolume
from hivenas.core.colony.encoding import Vector
from hivenas.core.colony.surrogate import Acquisition, Gain, expected_improvement
from hivenas.core.front import Point, costs_no_more, undominated
from hivenas.core.records import Evaluation
from hivenas.core.strategies.known_cost import CostOf
from hivenas.core.strategies.ranking import Ranking

REFERENCE_SCORE = -1.65  # normal score of the reference: the lowest 5 % of records do not count
MARGIN = 0.1  # share of the range of costs by which the reference lies beyond the largest


@dataclass(frozen=True, slots=True)
class DominatedArea:
    """The growth of the area between a front and a reference point, where costs are known exactly.

    With the front sorted by cost c_1 < … < c_m and by score f_1 < … < f_m, c_0 = −∞, c_{m+1} the reference cost and f_0
    the reference score, a network of cost c and score y adds ∫ max(y − h(t), 0) dt from c to c_{m+1}, where h(t) is the
    best score that costs at most t. As h is a staircase, and y alone is not known, what is expected of that is

    EHVI = Σ over i = 0 … m with c_{i+1} > c of (c_{i+1} − max(c_i, c)) · EI(μ, σ; f_i).

    Args:
        costs: of the candidates.
        front: points that no other one beats, ascending, within the reference.
        reference: the cost and the score that a network must beat.

    Source: Emmerich, Giannakoglou and Naujoks (2006), "Single- and multiobjective evolutionary optimization assisted by
    Gaussian random field metamodels".
    """

    costs: Vector
    front: tuple[Point, ...]
    reference: Point

    @classmethod
    def of(cls, costs: Vector, points: Sequence[Point], reference: Point) -> DominatedArea:
        """The area of the front of some points."""
        most, least = reference
        within = (point for point in points if point[0] < most and point[1] > least)
        return cls(costs, tuple(undominated(within)), reference)

    def expected(self, mean: Vector, variance: Vector, beyond: Sequence[float] = ()) -> Vector:
        """Expected hypervolume improvement of every candidate; only of the area beyond a cost, where one is given."""
        steps, reference = [cost for cost, _ in self.front], self.reference
        least = beyond[0] if beyond else -math.inf
        begins, ends = [-math.inf, *steps], [*steps, reference[0]]
        gain = np.zeros(len(self.costs))
        for begin, end, score in zip(begins, ends, [reference[1], *(score for _, score in self.front)], strict=True):
            if end > least:
                cheaper = self.costs < end
                width = end - np.maximum(max(begin, least), self.costs[cheaper])
                gain[cheaper] += width * expected_improvement(mean[cheaper], variance[cheaper], score)
        return gain

    def found(self, chosen: int, score: float) -> DominatedArea:
        """The area once a candidate is on the front, where it belongs there."""
        points = [*self.front, (float(self.costs[chosen]), score)]
        return DominatedArea.of(self.costs, points, self.reference)


class Hypervolume:
    """The largest area between the front of fitness and cost and what is worse in both; of several costs, a volume.

    The employees share the front: each looks for a network that is better than its own source at the cost of that and
    above, and stays with it until it is abandoned. What all others expect is the largest where records are dense, as
    scores are ranks among them; so without employees that hold the expensive end it would be forgotten.

    With several costs the area is the volume of `DominatedVolume`, "at the cost and above" is so in each of them, and
    distances along the front are those of Euclid over costs, each in shares of its range on the front.

    Costs count as they are. With their logarithms or ranks in their place less of the area is found early.

    A cost that is not known beforehand is predicted (`PredictedCost`), and the prediction ĉ(x) stands for it as if it
    were known: EHVI(x) = Σ over i with c_{i+1} > ĉ(x) of (c_{i+1} − max(c_i, ĉ(x))) · EI(μ(x), σ(x); f_i). Of what has
    been evaluated, the front of which is c_1 < … < c_m, the recorded cost counts.

    Args:
        costs: of an architecture, infinite where they are not known; at least one.
        learn: what has costs learn from the records, before a phase is planned.
    """

    def __init__(self, *costs: CostOf, learn: Sequence[Callable[[], None]] = ()) -> None:
        self._costs = costs
        self._learn = learn

    def prepare(self) -> None:
        """Has the costs learn from the records."""
        for learn in self._learn:
            learn()

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The records of the front, those first that lie farthest from the ones before them, then the best others."""
        front = self._spread(self._front(ranking))
        held = set(front)
        best = ranking.best(None if count is None else count + len(front))  # which may begin with all of the front
        return [*front, *(name for name in best if name not in held)][:count]

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """The growth of the area."""
        known = [[cost(name) for name in studied] for cost in self._costs]
        costs = [[cost(name) for name in candidates] for cost in self._costs]
        reference = (*(_beyond([*own, *its]) for own, its in zip(known, costs, strict=True)), REFERENCE_SCORE)
        points = list(zip(*known, scores.tolist(), strict=True))
        if len(self._costs) == 1:
            return DominatedArea.of(np.array(costs[0]), points, reference)
        return DominatedVolume.of(np.array(costs).T, points, reference)

    def of_source(self, source: str, expected: Vector, acquisition: Acquisition) -> Vector:
        """The growth of the area at the costs of the source and above."""
        return acquisition.improvement(self._costs_of(source))

    def stays(self, own: float, elsewhere: float) -> bool:
        """Always true: an employee holds its part of the front."""
        return True

    def is_bettered(self, source: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where what was found is on the front, and better than the source."""
        return ranking.goodness(by) > ranking.goodness(source) and by.candidate in self._front(ranking)

    def _costs_of(self, name: str) -> tuple[float, ...]:
        return tuple(cost(name) for cost in self._costs)

    def _front(self, ranking: Ranking) -> list[str]:
        """The records that no other one beats, the best and most expensive first; of equal ones the earliest."""
        front: list[tuple[str, float, tuple[float, ...]]] = []
        for goodness, name in ranking.ordered():
            if goodness == -math.inf:
                break
            own = self._costs_of(name)
            # Of a single cost the latest is the cheapest, so that this looks at one of them.
            if math.inf in own or any(costs_no_more(costs, own) for _, _, costs in reversed(front)):
                continue
            # As good, and more expensive.
            front = [each for each in front if each[1] != goodness or not costs_no_more(own, each[2])]
            front.append((name, goodness, own))
        return [name for name, _, _ in front]

    def _spread(self, front: list[str]) -> list[str]:
        """The front in such an order that the first so many are spread over its costs, whatever their number."""
        if len(front) < 3:
            return front
        places = np.array([self._costs_of(name) for name in front])
        if len(self._costs) > 1:
            spans = places.max(axis=0) - places.min(axis=0)
            places = places / np.where(spans > 0, spans, 1.0)
        apart = _distances(places, 0)
        order = [0]
        while len(order) < len(front):
            farthest = int(np.argmax(apart))
            order.append(farthest)
            apart = np.minimum(apart, _distances(places, farthest))
            apart[order] = -1.0
        return [front[i] for i in order]


def _beyond(costs: Sequence[float]) -> float:
    """The reference of a cost: beyond the largest one that is known."""
    finite = [cost for cost in costs if math.isfinite(cost)] or [0.0]
    # Where all cost the same the score alone counts.
    margin = MARGIN * (max(finite) - min(finite)) or 1.0
    return max(finite) + margin


def _distances(places: NDArray[np.float64], place: int) -> Vector:
    """The distances of places (n, costs) from one of them."""
    apart: Vector = np.sqrt(((places - places[place]) ** 2).sum(axis=1))
    return apart
