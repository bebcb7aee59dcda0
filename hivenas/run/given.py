"""Configurations as callers give them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hivenas.config import Config, from_mapping
from hivenas.config import load as read_file
from hivenas.errors import ConfigError

if TYPE_CHECKING:
    from hivenas.core.objective import ObjectiveInterface

Configuration = str | os.PathLike[str] | Mapping[str, Any] | Config
_OWN_OBJECTIVE = "custom"

logger = logging.getLogger("hivenas")


def load(config: str | os.PathLike[str] | Mapping[str, Any], overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration; what it warns of is logged.

    Args:
        config: a YAML file, which needs only the keys that differ from their defaults, or a mapping with its keys.
            Upper-case files of the ancestor, HiveNAS, load as they are.
        overrides: `key=value` texts, the key dotted, the value in YAML; one text may hold several, separated by spaces.

    Raises:
        ConfigError: a file that is missing or not YAML, an unknown key, a wrong type or a value out of range.
    """
    return resolved(config, [overrides] if isinstance(overrides, str) else overrides)


def resolved(config: Configuration, overrides: Sequence[str], objective: ObjectiveInterface | None = None) -> Config:
    """A configuration, wherever it comes from; warnings that reading it gave are logged.

    Raises:
        ConfigError: it is wrong.
    """
    if others := [each for each in overrides if not isinstance(each, str)]:
        raise ConfigError(f"overrides must be texts such as 'evaluation.epochs=2', got {others[0]!r}; give each as one")
    if isinstance(config, str | os.PathLike):
        read = read_file(config, overrides)
    elif isinstance(config, Config):
        read = from_mapping(config.given(), overrides, source=config.source) if overrides else config
    elif isinstance(config, Mapping):
        read = from_mapping(config, overrides)
    else:
        raise ConfigError(f"config must be a YAML file, a mapping with its keys or a Config, got {config!r}; give one")
    said = config.warnings if isinstance(config, Config) else ()  # when that was read
    for warning in read.warnings:
        if warning not in said:
            logger.warning("%s", warning)
    return read if objective is None else read.model_copy(update={"objective": _OWN_OBJECTIVE})


def refuse_untrained(config: Config) -> None:
    """Refuses a full training of what are no networks.

    Raises:
        ConfigError: names the objective.
    """
    if config.objective != "nas":
        raise ConfigError(
            f"a full training needs objective: nas, got objective={config.objective}"
            f"{f' ({config.source})' if config.source else ''}; there is no network to train"
        )
