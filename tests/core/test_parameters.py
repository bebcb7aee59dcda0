"""Candidates as named parameters."""

from __future__ import annotations

import numpy as np
import pytest

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.parameters import Parameters
from hivenas.core.records import encode_candidate
from hivenas.errors import ArchitectureError

OPERATIONS = ("identity", "dropout")


def test_an_architecture_has_an_operation_a_layer() -> None:
    parameters = Parameters.of_space(SpaceConfig(depth=2, operations=OPERATIONS))
    assert parameters.choices == {"op_00": OPERATIONS, "op_01": OPERATIONS}
    assert parameters.values("input|identity|dropout|output") == {"op_00": "identity", "op_01": "dropout"}
    assert not parameters.minimize


def test_with_skip_connections_it_has_the_spans_that_are_legal_at_each() -> None:
    parameters = Parameters.of_space(SpaceConfig(depth=2, operations=OPERATIONS, skip_rate=0.5))
    assert parameters.choices["skip_00"] == ("none", "sc_1", "sc_2")
    assert parameters.choices["skip_01"] == ("none", "sc_1")
    values = parameters.values("input|identity|sc_1|dropout|output")
    assert values == {"op_00": "identity", "op_01": "dropout", "skip_00": "none", "skip_01": "sc_1"}


def test_a_presets_operations_are_choices() -> None:
    assert len(Parameters.of_space(SpaceConfig(preset="cells")).choices["op_04"]) > 1


def test_every_architecture_of_a_space_is_among_the_choices() -> None:
    config = SpaceConfig(depth=4, skip_rate=0.6)
    parameters = Parameters.of_space(config)
    space = NASSearchSpace(config, np.random.default_rng(3))
    for _ in range(100):
        values = parameters.values(space.sample())
        assert values.keys() == parameters.choices.keys()
        assert all(value in parameters.choices[name] for name, value in values.items())


def test_a_point_has_its_coordinates() -> None:
    parameters = Parameters.of_box(2, 30.0, minimize=True)
    assert parameters.bounds == {"x_00": (-30.0, 30.0), "x_01": (-30.0, 30.0)}
    assert parameters.values(encode_candidate((0.1 + 0.2, -30.0))) == {"x_00": 0.1 + 0.2, "x_01": -30.0}
    assert parameters.minimize


def test_a_foreign_architecture_is_refused() -> None:
    parameters = Parameters.of_space(SpaceConfig(depth=1, operations=OPERATIONS))
    with pytest.raises(ArchitectureError, match="conv3x3"):
        parameters.values("input|conv3x3|output")
