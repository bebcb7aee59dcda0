"""The model of the space, against scikit-learn's Gaussian processes and against what it is defined to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, norm, rankdata, spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from hivenas.core.colony import names
from hivenas.core.colony.encoding import Codes, Distances, Encoding, Matrix, Vector
from hivenas.core.colony.kernels import OF_SIZES, Kernel
from hivenas.core.colony.surrogate import Guesses, Surrogate, expected_improvement, known_guesses, normal_scores

OPERATIONS = ("identity", "dropout", "batch_norm", "conv")
ENTRIES = (OPERATIONS,) * 6
HAMMING = Kernel(terms=((1.0, "hamming", 2.0),), noise=0.05)
BLURRED = Kernel(terms=((0.23, "hamming", 3.2), (0.77, "blurred", 1.0)), noise=0.2)
MIXED = Kernel(terms=((0.26, "hamming", 3.2), (0.37, "blurred", 1.0), (0.37, "counts", 0.5)), noise=0.2)
COUNTS = Kernel(terms=((1.0, "counts", 0.5),), noise=0.05)
PLAIN = (HAMMING, BLURRED, MIXED)

Worth = Callable[[tuple[str, ...]], float]


def _only(*kernels: Kernel) -> Guesses:
    """Guesses that are these, whatever is known."""

    def guesses(distances: Distances, scores: Vector, *, sized: bool) -> Sequence[Kernel]:
        return kernels

    return guesses


def _drawn(n: int, seed: int, entries: tuple[tuple[str, ...], ...] = ENTRIES) -> list[tuple[str, ...]]:
    """Components, each once."""
    rng = np.random.default_rng(seed)
    rows: dict[tuple[str, ...], None] = {}
    while len(rows) < n:
        rows[tuple(each[int(rng.integers(len(each)))] for each in entries)] = None
    return list(rows)


def _counted(rows: list[tuple[str, ...]]) -> Matrix:
    return np.array([[Counter(row)[name] for name in OPERATIONS] for row in rows], dtype=float)


def _by_position(row: tuple[str, ...]) -> float:
    """An operation matters at the place where it stands, and nothing of it at the other places."""
    table = np.random.default_rng(7).normal(size=(len(row), len(OPERATIONS)))
    return float(sum(table[i, OPERATIONS.index(name)] for i, name in enumerate(row)))


def _by_counts(row: tuple[str, ...]) -> float:
    counts = Counter(row)
    return 2.0 * counts["conv"] + 0.7 * counts["batch_norm"] - 0.3 * counts["conv"] ** 2


def _gain(mean: Vector, variance: Vector, best: float) -> Vector:
    deviation = np.sqrt(variance)
    gain: Vector = (mean - best) * norm.cdf((mean - best) / deviation) + deviation * norm.pdf((mean - best) / deviation)
    return gain


# -- the scores ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(
    values=st.lists(
        st.one_of(st.floats(-1e300, 1e300), st.sampled_from([0.0, 1.0, -np.inf, np.inf])), min_size=1, max_size=40
    )
)
def test_normal_scores_are_the_quantiles_of_mean_ranks(values: list[float]) -> None:
    expected = norm.ppf((rankdata(values) - 0.5) / len(values))
    np.testing.assert_allclose(normal_scores(values), expected, atol=1e-9)


def test_normal_scores_of_equals_are_zero() -> None:
    assert normal_scores([-np.inf] * 7).tolist() == [0.0] * 7
    assert normal_scores([0.3]).tolist() == [0.0]


# -- expected improvement -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(mean=st.floats(-4, 4), deviation=st.floats(0.05, 3), best=st.floats(-3, 3))
def test_the_expected_improvement_is_the_integral_that_it_stands_for(
    mean: float, deviation: float, best: float
) -> None:
    lower, upper = max(best, mean - 12 * deviation), mean + 12 * deviation
    expected = quad(lambda x: (x - best) * norm.pdf(x, mean, deviation), lower, upper)[0] if upper > lower else 0.0
    found = expected_improvement(np.array([mean]), np.array([deviation**2]), best)
    np.testing.assert_allclose(found, [expected], atol=1e-7)


def test_next_to_no_variance_leaves_the_gap_or_nothing() -> None:
    mean = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(expected_improvement(mean, np.full(3, 1e-12), 2.0), [0.0, 0.0, 1.0], atol=1e-5)


# -- one Gaussian process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_one_kernel_over_counts_is_scikit_learns_gaussian_process(n: int) -> None:
    encoding = Encoding(ENTRIES)
    rows = _drawn(n + 30, 3)
    scores = normal_scores([_by_counts(row) for row in rows[:n]]) + 0.3
    surrogate = Surrogate(encoding, encoding.codes(rows[:n]), scores, guesses=_only(COUNTS))
    acquisition = surrogate.acquisition(encoding.codes(rows[n:]))

    # exp(−scale · d² / positions) over counts is a Gaussian kernel; the noise is on the diagonal alone.
    alike = RBF((len(ENTRIES) / (2 * COUNTS.terms[0][2])) ** 0.5, length_scale_bounds="fixed")
    unscaled = GaussianProcessRegressor(alike, alpha=COUNTS.noise, optimizer=None).fit(_counted(rows[:n]), scores)
    signal = float(scores @ unscaled.alpha_) / n
    scaled = GaussianProcessRegressor(
        ConstantKernel(signal, "fixed") * alike, alpha=signal * COUNTS.noise, optimizer=None
    ).fit(_counted(rows[:n]), scores)
    mean, deviation = scaled.predict(_counted(rows[n:]), return_std=True)
    np.testing.assert_allclose(acquisition.mean(), mean, atol=1e-9)
    np.testing.assert_allclose(acquisition.improvement(), _gain(mean, deviation**2, scores.max()), atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_what_is_expected_of_sizes_is_a_linear_function_of_them_beside_the_distances(n: int) -> None:
    encoding, rng = Encoding(ENTRIES), np.random.default_rng(8)
    codes, sizes = encoding.codes(_drawn(n + 30, 3)), rng.normal(size=(n + 30, 2))
    scores = normal_scores(sizes[:n] @ [1.0, 0.5]) + 0.3
    surrogate = Surrogate(encoding, codes[:n], scores, sizes=sizes[:n])
    acquisition = surrogate.acquisition(codes[n:], sizes=sizes[n:])

    distances = encoding.distances(codes, codes)
    terms = (weight * np.exp(-scale * getattr(distances, kind)) for weight, kind, scale in OF_SIZES.terms)
    covariance = sum(terms, OF_SIZES.sizes * sizes @ sizes.T)
    noisy = covariance[:n, :n] + OF_SIZES.noise * np.eye(n)
    gain = covariance[n:, :n] @ np.linalg.inv(noisy)
    signal = float(scores @ np.linalg.solve(noisy, scores)) / n
    variance = signal * (np.diag(covariance)[n:] - np.einsum("ij,ij->i", gain, covariance[n:, :n]))
    np.testing.assert_allclose(acquisition.mean(), gain @ scores, atol=1e-9)
    np.testing.assert_allclose(acquisition.improvement(), _gain(gain @ scores, variance, scores.max()), atol=1e-9)
    before = acquisition.improvement()
    acquisition.assume(3)
    assert acquisition.improvement()[3] < before[3]


def test_the_kernel_of_sizes_is_asked_where_these_are_known_and_no_other() -> None:
    encoding = Encoding(ENTRIES)
    distances = encoding.distances(*[encoding.codes(_drawn(9, 3))] * 2)
    scores = normal_scores(list(range(9)))
    assert known_guesses(distances, scores, sized=True) == (OF_SIZES,)
    assert known_guesses(distances, scores, sized=False) == names.kernels(distances, scores)
    assert not any(kernel.sizes for kernel in names.kernels(distances, scores))


# -- several -----------------------------------------------------------------------------------------------------


def _covariance(kernel: Kernel, one: Codes, other: Codes) -> Matrix:
    return kernel(Encoding(ENTRIES).distances(one, other))


def _likelihood(kernel: Kernel, codes: Codes, scores: Vector) -> tuple[float, float]:
    """The largest log of the likelihood over the signal's variance, and that variance."""
    noisy = _covariance(kernel, codes, codes) + kernel.noise * np.eye(len(codes))
    found = minimize_scalar(lambda log: -multivariate_normal.logpdf(scores, cov=np.exp(log) * noisy), bounds=(-9, 9))
    return -found.fun, float(np.exp(found.x))


