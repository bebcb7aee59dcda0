from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hivenas.reports.charts.scales import Scale, brief, scale_of, spreads

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.floats(), max_size=6), st.booleans())
@example([1.785e308], True)
@example([-1.785e308, 1.785e308], False)
def test_every_value_has_a_place_and_every_tick_a_label(values: list[float], log: bool) -> None:
    scale = scale_of(values, 10.0, 110.0, log=log)
    places = [scale(value) for value in values if math.isfinite(value)]
    assert all(10.0 <= place <= 110.0 for place in places)
    ticks = scale.ticks(5)
    assert all(label and 10.0 <= scale(value) <= 110.0 for value, label in ticks)
    assert len(ticks) <= 16


@given(finite, finite)
def test_the_greater_value_never_lies_before_the_smaller(one: float, other: float) -> None:
    scale = scale_of([one, other], 0.0, 100.0)
    low, high = sorted((scale(one), scale(other)))
    assert (scale(min(one, other)), scale(max(one, other))) == (low, high)


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Scale(0.71, 0.98, 0, 1), ["0.75", "0.80", "0.85", "0.90", "0.95"]),
        (Scale(0, 100, 0, 1), ["0", "20", "40", "60", "80", "100"]),
        (Scale(-2, 2, 0, 1), ["-2", "-1", "0", "1", "2"]),
        (Scale(0, 60_000, 0, 1), ["0", "10k", "20k", "30k", "40k", "50k", "60k"]),
        (Scale(900, 2e6, 0, 1, log=True), ["1k", "10k", "100k", "1M"]),
        (Scale(900, 40_000, 0, 1, log=True), ["1k", "3k", "10k", "30k"]),
        (Scale(1e-12, 1e4, 0, 1, log=True), ["1e-12", "1e-09", "1e-06", "0.001", "1", "1k"]),
        (Scale(123_450.8, 123_455.2, 0, 1), ["123.451k", "123.452k", "123.453k", "123.454k", "123.455k"]),
        (Scale(9_999.9, 10_000.3, 0, 1), ["9999.9", "10k", "10.0001k", "10.0002k", "10.0003k"]),
        (Scale(1_234_540_000, 1_234_580_000, 0, 1), ["1.23454G", "1.23455G", "1.23456G", "1.23457G", "1.23458G"]),
        (Scale(0.0012449, 0.0012453, 0, 1), ["0.0012449", "0.001245", "0.0012451", "0.0012452", "0.0012453"]),
    ],
)
def test_ticks_are_round(scale: Scale, labels: list[str]) -> None:
    assert [label for _, label in scale.ticks(5)] == labels


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
@example(123_451.0, 123_456.0)
@example(5.000012, 5.000019)
def test_no_two_labels_of_a_scale_read_alike(one: float, other: float) -> None:
    labels = [label for _, label in scale_of([one, other], 0.0, 100.0).ticks(5)]
    assert len(set(labels)) == len(labels)


def test_ticks_whose_labels_would_touch_are_left_out() -> None:
    few, many = Scale(0.0012449, 0.0012453, 0, 120), Scale(0.0012449, 0.0012453, 0, 600)
    assert [label for _, label in few.beside(few.ticks(5))] == ["0.0012449", "0.0012452"]
    assert many.beside(many.ticks(5)) == many.ticks(5)
    assert few.beside([]) == []


def test_what_lies_beyond_an_end_stands_at_that_end() -> None:
    assert [Scale(1, 2, 0, 100)(value) for value in (-5, 1, 1.5, 2, 9)] == [0, 0, 50, 100, 100]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (950, "950"), (12_345, "12.3k"), (3.4e6, "3.4M"), (1e-7, "1e-07"), (-2500, "-2.5k"), (999_999, "1M")],
)
def test_figures_are_brief(value: float, said: str) -> None:
    assert brief(value) == said


def test_values_over_two_decades_spread_unless_one_is_not_above_zero() -> None:
    assert spreads([0.01, 5.0])
    assert not spreads([0.0, 0.01, 5.0])
    assert not spreads([1.0, 50.0])
    assert not spreads([])
