"""The order in which candidates that wait are continued: by their score, or by what they add to a front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hivenas.core.front import Point, hypervolume, undominated
from hivenas.core.records import Evaluation
from hivenas.core.strategies.known_cost import CostOf

Order = Callable[[Mapping[str, float]], Iterable[str]]  # by their scores, as far as they are asked for
Take = Callable[[Evaluation], None]

_MARGIN = 0.1  # share of the range of scores and of costs by which the reference lies beyond the worst


def by_score(scores: Mapping[str, float]) -> list[str]:
    """The highest score first; the earlier of two equals first."""
    return sorted(scores, key=lambda name: -scores[name])


class ByFront:
    """The front of score and costs first, then the front of the others, and so on.

    Of one front the best comes first, as a search hands it out; then those that add most to the area which these
    dominate, one after another; ties by score, the earlier of two equals first.

    Args:
        costs: of an architecture, infinite where they are not known; such ones come last. At least one.

    Source: Beume, Naujoks and Emmerich (2007), "SMS-EMOA: Multiobjective selection based on dominated hypervolume".
    """

    def __init__(self, *costs: CostOf) -> None:
        self._costs = costs

    def __call__(self, scores: Mapping[str, float]) -> Iterator[str]:
        """The candidates in the order in which they are continued, each found once it is asked for."""
        points = {name: (*(cost(name) for cost in self._costs), scores[name]) for name in by_score(scores)}
        unknown = {name: points.pop(name) for name in list(points) if float("inf") in points[name][:-1]}
        reference = _reference([*points.values()])
        while points:
            best = set(undominated(points.values()))
            first = [name for name, point in points.items() if point in best]
            yield from _by_area([(name, points.pop(name)) for name in first], reference)
        yield from unknown


def _by_area(front: Sequence[tuple[str, Point]], reference: Point) -> Iterator[str]:
    """The members of a front, the best first, each other as the one that adds most to those before it."""
    chosen, waiting = dict(front[:1]), dict(front[1:])
    yield from chosen
    while waiting:
        # Of equals the first one, which has the higher score.
        name = max(waiting, key=lambda name: hypervolume([*chosen.values(), waiting[name]], reference))
        chosen[name] = waiting.pop(name)
        yield name


def _reference(points: Sequence[Point]) -> Point:
    if not points:
        return 0.0, 0.0
    *costs, scores = zip(*points, strict=True)
    most = (max(each) + _MARGIN * (max(each) - min(each)) for each in costs)
    return *most, min(scores) - _MARGIN * (max(scores) - min(scores))
