"""What a search's state says of what is done, and of what is to be done again."""

from __future__ import annotations

from hivenas.core.full_training import Finalist
from hivenas.core.nas.training.failures import DIVERGED, MACHINE, PROGRAM
from hivenas.storage import SearchState

A = "input|identity|output"


def test_a_search_that_goes_on_tries_again_what_the_machine_has_failed() -> None:
    made = {cause: Finalist(candidate=A, status="failed", cause=cause) for cause in (DIVERGED, MACHINE, PROGRAM)}
    state = SearchState(trainings={**made, "good": Finalist(candidate=A, fitness=0.9)})
    assert set(state.going_on(3).trainings) == {DIVERGED, PROGRAM}
