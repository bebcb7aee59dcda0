"""Full trainings that fail: whether the same training would fail again, and what to change so that it does not."""

from __future__ import annotations

from collections.abc import Mapping

from hivenas.config import Config
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.settings import settings_of
from hivenas.core.records import Evaluation
from hivenas.errors import RepeatableTrainingError, TrainingError

# What an evaluation's `extra` says of a failure, under this key.
CAUSE = "cause"
DIVERGED = "diverged"  # loss, weights or answers are not finite: it depends on the numbers alone
MACHINE = "machine"  # no memory, a device, a killed worker: another time it may do
PROGRAM = "program"  # any other exception: the same code raises it again


class NotFiniteError(ArithmeticError):
    """Loss, weights or answers became NaN or infinite."""


def failed_training(config: Config, evaluation: Evaluation) -> TrainingError:
    """The error of a full training that failed, which says what to do about it.

    Args:
        config: that it was trained with.
        evaluation: the failed one.
    """
    candidate = str(evaluation.candidate)
    said = f"the full training of {candidate} failed: {evaluation.reason}"
    cause = evaluation.extra.get(CAUSE)
    if cause == DIVERGED:
        changes = gentler(config.of(candidate))
        if settings_of(candidate):  # its own rates: no key of the configuration changes those, nor what follows them
            changes = {key: each for key, each in changes.items() if key == "evaluation.precision"}
        ways = " and ".join(f"{key} from {before} to {after}" for key, (before, after) in changes.items())
        return RepeatableTrainingError(
            f"{said}; the same training would fail again, so {f'change {ways}, say, or ' if ways else ''}train another "
            "candidate",
            changes=tuple(f"{key}={after}" for key, (_, after) in changes.items()),
        )
    if cause == PROGRAM:
        return RepeatableTrainingError(
            f"{said}; the same training would fail again, so mend what raises that, or train another candidate"
        )
    return TrainingError(said)


def gentler(config: Config) -> Mapping[str, tuple[str, str]]:
    """The keys with which a training that diverged may not: each with its value and another one.

    Learning rates become a tenth, and no more than what Keras gives the optimizer.
    """
    evaluation = config.evaluation
    own = evaluation.optimizer.arguments.get("learning_rate")
    rates = {"initial_lr": evaluation.initial_lr, "final_lr": evaluation.final_lr} if evaluation.initial_lr else {}
    rates |= {"optimizer.learning_rate": own} if own is not None else {}
    begins = evaluation.initial_lr or evaluation.optimizer.arguments["learning_rate"]
    factor = min(begins / 10, OPTIMIZERS[evaluation.optimizer.op].keras_rate) / begins
    changes = {f"evaluation.{key}": (f"{rate:g}", f"{rate * factor:.3g}") for key, rate in rates.items()}
    half = evaluation.precision != "float32"
    return changes | ({"evaluation.precision": (evaluation.precision, "float32")} if half else {})
