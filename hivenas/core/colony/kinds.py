"""Which colony a configuration asks for."""

from __future__ import annotations

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.colony.canonical import ArtificialBeeColony
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.objective import ArchitectureObjective, ObjectiveInterface


def make_colony(
    objective: ObjectiveInterface, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
) -> BeeColony:
    """The colony of the configured kind; over numerical points, which have no components to learn from, the canonical.

    Args:
        objective: what is searched.
        config: the `colony` section of a configuration.
        rng: the generator of every draw, the objective's too.
        momentum_epochs: epochs handed out by the momentum phase of every iteration; 0 switches it off.
    """
    if config.kind == "guided" and isinstance(objective, ArchitectureObjective):
        return GuidedBeeColony(objective, config, rng, momentum_epochs=momentum_epochs)
    return ArtificialBeeColony(objective, config, rng, momentum_epochs=momentum_epochs)
