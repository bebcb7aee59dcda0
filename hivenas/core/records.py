"""Frozen records that pass between the strategy, the executors, the tracker and the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from hivenas.core.candidates import encode_candidate, plain_candidate, point_of

Candidate = str | tuple[float, ...]
Role = str
Status = Literal["complete", "paused", "stopped", "failed"]
Phase = Literal["evaluate", "momentum", "full_train"]


class Direction(StrEnum):
    """The side on which a better fitness lies; everything that compares fitness asks it."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def of(cls, minimize: bool) -> Direction:
        """The direction for an objective's `is_minimize`."""
        return cls.MINIMIZE if minimize else cls.MAXIMIZE

    @property
    def minimize(self) -> bool:
        """True where a smaller fitness is better."""
        return self is Direction.MINIMIZE

    def score(self, fitness: float) -> float:
        """The fitness with the sign with which more is better."""
        return -fitness if self.minimize else fitness

    def is_better(self, fitness: float, than: float | None) -> bool:
        """Tell if a fitness is better than another one; any is better than none."""
        return than is None or self.score(fitness) > self.score(than)


@dataclass(frozen=True, slots=True)
class StopThreshold:
    """The figure that a candidate must reach to be trained on.

    Args:
        epoch: the epoch after which it is judged, from 1.
        accuracy: the validation accuracy, or what is looked for in its place: with a worse one its training ends.
        origin: where the figure comes from, for people.
    """

    epoch: int
    accuracy: float
    origin: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate that a strategy asks to have evaluated.

    Args:
        index: number of the evaluation within the search, from 0.
        iteration: iteration of the strategy, from 0.
        role: what the strategy proposes it as, such as `employee`, `sample` or `child`.
        role_id: number of the proposal within its role and phase, from 0.
        candidate: encoded architecture, or the coordinates of a numerical point.
        center_fitness: fitness of what the candidate is made from, or is continued from; None where it is from nothing,
            or made from one whose training is paused: what is expected of that, nobody has measured.
        momentum_epochs: epochs by which a recorded candidate is continued; 0 for a new evaluation.
        weights_filename: the saved state that a continuation starts from.
        parent: the architecture of which the candidate is a neighbour; empty for new sources and numerical points.
        inherits: the saved state of the parent whose matching weights the candidate starts from; empty for none.
        thresholds: what the candidate must reach to be trained on.
        until: the epoch after which its first training pauses; 0 for none.
        known: evaluations that the strategy had learned from when it proposed, the first so many.
    """

    index: int
    iteration: int
    role: Role
    role_id: int
    candidate: Candidate
    center_fitness: float | None = None
    momentum_epochs: int = 0
    weights_filename: str | None = None
    parent: str = ""
    inherits: str = ""
    thresholds: tuple[StopThreshold, ...] = ()
    known: int = 0
    until: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Proposal:
        """The inverse of `asdict`; JSON knows no tuples."""
        thresholds = tuple(StopThreshold(**threshold) for threshold in data.get("thresholds", ()))
        return cls(**{**data, "candidate": plain_candidate(data["candidate"]), "thresholds": thresholds})

    @property
    def phase(self) -> Phase:
        """`momentum` for a continuation, else `evaluate`."""
        return "momentum" if self.momentum_epochs else "evaluate"

    @property
    def label(self) -> str:
        """The name under which the evaluation is tracked, such as `0017-onlooker`."""
        return f"{self.index:04d}-{'momentum' if self.momentum_epochs else self.role}"


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """Loss and accuracy of one finished epoch, on the training and on the validation split.

    `metric` is the value of `evaluation.fitness` on the validation split; None where that is the accuracy.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    metric: float | None = None

    @property
    def figure(self) -> float:
        """The figure that is looked for, of the validation split: its accuracy, unless another metric is."""
        return self.val_accuracy if self.metric is None else self.metric


