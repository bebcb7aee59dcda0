"""A configuration in two parts, as `NASInterface` is given it: the space, and how its candidates are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hivenas.config.loading import Config, from_mapping
from hivenas.errors import ConfigError

_BESIDE = ("task", "dataset", "full_train", "results", "name", "seed")


def from_parts(space: Mapping[str, Any] | None, evaluation: Mapping[str, Any] | None) -> Config:
    """Makes a configuration of two parts.

    Args:
        space: keys of `space`; None for none.
        evaluation: keys of `evaluation`, and beside them task, dataset, full_train, results, name and seed; None for
            none.

    Raises:
        ConfigError: an unknown key, one of another section, a wrong type or a value out of range.
    """
    given = dict(evaluation or {})
    beside = {key: given.pop(key) for key in _BESIDE if key in given}
    if other := next((key for key in given if key in Config.model_fields), ""):
        raise ConfigError(
            f"eval_config has the keys of evaluation, and {', '.join(_BESIDE)}, got {other}; give the space as "
            "space_config, a tracker as tracker, and leave out what belongs to a search"
        )
    return from_mapping({**beside, "space": dict(space or {}), "evaluation": given})
