"""A configuration that is given in two parts, as `NASInterface` takes it."""

from __future__ import annotations

import pytest

from hivenas.config import Config, from_parts
from hivenas.errors import ConfigError


@pytest.mark.parametrize("key", ["tracking", "execution", "colony", "space", "evaluation", "optuna"])
def test_two_parts_have_no_keys_of_other_sections(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"has the keys of evaluation, and task, .*, got {key}; give the space as"):
        from_parts({"depth": 2}, {"epochs": 3, key: {}})


def test_two_parts_are_a_configuration() -> None:
    config = from_parts({"depth": 2}, {"epochs": 3, "seed": 4, "results": {"dir": "x"}})
    assert (config.space.depth, config.evaluation.epochs, config.seed, config.results.dir) == (2, 3, 4, "x")
    assert from_parts(None, None) == Config()
