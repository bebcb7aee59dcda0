"""Which objective a configuration asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from hivenas.benchmarks.numerical import NumericalObjective, Rosenbrock, Sphere
from hivenas.config import Config
from hivenas.core.evaluation import decode_candidate
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.objective_interface import ObjectiveInterface
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from hivenas.storage.parameters import Parameters


def make_objective(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    """The configured objective, drawing from a generator; what it does is not tracked by itself.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing.
    """
    if config.objective == "sphere_min":
        return Sphere(rng=rng)
    if config.objective == "sphere_max":
        return Sphere(rng=rng, minimize=False)
    if config.objective == "rosenbrock":
        return Rosenbrock(rng=rng)
    with naming(config):
        return NASInterface.from_config(config, tracker=NullTracker(), rng=rng)


def minimizes(config: Config) -> bool:
    """Whether the configured objective is better when smaller."""
    return config.objective in ("sphere_min", "rosenbrock")


def run_params(objective: ObjectiveInterface, candidate: str) -> dict[str, str]:
    """A candidate as parameters of its run."""
    if isinstance(objective, NASInterface):
        return objective.operation_params(candidate)
    return {f"x_{i:02d}": repr(value) for i, value in enumerate(decode_candidate(candidate))}


def trial_parameters(config: Config) -> Parameters:
    """A candidate's parameters as Optuna knows them."""
    objective = None if config.objective == "nas" else make_objective(config, np.random.default_rng())
    if isinstance(objective, NumericalObjective):
        return Parameters.of_box(objective.dimensions, objective.bound, minimize=objective.is_minimize)
    return Parameters.of_space(config.space)


@contextlib.contextmanager
def naming(config: Config) -> Iterator[None]:
    """Adds the configuration's file, and its own names of keys, to errors that are found after it was read."""
    try:
        yield
    except ConfigError as error:
        message = config.as_written(str(error))
        if not config.source or config.source in message:
            raise type(error)(message) from None
        rule, _, way_out = message.partition("; ")
        raise type(error)(f"{rule} ({config.source}){f'; {way_out}' if way_out else ''}") from None
