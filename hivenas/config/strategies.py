"""The kinds of strategies that hivenas has: what `colony.kind` may be, and where each is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """A kind of strategy, as a record that describes itself.

    Args:
        name: as `colony.kind` names it.
        description: what it does, in a line.
        path: where its class is, as `module:Class`; imported when a search begins.
        overlaps: whether it may plan while evaluations are in flight, see `colony.overlap`.
        needs_components: whether it learns from the components of architectures, which numerical points have not.
        fallback: the kind that takes its place where there are none.
        weighs: whether it weighs the fitness against a cost, where `objectives` names one.
        has_roles: whether `colony.employee_ratio` divides its proposals among employees and onlookers.
    """

    name: str
    description: str
    path: str
    overlaps: bool = False
    needs_components: bool = False
    fallback: str = ""
    weighs: bool = False
    has_roles: bool = False


STRATEGY_KINDS: Mapping[str, StrategyKind] = {
    kind.name: kind
    for kind in (
        StrategyKind(
            "guided",
            "bees that share a model of the space",
            "hivenas.core.colony.guided:GuidedBeeColony",
            overlaps=True,
            needs_components=True,
            fallback="canonical",
            weighs=True,
            has_roles=True,
        ),
        StrategyKind(
            "canonical",
            "the textbook's bees",
            "hivenas.core.colony.canonical:ArtificialBeeColony",
            has_roles=True,
        ),
        StrategyKind(
            "random",
            "random search that repeats nothing",
            "hivenas.core.strategies.random_search:RandomSearch",
            overlaps=True,
        ),
        StrategyKind(
            "evolution",
            "regularized evolution: the best of a sample has a child, the oldest dies",
            "hivenas.core.strategies.evolution:RegularizedEvolution",
            overlaps=True,
        ),
    )
}
