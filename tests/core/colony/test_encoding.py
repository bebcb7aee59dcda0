"""Distances between architectures, against their definitions position by position."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.config import SpaceConfig
from hivenas.core.colony.encoding import Codes, Encoding, Matrix
from hivenas.core.colony.kernels import OF_SIZES, Kernel
from hivenas.core.colony.names import kernels_of
from hivenas.core.nas.space.search_space import NASSearchSpace

Entries = tuple[tuple[str, ...], ...]

# One name at several positions, names at one alone, positions of one entry, skip connections, a single position.
SPACES: list[Entries] = [
    (("a", "b", "c"),) * 4,
    (("a", "b"), ("b", "a", "c"), ("c",), ("d", "a")),
    NASSearchSpace(
        SpaceConfig(depth=3, operations=("identity", "dropout"), skip_rate=0.3), np.random.default_rng(1)
    ).entries(),
    (("a", "b", "c"),),
    (("a", "b", "c", "d"),) * 12,
]

KERNELS = (*kernels_of(0.05), *kernels_of(0.7), OF_SIZES)


@st.composite
def architectures(draw: st.DrawFn, most: int = 9) -> tuple[Entries, list[tuple[str, ...]]]:
    """A space and some components in it, which may repeat."""
    entries = draw(st.sampled_from(SPACES))
    one = st.tuples(*(st.sampled_from(each) for each in entries))
    return entries, draw(st.lists(one, min_size=1, max_size=most))


def _hamming(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _counts(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    a, b = Counter(one), Counter(other)
    return sum((a[name] - b[name]) ** 2 for name in {*one, *other})


def _blurred(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """The difference of every name at every place, each occurrence smeared by a Gaussian of two positions."""
    places = range(len(one))
    weights = [[math.exp(-((i - k) ** 2) / 8) for k in places] for i in places]

    def seen(arch: tuple[str, ...], name: str, k: int) -> float:
        return sum(weights[i][k] / sum(weights[i]) for i in places if arch[i] == name)

    return sum((seen(one, name, k) - seen(other, name, k)) ** 2 for name in {*one, *other} for k in places)


@settings(deadline=None, max_examples=60)
@given(drawn=architectures())
def test_distances_are_what_their_definitions_say(drawn: tuple[Entries, list[tuple[str, ...]]]) -> None:
    entries, rows = drawn
    encoding = Encoding(entries)
    codes = encoding.codes(rows)
    first, second = codes[: len(rows) // 2], codes
    distances = encoding.distances(first, second)
    for kind, naive in ((distances.hamming, _hamming), (distances.counts, _counts), (distances.blurred, _blurred)):
        assert kind.shape == (len(first), len(second))
        expected = [[naive(one, other) / len(entries) for other in rows] for one in rows[: len(first)]]
        np.testing.assert_allclose(kind, np.reshape(expected, kind.shape), atol=1e-9)


def _matrices(encoding: Encoding, codes: Codes) -> list[Matrix]:
    distances = encoding.distances(codes, codes)
    return [distances.hamming, distances.blurred, distances.counts]


@settings(deadline=None, max_examples=60)
@given(drawn=architectures())
def test_distances_are_symmetric_and_nothing_is_far_from_itself(drawn: tuple[Entries, list[tuple[str, ...]]]) -> None:
    entries, rows = drawn
    encoding = Encoding(entries)
    for distance in _matrices(encoding, encoding.codes(rows)):
        np.testing.assert_allclose(distance, distance.T, atol=1e-9)
        np.testing.assert_allclose(np.diag(distance), 0.0, atol=1e-9)
        assert distance.min() >= 0.0


@settings(deadline=None, max_examples=60)
@given(drawn=architectures(), kernel=st.sampled_from(KERNELS))
def test_kernels_are_positive_semidefinite_with_their_weights_on_the_diagonal(
    drawn: tuple[Entries, list[tuple[str, ...]]], kernel: Kernel
) -> None:
    entries, rows = drawn
    encoding = Encoding(entries)
    codes = encoding.codes(rows)
    covariance = kernel(encoding.distances(codes, codes))
    np.testing.assert_allclose(np.diag(covariance), kernel.own(len(codes)), atol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_a_move_by_a_position_is_nearer_than_one_by_many_where_positions_are_blurred() -> None:
    encoding = Encoding((("a", "b"),) * 8)
    rows = [tuple("b" if place == i else "a" for i in range(8)) for place in range(8)]
    distances = encoding.distances(encoding.codes(rows[:1]), encoding.codes(rows))
    assert distances.hamming[0].tolist() == [0, *[2 / 8] * 7]
    np.testing.assert_allclose(distances.counts[0], 0.0, atol=1e-12)
    assert np.all(np.diff(distances.blurred[0]) > 0)


def test_codes_tell_architectures_apart_and_keep_their_order() -> None:
    entries = SPACES[1]
    codes = Encoding(entries).codes([("a", "b", "c", "d"), ("b", "c", "c", "a")])
    assert codes.tolist() == [[0, 0, 0, 0], [1, 2, 0, 1]]
    assert Encoding(entries).codes([]).shape == (0, 4)


@pytest.mark.parametrize("row", [("a", "b"), ("a", "b", "c", "d", "a"), ("c", "b", "c", "d")])
def test_what_does_not_fit_the_entries_is_no_code(row: tuple[str, ...]) -> None:
    with pytest.raises((ValueError, KeyError)):
        Encoding(SPACES[1]).codes([row])


# Two positions of names, one of five numbers that are listed in no order, one of two and one of a single number.
NUMBERS: Entries = (("a", "b"), ("b", "a"), ("k=1", "k=3", "k=2", "k=5", "k=4"), ("n=1", "n=2"), ("m=1",))
RANKS = ((), (), (0, 2, 1, 4, 3), (0, 1), (0,))


def test_numbers_are_the_farther_apart_the_more_steps_are_between_them() -> None:
    encoding = Encoding(NUMBERS, RANKS)
    rows = [("a", "b", f"k={number}", "n=1", "m=1") for number in range(1, 6)]
    distances = encoding.distances(encoding.codes(rows[:1]), encoding.codes(rows))
    steps = np.arange(5) / 4
    np.testing.assert_allclose(distances.hamming[0], steps / 5, atol=1e-12)
    np.testing.assert_allclose(distances.counts[0], 2 * steps / 5, atol=1e-12)
    assert np.all(np.diff(distances.blurred[0]) > 0)
    # The ends are as far apart as two names, and so are the two numbers of a position that has no more.
    other = encoding.distances(
        encoding.codes(rows[:1]), encoding.codes([("b", *rows[0][1:]), (*rows[0][:3], "n=2", "m=1")])
    )
    np.testing.assert_allclose(other.hamming[0], [1 / 5, 1 / 5], atol=1e-12)


def test_positions_without_order_are_told_apart_to_the_last_bit_as_without_any() -> None:
    rows = [("a", "b", "k=1", "n=1", "m=1"), ("b", "b", "k=1", "n=1", "m=1"), ("a", "a", "k=1", "n=1", "m=1")]
    plain, unordered = Encoding(NUMBERS), Encoding(NUMBERS, ((),) * 5)
    for one, other in zip(_matrices(plain, plain.codes(rows)), _matrices(unordered, plain.codes(rows)), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_of_numbers_are_positive_semidefinite(kernel: Kernel) -> None:
    encoding = Encoding(NUMBERS, RANKS)
    codes = encoding.codes(list(itertools.product(*NUMBERS)))
    covariance = kernel(encoding.distances(codes, codes))
    np.testing.assert_allclose(np.diag(covariance), kernel.own(len(codes)), atol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    assert all(each.min() >= 0 for each in _matrices(encoding, codes))


# -- places ------------------------------------------------------------------------------------------------------


def _features(row: tuple[str, ...], names: Sequence[str]) -> list[float]:
    """Count, first and last place of every name."""
    found: list[float] = []
    for name in names:
        at = [position for position, entry in enumerate(row) if entry == name]
        found += [len(at), at[0] if at else len(row), at[-1] + 1 if at else 0]
    return found


def test_places_are_the_mean_difference_of_counts_first_and_last_places_in_deviations() -> None:
    entries = (("a", "b", "c"), ("a", "b", "c"), ("a", "b"), ("d",))
    rows = list(itertools.product(*entries))
    features = np.array([_features(row, "abcd") for row in rows], dtype=float)
    deviations = features.std(axis=0)
    varied = deviations > 0  # of d nothing varies
    scaled = features[:, varied] / deviations[varied]
    expected = np.abs(scaled[:, None, :] - scaled[None, :, :]).mean(axis=2)
    encoding = Encoding(entries)
    codes = encoding.codes(rows)
    np.testing.assert_allclose(encoding.distances(codes, codes).places, expected, rtol=0.1, atol=1e-9)
