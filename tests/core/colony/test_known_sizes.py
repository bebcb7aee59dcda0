"""Sizes as the hive compares them."""

from __future__ import annotations

import numpy as np
import pytest

from hivenas import NASInterface
from hivenas.core.colony.known_sizes import KnownSizes

DATA = {"shape": [8, 8, 1], "classes": 10}


def _interface(**space: object) -> NASInterface:
    return NASInterface({"depth": 4, **space}, {"seed": 1})


def test_sizes_are_logarithms_with_a_mean_square_of_one_over_the_space() -> None:
    interface = _interface()
    interface.set_data(DATA)
    names = [interface.sample() for _ in range(400)]
    state = interface.rng.bit_generator.state
    sizes = KnownSizes(interface)(names)
    assert interface.rng.bit_generator.state == state
    assert sizes is not None
    np.testing.assert_allclose(sizes.mean(axis=0), 0.0, atol=0.1)
    assert (sizes**2).sum(axis=1).mean() == pytest.approx(1.0, abs=0.15)
    raw = np.log1p([interface.sizes(name) for name in names])
    for known, given in zip(sizes.T, raw.T, strict=True):
        assert np.corrcoef(known, given)[0, 1] == pytest.approx(1.0)


def test_there_are_none_without_an_image() -> None:
    interface = _interface()
    assert KnownSizes(interface)([interface.sample()]) is None


def test_an_architecture_that_does_not_build_is_of_mean_size() -> None:
    tight = {"op": "Conv2D", "filters": 4, "kernel_size": 9, "padding": "valid"}
    interface = _interface(reference={"tight": tight}, operations=["identity", "conv3x3_16bnrelu", "tight"], depth=2)
    interface.set_data(DATA)
    sizes = KnownSizes(interface)(["input|tight|tight|output", "input|conv3x3_16bnrelu|identity|output"])
    assert sizes is not None
    assert sizes[0].tolist() == [0.0, 0.0]
    assert np.all(sizes[1] != 0.0)
