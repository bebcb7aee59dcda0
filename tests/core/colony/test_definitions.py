"""The likeness of operations by their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hivenas.core.colony.definitions import unlikeness
from hivenas.core.colony.encoding import Encoding
from hivenas.core.nas.space.operations import REFERENCE_SPACE

CONVOLUTION: dict[str, Any] = {"op": "Conv2D", "padding": "same"}
POOLING = {"op": "MaxPooling2D", "pool_size": (3, 3), "strides": (1, 1)}


def test_a_convolution_is_nearer_to_another_one_than_to_a_pooling() -> None:
    large, medium, small = ({**CONVOLUTION, "filters": n, "kernel_size": (5, 5)} for n in (128, 64, 32))
    found = unlikeness([large, medium, small, {**CONVOLUTION, "filters": 32, "kernel_size": 3}, POOLING])
    # Layer, filters and kernel_size tell operations apart; padding, pool_size and strides have one value each.
    expected = np.array(
        [
            [0.0, 0.5, 1.0, 2.0, 3.0],
            [0.5, 0.0, 0.5, 1.5, 3.0],
            [1.0, 0.5, 0.0, 1.0, 3.0],
            [2.0, 1.5, 1.0, 0.0, 3.0],
            [3.0, 3.0, 3.0, 3.0, 0.0],
        ]
    )
    np.testing.assert_allclose(found, expected / 3, atol=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [({}, {"squeeze": True}), ({"activation": "relu"}, {"activation": "hard_swish"}), ({"ratio": None}, {"ratio": 2})],
)
def test_operations_of_one_layer_are_apart_by_whatever_argument_differs(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    cell = {"op": "ResidualBlock", "kernel_size": 3}
    np.testing.assert_allclose(unlikeness([cell | one, cell | other]), [[0.0, 0.5], [0.5, 0.0]])


def test_built_in_operations_are_apart_and_their_kernel_is_positive_semidefinite() -> None:
    names = sorted(REFERENCE_SPACE)
    apart = unlikeness([REFERENCE_SPACE[name].definition for name in names])
    np.testing.assert_array_equal(apart, apart.T)
    assert np.diag(apart).tolist() == [0.0] * len(names)
    assert apart[~np.eye(len(names), dtype=bool)].min() > 0.0
    assert np.linalg.eigvalsh(np.exp(-3.2 * apart)).min() > -1e-9


def test_the_share_of_positions_that_differ_counts_alike_operations_as_a_part_of_one() -> None:
    entries = (("a", "b", "c"), ("a", "b", "c"), ("", "sc_1"))
    definitions = {
        "a": {"op": "Conv2D", "filters": 8},
        "b": {"op": "Conv2D", "filters": 16},
        "c": {"op": "Conv2D", "filters": 32},
    }
    encoding = Encoding(entries, definitions=definitions)
    codes = encoding.codes([("a", "a", ""), ("b", "a", ""), ("a", "c", ""), ("a", "a", "sc_1")])
    distances = encoding.distances(codes[:1], codes)
    np.testing.assert_allclose(distances.arguments, [[0.0, 0.25 / 3, 0.5 / 3, 1 / 3]], atol=1e-12)
    np.testing.assert_allclose(distances.hamming, [[0.0, 1 / 3, 1 / 3, 1 / 3]], atol=1e-12)


def test_where_no_definition_is_known_names_decide_to_the_last_bit() -> None:
    encoding = Encoding((("a", "b", "c"),) * 3)
    codes = encoding.codes([("a", "a", "b"), ("b", "a", "c"), ("c", "c", "c")])
    distances = encoding.distances(codes, codes)
    assert distances.arguments.tobytes() == distances.hamming.tobytes()
