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
        key: as `objectives` names it. Of one that is known the field of an evaluation that has it, of another the key
            in its `extra`.
        label: what it is, for people.
        known: whether it is known of a network before that is trained: a whole number then.
        little: few of it, or little, for people.
        compared_by: of one that is not known, the key of the one that stands for it until it is; empty where it is.
        beside: further figures that are recorded with it, by their keys.
        varies: whether it comes out a little different whenever it is measured.
    """

    key: str
    label: str
    known: bool
    little: str
    compared_by: str = ""
    beside: tuple[str, ...] = ()
    varies: bool = False

    @property
    def beforehand(self) -> Cost:
        """The cost by which networks are compared before they are trained: itself, where it is known."""
        return COSTS[self.compared_by] if self.compared_by else self


COSTS: Mapping[str, Cost] = {
    cost.key: cost
    for cost in (
        Cost("params", "trainable parameters", known=True, little="few trainable parameters"),
        Cost("macs", "multiply-adds of one image", known=True, little="few multiply-adds of one image"),
        Cost(
            "latency_ms",
            "milliseconds for one image",
            known=False,
            little="few milliseconds for one image",
            compared_by="macs",
            beside=("latency_batch_ms",),
            varies=True,
        ),
        Cost(
            "memory_mb",
            "megabytes of memory for one image",
            known=False,
            little="few megabytes of memory for one image",
            compared_by="params",
        ),
    )
}
# The figures that evaluations record of costs which are not known beforehand, and those of them that vary.
RECORDED: tuple[str, ...] = tuple(key for cost in COSTS.values() if not cost.known for key in (cost.key, *cost.beside))
VARYING: frozenset[str] = frozenset(key for cost in COSTS.values() if cost.varies for key in (cost.key, *cost.beside))


class ObjectivesConfig(Section):
    """`objectives`: the fitness, and at most one cost that is weighed against it."""

    fitness: Side | None = None
    params: Side | None = None
    macs: Side | None = None
    latency_ms: Side | None = None
    memory_mb: Side | None = None

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
