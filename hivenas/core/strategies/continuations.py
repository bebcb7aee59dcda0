"""The continuations of recorded candidates: who is trained further after an iteration's phases, and what that tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

from hivenas.core.records import Candidate, Evaluation


class Continuations:
    """A rule that continues candidates; this one continues none.

    A `PhasedStrategy` has its phases follow those of every iteration, and everything that it is told pass by it.

    Attributes:
        until: the epoch after which first trainings pause; 0 for none.
        waits: whether its phases wait for all that is on its way, so that `colony.overlap` has to be 0.
        concludes: whether its phases are due at the end of a search that ends before its last iteration.
    """

    until: int = 0
    waits: ClassVar[bool] = False
    concludes: ClassVar[bool] = False

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of its phases in an iteration, in order."""
        return ()

    def chosen(
        self, phase: str, known: Mapping[str, Evaluation], away: Collection[Candidate], *, over: bool
    ) -> list[tuple[str, int]]:
        """The candidates that a phase continues, and by how many epochs.

        Args:
            phase: one of `phases`.
            known: the latest evaluation of every candidate, the earlier candidate first.
            away: candidates that may be being continued already.
            over: whether this is the last iteration, whose own phases are over.
        """
        return []

    def is_again(self, phase: str, *, over: bool) -> bool:
        """True where a phase that is over is due once more, before the next one."""
        return False

    def reset(self) -> None:
        """Forgets all that was taken."""

    def take(self, evaluation: Evaluation) -> Evaluation:
        """Takes the next evaluation, in the order of the proposals; returns it as the strategy is to see it."""
        return evaluation

    def measured(self, evaluation: Evaluation) -> float:
        """The fitness on record of a candidate, of whose latest evaluation the strategy may see another."""
        return evaluation.fitness

    def revised(self) -> Iterable[tuple[str, float]]:
        """Candidates with the fitness that is expected of them now, which may be another than when it was taken."""
        return ()
