"""The aim of a hive that weighs fitness against a cost: the area that its front dominates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hivenas.core.colony.surrogate import Acquisition, Gain, Vector, expected_improvement
from hivenas.core.front import Point, undominated
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

    def expected(self, mean: Vector, variance: Vector, beyond: float = -math.inf) -> Vector:
        """Expected hypervolume improvement of every candidate; only of the area beyond a cost, where one is given."""
        steps, reference = [cost for cost, _ in self.front], self.reference
        begins, ends = [-math.inf, *steps], [*steps, reference[0]]
        gain = np.zeros(len(self.costs))
        for begin, end, score in zip(begins, ends, [reference[1], *(score for _, score in self.front)], strict=True):
            if end > beyond:
                cheaper = self.costs < end
                width = end - np.maximum(max(begin, beyond), self.costs[cheaper])
                gain[cheaper] += width * expected_improvement(mean[cheaper], variance[cheaper], score)
        return gain

    def found(self, chosen: int, score: float) -> DominatedArea:
        """The area once a candidate is on the front, where it belongs there."""
        points = [*self.front, (float(self.costs[chosen]), score)]
        return DominatedArea.of(self.costs, points, self.reference)


class Hypervolume:
    """The largest area between the front of fitness and cost and what is worse in both.

    The employees share the front: each looks for a network that is better than its own source at the cost of that and
    above, and stays with it until it is abandoned. What all others expect is the largest where records are dense, as
    scores are ranks among them; so without employees that hold the expensive end it would be forgotten.

    Costs count as they are. With their logarithms or ranks in their place less of the area is found early.

    A cost that is not known beforehand is predicted (`PredictedCost`), and the prediction ĉ(x) stands for it as if it
    were known: EHVI(x) = Σ over i with c_{i+1} > ĉ(x) of (c_{i+1} − max(c_i, ĉ(x))) · EI(μ(x), σ(x); f_i). Of what has
    been evaluated, the front of which is c_1 < … < c_m, the recorded cost counts.

    Args:
        cost: of an architecture, infinite where it is not known.
        learn: has the cost learn from the records, before a phase is planned; None where it need not.
    """

    def __init__(self, cost: CostOf, learn: Callable[[], None] | None = None) -> None:
        self._cost = cost
        self._learn = learn

    def prepare(self) -> None:
        """Has the cost learn from the records."""
        if self._learn:
            self._learn()

    def ranked(self, ranking: Ranking, count: int | None = None) -> list[str]:
        """The records of the front, those first that lie farthest from the ones before them, then the best others."""
        front = self._spread(self._front(ranking))
        held = set(front)
        best = ranking.best(None if count is None else count + len(front))  # which may begin with all of the front
        return [*front, *(name for name in best if name not in held)][:count]

    def gain(self, studied: Sequence[str], scores: Vector, candidates: Sequence[str]) -> Gain:
        """The growth of the area."""
        known, costs = [self._cost(name) for name in studied], [self._cost(name) for name in candidates]
        finite = [cost for cost in (*known, *costs) if math.isfinite(cost)] or [0.0]
        # Where all cost the same the score alone counts.
        margin = MARGIN * (max(finite) - min(finite)) or 1.0
        points = list(zip(known, scores.tolist(), strict=True))
        return DominatedArea.of(np.array(costs), points, (max(finite) + margin, REFERENCE_SCORE))

    def of_source(self, source: str, expected: Vector, acquisition: Acquisition) -> Vector:
        """The growth of the area at the cost of the source and above."""
        return acquisition.improvement(self._cost(source))

    def stays(self, own: float, elsewhere: float) -> bool:
        """Always true: an employee holds its part of the front."""
        return True

    def is_bettered(self, source: Evaluation, by: Evaluation, ranking: Ranking) -> bool:
        """True where what was found is on the front, and better than the source."""
        return ranking.goodness(by) > ranking.goodness(source) and by.candidate in self._front(ranking)

    def _front(self, ranking: Ranking) -> list[str]:
        """The records that no other one beats, the best and most expensive first; of equal ones the earliest."""
        front: list[tuple[str, float]] = []
        least = math.inf
        for goodness, name in ranking.ordered():
            if goodness == -math.inf:
                break
            cost = self._cost(name)
            if cost < least:
                if front and front[-1][1] == goodness:
                    front.pop()  # as good, and more expensive
                front.append((name, goodness))
                least = cost
        return [name for name, _ in front]

    def _spread(self, front: list[str]) -> list[str]:
        """The front in such an order that the first so many are spread over its costs, whatever their number."""
        if len(front) < 3:
            return front
        places = np.array([self._cost(name) for name in front])
        apart = np.abs(places - places[0])
        order = [0]
        while len(order) < len(front):
            farthest = int(np.argmax(apart))
            order.append(farthest)
            apart = np.minimum(apart, np.abs(places - places[farthest]))
            apart[order] = -1.0
        return [front[i] for i in order]
