"""What is said of the full trainings of a search."""

from __future__ import annotations

import pytest

from hivenas.core.full_training import Finalist
from hivenas.reports.trainings import as_table, model_told

A, B = "input|identity|output", "input|dropout|output"


def pair(candidate: str, number: int = 0, *, chosen: bool = True) -> list[Finalist]:
    """A training and what it was refitted to."""
    first = Finalist(candidate=candidate, number=number, fitness=0.9, epochs=20, kept_epoch=12, chosen=chosen)
    return [first, Finalist(candidate=candidate, number=number, refit_epochs=12, epochs=12, chosen=chosen)]


@pytest.mark.parametrize(
    ("trainings", "said"),
    [
        (pair(A)[:1], ""),
        (pair(A), ""),
        ([*pair(A, chosen=False)[:1], *pair(B)[:1]], "number 2 of the search, dropout"),
        ([*pair(A, chosen=False)[:1], *pair(B)], "number 2 of the search, dropout"),
        ([*pair(A)[:1], *pair(B)[:1]], "the average of 2 networks"),
        ([*pair(A), *pair(B), *pair(A, 1)], "the average of 3 networks"),
    ],
)
def test_a_refit_does_not_count_as_another_network(trainings: list[Finalist], said: str) -> None:
    assert model_told(trainings, [A, B]) == said


@pytest.mark.parametrize(
    ("metric", "told"), [("validation accuracy", "0.0123"), ("validation RMSE", "0.0123457"), ("own", "0.0123457")]
)
def test_validation_figures_have_the_digits_of_their_metric(metric: str, told: str) -> None:
    (_, line) = as_table([Finalist(candidate=A, fitness=0.012345678, epochs=3, kept_epoch=3)], metric)
    assert line[1] == told
