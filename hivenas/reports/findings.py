"""What the records of a search say: the figures behind its pictures, whatever draws them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hivenas.core.history import ranking
from hivenas.core.records import Row

BEES = ("employee", "onlooker", "scout")


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The best fitness after an evaluation, and whether that evaluation has raised it."""

    index: int
    fitness: float
    improves: bool


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


@dataclass(frozen=True, slots=True)
class Role:
    """What the bees of a role have contributed.

    Args:
        bee: employee, onlooker or scout.
        evaluations: that they asked for, continuations included.
        failed: how many of these failed.
        improvements: how often one raised the best fitness.
        gain: by how much in sum; what the first evaluation brought is no gain.
        mean: fitness of those that did not fail; nan without any.
        best: the best of them; nan without any.
    """

    bee: str
    evaluations: int
    failed: int
    improvements: int
    gain: float
    mean: float
    best: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Validation accuracy by epoch of a candidate, its continuations included."""

    row: Row
    epochs: tuple[int, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """What a worker has trained: start and end in seconds since the search's first training, and the record."""

    worker: str
    spans: tuple[tuple[float, float, Row], ...]


def succeeded(rows: Sequence[Row]) -> list[Row]:
    """The records that did not fail and have a finite fitness, oldest first."""
    return [row for row in rows if row.status != "failed" and math.isfinite(row.fitness)]


def incumbents(rows: Sequence[Row], *, minimize: bool) -> list[Incumbent]:
    """The best fitness after each evaluation that did not fail."""
    course: list[Incumbent] = []
    for row in succeeded(rows):
        best = course[-1].fitness if course else None
        improves = best is None or (row.fitness < best if minimize else row.fitness > best)
        course.append(Incumbent(row.index, row.fitness if improves or best is None else best, improves))
    return course


def bands(rows: Sequence[Row]) -> list[Band]:
    """The iterations of the colony, as ranges of evaluations."""
    ranges: dict[int, tuple[int, int]] = {}
    for row in rows:
        first, last = ranges.get(row.iteration, (row.index, row.index))
        ranges[row.iteration] = min(first, row.index), max(last, row.index)
    return [Band(iteration, *ends) for iteration, ends in sorted(ranges.items())]


def operations_of(candidate: str) -> list[str]:
    """The operations of an architecture from its input on, without its ends and skip connections; none of a point."""
    if candidate.startswith("["):
        return []
    words = candidate.split("|")
    inner = words[1:-1] if words[0] == "input" else words
    return [word for word in inner if not word.startswith("sc_")]


def operation_map(rows: Sequence[Row], *, minimize: bool) -> HeatMap:
    """Mean fitness by operation and layer, of every candidate's latest evaluation."""
    seen: dict[tuple[str, int], list[float]] = {}
    for row in succeeded(ranking(rows, minimize)):
        for layer, operation in enumerate(operations_of(row.candidate)):
            seen.setdefault((operation, layer), []).append(row.fitness)
    operations = tuple(sorted({operation for operation, _ in seen}))
    layers = max((layer + 1 for _, layer in seen), default=0)
    cells = [[seen.get((operation, layer), []) for layer in range(layers)] for operation in operations]
    means = tuple(tuple(math.fsum(cell) / len(cell) if cell else math.nan for cell in line) for line in cells)
    return HeatMap(operations, layers, means, tuple(tuple(len(cell) for cell in line) for line in cells))


def pareto_front(rows: Sequence[Row], *, minimize: bool) -> list[Row]:
    """The candidates that no other one equals or beats with as few parameters, smallest first."""
    front: list[Row] = []
    best_first = succeeded(ranking(rows, minimize))
    for row in sorted((row for row in best_first if row.params), key=lambda row: row.params):
        if not front or (row.fitness < front[-1].fitness if minimize else row.fitness > front[-1].fitness):
            front.append(row)
    return front


def roles(rows: Sequence[Row], *, minimize: bool) -> list[Role]:
    """What employees, onlookers and scouts have contributed; roles that never flew are left out."""
    before: float | None = None
    gains: dict[int, float] = {}
    for incumbent in incumbents(rows, minimize=minimize):
        if incumbent.improves:
            gains[incumbent.index] = 0.0 if before is None else abs(incumbent.fitness - before)
        before = incumbent.fitness
    found = []
    for bee in BEES:
        own = [row for row in rows if row.bee == bee]
        if not own:
            continue
        scores = [row.fitness for row in succeeded(own)]
        raised = [gains[row.index] for row in own if row.index in gains]
        mean = math.fsum(scores) / len(scores) if scores else math.nan
        best = (min if minimize else max)(scores, default=math.nan)
        found.append(Role(bee, len(own), len(own) - len(scores), len(raised), math.fsum(raised), mean, best))
    return found


def learning_curves(rows: Sequence[Row], *, minimize: bool, count: int = 10) -> list[LearningCurve]:
    """The learning curves of the best candidates, best first; none of candidates that were not trained."""
    points: dict[str, dict[int, float]] = {}
    for row in succeeded(rows):
        points.setdefault(row.candidate, {}).update(row.accuracies())
    curves = []
    for row in succeeded(ranking(rows, minimize))[:count]:
        if points[row.candidate]:
            epochs, accuracies = zip(*sorted(points[row.candidate].items()), strict=True)
            curves.append(LearningCurve(row, epochs, accuracies))
    return curves


def timeline(rows: Sequence[Row]) -> list[Lane]:
    """What each worker has trained and when, in the order in which workers came; none where nothing was trained."""
    trained = sorted((row for row in rows if row.started and row.worker), key=lambda row: row.started)
    lanes: dict[str, list[tuple[float, float, Row]]] = {}
    for row in trained:
        begin = row.started - trained[0].started
        lanes.setdefault(row.worker, []).append((begin, begin + row.seconds, row))
    return [Lane(worker, tuple(spans)) for worker, spans in lanes.items()]


def busy_seconds(rows: Sequence[Row]) -> float:
    """Wall time in which something was trained, in seconds; breaks between two processes do not count."""
    total = end = 0.0
    for row in sorted((row for row in rows if row.started), key=lambda row: row.started):
        total += max(0.0, row.started + row.seconds - max(end, row.started))
        end = max(end, row.started + row.seconds)
    return total


def common_reasons(rows: Sequence[Row], status: str, count: int = 3) -> list[tuple[str, int]]:
    """Why evaluations failed or were stopped: an example of each reason and how often it was met, most common first."""
    groups = alike([row.reason for row in rows if row.status == status])
    return [(found[0], len(found)) for found in groups[:count]]


def alike(reasons: Sequence[str]) -> list[list[str]]:
    """Reasons in groups, the largest first: figures differ from candidate to candidate where the reason does not."""
    groups: dict[str, list[str]] = {}
    for reason in reasons:
        groups.setdefault(re.sub(r"\d+(\.\d+)?", "#", reason), []).append(reason)
    return sorted(groups.values(), key=len, reverse=True)
