"""The records of a strategy: the latest evaluation of every candidate, their ranking, and the best."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hivenas.core.records import Direction, Evaluation
from hivenas.core.strategies.flight import Found, best_of
from hivenas.core.strategies.ranking import Ranking


class Memory(dict[str, Evaluation]):
    """The latest evaluation of every encoded candidate, the earlier candidate first; only `put` changes it.

    Numerical points are not remembered, but the best of them is.

    Args:
        direction: where a better fitness lies.
        best: the best of what is put into it afterwards, as a saved state has it; None for none.

    Attributes:
        ranking: of its candidates.
        best: the best of them, a paused one being none yet; None before the first.
    """

    def __init__(self, direction: Direction, best: Found | None = None) -> None:
        super().__init__()
        self.ranking = Ranking(direction)
        self.best = best
        self._direction = direction

    def put(self, evaluation: Evaluation) -> None:
        """Takes an evaluation in the place of the candidate's earlier one, but a failure only where there is none."""
        if not isinstance(evaluation.candidate, str):
            return
        if evaluation.candidate not in self or evaluation.status != "failed":
            self[evaluation.candidate] = evaluation
            self.ranking.put(evaluation.candidate, evaluation)

    def is_paused(self, candidate: str) -> bool:
        """True where the training of a candidate may go on, so that its fitness is what it will probably end with."""
        return candidate in self and self[candidate].status == "paused"

    def keep_best(self, evaluation: Evaluation) -> None:
        """Takes an evaluation as the best where it is better."""
        self.best = best_of((evaluation,), self._direction, self.best)

    def refresh_best(self, evaluation: Evaluation) -> None:
        """Takes the latest evaluation of a candidate that was continued as the best, or no longer, where it is so."""
        if self.best and self.best.candidate == evaluation.candidate:
            latest = Found(evaluation.candidate, evaluation.fitness)
            # It may have become worse than another record.
            self.best = best_of(self.values(), self._direction, latest)
        else:
            self.keep_best(evaluation)

    def best_with(self, told: Sequence[Evaluation]) -> Found | None:
        """The best, evaluations counted in that are not put into it yet."""
        if not told:
            return self.best
        # A continuation takes the place of its candidate's record.
        late = {str(e.candidate): e for e in told if e.status != "failed" or str(e.candidate) not in self}
        ended = (e for name in self.ranking if name not in late and (e := self[name]).status != "paused")
        points = None if self else self.best  # which are not remembered
        return best_of((*itertools.islice(ended, 1), *late.values()), self._direction, points)
