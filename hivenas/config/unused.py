"""Keys whose values are of no use, or of another one than is meant: a line each, which hinders nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hivenas.config.evaluation import PAUSING, EvaluationConfig
from hivenas.config.full_training import FullTrainConfig
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.schedules import SCHEDULES
from hivenas.config.schema import DatasetConfig
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.config.tasks import TASKS
from hivenas.config.text import as_text, leaves, listed, masked

_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@:]*:[^/@]+@")


@dataclass(frozen=True, slots=True)
class Reader:
    """The value of a key with which other keys are read.

    Args:
        keys: that are read, dotted; one that ends in a dot stands for a section.
        chooser: the key that decides.
        values: its values, as text, with which they are read.
        otherwise: whether they are read with all other values instead.
    """

    keys: tuple[str, ...]
    chooser: str
    values: tuple[str, ...]
    otherwise: bool = False

    def reads(self, value: str) -> bool:
        """True where the keys are read with this value of the chooser."""
        return (value in self.values) is not self.otherwise

    def names(self, key: str) -> bool:
        """True of one of the keys."""
        return any(key == each or (each.endswith(".") and key.startswith(each)) for each in self.keys)

    def way(self) -> str:
        """The values of the chooser with which the keys are read, in words."""
        return f"{self.chooser}{' other than' if self.otherwise else ':'} {' or '.join(self.values)}"


_WITHOUT_ROLES = tuple(kind.name for kind in STRATEGY_KINDS.values() if not kind.has_roles)
_PROMOTED = ("registry.promote_if", "registry.promote_if.")
_PUBLISHED = (
    *("registry.model", "registry.alias", "registry.promote", "registry.small", "registry.small_within"),
    *_PROMOTED,
)
# Of networks and their training, which functions and tables have none of.
_TRAINING = (
    *("evaluation.", "dataset.", "space."),
    *(f"full_train.{key}" for key in FullTrainConfig.model_fields if key != "enabled"),  # off is what it is there
)
READERS: tuple[Reader, ...] = (
    Reader(_TRAINING, "objective", ("nas", "custom")),
    Reader(("evaluation.act.",), "evaluation.stopping", ("act",)),
    Reader(("evaluation.median.",), "evaluation.stopping", ("median",)),
    Reader(("evaluation.ladder.",), "evaluation.stopping", ("ladder",)),
    Reader(("evaluation.momentum_epochs",), "evaluation.stopping", PAUSING, otherwise=True),
    Reader(("evaluation.inherit_epochs",), "evaluation.inherit", ("true",)),
    Reader(("colony.employee_ratio", "colony.abandonment_limit"), "colony.kind", _WITHOUT_ROLES, otherwise=True),
    Reader(("evaluation.first_look", "evaluation.inherit"), "colony.kind", ("random",), otherwise=True),
    Reader(_PUBLISHED, "registry.register", ("true",)),
    Reader(
        (*_PUBLISHED, "registry.evaluation", "results.logged_models", "tracking_live_s"),
        "tracking",
        ("none",),
        otherwise=True,
    ),
    Reader(_PROMOTED, "registry.promote", ("never",), otherwise=True),
    Reader(("registry.evaluation",), "task", tuple(name for name, task in TASKS.items() if task.evaluator)),
    Reader(("registry.small_within",), "registry.small", ("null",), otherwise=True),
    Reader(("optuna.study",), "optuna.storage", ("null",), otherwise=True),
    Reader(
        ("execution.workers", "execution.threads", "execution.recycle_after"),
        "execution.kind",
        ("serial",),
        otherwise=True,
    ),
)


def unused_keys(resolved: Mapping[str, str], defaults: Mapping[str, str], given: Mapping[str, object]) -> Iterator[str]:
    """A line for what was given a value of its own and nothing reads, one for all keys that one value leaves unread.

    Args:
        resolved: dotted keys and values of a configuration, as text.
        defaults: those of the one in which everything is default; a key that has its default's value changes nothing.
        given: the keys that were given, nested; of the others values follow from these.
    """
    written = {key for key, _ in leaves(dict(given))}
    told: set[str] = set()
    for reader in READERS:
        chosen = resolved.get(reader.chooser, "null")
        if reader.reads(chosen):
            continue
        unread = [key for key in resolved if key in written and key != reader.chooser and reader.names(key)]
        unread = [key for key in unread if resolved[key] != defaults.get(key) and key not in told]
        told.update(unread)
        if unread:
            verb, they = ("is", "it is") if len(unread) == 1 else ("are", "they are")
            named = listed([f"{key}={resolved[key]}" for key in unread], most=4)
            yield f"{named} {verb} not used with {reader.chooser}={chosen}; {they} for {reader.way()}"


def of_training(
    objective: str, evaluation: EvaluationConfig, given: Mapping[str, object], choices: Mapping[str, object]
) -> Iterator[str]:
    """The lines on how candidates are trained, beside those of `unused_keys`.

    Args:
        objective: with some nothing is trained.
        evaluation: the section.
        given: it as it was given, with the first values of keys that vary: some of its rates are resolved to others.
        choices: what varies, by its dotted key.
    """
    yield from _steep_rate(evaluation)
    if objective in ("nas", "custom"):
        yield from _unused_rates(given, choices, evaluation.optimizer.arguments.get("learning_rate"))
    if objective == "nas":
        yield from _never_judged(evaluation)


def _steep_rate(evaluation: EvaluationConfig) -> Iterator[str]:
    """A line for a rate that was written for the optimizer which was once the default."""
    usual = OPTIMIZERS[evaluation.optimizer.op].initial_rate
    if "optimizer" not in evaluation.model_fields_set and evaluation.initial_lr >= 5 * usual:
        yield (
            f"evaluation.initial_lr={evaluation.initial_lr:g} is much for the default optimizer "
            f"{evaluation.optimizer.op}, which begins at {usual:g}; name the evaluation.optimizer that it is for, SGD "
            "perhaps, or lower it"
        )


def _unused_rates(given: Mapping[str, object], choices: Mapping[str, object], own: float | None) -> Iterator[str]:
    """A line for what was given about the learning rate and is not used, as one end of it is 0 and the other is not.

    Args:
        given: the keys of `evaluation` that were given, with the first values of those that vary.
        choices: what varies, by its dotted key.
        own: the rate of every epoch then, the optimizer's.
    """
    ends = ("initial_lr", "final_lr")
    off = [key for key in ends if key in given and not given[key] and f"evaluation.{key}" not in choices]
    if len(off) != 1 or own is None:
        return
    (zero,) = off
    schedule = SCHEDULES.get(str(given.get("schedule", "")))
    lost = [key for key in ends if key in given and key != zero]
    lost += ["schedule"] if schedule and schedule.changes else []
    if lost:
        told = {key: choices.get(f"evaluation.{key}", as_text(given[key])) for key in lost}
        verb = "is" if len(lost) == 1 else "are"
        way = "leave it out" if zero == "initial_lr" else "write final_lr: 1e-8 for one that falls to almost nothing"
        yield (
            f"{' and '.join(f'evaluation.{key}={value}' for key, value in told.items())} {verb} not used with "
            f"evaluation.{zero}=0, with which the rate is the optimizer's, {own:g}, in every epoch; {way}"
        )


def _never_judged(evaluation: EvaluationConfig) -> Iterator[str]:
    """A line for a stopping rule that was given and ends no training, as there is no epoch that it would judge."""
    stopping, epochs = evaluation.stopping, evaluation.epochs
    if "stopping" not in evaluation.model_fields_set or evaluation.judged_epochs:
        return
    if stopping == "act" and evaluation.act.beta:
        yield (
            f"evaluation.stopping=act is not used with evaluation.epochs={epochs}, as the last epoch is never judged; "
            "raise epochs"
        )
    if stopping == "median":
        yield (
            f"evaluation.stopping=median is not used with evaluation.median.from_epoch={evaluation.median.from_epoch} "
            f"and evaluation.epochs={epochs}, as the last epoch is never judged; raise epochs or lower from_epoch"
        )


def told_password(dataset: DatasetConfig) -> Iterator[str]:
    """A line for a password in the path of data, which every record of a search repeats: resuming needs it."""
    if dataset.path is not None and _WITH_PASSWORD.match(dataset.path):
        yield (
            f"dataset.path={masked(dataset.path)} has a password, which is recorded and shown with the search; let "
            "what loads the data read it from the environment"
        )
