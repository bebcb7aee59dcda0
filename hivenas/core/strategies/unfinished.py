"""The phase at which a search was ended that may yet go on: with a larger budget, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hivenas.core.strategies.flight import Flight


@dataclass(frozen=True, slots=True)
class Unfinished:
    """All of a strategy that what it does at a search's end changes, as it was before that.

    Args:
        iteration: in which it was.
        phase: of that.
        evaluations: that it had learned from.
        flights: of the phase, those that were proposed and not told.
        rng: state of the generator.
        own: the kind's own part of its state.
    """

    iteration: int
    phase: str
    evaluations: int
    flights: Sequence[Flight]
    rng: Mapping[str, Any]
    own: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back exactly."""
        return {
            "iteration": self.iteration,
            "phase": self.phase,
            "evaluations": self.evaluations,
            "flights": [flight.to_json() for flight in self.flights],
            "rng": self.rng,
            "own": self.own,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unfinished:
        """The inverse of `to_json`."""
        return cls(**{**data, "flights": [Flight.from_json(flight) for flight in data["flights"]]})

    def renumbered(self, evaluations: int) -> list[Flight]:
        """Its flights after so many evaluations: those at the search's end have taken the numbers that they had."""
        more = evaluations - self.evaluations
        return [
            replace(flight, proposal=flight.proposal and replace(flight.proposal, index=flight.proposal.index + more))
            for flight in self.flights
        ]
