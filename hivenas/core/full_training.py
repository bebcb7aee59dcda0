"""The full trainings of a search: which there are to be, and what came of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from hivenas.core.records import Direction, Evaluation
from hivenas.core.seeds import arch_hash
from hivenas.wording import number_of

# What an evaluation's `extra` says of a full training, under these keys.
SEED_NUMBER, REFIT_EPOCHS, KEPT_EPOCH, MEMBERS = "seed_number", "refit_epochs", "kept_epoch", "members"
STARTED_FROM = "started_from"
MODEL_STEM = "final"  # the name of the model's files, where it is not that of a training which was the only one
SMALL_STEM = "small"  # likewise that of the small model beside it
ALONE_STEM = "trained"  # likewise that of one outside a search, whose folder may hold a search's


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """A full training that is to be made.

    Args:
        candidate: the architecture.
        number: of its seed, from 0: initial weights, order of images and whatever else is drawn differ.
        weights_filename: the h5 file that it starts from; None from scratch.
        refit_epochs: trained on training and validation images for so many epochs; 0 on training images, with
            validation.
    """

    candidate: str
    number: int = 0
    weights_filename: str | None = None
    refit_epochs: int = 0

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """The training of which an evaluation tells, from scratch."""
        number, epochs = (int(evaluation.extra.get(key, 0)) for key in (SEED_NUMBER, REFIT_EPOCHS))
        return cls(str(evaluation.candidate), number, refit_epochs=epochs)

    @property
    def purpose(self) -> str:
        """The kind of training for names of files: full, full2 with the second seed, or refit."""
        kind = "refit" if self.refit_epochs else "full"
        return f"{kind}{self.number + 1}" if self.number else kind

    @property
    def stem(self) -> str:
        """The name of its files, without endings."""
        return f"{arch_hash(self.candidate)}-{self.purpose}"

    @property
    def seed_parts(self) -> tuple[int, ...]:
        """That which its seeds derive from beside the candidate; nothing for the first, as it always was."""
        return (self.number,) if self.number else ()

    @property
    def marks(self) -> dict[str, int]:
        """That which its evaluation's `extra` says of it; nothing of a first training."""
        found = {SEED_NUMBER: self.number, REFIT_EPOCHS: self.refit_epochs}
        return {key: value for key, value in found.items() if value}

    def failed(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation of this training where it failed, with what says which one it was to be."""
        start = {STARTED_FROM: self.weights_filename} if self.weights_filename else {}
        return replace(evaluation, extra={**evaluation.extra, **self.marks, **start})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """The outcome of a full training, in a search's state and for people; all of it is in its history.

    Args:
        candidate: the architecture.
        number: of its seed, from 0.
        refit_epochs: see `TrainingSpec`.
        status: as an evaluation's.
        fitness: validation accuracy, or what is looked for in its place, of the weights that are kept; None where it
            failed, or there was no validation.
        epochs: epochs trained.
        kept_epoch: the epoch whose weights are kept.
        reason: why it ended early or failed.
        cause: of a failure, see `failures`.
        chosen: whether the model is made of it.
        serves: names of trainings of which a model was to be made that failed; empty for a training.
        mark: a hash of what it depends on: where that is another, it is made anew.
    """

    candidate: str
    number: int = 0
    refit_epochs: int = 0
    status: str = "complete"
    fitness: float | None = None
    epochs: int = 0
    kept_epoch: int = 0
    reason: str = ""
    cause: str = ""
    chosen: bool = False
    serves: tuple[str, ...] = ()
    mark: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "serves", tuple(self.serves))  # JSON knows no tuples

    @classmethod
    def of(cls, spec: TrainingSpec, evaluation: Evaluation, mark: str) -> Self:
        """The outcome that an evaluation tells of."""
        failed = evaluation.status == "failed"
        has_fitness = not failed and math.isfinite(evaluation.fitness)
        return cls(
            candidate=spec.candidate,
            number=spec.number,
            refit_epochs=spec.refit_epochs,
            status=evaluation.status,
            fitness=evaluation.fitness if has_fitness else None,
            epochs=evaluation.epochs,
            kept_epoch=0 if failed else kept_epoch(evaluation),
            reason=evaluation.reason,
            cause=str(evaluation.extra.get("cause", "")),
            mark=mark,
        )

    def is_of(self, evaluation: Evaluation) -> bool:
        """True where this is the outcome that an evaluation tells of: another may have taken its file since."""
        return Finalist.of(TrainingSpec.of(evaluation), evaluation, self.mark) == replace(self, chosen=False)

    @property
    def label(self) -> str:
        """Its kind, in a word or two."""
        if self.serves:
            return "model"
        kind = f"refit, {number_of(self.refit_epochs, 'epoch')}" if self.refit_epochs else "training"
        return f"{kind}, seed {self.number + 1}" if self.number else kind


def kept_epoch(evaluation: Evaluation) -> int:
    """The epoch whose weights a full training has kept: the last, unless it says otherwise."""
    return int(evaluation.extra.get(KEPT_EPOCH, evaluation.epochs))


def chosen_of(trainings: Mapping[str, Finalist], names: Sequence[str]) -> dict[str, Finalist]:
    """The trainings, with those that the model is made of marked, and none else."""
    return {name: replace(each, chosen=name in names) for name, each in trainings.items()}


def best_first(trainings: Iterable[Finalist], direction: Direction = Direction.MAXIMIZE) -> list[Finalist]:
    """Trainings in the order of their validation figure, then those without validation, then those that failed.

    The order in which they have ended does not matter.

    Args:
        trainings: in any order.
        direction: where a better figure lies.
    """

    def place(each: Finalist) -> tuple[bool, bool, float, bool, str, int]:
        score = direction.score(each.fitness or 0.0)
        return each.status == "failed", each.fitness is None, -score, not each.chosen, each.candidate, each.number

    return sorted(trainings, key=place)
