"""Weight inheritance: from which saved state a neighbour starts, so that fitness stays comparable."""

from __future__ import annotations

from hivenas.config import EvaluationConfig
from hivenas.core.folder import weights_name
from hivenas.core.records import Trial


def inherited_age(config: EvaluationConfig) -> int:
    """The age in epochs at which food sources keep a state for their neighbours.

    A neighbour that starts from it and trains the remaining `inherit_epochs`, at their learning rates, is as old as its
    food source was when that got its fitness: only at equal training age does the greedy choice mean anything.
    """
    return config.epochs - config.inherit_epochs


def inherited_state(parent: Trial | None, config: EvaluationConfig) -> str:
    """The h5 file from which a neighbour inherits; empty where it trains from scratch.

    A food source that has inherited itself passes nothing on: at the age of its saved state the operation in which it
    differed from its own food source was untrained, and generation by generation less of the network would be trained.
    Neither does one that a stopping rule ended: its fitness is that of a younger network than its heirs'.

    Args:
        parent: the record of the food source, if there is one.
        config: whether weights are inherited, and for how many epochs a neighbour trains.
    """
    if not config.inherit or parent is None or parent.status != "complete" or parent.inherited:
        return ""
    age = inherited_age(config)
    return weights_name(parent.encoded, age) if age in parent.accuracies() else ""
