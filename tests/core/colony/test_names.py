"""How far names are trusted, against scikit-learn's cross-validation and on spaces that are known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from hivenas.core.colony.encoding import Encoding, Vector
from hivenas.core.colony.kernels import Kernel
from hivenas.core.colony.names import kernels, kernels_of, share_of_names
from hivenas.core.colony.process import Process
from hivenas.core.colony.surrogate import normal_scores

OPERATIONS = ("identity", "dropout", "batch_norm", "conv")
POSITIONS = 6


def _rows(n: int, seed: int) -> list[tuple[str, ...]]:
    drawn = np.random.default_rng(seed).integers(len(OPERATIONS), size=(n, POSITIONS))
    return [tuple(OPERATIONS[code] for code in row) for row in drawn]


def _worth_of_names(row: tuple[str, ...]) -> float:
    counts = Counter(row)
    return 2.0 * counts["conv"] - counts["dropout"]


def _worth_of_positions(row: tuple[str, ...]) -> float:
    """The same names are worth something else at every position, and over all of them nothing."""
    table = np.random.default_rng(7).normal(size=(POSITIONS, len(OPERATIONS)))
    table -= table.mean(axis=0)
    return float(sum(table[i, OPERATIONS.index(name)] for i, name in enumerate(row)))


def _share(rows: list[tuple[str, ...]], scores: Vector) -> float:
    encoding = Encoding((OPERATIONS,) * POSITIONS)
    codes = encoding.codes(rows)
    return share_of_names(encoding.distances(codes, codes), scores)


def test_a_record_that_is_left_out_is_foreseen_as_by_a_process_of_all_others() -> None:
    rows = _rows(25, 1)
    scores = normal_scores([_worth_of_names(row) for row in rows])
    encoding = Encoding((OPERATIONS,) * POSITIONS)
    codes = encoding.codes(rows)
    counts = Kernel(terms=((1.0, "counts", 0.5),), noise=0.3)
    found = Process(counts, counts(encoding.distances(codes, codes)), scores).left_out()

    counted = np.array([[Counter(row)[name] for name in OPERATIONS] for row in rows], dtype=float)
    alike = RBF(POSITIONS**0.5, length_scale_bounds="fixed")  # exp(−½ d² / positions)
    process = GaussianProcessRegressor(alike, alpha=counts.noise, optimizer=None)
    np.testing.assert_allclose(found, cross_val_predict(process, counted, scores, cv=LeaveOneOut()), atol=1e-9)


def test_names_have_the_most_say_where_they_alone_matter_and_the_least_where_they_mislead() -> None:
    for seed in range(8):
        rows = _rows(40, seed)
        shares = [
            _share(rows, normal_scores([worth(row) for row in rows]))
            for worth in (_worth_of_names, _worth_of_positions)
        ]
        assert shares[0] == pytest.approx(0.7)
        assert shares[1] < 0.4


def test_without_records_that_tell_anything_names_are_trusted_as_is_usual() -> None:
    assert _share(_rows(1, 2), np.zeros(1)) < 0.5
    assert _share(_rows(12, 2), np.zeros(12)) == pytest.approx(0.05, abs=0.05)
    # Of two records nothing can be foreseen; ten further ones speak for four tenths.
    assert _share(_rows(2, 3), normal_scores([0.1, 0.2])) < 0.5


def test_scores_of_any_unit_give_the_same_share() -> None:
    rows = _rows(30, 4)
    scores = normal_scores([_worth_of_names(row) for row in rows])
    assert _share(rows, scores) == pytest.approx(_share(rows, 7.0 * scores))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.7])
def test_names_have_their_share_in_every_kernel(share: float) -> None:
    for kernel in kernels_of(share):
        assert sum(weight for weight, _, _ in kernel.terms) == pytest.approx(1.0)
        assert sum(weight for weight, kind, _ in kernel.terms if kind != "hamming") == pytest.approx(share)


def test_kernels_follow_from_the_records_alone() -> None:
    rows = _rows(20, 5)
    encoding = Encoding((OPERATIONS,) * POSITIONS)
    codes = encoding.codes(rows)
    scores = normal_scores([_worth_of_positions(row) for row in rows])
    first, again = (kernels(encoding.distances(codes, codes), scores) for _ in range(2))
    assert first == again == kernels_of(_share(rows, scores))
