"""The volume that a front of fitness and several costs dominates, and what a candidate is expected to add to it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hivenas.core.colony.encoding import Vector
from hivenas.core.colony.surrogate import expected_improvement
from hivenas.core.front import Point, costs_no_more, undominated

Costs = NDArray[np.float64]  # (n, costs)
_Corner = tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DominatedVolume:
    """The growth of the volume between a front and a reference point, where costs c ∈ ℝᵐ are known exactly.

    With h(t) the best score on the front that costs at most t in each cost, or else the reference score, a network of
    costs c and score y adds ∫ max(y − h(t), 0) dt over c ≤ t ≤ the reference costs. As h takes the scores f_0 < … < f_k
    of the front alone, each on a region that is a union of boxes, and y alone is not known, what is expected of that is

    EHVI = Σ over i of |{t ≥ c : h(t) = f_i}| · EI(μ, σ; f_i).

    With one cost the regions are the intervals between the steps of `DominatedArea`.

    Args:
        costs: of the candidates (n, costs).
        front: points that no other one beats, within the reference.
        reference: the costs and the score that a network must beat.
        cells: the boxes of every region, lower and upper corners (boxes, costs) each, that of the reference score
            first, then in the order of `scores`.
        scores: the score of every region.

    Source: Emmerich, Giannakoglou and Naujoks (2006), as for `DominatedArea`; by boxes, Couckuyt, Deschrijver and
    Dhaene (2014), "Fast calculation of multiobjective probability of improvement and expected improvement criteria for
    Pareto optimization".
    """

    costs: Costs
    front: tuple[Point, ...]
    reference: Point
    cells: tuple[tuple[Costs, Costs], ...]
    scores: tuple[float, ...]

    @classmethod
    def of(cls, costs: Costs, points: Sequence[Point], reference: Point) -> DominatedVolume:
        """The volume of the front of some points."""
        *most, least = reference
        within = (p for p in points if p[-1] > least and all(own < limit for own, limit in zip(p, most, strict=False)))
        front = undominated(within)
        begins: list[_Corner] = [tuple(-math.inf for _ in most)]
        scores, better = [least], sorted(front, key=lambda point: point[-1])
        begins += [point[:-1] for point in better]
        scores += [point[-1] for point in better]
        regions = []
        for number, begin in enumerate(begins):
            # Where something as good or better costs no more, that is the best there is; of equals the later in order.
            others = [tuple(map(max, begin, its)) for its in begins[number + 1 :]]
            boxes = list(_free(begin, tuple(most), others))
            lower, upper = (np.array([box[end] for box in boxes]).reshape(-1, len(most)) for end in (0, 1))
            regions.append((lower, upper))
        return cls(costs, tuple(front), reference, tuple(regions), tuple(scores))

    def expected(self, mean: Vector, variance: Vector, beyond: Sequence[float] = ()) -> Vector:
        """Expected hypervolume improvement of every candidate; only of the volume beyond costs, if they are given."""
        least = np.array(beyond or [-math.inf] * self.costs.shape[1])
        begins = np.maximum(self.costs, least)
        gain = np.zeros(len(begins))
        for (lower, upper), score in zip(self.cells, self.scores, strict=True):
            size = _sizes(begins, lower, upper)
            some = size > 0
            if some.any():
                gain[some] += size[some] * expected_improvement(mean[some], variance[some], score)
        return gain

    def found(self, chosen: int, score: float) -> DominatedVolume:
        """The volume once a candidate is on the front, where it belongs there."""
        own = self.costs[chosen].tolist()
        if any(point[-1] >= score and costs_no_more(point[:-1], own) for point in self.front):
            return self
        return DominatedVolume.of(self.costs, [*self.front, (*own, score)], self.reference)


def _sizes(begins: Costs, lower: Costs, upper: Costs) -> Vector:
    """The volume of the part of some boxes that is beyond each of some corners (n, costs), of all boxes together."""
    size = np.ones((len(begins), len(lower)))
    for begin, low, high in zip(begins.T, lower.T, upper.T, strict=True):
        size *= np.maximum(high - np.maximum(begin[:, None], low), 0.0)
    total: Vector = size.sum(axis=1)
    return total


def _free(begin: _Corner, end: _Corner, taken: Sequence[_Corner]) -> Iterator[tuple[_Corner, _Corner]]:
    """The part of a box where no corner of some is below: boxes that do not overlap.

    Args:
        begin: its lower corner.
        end: its upper corner.
        taken: the corners, none of them below `begin` in any coordinate.
    """
    if len(begin) == 1:
        stop = min((corner[0] for corner in taken), default=end[0])
        if stop > begin[0]:
            yield begin, (min(stop, end[0]),)
        return
    taken = _lowest(taken)
    edges = sorted({begin[0], *(corner[0] for corner in taken)})
    for low, high in itertools.pairwise([*edges, end[0]]):
        inside = [corner[1:] for corner in taken if corner[0] <= low]
        for lower, upper in _free(begin[1:], end[1:], inside):
            yield (low, *lower), (high, *upper)


def _lowest(corners: Sequence[_Corner]) -> list[_Corner]:
    """The corners that have no other one below them, equal ones once."""
    # As points, whose score is the last coordinate with its sign turned: of two coordinates that takes one sort.
    return [(*point[:-1], -point[-1]) for point in undominated((*corner[:-1], -corner[-1]) for corner in corners)]
