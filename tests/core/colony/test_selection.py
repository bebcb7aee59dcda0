"""The choice of onlookers: the pressure of the two rules, and the spreading of the onlookers."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.colony.selection import Selection, karaboga_fitness, onlooker_probabilities, spread


@pytest.mark.parametrize(
    ("value", "minimize", "nectar"),
    [
        (0.0, True, 1.0),
        (1.0, True, 0.5),
        (3.0, True, 0.25),
        (-3.0, True, 4.0),
        (3.0, False, 4.0),
        (-3.0, False, 0.25),
        (float("inf"), True, 0.0),
    ],
)
def test_the_nectar_amount_is_karabogas(value: float, minimize: bool, nectar: float) -> None:
    assert karaboga_fitness(value, minimize) == nectar


@pytest.mark.parametrize(
    ("fitness", "minimize", "expected"),
    [
        ([0.85, 0.90, 0.95], False, [1 / 6, 1 / 3, 1 / 2]),
        ([0.95, 0.85, 0.90], False, [1 / 2, 1 / 6, 1 / 3]),
        ([0.85, 0.90, 0.95], True, [1 / 2, 1 / 3, 1 / 6]),
        ([0.85, 0.85, 0.95], False, [1.5 / 6, 1.5 / 6, 3 / 6]),
        ([0.5, 0.5, 0.5], False, [1 / 3, 1 / 3, 1 / 3]),
        ([0.5], False, [1.0]),
        ([float("inf"), 2.0, 1.0], True, [1 / 6, 1 / 3, 1 / 2]),
    ],
)
def test_by_rank_close_accuracies_press_as_hard_as_distant_ones(
    fitness: list[float], minimize: bool, expected: list[float]
) -> None:
    assert onlooker_probabilities(fitness, minimize, "rank").tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fitness", "minimize", "weights"),
    [
        ([0.0, 1.0, 3.0], True, [1.0, 0.9 * 0.5 + 0.1, 0.9 * 0.25 + 0.1]),
        ([0.0, 1.0, 3.0], False, [0.9 / 4 + 0.1, 0.9 / 2 + 0.1, 1.0]),
        ([7.0, 7.0], True, [1.0, 1.0]),
        ([float("inf"), 0.0], True, [0.1, 1.0]),
    ],
)
def test_in_proportion_the_weight_is_the_published_one(
    fitness: list[float], minimize: bool, weights: list[float]
) -> None:
    expected = [weight / sum(weights) for weight in weights]
    assert onlooker_probabilities(fitness, minimize, "proportional").tolist() == pytest.approx(expected)


_VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@settings(deadline=None)
@given(fitness=_VALUES, minimize=st.booleans(), selection=st.sampled_from(["rank", "proportional"]))
def test_probabilities_sum_to_one_and_never_favour_the_worse(
    fitness: list[float], minimize: bool, selection: Selection
) -> None:
    probabilities = onlooker_probabilities(fitness, minimize, selection)
    assert probabilities.sum() == pytest.approx(1.0)
    assert (probabilities > 0).all()
    best_first = sorted(zip(fitness, probabilities, strict=True), reverse=not minimize)
    by_quality = [float(probability) for _, probability in best_first]
    # Equal fitness sorts by probability, which is equal too.
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(by_quality))


@settings(deadline=None)
@given(
    count=st.integers(0, 30),
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_source_gets_its_expected_onlookers_rounded_down_or_up(count: int, weights: list[float], seed: int) -> None:
    probabilities = np.array(weights) / sum(weights)
    followed = spread(count, probabilities, np.random.default_rng(seed))
    assert len(followed) == count
    counts = Counter(followed)
    assert set(counts) <= set(range(len(weights)))
    for source, probability in enumerate(probabilities):
        expected = count * float(probability)
        assert math.floor(expected - 1e-9) <= counts[source] <= math.ceil(expected + 1e-9)


def test_on_average_every_source_gets_its_expectation() -> None:
    rng = np.random.default_rng(2)
    probabilities = np.array([0.13, 0.27, 0.6])
    rounds = 4000
    counts = Counter(source for _ in range(rounds) for source in spread(2, probabilities, rng))
    for source, probability in enumerate(probabilities):
        # A count of one round spreads by half an onlooker at the most.
        assert abs(counts[source] - 2 * rounds * float(probability)) < 5 * 0.5 * rounds**0.5
