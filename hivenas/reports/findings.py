"""The figures behind the charts of a search, from its records."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from hivenas.config.metrics import ACCURACY, label_of
from hivenas.core.candidates import is_network, point_of
from hivenas.core.history import improvements, ranking, settled
from hivenas.core.measured import METRIC
from hivenas.core.records import Direction, Trial

T = TypeVar("T")

BEES = ("employee", "onlooker", "scout")
MOST_DRAWN = 2000  # evaluations in one page: a browser draws so many at once
_BEST_DRAWN = 500
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Band:
    """The evaluations of an iteration, first and last."""

    iteration: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Mean fitness of the candidates that have an operation in a layer.

    Args:
        operations: the lines, in alphabetical order.
        layers: how many columns there are, from the network's input on.
        means: mean fitness by operation, then layer; nan where no candidate has it.
        counts: of how many candidates.
    """

    operations: tuple[str, ...]
    layers: int
    means: tuple[tuple[float, ...], ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The contribution of the bees of a role.

    Args:
        bee: employee, onlooker or scout.
        evaluations: that they asked for, continuations included.
        failed: how many of these failed.
        improvements: how often one raised the best fitness.
        gain: by how much in sum; what the first evaluation brought is no gain.
        best: fitness of the best candidate that it found, see `found_figures`; nan without any.
        quartiles: of these the lowest, the first quartile, the median, the third quartile, the highest; empty without.
    """

    bee: str
    evaluations: int
    failed: int
    improvements: int
    gain: float
    best: float
    quartiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Validation accuracy, or what is looked for in its place, by epoch of a candidate, its continuations included."""

    row: Trial
    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """The trainings of a worker: start and end in seconds since the search's first training, and the record."""

    worker: str
    spans: tuple[tuple[float, float, Trial], ...]


def succeeded(rows: Sequence[Trial]) -> list[Trial]:
    """The records that did not fail and have a finite fitness, oldest first."""
    return [row for row in rows if row.status != "failed" and math.isfinite(row.fitness)]


def found_figures(rows: Sequence[Trial], direction: Direction) -> list[Trial]:
    """The latest record of every candidate, best first; those of trainings that are over, where there are any."""
    return settled(succeeded(ranking(rows, direction)))


def drawn(rows: Sequence[Trial], direction: Direction) -> list[Trial]:
    """The evaluations that are listed and drawn, oldest first: all, or of very many the best and some of the others.

    Args:
        rows: the records.
        direction: where a better fitness lies.
    """
    if len(rows) <= MOST_DRAWN:
        return list(rows)
    best = {row.index for row in ranking(rows, direction)[:_BEST_DRAWN]}
    others = [row for row in rows if row.index not in best]
    count = MOST_DRAWN - len(best)
    some = {others[number * len(others) // count].index for number in range(count)}
    return [row for row in rows if row.index in best or row.index in some]


def bands(rows: Sequence[Trial]) -> list[Band]:
    """The iterations of the colony, as ranges of evaluations."""
    ranges: dict[int, tuple[int, int]] = {}
    for row in rows:
        first, last = ranges.get(row.iteration, (row.index, row.index))
        ranges[row.iteration] = min(first, row.index), max(last, row.index)
    return [Band(iteration, *ends) for iteration, ends in sorted(ranges.items())]


def operations_of(candidate: str) -> list[str]:
    """The operations of an architecture from its input on, without its ends and skip connections; none of a point."""
    if point_of(candidate) is not None:
        return []
    words = candidate.split("|")
    inner = words[1:-1] if words[0] == "input" else words
    return [word for word in inner if not word.startswith("sc_")]


def are_named(parts: Sequence[str]) -> bool:
    """Tell if the parts of a candidate are choices with their names, as those of a function."""
    return all("=" in part for part in parts)


def operation_map(rows: Sequence[Trial], direction: Direction) -> HeatMap:
    """Mean fitness by operation and layer, of every candidate's latest evaluation, see `found_figures`.

    Named choices are all in one layer, as each has its place by its name.
    """
    seen: dict[tuple[str, int], list[float]] = {}
    for row in found_figures(rows, direction):
        parts = operations_of(row.encoded)
        has_layers = is_network(row.encoded) or not are_named(parts)
        for layer, operation in enumerate(parts):
            seen.setdefault((operation, layer * has_layers), []).append(row.fitness)
    operations = tuple(sorted({operation for operation, _ in seen}))
    layers = max((layer + 1 for _, layer in seen), default=0)
    cells = [[seen.get((operation, layer), []) for layer in range(layers)] for operation in operations]
    means = tuple(tuple(_mean(cell) for cell in line) for line in cells)
    return HeatMap(operations, layers, means, tuple(tuple(len(cell) for cell in line) for line in cells))


def _mean(values: Sequence[float]) -> float:
    """The mean, nan of none; divided first, as the sum of huge values may be infinite."""
    return math.fsum(value / len(values) for value in values) if values else math.nan


def pareto_front(rows: Sequence[Trial], direction: Direction) -> list[Trial]:
    """The candidates that no other one equals or beats with as few parameters, smallest first."""
    sized = [row for row in ranking(rows, direction) if row.params]
    return improvements(sorted(sized, key=lambda row: row.params), direction)


def roles(rows: Sequence[Trial], direction: Direction) -> list[Role]:
    """The contributions of every role that has proposed, those of the colony first."""
    steps = improvements(rows, direction)
    gains = {row.index: abs(row.fitness - before.fitness) for before, row in pairwise(steps)}
    gains |= {row.index: 0.0 for row in steps[:1]}
    finders = {row.encoded: row.role for row in reversed(rows)}  # not those who had them trained on
    latest = found_figures(rows, direction)
    found = []
    for bee in dict.fromkeys((*BEES, *(row.role for row in rows))):
        own = [row for row in rows if row.role == bee]
        if not own:
            continue
        fitness = sorted(row.fitness for row in latest if finders[row.encoded] == bee)
        raised = [gains[row.index] for row in own if row.index in gains]
        found.append(
            Role(
                bee=bee,
                evaluations=len(own),
                failed=len(own) - len(succeeded(own)),
                improvements=len(raised),
                gain=sum(raised),
                best=max(fitness, key=direction.score, default=math.nan),
                quartiles=tuple(fitness[round(share * (len(fitness) - 1))] for share in _QUARTERS if fitness),
            )
        )
    return found


def learning_curves(rows: Sequence[Trial], direction: Direction, *, count: int = 10) -> list[LearningCurve]:
    """The learning curves of the best candidates, best first; none of candidates that were not trained."""
    points: dict[str, dict[int, float]] = {}
    for row in succeeded(rows):
        points.setdefault(row.encoded, {}).update(row.accuracies())
    curves = []
    for row in succeeded(ranking(rows, direction))[:count]:
        if points[row.encoded]:
            epochs, accuracies = zip(*sorted(points[row.encoded].items()), strict=True)
            curves.append(LearningCurve(row, epochs, accuracies))
    return curves


def figure_label(rows: Sequence[Trial]) -> str:
    """The figure of learning curves for people, such as validation accuracy."""
    names = (row.evaluation.extra.get(METRIC) for row in rows if row.status != "failed")
    return f"validation {label_of(next(filter(None, names), ACCURACY))}"


def timeline(rows: Sequence[Trial]) -> list[Lane]:
    """The trainings of each worker, in the order in which workers came; none where nothing was trained."""
    trained = sorted((row for row in rows if row.started and row.worker), key=lambda row: row.started)
    lanes: dict[str, list[tuple[float, float, Trial]]] = {}
    for row in trained:
        begin = row.started - trained[0].started
        lanes.setdefault(row.worker, []).append((begin, begin + row.seconds, row))
    return [Lane(worker, tuple(spans)) for worker, spans in lanes.items()]


def busy_seconds(rows: Sequence[Trial]) -> float:
    """Wall time in which something was trained, in seconds; breaks between two processes do not count."""
    total = end = 0.0
    for row in sorted((row for row in rows if row.started), key=lambda row: row.started):
        total += max(0.0, row.started + row.seconds - max(end, row.started))
        end = max(end, row.started + row.seconds)
    return total


def common_reasons(rows: Sequence[Trial], status: str, count: int = 3) -> list[tuple[str, int]]:
    """The reasons of failures or stops: an example of each reason and how often it was met, most common first."""
    groups = alike([row for row in rows if row.status == status], lambda row: row.reason)
    return [(found[0].reason, len(found)) for found in groups[:count]]


def alike(failures: Sequence[T], reason_of: Callable[[T], str]) -> list[list[T]]:
    """Failures by reason, the most frequent first: figures differ from candidate to candidate where it does not."""
    groups: dict[str, list[T]] = {}
    for failure in failures:
        groups.setdefault(re.sub(r"\d+(\.\d+)?", "#", reason_of(failure)), []).append(failure)
    return sorted(groups.values(), key=len, reverse=True)


def spent_until(rows: Sequence[Trial]) -> dict[int, float]:
    """Seconds of evaluation that a search had spent by the end of each one, by its index."""
    total, sums = 0.0, {}
    for row in rows:
        total += row.seconds
        sums[row.index] = total
    return sums
