"""The registries to which users add by name: operations, cells, data sets, metrics, strategies, trackers, executors.

Registering is the one thing that is kept at module level: a configuration can only name things, so that no
configuration can run code, and somebody has to know the names.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar, cast

from hivenas.config.text import cut
from hivenas.errors import ConfigError, first_line

F = TypeVar("F", bound=Callable[..., Any])
MAIN_MODULES = ("__main__", "__mp_main__")  # the latter is what a child of `multiprocessing` calls its parent's


@dataclass(frozen=True, slots=True)
class ClassRule:
    """The rule for classes that users register: the methods that they must have, and their constructor.

    Args:
        kind: what is registered, for errors, such as `strategy`.
        methods: names of the methods.
        constructor: its arguments, for people.
        accepts: calls that the constructor must take: the arguments by position, and those by name.
        way_out: what to do where methods are missing.
        base: the class that it must be derived from.
        base_name: that class for people; empty where any class will do.
    """

    kind: str
    methods: tuple[str, ...]
    constructor: str
    accepts: tuple[tuple[tuple[Any, ...], Mapping[str, Any]], ...]
    way_out: str
    base: type = object
    base_name: str = ""

    def check(self, name: str, entry: object) -> None:
        """Refuses what is not such a class.

        Raises:
            ConfigError: the rule, what was given, and the way out.
        """
        if self.base_name and not (isinstance(entry, type) and issubclass(entry, self.base)):
            raise ConfigError(
                f"the {self.kind} {name!r} must be a class derived from {self.base_name}, got {entry!r}; derive it"
            )
        if not isinstance(entry, type):
            raise ConfigError(f"the {self.kind} {name!r} must be a class, got {entry!r}; pass the class itself")
        missing = [method for method in self.methods if not callable(getattr(entry, method, None))]
        if missing:
            raise ConfigError(
                f"the {self.kind} {name!r} must have the methods {', '.join(self.methods)}, got {entry.__name__} "
                f"without {', '.join(missing)}; {self.way_out}"
            )
        signature = inspect.signature(entry)
        try:
            for positional, named in self.accepts:
                signature.bind(*positional, **named)
        except TypeError as error:
            raise ConfigError(
                f"the constructor of the {self.kind} {name!r} must take {self.constructor}, got {signature}: {error}; "
                "give it these"
            ) from None


class Registry(Mapping[str, Callable[..., Any]]):
    """Names and what they stand for.

    Args:
        kind: what is registered, for errors.
        decorator: the public function that registers, for errors.
    """

    def __init__(self, kind: str, decorator: str) -> None:
        self._kind = kind
        self._decorator = decorator
        self._entries: dict[str, tuple[Callable[..., Any], str]] = {}

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self._entries[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def register(
        self, name: str, entry: F | None, taken: tuple[str, ...], check: Callable[[str, F], object]
    ) -> F | Callable[[F], F]:
        """Registers an entry, or gives the decorator that does where there is none yet.

        Args:
            name: of the entry.
            entry: what stands for the name; None for a decorator.
            taken: names that are built in.
            check: called with the name and the entry before it is registered; raises ConfigError to refuse it.

        Returns:
            The entry as it was given, or the decorator.

        Raises:
            ConfigError: not a name, a name that is taken, or an entry that was refused.
        """
        if not isinstance(name, str):  # a decorator without its brackets
            raise ConfigError(
                f"{self._kind} must be registered by name, got {name!r}; write @{self._decorator}('my_name')"
            )
        if entry is None:
            return lambda decorated: cast(F, self.register(name, decorated, taken, check))
        check(name, entry)
        self.add(name, entry, taken)
        return entry

    def add(self, name: str, entry: Callable[..., Any], taken: tuple[str, ...]) -> None:
        """Registers a callable for the module that called hivenas to do it, wherever the callable itself comes from.

        The same module may register its own name anew, as an interactive session does.

        Raises:
            ConfigError: not a name, a built-in name, or one that another module has registered.
        """
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ConfigError(f"the name of {self._kind} must be letters, digits and _, got {name!r}; rename it")
        if name in taken:
            raise ConfigError(f"{name!r} is built in, so {self._kind} cannot take the name; choose another")
        module = _calling_module()
        _, before = self._entries.get(name, (None, module))
        if before != module:
            raise ConfigError(
                f"{self._kind} {name!r} is registered by {before} already, got another from {module}; "
                "rename one of them"
            )
        self._entries[name] = (entry, module)

    def modules(self) -> set[str]:
        """The modules whose import registers what is registered here."""
        return {module for _, module in self._entries.values()}

    def main_entries(self) -> dict[str, Callable[..., Any]]:
        """The entries that the main module has registered."""
        return {name: entry for name, (entry, module) in self._entries.items() if module == "__main__"}

    def take(self, entries: Mapping[str, Callable[..., Any]]) -> None:
        """Registers what the main module of another process has registered there."""
        self._entries.update({name: (entry, "__main__") for name, entry in entries.items()})


def _calling_module() -> str:
    """The module whose code called hivenas: what it registers need not say so, as a partial or a Keras class."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "__main__"))
        if module.partition(".")[0] != "hivenas":
            return "__main__" if module in MAIN_MODULES else module
        frame = frame.f_back
    return "__main__"


