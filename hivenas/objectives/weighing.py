"""A configuration against what is searched: sides and costs that make no sense there, models where none are trained."""

from __future__ import annotations

from hivenas.config import Config
from hivenas.config.costs import Cost
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.strategies.kinds import refuse_weighing
from hivenas.errors import ConfigError
from hivenas.objectives.factory import with_source


def refuse_objectives(config: Config, info: ObjectiveInfo) -> None:
    """Refuses what makes no sense: a side of the fitness, a cost, models where nothing is trained.

    Args:
        config: the configuration.
        info: what the objective says of itself.

    Raises:
        ConfigError: the rule and the way out.
    """
    with with_source(config):
        _refuse_side(config, info)
        for cost in config.objectives.costs:
            _refuse_cost(config, info, cost)
        refuse_weighing(config.colony.kind, config.objectives.costs)
        if not info.trains:
            _refuse_models(config)


def _refuse_models(config: Config) -> None:
    """Refuses the keys by which models are kept, for an objective that trains none."""
    small, logged = config.registry.small, config.results.logged_models
    if small is not None:
        raise ConfigError(
            f"registry.small must be null for objective={config.objective}, which trains no network that could be "
            f"registered, got {small!r}; set small: null, or objective: nas"
        )
    if logged:
        raise ConfigError(
            f"results.logged_models must be 0 for objective={config.objective}, which trains no network that could be "
            f"kept, got {logged}; leave it out, or set objective: nas"
        )


def _refuse_side(config: Config, info: ObjectiveInfo) -> None:
    given, side = config.objectives.fitness, "min" if info.direction.minimize else "max"
    if given not in (None, side):
        raise ConfigError(
            f"objectives.fitness must be {side} for objective={config.objective}, whose {info.metric} is "
            f"{info.direction.value}d, got {given}; set fitness: {side} or leave it out"
        )


def _refuse_cost(config: Config, info: ObjectiveInfo, cost: Cost) -> None:
    if cost.key in (*info.costs, *info.measures):
        return
    known = f"only {', '.join(info.costs)}" if info.costs else "no cost"
    own = "costs of its describe() and give it in costs()"
    ways = {
        "table": f"search a table with a column {cost.key}{' of whole numbers' if cost.known else ''}",
        "custom": f"name it in the {own if cost.known else 'measures of its describe() and give it in evaluate()'}",
    }
    raise ConfigError(
        f"objectives.{cost.key} must be null for objective={config.objective}, which knows {known} of a candidate "
        f"before it is evaluated, got min; leave it out, or {ways.get(config.objective, 'set objective: nas')}"
    )
