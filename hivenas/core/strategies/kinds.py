"""From `colony.kind` to a strategy: hivenas' own, and those that users register."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import numpy as np

from hivenas.config import STRATEGY_KINDS, ColonyConfig, EvaluationConfig
from hivenas.config.costs import Cost, in_words
from hivenas.config.registry import STRATEGIES, ClassRule, import_callable
from hivenas.core.objective import ArchitectureObjective, ObjectiveInterface
from hivenas.core.records import Direction, Evaluation
from hivenas.core.strategies.known_cost import KnownCost, RecordedCost
from hivenas.core.strategies.ladder import Ladder, rungs_of
from hivenas.core.strategies.orders import ByFront, Order, Take, by_score
from hivenas.core.strategy import Strategy
from hivenas.errors import ConfigError

logger = logging.getLogger("hivenas")

S = TypeVar("S", bound=type[Any])
_RULE = ClassRule(
    kind="strategy",
    methods=("ask", "tell", "state", "restore"),
    constructor="(objective, config, rng, *, momentum_epochs=0)",
    accepts=(((None, None, None), {"momentum_epochs": 0}), ((None, None, None), {})),
    way_out="add them, or derive from a strategy that has them",
)


def make_strategy(
    objective: ObjectiveInterface,
    config: ColonyConfig,
    rng: np.random.Generator,
    evaluation: EvaluationConfig | None = None,
    *,
    costs: Sequence[Cost] = (),
) -> Strategy:
    """The strategy of the configured kind; where that needs components and the objective has none, its fallback.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw, the objective's too.
        evaluation: the section that says how recorded candidates are continued; None for not at all.
        costs: what is weighed against the fitness, by strategies that have the method `weigh`; others search for the
            fitness alone.

    Raises:
        ConfigError: candidates are to climb a ladder, and the strategy has no phases for that.
    """
    rungs = rungs_of(evaluation) if evaluation else None
    momentum_epochs = 0 if evaluation is None or rungs else evaluation.momentum_epochs
    made: Strategy = _class_for(config, objective)(objective, config, rng, momentum_epochs=momentum_epochs)
    if costs and callable(weigh := getattr(made, "weigh", None)):
        weigh(*costs)
    if rungs:
        if not callable(continue_by := getattr(made, "continue_by", None)):
            raise ConfigError(
                f"evaluation.stopping must not be ladder with colony.kind={config.kind}, whose strategy has no method "
                "continue_by; derive it from PhasedStrategy, or set stopping: none"
            )
        order, take = _order(objective, costs)
        continue_by(Ladder(rungs, Direction.of(objective.is_minimize), order, take))
    return made


def refuse_weighing(kind: str, costs: Sequence[Cost]) -> None:
    """Refuses more costs than a strategy of one's own can be told of.

    Args:
        kind: as `colony.kind` names it.
        costs: that are weighed.

    Raises:
        ConfigError: its method `weigh` does not take so many.
    """
    weigh = getattr(STRATEGIES.get(kind), "weigh", None)
    if not costs or not callable(weigh):
        return
    try:
        inspect.signature(weigh).bind(None, *costs)
    except TypeError:
        raise ConfigError(
            f"objectives must name as many costs as the method weigh of colony.kind={kind} takes, got "
            f"{in_words([cost.key for cost in costs])}; leave one of them out, or have it take *costs"
        ) from None


def _order(objective: ObjectiveInterface, costs: Sequence[Cost]) -> tuple[Order, Take | None]:
    """The order in which candidates climb a ladder, and what has to hear of their evaluations for that, if anything."""
    if not costs or not isinstance(objective, ArchitectureObjective):
        return by_score, None
    unknown = objective.describe().measures
    told = [RecordedCost(cost) if cost.key in unknown else KnownCost(objective, cost) for cost in costs]
    recorded = [each for each in told if isinstance(each, RecordedCost)]

    def take(evaluation: Evaluation) -> None:
        for each in recorded:
            each.take(evaluation)

    return ByFront(*told), take if recorded else None


def _class_for(config: ColonyConfig, objective: ObjectiveInterface) -> Callable[..., Any]:
    if config.kind in STRATEGIES:
        return STRATEGIES[config.kind]
    kind = STRATEGY_KINDS[config.kind]
    if kind.needs_components and not isinstance(objective, ArchitectureObjective):
        kind = STRATEGY_KINDS[kind.fallback]
        if config.overlap and not kind.overlaps:
            logger.warning(
                "colony.overlap=%d is not used: over numbers colony.kind: %s is %s, whose phases wait for the one "
                "before; set overlap: 0, or kind: random",
                config.overlap,
                config.kind,
                kind.name,
            )
    return import_callable(kind.path)


@overload
def register_strategy(name: str) -> Callable[[S], S]: ...
@overload
def register_strategy(name: str, strategy: S) -> S: ...
def register_strategy(name: str, strategy: S | None = None) -> S | Callable[[S], S]:
    """Makes a strategy of one's own known as `colony.kind`; without a class, a decorator of one.

    Args:
        name: letters, digits and _.
        strategy: a class with the methods of `Strategy`, whose constructor takes `(objective, config, rng, *,
            momentum_epochs=0)`: see `StrategyClass`.

    Returns:
        The class.

    Raises:
        ConfigError: not a name, one that is taken, or not such a class.
    """
    return STRATEGIES.register(name, strategy, tuple(STRATEGY_KINDS), _RULE.check)
