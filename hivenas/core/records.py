"""Frozen records that pass between the colony, the executors, the tracker and the results folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

Candidate = str | tuple[float, ...]
Bee = Literal["employee", "onlooker", "scout"]
Status = Literal["complete", "stopped", "failed"]
Phase = Literal["evaluate", "momentum", "full_train"]


class Direction(StrEnum):
    """Where a better fitness lies; everything that compares fitness asks it."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def of(cls, minimize: bool) -> Direction:
        """The direction for an objective's `is_minimize`."""
        return cls.MINIMIZE if minimize else cls.MAXIMIZE

    @property
    def minimize(self) -> bool:
        """Whether a smaller fitness is better."""
        return self is Direction.MINIMIZE

    @property
    def worst(self) -> float:
        """The fitness of a candidate that failed: 0 where accuracy is maximised, infinity where a cost is minimised."""
        return math.inf if self.minimize else 0.0

    def score(self, fitness: float) -> float:
        """The fitness with the sign with which more is better."""
        return -fitness if self.minimize else fitness

    def is_better(self, fitness: float, than: float | None) -> bool:
        """Whether a fitness is better than another one; any is better than none."""
        return than is None or self.score(fitness) > self.score(than)


@dataclass(frozen=True, slots=True)
class StopThreshold:
    """What a candidate must reach to be trained on.

    Args:
        epoch: the epoch after which it is judged, from 1.
        accuracy: the validation accuracy below which its training ends.
        origin: where the figure comes from, for people.
    """

    epoch: int
    accuracy: float
    origin: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a bee asks to have evaluated.

    Args:
        index: number of the evaluation within the search, from 0.
        iteration: iteration of the colony, from 0.
        bee: the role that proposes.
        bee_id: number of the bee within its role, from 0.
        candidate: encoded architecture, or the coordinates of a numerical point.
        center_fitness: fitness of the food source around which the bee searches; None for a new source.
        momentum_epochs: epochs by which a recorded candidate is continued; 0 for a new evaluation.
        weights_filename: the saved state that a continuation starts from.
        parent: the architecture of which the candidate is a neighbour; empty for new sources and numerical points.
        inherits: the saved state of the parent whose matching weights the candidate starts from; empty for none.
        thresholds: what the candidate must reach to be trained on.
        known: evaluations that the colony had learned from when it proposed, the first so many.
    """

    index: int
    iteration: int
    bee: Bee
    bee_id: int
    candidate: Candidate
    center_fitness: float | None = None
    momentum_epochs: int = 0
    weights_filename: str | None = None
    parent: str = ""
    inherits: str = ""
    thresholds: tuple[StopThreshold, ...] = ()
    known: int = 0

    @property
    def phase(self) -> Phase:
        """`momentum` for a continuation, else `evaluate`."""
        return "momentum" if self.momentum_epochs else "evaluate"

    @property
    def label(self) -> str:
        """The name under which the evaluation is tracked, such as `0017-onlooker`."""
        return f"{self.index:04d}-{'momentum' if self.momentum_epochs else self.bee}"


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """Loss and accuracy of one finished epoch, on the training and on the validation split."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of evaluating one candidate.

    Args:
        candidate: as proposed.
        status: `complete`, `stopped` (a stopping rule ended it early) or `failed`.
        fitness: validation accuracy, or the value of a numerical objective; the worst value where it failed.
        epochs: epochs really trained by the evaluation, without momentum epochs.
        momentum: mean momentum value of its epochs; 0 where it has none.
        momentum_epochs: epochs added by momentum evaluation so far.
        params: trainable parameters.
        macs: multiply-adds of one image's way through the network.
        inherited: share of the weights that were copied from the parent, 0…1.
        inherited_epochs: epochs that those weights had been trained for.
        filename: name of the h5 file with weights and optimizer state; empty where nothing was saved.
        seconds: wall time spent, in seconds.
        started: when it began, in seconds since 1970; 0 where nothing was trained.
        worker: `host-pid` of the process that trained it; empty where none did.
        reason: why it stopped or failed; empty otherwise.
        traceback: the formatted exception of a failure; empty otherwise.
        history: figures of every epoch of this evaluation, first epoch first.
        extra: further figures of a full training, such as `test_accuracy`.
        environment: what the last bits of its figures depend on, see `recipe.environment`.
    """

    candidate: Candidate
    status: Status
    fitness: float
    epochs: int = 0
    momentum: float = 0.0
    momentum_epochs: int = 0
    params: int = 0
    macs: int = 0
    inherited: float = 0.0
    inherited_epochs: int = 0
    filename: str = ""
    seconds: float = 0.0
    started: float = 0.0
    worker: str = ""
    reason: str = ""
    traceback: str = ""
    history: tuple[EpochFigures, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def failure(
        cls, candidate: Candidate, reason: str, *, traceback: str = "", worst: float = 0.0, seconds: float = 0.0
    ) -> Evaluation:
        """A failed evaluation, with the worst fitness that the objective knows.

        What an error says may hold bytes that are no text, such as those of a path; they are written as escapes.
        """
        said, shown = (text.encode("utf-8", "backslashreplace").decode("utf-8") for text in (reason, traceback))
        return cls(candidate, "failed", worst, seconds=seconds, reason=said, traceback=shown)

    @property
    def age(self) -> int:
        """Epochs that its weights have been trained for, those before it inherited them included."""
        return self.inherited_epochs + self.epochs + self.momentum_epochs

    def as_result(self) -> dict[str, Any]:
        """The five results of the public interface; `epochs` counts those of this call, not of earlier trainings."""
        return {
            "fitness": self.fitness,
            "epochs": len(self.history),
            "filename": self.filename,
            "params": self.params,
            "momentum": self.momentum,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, as written to `training_history/`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of `<name>.csv`; its fields, in this order, are the columns."""

    index: int
    iteration: int
    bee: str
    bee_id: int
    candidate: str
    status: str
    fitness: float
    center_fitness: float | None
    epochs: int
    momentum: float
    momentum_epochs: int
    params: int
    weights_filename: str
    seconds: float
    run_id: str
    reason: str
    phase: str
    parent: str
    inherited: float
    inherited_epochs: int
    macs: int
    curve: str
    started: float
    worker: str

    @classmethod
    def of(cls, proposal: Proposal, evaluation: Evaluation, run_id: str = "") -> Row:
        """The line for what came of a proposal."""
        return cls(
            index=proposal.index,
            iteration=proposal.iteration,
            bee=proposal.bee,
            bee_id=proposal.bee_id,
            candidate=encode_candidate(evaluation.candidate),
            status=evaluation.status,
            fitness=evaluation.fitness,
            center_fitness=proposal.center_fitness,
            epochs=evaluation.epochs,
            momentum=evaluation.momentum,
            momentum_epochs=evaluation.momentum_epochs,
            params=evaluation.params,
            weights_filename=evaluation.filename,
            seconds=round(evaluation.seconds, 3),
            run_id=run_id,
            reason=" ".join(evaluation.reason.split()),
            phase=proposal.phase,
            parent=proposal.parent,
            inherited=evaluation.inherited,
            inherited_epochs=evaluation.inherited_epochs,
            macs=evaluation.macs,
            curve=" ".join(f"{figures.epoch}:{float(figures.val_accuracy)!r}" for figures in evaluation.history),
            started=round(evaluation.started, 3),
            worker=evaluation.worker,
        )

    def evaluation(self) -> Evaluation:
        """What the colony needs of this line to go on: everything but the epochs' history."""
        return Evaluation(
            decode_candidate(self.candidate),
            self.status,  # type: ignore[arg-type]
            self.fitness,
            epochs=self.epochs,
            momentum=self.momentum,
            momentum_epochs=self.momentum_epochs,
            params=self.params,
            macs=self.macs,
            inherited=self.inherited,
            inherited_epochs=self.inherited_epochs,
            filename=self.weights_filename,
            seconds=self.seconds,
            reason=self.reason,
            started=self.started,
            worker=self.worker,
        )

    @property
    def label(self) -> str:
        """The name under which the evaluation is tracked, as `Proposal.label`."""
        return f"{self.index:04d}-{'momentum' if self.phase == 'momentum' else self.bee}"

    def accuracies(self) -> dict[int, float]:
        """Validation accuracy by epoch, of the epochs that this evaluation trained."""
        pairs = (point.split(":") for point in self.curve.split())
        return {int(epoch): float(accuracy) for epoch, accuracy in pairs}