OPERATIONS = Registry("an operation", "register_operation")
CELLS = Registry("a cell", "register_cell")
DATASETS = Registry("a data set", "register_dataset")
METRICS = Registry("a metric", "register_metric")
STRATEGIES = Registry("a strategy", "register_strategy")
# Of the driver's process alone: no worker has to know them.
TRACKERS = Registry("a tracker", "register_tracker")
EXECUTORS = Registry("an executor", "register_executor")
# What workers have to know of the main module, which they do not import.
_TRAVELLING = (OPERATIONS, CELLS, DATASETS, METRICS)


# In the order in which they were asked for: one may use what an earlier one registers.
_imported: dict[str, None] = {}


def import_options() -> str:
    """The options with which another command imports what this process was asked to import first; empty for nothing."""
    return "".join(f" --import {shlex.quote(name)}" for name in _imported)


def registered_modules() -> tuple[str, ...]:
    """Modules that a worker has to import to know everything that this process knows.

    Those that `import_modules` was asked for come first, in their order; the rest, from which something is registered,
    follow in alphabetical order. The main module is not among them: no worker imports it, see `main_entries`.
    """
    registries = (*_TRAVELLING, STRATEGIES)
    others = {module for registry in registries for module in registry.modules()}
    return (*_imported, *sorted(others - {"__main__"} - _imported.keys()))


def main_entries() -> list[dict[str, Callable[..., Any]]]:
    """Operations, cells, data sets and metrics that the main module has registered; nothing where it has none.

    Workers do not import it, so that a script needs no `if __name__ == "__main__"`: these travel by value.
    """
    entries = [each.main_entries() for each in _TRAVELLING]
    return entries if any(entries) else []


def register_entries(entries: Iterable[Mapping[str, Callable[..., Any]]]) -> None:
    """Registers what `main_entries` has given in another process."""
    for registry, each in zip(_TRAVELLING, entries, strict=False):
        registry.take(each)


def import_callable(path: str) -> Callable[..., Any]:
    """A callable of hivenas' own, imported when it is used.

    Args:
        path: its module and its name there, as in `package.module:Name`.
    """
    module, _, attribute = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def import_modules(names: Iterable[str]) -> None:
    """Imports modules that register something, and remembers them for worker processes.

    The current folder is looked in, as `python` itself does for a script that lies there.

    Args:
        names: of modules, as in an `import` statement.

    Raises:
        ConfigError: a module that is not found, or whose import fails.
    """
    for name in names:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"cannot import the module {name!r}: {cut(first_line(error))}; name a file of this folder without its "
                ".py, or an installed package"
            ) from error
        _imported[name] = None
