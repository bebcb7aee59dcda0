"""The things that a search's records say of a candidate before it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from hivenas.config import Config
from hivenas.core.front import cost_of, costs_no_more
from hivenas.core.history import History
from hivenas.core.nas.training.inheritance import inherited_state
from hivenas.core.nas.training.rules import first_look_thresholds, median_thresholds
from hivenas.core.records import Proposal


def in_context(
    proposal: Proposal, history: History, config: Config, costs: Callable[[str], Mapping[str, float]]
) -> Proposal:
    """A proposal with the thresholds that the records set to it, and the state from which it inherits.

    Where costs are weighed against the fitness, only candidates that cost no more in any of them set thresholds: a
    small network is not ended because larger ones are better. What a cost that is not known beforehand will be is not
    guessed at for this: the known one that stands for it (`Cost.compared_by`) is compared in its place.

    Args:
        proposal: of a first training.
        history: the records that it is judged by.
        config: the stopping rule, and what is weighed.
        costs: of a candidate by name; one that is missing counts as larger than all.
    """
    rules = config.evaluation
    compared = history
    # Two of them may be stood for by the same one.
    if known := dict.fromkeys(cost.beforehand for cost in config.objectives.costs):
        own = costs(str(proposal.candidate))
        most = [own.get(cost.key, math.inf) for cost in known]
        compared = history.where(lambda trial: costs_no_more([cost_of(trial, cost) for cost in known], most))
    thresholds = median_thresholds(compared.curves, rules) if rules.stopping == "median" else []
    thresholds += first_look_thresholds(compared.trained(proposal.parent), rules)
    inherits = inherited_state(history.trained(proposal.parent), rules)
    return replace(proposal, thresholds=tuple(thresholds), inherits=inherits)
