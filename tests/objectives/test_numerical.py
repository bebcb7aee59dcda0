"""The numerical test functions: their optima, their bounds, and the contract of every objective."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.objectives.numerical import NumericalObjective, Rosenbrock, Sphere
from tests.contracts import ObjectiveContract


class TestSphereContract(ObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> Sphere:
        return Sphere(rng=rng, shift=7.0)


class TestSphereMaxContract(ObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> Sphere:
        return Sphere(3, rng=rng, minimize=False)


class TestRosenbrockContract(ObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> Rosenbrock:
        return Rosenbrock(rng=rng)


def _rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_published_dimensions_bounds_and_directions() -> None:
    sphere, sphere_max, rosenbrock = Sphere(rng=_rng()), Sphere(rng=_rng(), minimize=False), Rosenbrock(rng=_rng())
    assert (sphere.dimensions, sphere.bound, sphere.is_minimize) == (10, 100.0, True)
    assert (sphere_max.dimensions, sphere_max.bound, sphere_max.is_minimize) == (10, 100.0, False)
    assert (rosenbrock.dimensions, rosenbrock.bound, rosenbrock.is_minimize) == (10, 30.0, True)


def test_the_sphere_is_the_sum_of_squares() -> None:
    assert Sphere(3, rng=_rng()).evaluate((1.0, -2.0, 3.0)) == {"fitness": 14.0}


def test_the_sphere_is_zero_at_its_shifted_centre_and_larger_around_it() -> None:
    centre = np.array([10.0, -20.0, 30.5])
    sphere = Sphere(3, rng=_rng(), shift=centre)
    place = tuple(centre.tolist())
    assert sphere.evaluate(place)["fitness"] == 0.0
    assert sphere.evaluate((0.0, 0.0, 0.0))["fitness"] == pytest.approx(float(centre @ centre))
    assert all(sphere.evaluate(sphere.get_neighbor(place))["fitness"] > 0 for _ in range(50))


def test_one_shift_counts_for_every_variable() -> None:
    assert Sphere(4, rng=_rng(), shift=5.0).evaluate((5.0,) * 4)["fitness"] == 0.0


def test_the_sphere_is_largest_in_the_corners() -> None:
    sphere = Sphere(4, rng=_rng(), minimize=False)
    corner = sphere.evaluate((100.0, -100.0, 100.0, -100.0))["fitness"]
    assert corner == 4 * 100.0**2
    assert all(sphere.evaluate(sphere.sample())["fitness"] < corner for _ in range(50))


@pytest.mark.parametrize("dimensions", [2, 10])
@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_rosenbrock_is_zero_at_ones_from_its_centre_and_larger_elsewhere(dimensions: int, shift: float) -> None:
    rosenbrock = Rosenbrock(dimensions, rng=_rng(), shift=shift)
    optimum = (1.0 + shift,) * dimensions
    assert rosenbrock.evaluate(optimum)["fitness"] == 0.0
    assert all(rosenbrock.evaluate(rosenbrock.get_neighbor(optimum))["fitness"] > 0 for _ in range(50))


def test_rosenbrock_by_hand() -> None:
    rosenbrock = Rosenbrock(3, rng=_rng())
    assert rosenbrock.evaluate((0.0, 0.0, 0.0))["fitness"] == 2.0
    assert rosenbrock.evaluate((2.0, 3.0, 5.0))["fitness"] == 100.0 * 1 + 1 + 100.0 * 16 + 4


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), rosenbrock=st.booleans())
def test_samples_and_neighbors_keep_within_the_bounds_and_change_one_variable(seed: int, rosenbrock: bool) -> None:
    rng = _rng(seed)
    objective: NumericalObjective = Rosenbrock(4, rng=rng) if rosenbrock else Sphere(4, rng=rng)
    point = objective.sample()
    for _ in range(30):
        # Away from a partner in the far corner is where the bounds are hit.
        corner = tuple(-objective.bound if x > 0 else objective.bound for x in point)
        for neighbor in (objective.get_neighbor(point), objective.get_neighbor_toward(point, corner)):
            assert len(neighbor) == 4
            assert all(abs(x) <= objective.bound for x in neighbor)
            assert sum(a != b for a, b in zip(point, neighbor, strict=True)) <= 1
        point = objective.get_neighbor_toward(point, corner)


def test_a_step_toward_a_partner_is_no_longer_than_the_way_to_it() -> None:
    sphere = Sphere(2, rng=_rng())
    for _ in range(100):
        moved = sphere.get_neighbor_toward((10.0, 10.0), (13.0, 13.0))
        assert sorted(abs(x - 10.0) for x in moved)[0] == 0.0
        assert 0 < sorted(abs(x - 10.0) for x in moved)[1] <= 3.0


def test_a_continuation_changes_nothing() -> None:
    sphere = Sphere(2, rng=_rng())
    assert sphere.momentum_eval((3.0, 4.0), "", 5) == sphere.evaluate((3.0, 4.0)) == {"fitness": 25.0}
