"""What users add to hivenas by name: operations, cells and data sets of their own.

Registering is the one thing that is kept at module level: a configuration can only name things, so that no
configuration can run code, and somebody has to know the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from hivenas.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


class Registry(Mapping[str, Callable[..., Any]]):
    """Names and what they stand for.

    Args:
        kind: what is registered, for errors.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._entries: dict[str, Callable[..., Any]] = {}

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, entry: Callable[..., Any], taken: tuple[str, ...]) -> None:
        """Registers a callable; the same module may register its own name anew, as an interactive session does.

        Raises:
            ConfigError: not a name, a built-in name, or one that another module has registered.
        """
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ConfigError(f"the name of {self._kind} must be letters, digits and _, got {name!r}; rename it")
        if name in taken:
            raise ConfigError(f"{name!r} is built in, so {self._kind} cannot take the name; choose another")
        before = self._entries.get(name)
        if before is not None and _module(before) != _module(entry):
            raise ConfigError(
                f"{self._kind} {name!r} is registered by {_module(before)} already, got another from {_module(entry)}; "
                "rename one of them"
            )
        self._entries[name] = entry

    def modules(self) -> set[str]:
        """The modules whose import registers what is registered here."""
        return {_module(entry) for entry in self._entries.values()}


def _module(entry: Callable[..., Any]) -> str:
    # `__mp_main__` is what a spawned worker calls the script that the driver calls `__main__`.
    module = getattr(entry, "__module__", None) or type(entry).__module__
    return "__main__" if module == "__mp_main__" else str(module)


OPERATIONS = Registry("an operation")
CELLS = Registry("a cell")
DATASETS = Registry("a data set")


def registered_modules() -> tuple[str, ...]:
    """Modules that a worker has to import to know everything that this process knows, in alphabetical order.

    The main script is not among them: spawned workers run it on their own.
    """
    return tuple(sorted((OPERATIONS.modules() | CELLS.modules() | DATASETS.modules()) - {"__main__"}))
