"""The costs that `objectives` may name beside the fitness: what of a network should be small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, ValidationInfo, model_validator

from hivenas.config.registry import STRATEGIES
from hivenas.config.schema import Section
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.config.text import shown

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


MOST = 3  # costs that are weighed at a time: the cells into which a front divides them grow by a power of their number


def _check_side(side: object, info: ValidationInfo) -> object:
    if side not in (None, "min"):
        given = side if isinstance(side, str) else shown(side)
        raise ValueError(f"must be min, as it is a cost, got {given}; set {info.field_name}: min")
    return side


Least = Annotated[Literal["min"] | None, BeforeValidator(_check_side)]


class ObjectivesConfig(Section):
    """`objectives`: the fitness, and the costs that are weighed against it, three at the most."""

    principal = ("params",)
    meant: ClassVar[Mapping[str, str]] = {key: f"write {{{key}: min}}" for key in COSTS}

    fitness: Side | None = None
    params: Least = None
    macs: Least = None
    latency_ms: Least = None
    memory_mb: Least = None

    @property
    def costs(self) -> tuple[Cost, ...]:
        """The costs that are weighed against the fitness, in the order of `COSTS`; none where that alone counts."""
        return tuple(cost for key, cost in COSTS.items() if getattr(self, key) is not None)

    @property
    def cost(self) -> Cost | None:
        """The first of these costs; None where the fitness alone counts."""
        return next(iter(self.costs), None)

    @model_validator(mode="after")
    def _weighs_few_costs(self) -> Self:
        given = [cost.key for cost in self.costs]
        if len(given) > MOST:
            named = ", ".join(given)
            raise ValueError(
                f"objectives must name at most {MOST} costs beside fitness, got {named}; leave out {len(given) - MOST}"
            )
        return self


def in_words(parts: Sequence[str]) -> str:
    """Parts of a sentence in a row, such as `a`, `a and b` or `a, b and c`; at least one."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def unweighed(objectives: ObjectivesConfig, kind: str) -> Iterator[str]:
    """A line where costs are named and the strategy searches for the fitness alone.

    Args:
        objectives: the section.
        kind: as `colony.kind` names the strategy.
    """
    named = STRATEGY_KINDS.get(kind)
    weighs = named.weighs if named else callable(getattr(STRATEGIES.get(kind), "weigh", None))
    if objectives.costs and not weighs:
        named_costs = in_words([f"objectives.{cost.key}" for cost in objectives.costs])
        yield (
            f"{named_costs} {'is' if len(objectives.costs) == 1 else 'are'} not weighed by colony.kind={kind}, which "
            "searches for the fitness alone; the front is what comes of that, and kind: guided searches for it"
        )
