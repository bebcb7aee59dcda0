"""Which objective a configuration asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hivenas.config import Config
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.outline import Outliner
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.parameters import Parameters
from hivenas.core.records import decode_candidate
from hivenas.core.seeds import drawn_seed
from hivenas.core.tracker import NullTracker, operation_params
from hivenas.errors import ConfigError
from hivenas.objectives.numerical import NumericalObjective, Rosenbrock, Sphere
from hivenas.objectives.table import TableObjective
from hivenas.reports.candidate import CandidatePages


def make_objective(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    """The configured objective, drawing from a generator; what it does is not tracked by itself.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing.
        DatasetError: a table that is missing or not usable.
    """
    if config.objective == "sphere_min":
        return Sphere(rng=rng)
    if config.objective == "sphere_max":
        return Sphere(rng=rng, minimize=False)
    if config.objective == "rosenbrock":
        return Rosenbrock(rng=rng)
    with with_source(config):
        if config.objective == "table":
            return TableObjective(
                str(config.table.path), rng=rng, noise=config.table.noise, seed=drawn_seed(config.seed)
            )
        return NASInterface.from_config(config, tracker=NullTracker(), rng=rng)


def minimizes(config: Config) -> bool:
    """Whether the configured objective is better when smaller."""
    return config.objective in ("sphere_min", "rosenbrock")


def run_params(objective: ObjectiveInterface, candidate: str) -> dict[str, str]:
    """A candidate as parameters of its run."""
    if isinstance(objective, NASInterface):
        return objective.operation_params(candidate)
    if isinstance(objective, TableObjective):
        chain = objective.table.decode(candidate)
        return operation_params(chain.operations, chain.skips, objective.table.depth)
    return {f"x_{i:02d}": repr(value) for i, value in enumerate(decode_candidate(candidate))}


def candidate_pages(config: Config, objective: ObjectiveInterface, data: Mapping[str, Any]) -> CandidatePages | None:
    """What is said of candidates in words and pictures; None for numerical points.

    Args:
        config: the configuration.
        objective: what is searched.
        data: what `Dataset.describe` says; empty where the images are not known.
    """
    if isinstance(objective, NASInterface):
        return CandidatePages.of_space(config.space, data)
    if isinstance(objective, TableObjective):
        return CandidatePages(Outliner({}), objective.table.decode, figure="fitness")
    return None


def trial_parameters(config: Config) -> Parameters:
    """A candidate's parameters as Optuna knows them."""
    objective = None if config.objective == "nas" else make_objective(config, np.random.default_rng())
    if isinstance(objective, NumericalObjective):
        return Parameters.of_box(objective.dimensions, objective.bound, minimize=objective.is_minimize)
    if isinstance(objective, TableObjective):
        entries, depth = objective.table.entries, objective.table.depth
        return Parameters.of_positions(entries[:depth], entries[depth:])
    return Parameters.of_space(config.space)


def describe_table(objective: ObjectiveInterface) -> dict[str, Any]:
    """What a search records of the data that it looks up; empty where it looks up none."""
    return objective.table.describe() if isinstance(objective, TableObjective) else {}


@contextlib.contextmanager
def with_source(config: Config) -> Iterator[None]:
    """Adds the configuration's file, and its own names of keys, to errors that are found after it was read."""
    try:
        yield
    except ConfigError as error:
        message = config.as_written(str(error))
        if not config.source or config.source in message:
            raise type(error)(message) from None
        rule, _, way_out = message.partition("; ")
        raise type(error)(f"{rule} ({config.source}){f'; {way_out}' if way_out else ''}") from None
