"""The records of a strategy and the best of them."""

from __future__ import annotations

import numpy as np
import pytest

from hivenas.core.records import Direction, Evaluation, Status
from hivenas.core.strategies.flight import Found
from hivenas.core.strategies.memory import Memory


def told(candidate: str, fitness: float, status: Status = "complete") -> Evaluation:
    return Evaluation(candidate, status, fitness)


def test_the_latest_of_every_candidate_is_kept_and_a_failure_only_where_there_is_no_other() -> None:
    memory = Memory(Direction.MAXIMIZE)
    given = [told("a", 0.5, "paused"), told("b", 0.0, "failed"), told("c", 0.6), told("a", 0.0, "failed")]
    for each in given:
        memory.put(each)
    assert list(memory.values()) == given[:3]
    assert [memory.is_paused(name) for name in ("a", "b", "c", "d")] == [True, False, False, False]
    memory.put(told("a", 0.7))
    assert (list(memory), memory["a"].fitness, memory.is_paused("a")) == (["a", "b", "c"], 0.7, False)
    assert memory.ranking.best() == ["a", "c", "b"]


@pytest.mark.parametrize("direction", Direction)
def test_the_best_is_that_of_all_that_ended_whatever_was_continued(direction: Direction) -> None:
    rng = np.random.default_rng(5)
    memory = Memory(direction)
    for _ in range(300):
        name = f"c{rng.integers(40)}"
        is_continued = name in memory
        pauses = rng.random() < 0.4 and (not is_continued or memory.is_paused(name))
        each = told(name, float(rng.random()), "paused" if pauses else "complete")
        counted_in = memory.best_with([each])
        memory.put(each)
        if is_continued:
            memory.refresh_best(each)
        else:
            memory.keep_best(each)
        ended = [e.fitness for e in memory.values() if e.status != "paused"]
        best = max(ended, key=direction.score, default=None)
        assert (counted_in.fitness if counted_in else None) == best
        assert (memory.best.fitness if memory.best else None) == best


def test_of_points_the_best_alone_is_kept() -> None:
    memory = Memory(Direction.MINIMIZE, Found((0.5,), 2.0))
    point = Evaluation((0.25,), "complete", 1.0)
    memory.put(point)
    memory.keep_best(point)
    assert not memory
    assert memory.best == Found((0.25,), 1.0)
    assert memory.best_with([Evaluation((0.0,), "complete", 3.0)]) == memory.best
