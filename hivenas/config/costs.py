"""The costs that `objectives` may name beside the fitness: what of a network should be small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import model_validator

from hivenas.config.registry import STRATEGIES
from hivenas.config.schema import Section
from hivenas.config.strategies import STRATEGY_KINDS

FITNESS = "fitness"
Side = Literal["max", "min"]


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost, as a record that describes itself.

    Args:
        key: as `objectives` names it, and the property of a trial that has it.
        label: what it is, for people.
        known: whether it is known before a network is trained.
    """

    key: str
    label: str
    known: bool


COSTS: Mapping[str, Cost] = {
    cost.key: cost
    for cost in (
        Cost("params", "trainable parameters", known=True),
        Cost("macs", "multiply-adds of one image", known=True),
    )
}


class ObjectivesConfig(Section):
    """`objectives`: the fitness, and at most one cost that is weighed against it."""

    fitness: Side | None = None
    params: Side | None = None
    macs: Side | None = None

    @property
    def cost(self) -> Cost | None:
        """The cost that is weighed against the fitness; None where the fitness alone counts."""
        return next((cost for key, cost in COSTS.items() if getattr(self, key) is not None), None)

    @model_validator(mode="after")
    def _weighs_one_cost(self) -> Self:
        given = [key for key in COSTS if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(
                f"objectives must name at most one cost beside fitness, got {', '.join(given)}; leave one of them"
            )
        for key in given:
            if getattr(self, key) == "max":
                raise ValueError(f"objectives.{key} must be min, as it is a cost, got max; set {key}: min")
        return self


def unweighed(objectives: ObjectivesConfig, kind: str) -> Iterator[str]:
    """A line where a cost is named and the strategy searches for the fitness alone.

    Args:
        objectives: the section.
        kind: as `colony.kind` names the strategy.
    """
    named = STRATEGY_KINDS.get(kind)
    weighs = named.weighs if named else callable(getattr(STRATEGIES.get(kind), "weigh", None))
    if objectives.cost and not weighs:
        yield (
            f"objectives.{objectives.cost.key} is not weighed by colony.kind={kind}, which searches for the fitness "
            "alone; the front is what comes of that, and kind: guided searches for it"
        )
