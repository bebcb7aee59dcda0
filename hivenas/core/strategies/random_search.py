"""Random search, the baseline of every strategy."""

from __future__ import annotations

from typing import ClassVar

from hivenas.core.records import Role
from hivenas.core.strategies.flight import Flight
from hivenas.core.strategies.phased import PhasedStrategy


class RandomSearch(PhasedStrategy):
    """Random search over any `ObjectiveInterface`: `colony.size` samples at a time, `colony.iterations` times.

    Encoded architectures are never proposed twice: a known one is drawn again, and where every draw is known its record
    is reused and counted in `reused`. Nothing that it proposes depends on what came of anything else, so that any
    `colony.overlap` gives the same candidates.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration; those of its keys that are about bees mean nothing here.
        rng: the generator of every draw; share it with the objective, so that the saved state covers both.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.

    Source: Bergstra and Bengio (2012), "Random search for hyper-parameter optimization"; Li and Talwalkar (2019),
    "Random search and reproducibility for neural architecture search".

    Examples:
        >>> import numpy as np
        >>> from hivenas.config import ColonyConfig
        >>> from hivenas.objectives.numerical import Sphere
        >>> rng = np.random.default_rng(0)
        >>> search = RandomSearch(Sphere(dimensions=2, rng=rng), ColonyConfig(size=4), rng)
        >>> [proposal.label for proposal in search.ask()]
        ['0000-sample', '0001-sample', '0002-sample', '0003-sample']
    """

    kind: ClassVar[str] = "random"
    phases: ClassVar[tuple[str, ...]] = ("samples",)
    continues_as: ClassVar[Role] = "sample"
    overlaps: ClassVar[bool] = True

    def _plan(self) -> list[Flight]:
        flights: list[Flight] = []
        while len(flights) < self._config.size:
            flights.append(self._seek(flights, "sample", self._objective.sample))
        return flights