@pytest.mark.parametrize("n", [3, 8, 30])
@pytest.mark.parametrize("worth", [_by_position, _by_counts])
def test_the_likeliest_kernels_have_the_say_that_their_likelihood_gives_them(n: int, worth: Worth) -> None:
    rows = _drawn(n, 4)
    encoding = Encoding(ENTRIES)
    codes = encoding.codes(rows)
    scores = normal_scores([worth(row) for row in rows])
    kernels = names.kernels(encoding.distances(codes, codes), scores)
    likelihoods = np.sort([_likelihood(kernel, codes, scores)[0] for kernel in kernels])[::-1]
    weights = np.exp(likelihoods - likelihoods[0])
    weights /= weights.sum()
    found = Surrogate(encoding, codes, scores).weights
    assert len(found) == min(6, 1 + int((np.cumsum(weights) < 0.95).sum()))
    np.testing.assert_allclose(found, weights[: len(found)] / weights[: len(found)].sum(), atol=1e-4)


@pytest.mark.parametrize(("worth", "leads"), [(_by_counts, COUNTS), (_by_position, HAMMING)])
def test_the_kernel_that_fits_the_space_leads(worth: Worth, leads: Kernel) -> None:
    encoding, misled = Encoding(ENTRIES), 0
    for seed in range(12):
        rows = _drawn(40, seed)
        scores = normal_scores([worth(row) for row in rows])
        other = COUNTS if leads is HAMMING else HAMMING
        surrogate = Surrogate(encoding, encoding.codes(rows), scores, guesses=_only(other, leads))
        misled += surrogate._fits[0].kernel is not leads
    assert misled <= 1


