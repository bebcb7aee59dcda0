"""What is said of the full trainings of a search."""

from __future__ import annotations

import pytest

from hivenas.core.full_training import Finalist
from hivenas.reports.trainings import model_told

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