def encode_candidate(candidate: Candidate) -> str:
    """A candidate as text: architectures as they are, numerical points as a JSON list."""
    return candidate if isinstance(candidate, str) else json.dumps(list(candidate))


def decode_candidate(text: str) -> Candidate:
    """The inverse of `encode_candidate`."""
    return tuple(float(x) for x in json.loads(text)) if text.startswith("[") else text


def momentum_values(accuracies: list[float]) -> list[float]:
    """Momentum of every epoch: μ(ε) = α(ε) for ε < 2, else (α(ε) − α(ε−1)) / (α(ε−1) − α(ε−2)).

    Args:
        accuracies: validation accuracy α of the epochs ε = 0, 1, … (fractions in 0…1).

    Returns:
        One value an epoch; 0 where the denominator is 0.

    Source: HiveNAS, momentum evaluation.
    """
    values = accuracies[:2]
    for before, last, now in zip(accuracies, accuracies[1:], accuracies[2:], strict=False):
        values.append((now - last) / (last - before) if last != before else 0.0)
    return values


def mean_momentum(accuracies: list[float]) -> float:
    """A candidate's momentum: the mean of its epochs' momentum values, 0 without epochs."""
    values = momentum_values(accuracies)
    return math.fsum(values) / len(values) if values else 0.0