@pytest.mark.parametrize("worth", [_by_position, _by_counts])
def test_what_is_expected_goes_with_what_comes(worth: Worth) -> None:
    encoding = Encoding(ENTRIES)
    rows = _drawn(160, 5)
    scores = normal_scores([worth(row) for row in rows[:60]])
    expected = Surrogate(encoding, encoding.codes(rows[:60]), scores).acquisition(encoding.codes(rows[60:])).mean()
    assert spearmanr(expected, [worth(row) for row in rows[60:]]).statistic > 0.6


# -- bees on their way --------------------------------------------------------------------------------------------


def _posterior(kernel: Kernel, known: Codes, scores: Vector, signal: float, others: Codes) -> tuple[Vector, Vector]:
    """Mean and variance by the textbook's formula."""
    noisy = _covariance(kernel, known, known) + kernel.noise * np.eye(len(known))
    cross = _covariance(kernel, others, known)
    mean: Vector = cross @ np.linalg.solve(noisy, scores)
    variance: Vector = signal * (1.0 - np.einsum("ij,ji->i", cross, np.linalg.solve(noisy, cross.T)))
    return mean, variance


@pytest.mark.parametrize("kernels", [(HAMMING,), (BLURRED,), (MIXED,), (COUNTS,), PLAIN], ids=[*"hbmc", "all"])
def test_to_assume_a_candidate_is_to_fit_again_with_it_at_its_expected_score(kernels: Sequence[Kernel]) -> None:
    encoding = Encoding(ENTRIES)
    rows = _drawn(9 + 40, 2)
    known, others = encoding.codes(rows[:9]), encoding.codes(rows[9:])
    scores = normal_scores([_by_position(row) for row in rows[:9]])
    surrogate = Surrogate(encoding, known, scores, guesses=_only(*kernels))
    kernels = [each.kernel for each in surrogate._fits]
    assert len(kernels) >= 1
    acquisition = surrogate.acquisition(others)
    means = acquisition.mean()
    signals = [_likelihood(kernel, known, scores)[1] for kernel in kernels]
    visited = [known] * len(kernels)
    believed = [scores] * len(kernels)
    for _ in range(5):
        expected = np.zeros(len(others))
        for i, kernel in enumerate(kernels):
            mean, variance = _posterior(kernel, visited[i], believed[i], signals[i], others)
            expected += surrogate.weights[i] * _gain(mean, np.maximum(variance, 1e-12), believed[i].max())
        np.testing.assert_allclose(acquisition.improvement(), expected, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(acquisition.mean(), means, atol=1e-12)
        chosen = int(np.argmax(acquisition.improvement()))
        acquisition.assume(chosen)
        for i, kernel in enumerate(kernels):
            score = _posterior(kernel, visited[i], believed[i], signals[i], others[chosen : chosen + 1])[0]
            visited[i] = np.concatenate([visited[i], others[chosen : chosen + 1]])
            believed[i] = np.concatenate([believed[i], score])


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 20),
    m=st.integers(1, 12),
    seed=st.integers(0, 999),
    kernel=st.sampled_from([*PLAIN, COUNTS]),
    chosen=st.lists(st.integers(0, 11), max_size=6),
)
def test_the_variance_is_within_zero_and_the_signals_and_falls_with_every_bee(
    n: int, m: int, seed: int, kernel: Kernel, chosen: list[int]
) -> None:
    encoding = Encoding(ENTRIES)
    rows = _drawn(n + m, seed)
    scores = normal_scores([_by_counts(row) for row in rows[:n]])
    acquisition = Surrogate(encoding, encoding.codes(rows[:n]), scores, guesses=_only(kernel)).acquisition(
        encoding.codes(rows[n:])
    )
    (posterior,) = acquisition._posteriors
    upper = np.full(m, posterior._fit.signal)
    for each in [*chosen, None]:
        assert np.all(posterior.variance > 0.0)
        assert np.all(posterior.variance <= upper * (1 + 1e-9) + 1e-12)
        assert np.all(acquisition.improvement() >= -1e-12)
        upper = posterior.variance
        if each is not None:
            acquisition.assume(each % m)


@pytest.mark.parametrize("n", [1, 8])
def test_where_all_are_equal_everything_is_expected_alike(n: int) -> None:
    encoding = Encoding(ENTRIES)
    rows = _drawn(n + 20, 6)
    acquisition = Surrogate(encoding, encoding.codes(rows[:n]), np.zeros(n)).acquisition(encoding.codes(rows[n:]))
    for chosen in range(3):
        np.testing.assert_allclose(acquisition.improvement(), 0.0, atol=1e-5)
        np.testing.assert_allclose(acquisition.mean(), 0.0, atol=1e-12)
        acquisition.assume(chosen)
