"""Food sources: the positions that the colony remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hivenas.core.records import Candidate


@dataclass(frozen=True, slots=True)
class FoodSource:
    """A position and what the hive knows of it.

    Args:
        candidate: the position.
        fitness: its fitness; None until a bee has evaluated it.
        trials: failed improvements since the last success.
    """

    candidate: Candidate
    fitness: float | None = None
    trials: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back exactly."""
        return {"candidate": self.candidate, "fitness": self.fitness, "trials": self.trials}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FoodSource:
        """The inverse of `to_json`; JSON knows no tuples."""
        candidate = data["candidate"]
        return cls(tuple(candidate) if isinstance(candidate, list) else candidate, data["fitness"], data["trials"])
