from __future__ import annotations

import math

import numpy as np
import pytest

from hivenas.core.records import Direction, Evaluation
from hivenas.core.strategies.ranking import Ranking


@pytest.mark.parametrize("minimize", [False, True])
def test_records_are_in_the_order_that_sorting_them_all_gives(minimize: bool) -> None:
    rng = np.random.default_rng(4)
    ranking = Ranking(Direction.of(minimize))
    known: dict[str, Evaluation] = {}
    for _ in range(400):
        candidate = f"c{rng.integers(150)}"  # often one that was continued, with another fitness
        status = "failed" if rng.random() < 0.1 else "complete"
        fitness = math.nan if rng.random() < 0.05 else float(rng.integers(30))
        known[candidate] = Evaluation(candidate, status, fitness)  # type: ignore[arg-type]
        ranking.put(candidate, known[candidate])
        worst = -math.inf
        goodness = {
            name: worst if e.status == "failed" or math.isnan(e.fitness) else -e.fitness if minimize else e.fitness
            for name, e in known.items()
        }
        expected = sorted(known, key=goodness.__getitem__, reverse=True)
        assert ranking.best() == expected
        assert ranking.best(7) == expected[:7]
    assert [ranking.number(name) for name in known] == list(range(len(known)))
