"""Keys that a configuration gives and nothing reads, since another key chose otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hivenas.config.evaluation import PAUSING
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.config.tasks import TASKS


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

    def way(self) -> str:
        """The values of the chooser with which the keys are read, in words."""
        return f"{self.chooser}{' other than' if self.otherwise else ':'} {' or '.join(self.values)}"


_WITHOUT_ROLES = tuple(kind.name for kind in STRATEGY_KINDS.values() if not kind.has_roles)
_PROMOTED = ("registry.promote_if", "registry.promote_if.")
_PUBLISHED = (
    *("registry.model", "registry.alias", "registry.promote", "registry.small", "registry.small_within"),
    *_PROMOTED,
)
READERS: tuple[Reader, ...] = (
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


def unused_keys(resolved: Mapping[str, str], defaults: Mapping[str, str]) -> Iterator[str]:
    """A line for every key with a value of its own that nothing reads.

    Args:
        resolved: dotted keys and values of a configuration, as text.
        defaults: those of the one in which everything is default; a key that has its default's value is not given.
    """
    for reader in READERS:
        chosen = resolved.get(reader.chooser, "null")
        if reader.reads(chosen):
            continue
        for key, value in resolved.items():
            named = any(key == each or (each.endswith(".") and key.startswith(each)) for each in reader.keys)
            if named and value != defaults.get(key) and key != reader.chooser:
                yield f"{key}={value} is not used with {reader.chooser}={chosen}; it is for {reader.way()}"