def plain(record: Any) -> dict[str, Any]:
    """A record as plain nested data, without `metric` where an epoch has none."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in pairs if key != "metric" or value is not None}

    return asdict(record, dict_factory=made)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of evaluating one candidate.

    Args:
        candidate: as proposed.
        status: `complete`, `paused` (its training may go on), `stopped` (a stopping rule ended it early) or `failed`.
        fitness: validation accuracy, or what `evaluation.fitness` says, of the epochs that `evaluation.score` says, or
            the value of a numerical objective; the worst value where it failed.
        epochs: epochs really trained by the evaluation, without momentum epochs.
        momentum: mean momentum value of its epochs; 0 where it has none.
        momentum_epochs: epochs added by momentum evaluation so far.
        params: trainable parameters.
        macs: multiply-adds of one image's way through the network.
        inherited: share of the weights that were copied from the parent, 0…1.
        inherited_epochs: epochs that those weights had been trained for.
        filename: name of the h5 file with weights and optimizer state; empty where nothing was saved.
        seconds: wall time spent, in seconds.
        epoch_s: wall time of one epoch, the median, in seconds; 0 where none was trained, or that is not known.
        started: when it began, in seconds since 1970; 0 where that is not known, as of what was only looked up.
        worker: `host-pid` of the process that carried it out; empty likewise.
        reason: why it stopped or failed; empty otherwise.
        traceback: the formatted exception of a failure; empty otherwise.
        history: figures of every epoch of this evaluation, first epoch first.
        extra: further figures: metrics of the validation, see `core.metrics`; of a full training `test_accuracy` …
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
    epoch_s: float = 0.0

    @classmethod
    def failure(
        cls, candidate: Candidate, reason: str, *, traceback: str = "", worst: float = 0.0, seconds: float = 0.0
    ) -> Evaluation:
        """A failed evaluation, with the worst fitness that the objective knows: see `ObjectiveInfo.worst`.

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
        return plain(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_json`."""
        history = tuple(EpochFigures(**figures) for figures in data["history"])
        return cls(**{**data, "candidate": plain_candidate(data["candidate"]), "history": history})


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation of a search: what was proposed, what came of it, and the run that shows it.

    Its figures are properties, so that whoever reads trials need not know which half has them.

    Args:
        proposal: who asked for it, and when.
        evaluation: what came of it.
        run_id: of its run; empty while it is not tracked.
    """

    proposal: Proposal
    evaluation: Evaluation
    run_id: str = ""

    @property
    def index(self) -> int:
        """Number of the evaluation within the search, from 0."""
        return self.proposal.index

    @property
    def iteration(self) -> int:
        """Iteration of the strategy, from 0."""
        return self.proposal.iteration

    @property
    def role(self) -> str:
        """The role that proposed it."""
        return self.proposal.role

    @property
    def role_id(self) -> int:
        """Number of the proposer within its role, from 0."""
        return self.proposal.role_id

    @property
    def phase(self) -> Phase:
        """`momentum` for a continuation, else `evaluate`."""
        return self.proposal.phase

    @property
    def label(self) -> str:
        """The name under which it is tracked, such as `0017-onlooker`."""
        return self.proposal.label

    @property
    def parent(self) -> str:
        """The architecture of which the candidate is a neighbour; empty without one."""
        return self.proposal.parent

    @property
    def center_fitness(self) -> float | None:
        """Fitness of the candidate from which it was proposed; None for a new one, or where that is paused."""
        return self.proposal.center_fitness

    @property
    def candidate(self) -> Candidate:
        """The encoded architecture, or the coordinates of a numerical point."""
        return self.evaluation.candidate

    @property
    def encoded(self) -> str:
        """The candidate as text."""
        return encode_candidate(self.evaluation.candidate)

    @property
    def is_point(self) -> bool:
        """True where the candidate is a numerical point, not another text."""
        return point_of(self.encoded) is not None

    @property
    def status(self) -> Status:
        """`complete`, `paused`, `stopped` or `failed`."""
        return self.evaluation.status

    @property
    def failed(self) -> bool:
        """True where it has no fitness of its own."""
        return self.evaluation.status == "failed"

    @property
    def fitness(self) -> float:
        """The figure that the search looks for; the worst one where it failed."""
        return self.evaluation.fitness

    @property
    def epochs(self) -> int:
        """Epochs really trained, without momentum epochs."""
        return self.evaluation.epochs

    @property
    def momentum(self) -> float:
        """Mean momentum value of its epochs."""
        return self.evaluation.momentum

    @property
    def momentum_epochs(self) -> int:
        """Epochs added by momentum evaluation so far."""
        return self.evaluation.momentum_epochs

    @property
    def trained(self) -> int:
        """Epochs that this evaluation itself has trained, without those of the training that it continues."""
        if self.phase == "evaluate":
            return self.epochs
        # Where there are no curves, only what was asked for is known; one that failed has trained nothing.
        return len(self.evaluation.history) or min(self.proposal.momentum_epochs, self.momentum_epochs)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return self.evaluation.params

    @property
    def macs(self) -> int:
        """Multiply-adds of one image's way through the network."""
        return self.evaluation.macs

    @property
    def inherited(self) -> float:
        """Share of the weights that were copied from the parent, 0…1."""
        return self.evaluation.inherited

    @property
    def inherited_epochs(self) -> int:
        """Epochs that those weights had been trained for."""
        return self.evaluation.inherited_epochs

    @property
    def weights_filename(self) -> str:
        """Name of the h5 file; empty where nothing was saved."""
        return self.evaluation.filename

    @property
    def seconds(self) -> float:
        """Wall time spent, in seconds."""
        return self.evaluation.seconds

    @property
    def started(self) -> float:
        """The time at which it began, in seconds since 1970; 0 where nothing was trained."""
        return self.evaluation.started

    @property
    def worker(self) -> str:
        """`host-pid` of the process that trained it; empty where none did."""
        return self.evaluation.worker

    @property
    def reason(self) -> str:
        """The cause of its stop or failure, in one line; empty otherwise."""
        return " ".join(self.evaluation.reason.split())

    def accuracies(self) -> dict[int, float]:
        """Validation accuracy, or what is looked for in its place, by epoch, of those that this evaluation trained."""
        return {figures.epoch: float(figures.figure) for figures in self.evaluation.history}

    def slim(self) -> Trial:
        """The trial without what only its run shows: traceback and environment."""
        return replace(self, evaluation=replace(self.evaluation, traceback="", environment={}))

    def to_json(self) -> dict[str, Any]:
        """Plain data without the run's id; `from_json` reads it back exactly."""
        return {"proposal": asdict(self.proposal), "evaluation": plain(self.evaluation)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], run_id: str = "") -> Trial:
        """The inverse of `to_json`."""
        return cls(Proposal.from_json(data["proposal"]), Evaluation.from_json(data["evaluation"]), run_id)
