"""The objective that a configuration asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hivenas.config import Config
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.outline import Outliner
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.seeds import drawn_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from hivenas.objectives.numerical import Rosenbrock, Sphere
from hivenas.objectives.table import TableObjective
from hivenas.reports.candidate import CandidatePages


def _networks(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    return NASInterface.from_config(config, tracker=NullTracker(), rng=rng)


def _table(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    path = str(config.table.path)
    return TableObjective(path, rng=rng, noise=config.table.noise, seed=drawn_seed(config.seed))


@dataclass(frozen=True, slots=True)
class ObjectiveKind:
    """An objective that a configuration may ask for.

    Args:
        make: makes it for a configuration, drawing from a generator.
        pages: words and pictures of its candidates, for a configuration, the objective and its data; None where they
            are no architectures.
    """

    make: Callable[[Config, np.random.Generator], ObjectiveInterface]
    pages: Callable[[Config, Any, Mapping[str, Any]], CandidatePages] | None = None


# The values of `objective`.
OBJECTIVES: Mapping[str, ObjectiveKind] = {
    "nas": ObjectiveKind(_networks, lambda config, _, data: CandidatePages.of_space(config, data)),
    "sphere_min": ObjectiveKind(lambda _, rng: Sphere(rng=rng)),
    "sphere_max": ObjectiveKind(lambda _, rng: Sphere(rng=rng, minimize=False)),
    "rosenbrock": ObjectiveKind(lambda _, rng: Rosenbrock(rng=rng)),
    "table": ObjectiveKind(
        _table, lambda _, objective, __: CandidatePages(Outliner({}), objective.table.decode, figure="fitness")
    ),
}


def make_objective(config: Config, rng: np.random.Generator) -> ObjectiveInterface:
    """The configured objective, drawing from a generator; what it does is not tracked by itself.

    Raises:
        ConfigError: an unknown operation, a space without neighbours, limits to the size that leave next to nothing; an
            objective that Python alone knows.
        DatasetError: a table that is missing or not usable.
    """
    if config.objective not in OBJECTIVES:
        raise ConfigError(
            f"objective must be one of {', '.join(OBJECTIVES)}, got {config.objective}, which a search from Python was "
            "given; go on with it there: hivenas.search(…, objective=…, resume=True)"
        )
    with with_source(config):
        return OBJECTIVES[config.objective].make(config, rng)


def candidate_pages(config: Config, objective: ObjectiveInterface, data: Mapping[str, Any]) -> CandidatePages | None:
    """Words and pictures of candidates; None where they are no architectures.

    Args:
        config: the configuration.
        objective: what is searched.
        data: what `Dataset.describe` says; empty where the images are not known.
    """
    kind = OBJECTIVES.get(config.objective)
    return kind.pages(config, objective, data) if kind and kind.pages else None


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
