"""A configuration before its search: what it would do, in text and as fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from hivenas.cli.results import Outcome
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.config import Config
    from hivenas.run.data_storage import DataStorage
    from hivenas.run.expected_time import ExpectedTime
    from hivenas.run.plan import Plan


def storage_of(config: Config, data: Mapping[str, Any], time: ExpectedTime | None) -> DataStorage | None:
    """The room that the data take, and a worker; None where there are none. Files are listed for it."""
    from hivenas.run.data_storage import DataStorage

    return DataStorage.of(config, data, time.memory if time else None) if data else None


def of_plan(
    config: Config, plan: Plan, data: Mapping[str, Any], time: ExpectedTime | None, storage: DataStorage | None
) -> Outcome:
    """The work that a configuration asks for, its data, see `describe_data`, their room, and the time, if known."""
    size = "a continuous space" if plan.space_size is None else _counted(plan.space_size, config)
    work = number_of(plan.evaluations, "evaluation") + (
        f" and {number_of(plan.epochs, 'epoch')}" if plan.epochs else ""
    )
    fields = {
        "name": config.name,
        "configuration": config.to_mapping(),
        "warnings": list(config.warnings),
        "space_size": plan.space_size,
        "share_within": plan.share_within,
        "share_built": plan.builds.share if plan.builds else None,
        "evaluations": plan.evaluations,
        "epochs": plan.epochs,
        "limits": config.limits,
        "data": dict(data),
        "expected_seconds": time.search + time.full_training if time else None,
        "expected_evaluations": time.evaluations if time else None,
        "storage": storage.fields() if storage else {},
    }
    return Outcome(f"{config.name}: {work} at the most, in {size}", fields)


def _proposers(config: Config, plan: Plan) -> str:
    """The strategy, and how many candidates it proposes at a time."""
    from hivenas.config import STRATEGY_KINDS

    kind = STRATEGY_KINDS.get(config.colony.kind)
    if kind and kind.has_roles:
        return f"colony:       {number_of(plan.employees, 'employee')}, {number_of(plan.onlookers, 'onlooker')}"
    return f"strategy:     {config.colony.kind}" + (f", {kind.description}" if kind else "")


def _full_epochs(config: Config) -> str:
    """The epochs of full training that are planned."""
    from hivenas.run.full_plan import number_of_trainings

    trainings = number_of_trainings(config)
    return ("" if trainings == 1 else f"{trainings} times at most ") + number_of(config.full_train.epochs, "epoch")


def _stopping(config: Config, plan: Plan) -> str:
    """The rule that ends or pauses trainings, and when."""
    if plan.rungs:
        rungs = ", ".join(map(str, plan.rungs))
        return f"ladder, rungs after epochs {rungs}; {config.evaluation.ladder.share:g} of all epochs are trained"
    if config.evaluation.stopping == "none":
        return f"none, every candidate is trained to its end{_of_a_ladder(config)}"
    epochs = f"after epochs {plan.judged[0]} to {plan.judged[-1]}" if plan.judged else "judges no epoch"
    return f"{config.evaluation.stopping}, {epochs}"


def _of_a_ladder(config: Config) -> str:
    """The epochs that a ladder would train, where it pays and nothing that is set excludes it; empty elsewhere."""
    from hivenas.config import from_mapping
    from hivenas.config.evaluation import LADDER_PAYS_FROM
    from hivenas.errors import ConfigError

    evaluation, chosen = config.evaluation, "evaluation.stopping=ladder"
    if evaluation.epochs < LADDER_PAYS_FROM:
        return ""
    try:
        from_mapping(config.given(), [chosen])
    except ConfigError:
        return ""
    return f"; {chosen} would train {evaluation.ladder.share:g} of all epochs"


def _limits(config: Config, plan: Plan) -> Iterator[str]:
    """The budget and the patience, as far as they are known before anything is trained."""
    from hivenas.storage.limits import limit_told

    told = [limit_told(key, limit) for key, limit in config.budget.limits.items()]
    planned = config.colony.size * config.colony.iterations
    if told:
        count = "" if config.evaluations < planned else f" or {number_of(plan.evaluations, 'evaluation')}"
        trained = config.objective == "nas" and config.full_train.enabled
        then = ", of which at most half is kept for the full training" if trained else ""
        yield f"budget:       {' or '.join(told)}{count}, whichever ends first{then}"
    if config.colony.patience:
        better = "a better first look" if config.evaluation.pauses else "anything better"
        without = f"iteration without {better} ends", f"iterations without {better} end"
        yield f"patience:     {number_of(config.colony.patience, *without)} the search"


def _looked_for(config: Config) -> Iterator[str]:
    """The metric and the costs, where the accuracy alone is not looked for."""
    from hivenas.config.costs import in_words

    metric = config.evaluation.metric
    parts = [f"{'low' if metric.minimize else 'high'} {metric.label}"] if config.objective == "nas" else ["fitness"]
    parts += [cost.little for cost in config.objectives.costs]
    if parts not in (["high accuracy"], ["fitness"]):
        yield f"looked for:   {in_words(parts)}"


def _trainings(config: Config, plan: Plan, time: ExpectedTime | None) -> Iterator[str]:
    """The epochs that are trained, where any are: of candidates, then of the full training."""
    if plan.epochs:
        yield f"epochs:       {plan.epochs:,} at the most"
        yield f"stopping:     {_stopping(config, plan)}"
    if plan.epochs and config.evaluation.momentum_epochs and not plan.rungs:
        yield f"momentum:     {config.evaluation.momentum_epochs} of them in every iteration"
    if plan.epochs and config.full_train.enabled:
        yield f"then:         {_full_epochs(config)} of full training"
    if time:
        yield f"time:         {time}"


def _counted(candidates: int, config: Config) -> str:
    if not config.choices:
        return number_of(candidates, "architecture")
    settings = math.prod(len(varied.values) for varied in config.choices.values())
    architectures = number_of(candidates // settings, "architecture")
    combinations = number_of(settings, "combination of settings", "combinations of settings")
    return f"{number_of(candidates, 'candidate')}: {architectures}, {combinations} each"


def print_plan(
    config: Config, plan: Plan, data: Mapping[str, Any], time: ExpectedTime | None, storage: DataStorage | None
) -> None:
    """Prints a configuration with its defaults, its data and their room, and what a search would do."""
    from hivenas.config.choices import written
    from hivenas.run.data_summary import summary

    click.echo(config.to_yaml())
    if data:
        click.echo(f"# data:         {summary(data)}")
        for remark in data["remarks"]:
            click.echo(f"# warning:      {remark}")
    size = "continuous" if plan.space_size is None else _counted(plan.space_size, config)
    bounded = plan.share_within is not None
    click.echo(f"# space:        {'at most ' if bounded else ''}{size}")
    for key, varied in config.choices.items():
        click.echo(f"# varied:       {key}: {', '.join(map(written, varied.values))}")
    if plan.share_within is not None:
        share = f"{100 * plan.share_within:.3g}" if plan.share_within else "under 0.1"
        limits = " and ".join(
            f"{key}={limit:,}" for key in ("max_params", "max_macs") if (limit := getattr(config.space, key))
        )
        click.echo(f"# guards:       {share} % of {size.partition(':')[0]} fit {limits}")
    if plan.builds:
        click.echo(f"# builds:       {plan.builds}")
    click.echo(f"# {_proposers(config, plan)}")
    for line in _looked_for(config):
        click.echo(f"# {line}")
    click.echo(f"# evaluations:  {plan.evaluations:,} at the most")
    for line in _limits(config, plan):
        click.echo(f"# {line}")
    for line in _trainings(config, plan, time):
        click.echo(f"# {line}")
    for heading, line in storage.lines() if storage else ():
        click.echo(f"# {f'{heading}:':<14}{line}")
    click.echo(f"# results:      {config.results.dir}/{config.name}/")
