"""Architectures as named parameters."""

from __future__ import annotations

import numpy as np
import pytest

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.parameters import position_parameters, run_parameters, space_parameters
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.errors import ArchitectureError

OPERATIONS = ("identity", "dropout")


def test_an_architecture_has_an_operation_a_layer() -> None:
    parameters = space_parameters(SpaceConfig(depth=2, operations=OPERATIONS))
    assert parameters.choices == {"op_00": OPERATIONS, "op_01": OPERATIONS}
    assert parameters.values("input|identity|dropout|output") == {"op_00": "identity", "op_01": "dropout"}


def test_with_skip_connections_it_has_the_spans_that_are_legal_at_each() -> None:
    parameters = space_parameters(SpaceConfig(depth=2, operations=OPERATIONS, skip_rate=0.5))
    assert parameters.choices["skip_00"] == ("none", "sc_1", "sc_2")
    assert parameters.choices["skip_01"] == ("none", "sc_1")
    values = parameters.values("input|identity|sc_1|dropout|output")
    assert values == {"op_00": "identity", "op_01": "dropout", "skip_00": "none", "skip_01": "sc_1"}


def test_a_presets_operations_are_choices() -> None:
    assert len(space_parameters(SpaceConfig(preset="cells")).choices["op_04"]) > 1


def test_every_architecture_of_a_space_is_among_the_choices() -> None:
    config = SpaceConfig(depth=4, skip_rate=0.6)
    parameters = space_parameters(config)
    space = NASSearchSpace(config, np.random.default_rng(3))
    for _ in range(100):
        values = parameters.values(space.sample())
        assert values.keys() == parameters.choices.keys()
        assert all(value in parameters.choices[name] for name, value in values.items())


def test_a_foreign_architecture_is_refused() -> None:
    parameters = space_parameters(SpaceConfig(depth=1, operations=OPERATIONS))
    with pytest.raises(ArchitectureError, match="conv3x3"):
        parameters.values("input|conv3x3|output")


def test_the_strings_of_a_table_have_what_occurs_at_every_layer() -> None:
    parameters = position_parameters([("a", "b"), ("", "a")], [("", "sc_1")])
    assert parameters.choices == {"op_00": ("a", "b"), "op_01": ("none", "a"), "skip_00": ("none", "sc_1")}
    assert parameters.values("input|b|output") == {"op_00": "b", "op_01": "none", "skip_00": "none"}


def test_runs_of_a_search_have_the_same_parameters_however_deep_their_candidates_are() -> None:
    assert run_parameters(("a", "b"), (0, 1), 3) == {
        "depth": "2", "op_00": "a", "op_01": "b", "op_02": "none", "skip_01": "sc_1",
    }  # fmt: skip
