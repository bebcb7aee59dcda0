"""The recorded candidate that a person asks for by what it may cost or must reach."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from hivenas.config.costs import COSTS, Cost, in_words
from hivenas.core.bounds import Bound, best_within
from hivenas.core.folder import ResultsFolder
from hivenas.core.front import cost_of, front
from hivenas.core.records import Direction, Trial
from hivenas.errors import MissingResultsError
from hivenas.reports import figure
from hivenas.reports.front import cost_figure, spread
from hivenas.run.report import load_results
from hivenas.storage import SearchState

_MOST_SAID = 5  # members of the front


def recorded_within(folder: ResultsFolder, bounds: Sequence[Bound], direction: Direction = Direction.MAXIMIZE) -> Trial:
    """The best recorded candidate within bounds; of a fitness alone that with the smallest cost.

    Args:
        folder: of the search, in any condition.
        bounds: see `parse_bounds`.
        direction: see `best_recorded`.

    Raises:
        MissingResultsError: nothing was recorded, or no complete candidate is within them; says what the front has.
    """
    result = load_results(folder, SearchState(direction=direction))
    # Of a search that weighs nothing, candidates are asked for by their size.
    costs = result.costs or (_asked_for(bounds),)
    if found := best_within(result.trials, bounds, result.direction, *costs):
        return found
    if lacking := _not_recorded(result.trials, bounds):
        raise MissingResultsError(
            f"{lacking} must be on record to be asked for, got no candidate of {folder.path} that has it; search with "
            f"objectives.{lacking}: min, or ask for {' or '.join(key for key, each in COSTS.items() if each.known)}"
        )
    members = front(result.trials, result.direction, *costs)
    asked = ",".join(map(str, bounds))
    raise MissingResultsError(
        f"no complete candidate of {folder.path} is within {asked}; "
        + (f"choose from its front: {_told(members, costs)}" if members else "search on until one is complete")
    )


def _not_recorded(trials: Sequence[Trial], bounds: Sequence[Bound]) -> str:
    """The key of a bounded cost that no complete candidate has; empty where each has some."""
    complete = [trial for trial in trials if trial.status == "complete"]
    lacking = (cost.key for cost in _bounded(bounds) if all(isinf(cost_of(trial, cost)) for trial in complete))
    return next(lacking, "") if complete else ""


def _asked_for(bounds: Sequence[Bound]) -> Cost:
    """The first cost that is bounded; parameters where none is."""
    return next(iter(_bounded(bounds)), COSTS["params"])


def _bounded(bounds: Sequence[Bound]) -> list[Cost]:
    """The costs that are bounded, in the order of their bounds."""
    return [COSTS[bound.figure] for bound in bounds if bound.figure in COSTS]


def _told(members: Sequence[Trial], costs: Sequence[Cost]) -> str:
    """Members of a front in a line, the worst first, which of a single cost is the cheapest."""
    said = [
        f"{in_words([f'{cost.key} {cost_figure(row, cost)}' for cost in costs])} with fitness {figure(row)}"
        for row in spread(members, _MOST_SAID)
    ]
    more = f" ({len(members)} in all)" if len(members) > len(said) else ""
    return ", ".join(said) + more
