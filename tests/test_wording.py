"""Numbers of things in messages."""

from __future__ import annotations

import pytest

from hivenas.wording import number_of


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("evaluation",), "0 evaluations"),
        (1, ("evaluation",), "1 evaluation"),
        (1200, ("test image",), "1,200 test images"),
        (2, ("worker process",), "2 worker processes"),
        (2, ("class",), "2 classes"),
        (5, ("epoch",), "5 epochs"),
        (2, ("child",), "2 children"),
        (1, ("record waits", "records wait"), "1 record waits"),
        (3, ("record waits", "records wait"), "3 records wait"),
    ],
)
def test_a_number_of_things_is_said_in_the_singular_where_it_is_one(
    count: int, words: tuple[str, ...], said: str
) -> None:
    assert number_of(count, *words) == said
