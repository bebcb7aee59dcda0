"""The candidates that a strategy holds: those that it chose and has not learned from yet, and the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hivenas.core.candidates import plain_candidate
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal, Role

_REDRAWS = 50  # tries to find a candidate that is not known yet before a record is reused


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate and its fitness.

    Args:
        candidate: the candidate.
        fitness: its fitness; None where it failed.
    """

    candidate: Candidate
    fitness: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back exactly."""
        return {"candidate": self.candidate, "fitness": self.fitness}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Found:
        """The inverse of `to_json`; JSON knows no tuples."""
        return cls(plain_candidate(data["candidate"]), data["fitness"])


@dataclass(frozen=True, slots=True)
class Flight:
    """A candidate in flight: chosen, and not learned from yet.

    Args:
        role: what it was chosen as.
        source: number of what it was made from, among what the strategy holds; −1 for none.
        candidate: the candidate.
        proposal: what is to be evaluated; None where a record is reused.
    """

    role: Role
    source: int
    candidate: Candidate
    proposal: Proposal | None

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Flight:
        """The inverse of `to_json`; JSON knows no tuples."""
        candidate = plain_candidate(data["candidate"])
        plain = data["proposal"]
        proposal = plain and Proposal(**{**plain, "candidate": candidate, "thresholds": ()})
        return cls(data["role"], data["source"], candidate, proposal)


def first_unknown(
    draw: Callable[[], Candidate], is_known: Callable[[Candidate], bool], first: Candidate | None = None
) -> Candidate:
    """The first draw that is not known; after many tries the last one all the same.

    Args:
        draw: draws a candidate.
        is_known: tells if evaluating it would repeat work.
        first: is tried before the first draw.
    """
    candidate = plain_candidate(draw()) if first is None else first
    for _ in range(_REDRAWS):
        if not is_known(candidate):
            break
        candidate = plain_candidate(draw())
    return candidate


def best_of(evaluations: Iterable[Evaluation], direction: Direction, best: Found | None = None) -> Found | None:
    """The best of some evaluations, the first of equals; failed and paused ones are none.

    Args:
        evaluations: those.
        direction: where a better fitness lies.
        best: of others before them; None for none.
    """
    for evaluation in evaluations:
        is_one = evaluation.status not in ("failed", "paused")
        if is_one and direction.is_better(evaluation.fitness, best.fitness if best else None):
            best = Found(evaluation.candidate, evaluation.fitness)
    return best


def refuse_others(proposals: Sequence[Proposal], evaluations: Sequence[Evaluation]) -> None:
    """Refuses evaluations that are not those of the first so many proposals, in their order.

    Raises:
        ValueError: they are not.
    """
    told = [evaluation.candidate for evaluation in evaluations]
    if told != [proposal.candidate for proposal in proposals[: len(told)]]:
        raise ValueError(
            f"tell takes evaluations of the first of the {len(proposals)} proposals that ask gave, in their order, got "
            f"{len(evaluations)} for {told}"
        )
