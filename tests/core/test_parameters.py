"""Candidates as named parameters."""

from __future__ import annotations

from hivenas.core.candidates import encode_candidate
from hivenas.core.parameters import Parameters


def test_a_point_has_its_coordinates() -> None:
    parameters = Parameters.of_box(2, 30.0)
    assert parameters.bounds == {"x_00": (-30.0, 30.0), "x_01": (-30.0, 30.0)}
    assert parameters.values(encode_candidate((0.1 + 0.2, -30.0))) == {"x_00": 0.1 + 0.2, "x_01": -30.0}


def test_a_choice_that_a_candidate_lacks_is_none_and_what_is_no_parameter_is_left_out() -> None:
    parameters = Parameters(lambda candidate: {"a": candidate, "more": 1.0}, choices={"a": ("x", "y"), "b": ("z",)})
    assert parameters.values("x") == {"a": "x", "b": "none"}
