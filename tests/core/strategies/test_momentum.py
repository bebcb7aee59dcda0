"""Momentum evaluation: who is trained further, and by how many epochs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.strategies.momentum import allocate_epochs, mean_momentum, momentum_values

# Momenta that no candidate is trained further for.
WORTHLESS = (0.0, -0.5, -1e9, math.nan, math.inf, -math.inf)


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


_CANDIDATES = st.lists(
    st.tuples(st.sampled_from(WORTHLESS) | st.floats(1e-6, 1e6), st.integers(1, 100)), min_size=1, max_size=8
)


@settings(deadline=None)
@given(pool=st.integers(0, 20), candidates=_CANDIDATES, seed=st.integers(0, 2**32 - 1))
def test_the_pool_is_handed_out_to_the_last_epoch_among_those_with_momentum(
    pool: int, candidates: list[tuple[float, int]], seed: int
) -> None:
    momenta, epochs = [m for m, _ in candidates], [e for _, e in candidates]
    given_out = allocate_epochs(pool, momenta, epochs, _rng(seed))
    worthy = [math.isfinite(m) and m > 0 for m in momenta]
    assert len(given_out) == len(candidates)
    assert all(n >= 0 for n in given_out)
    assert all(n == 0 for n, is_worthy in zip(given_out, worthy, strict=True) if not is_worthy)
    assert sum(given_out) == (pool if any(worthy) else 0)


@pytest.mark.parametrize("momentum", WORTHLESS)
def test_a_momentum_that_is_not_positive_and_finite_counts_as_none(momentum: float) -> None:
    assert allocate_epochs(9, [momentum, 0.001], [1, 100], _rng()) == [0, 9]
    assert allocate_epochs(9, [momentum, momentum], [1, 1], _rng()) == [0, 0]


def test_without_candidates_nothing_is_handed_out() -> None:
    assert allocate_epochs(9, [], [], _rng()) == []


def test_the_arguments_are_left_as_they_were() -> None:
    momenta, epochs = [0.5, -0.5], [3, 4]
    allocate_epochs(5, momenta, epochs, _rng())
    assert (momenta, epochs) == ([0.5, -0.5], [3, 4])


def test_the_same_seed_gives_the_same_allocation() -> None:
    arguments = (20, [0.5, 0.25, 0.75], [3, 3, 5])
    assert allocate_epochs(*arguments, _rng(4)) == allocate_epochs(*arguments, _rng(4))


def test_an_epoch_is_drawn_in_proportion_to_momentum_over_epochs() -> None:
    rng, rounds = _rng(6), 6000
    momenta, epochs = [0.6, 0.3, 0.3, -1.0], [3, 3, 1, 1]
    shares = np.array([0.2, 0.1, 0.3, 0.0])
    counts = np.sum([allocate_epochs(1, momenta, epochs, rng) for _ in range(rounds)], axis=0)
    expected = rounds * shares / shares.sum()
    assert counts[3] == 0
    assert (np.abs(counts - expected)[:3] < 5 * np.sqrt(expected[:3])).all()


def test_epochs_just_given_count_against_the_next_draw() -> None:
    rng, rounds = _rng(8), 6000
    both = sum(allocate_epochs(2, [0.5, 0.5], [1, 1], rng) == [1, 1] for _ in range(rounds))
    # After the first epoch the shares stand 1/2 to 1, so that the other one is drawn with probability 2/3, not 1/2.
    expected = rounds * 2 / 3
    assert abs(both - expected) < 5 * (expected / 3) ** 0.5


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.5, 0.75], [0.5, 0.75]),
        ([0.5, 0.75, 1.0], [0.5, 0.75, 1.0]),
        ([0.5, 0.75, 0.875], [0.5, 0.75, 0.5]),
        ([0.25, 0.5, 0.375, 0.625], [0.25, 0.5, -0.5, -2.0]),
        ([0.5, 0.5, 0.75], [0.5, 0.5, 0.0]),
        ([0.5, 0.5, 0.5, 0.75], [0.5, 0.5, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_momentum_is_the_accuracy_twice_and_then_the_ratio_of_gains(
    accuracies: list[float], expected: list[float]
) -> None:
    given_accuracies = list(accuracies)
    assert momentum_values(accuracies) == expected
    assert accuracies == given_accuracies


@pytest.mark.parametrize(
    ("accuracies", "mean"),
    [([], 0.0), ([0.5], 0.5), ([0.5, 0.75, 0.875], 1.75 / 3), ([0.25, 0.5, 0.375, 0.625], -0.4375)],
)
def test_a_candidates_momentum_is_the_mean_of_its_values(accuracies: list[float], mean: float) -> None:
    assert mean_momentum(accuracies) == pytest.approx(mean)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000).map(lambda n: n / 1000), max_size=12))
def test_momentum_is_finite_with_one_value_an_epoch(accuracies: list[float]) -> None:
    values = momentum_values(accuracies)
    assert len(values) == len(accuracies)
    assert all(math.isfinite(value) for value in values)
