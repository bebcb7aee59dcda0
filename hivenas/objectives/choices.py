"""Anyone's function over named choices, as an objective."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hivenas.config.choices import Choice, Log
from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo
from hivenas.core.parameters import Parameters
from hivenas.core.records import Candidate, Direction
from hivenas.core.unicode import storable
from hivenas.errors import ArchitectureError, ConfigError

_SEPARATOR = "|"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # as Python shows functions, and objects that do not say how they read


class FunctionObjective(ArchitectureObjective):
    """A function of named choices: `function(**choices)` gives the fitness.

    A candidate is the text `name=value|name=value|…`, with a choice for every name; strategies learn from it as from an
    architecture. The function is called in the configured executor: in worker processes it travels by value where it
    is of the main module, else by its name.

    Args:
        function: gets the chosen values by their names, and returns the fitness, or a mapping with the key `fitness`.
            Of what is beside it `params`, `macs`, `epochs`, `momentum`, `latency_ms`, `latency_batch_ms` and
            `memory_mb` are recorded, and nothing else.
        choices: what each may be, by its name, in a list, an array, a `Choice` or a `Log`: at least one name, and two
            values of one of them.
        minimize: whether a smaller fitness is better.
        metric: what fitness is, for people.
        seed: of samples and neighbours outside a search, which gives its own generator.

    Raises:
        ConfigError: no choices, values that read alike, or what is no function of these names.

    Examples:
        >>> objective = FunctionObjective(lambda width, depth: width * depth, {"width": [8, 16], "depth": [1, 2, 3]})
        >>> objective.describe().size
        6
        >>> objective.evaluate("width=16|depth=3")
        {'fitness': 48.0}
    """

    def __init__(
        self,
        function: Callable[..., float | Mapping[str, Any]],
        choices: Mapping[str, Iterable[Any] | Choice | Log],
        *,
        minimize: bool = False,
        metric: str = "fitness",
        seed: int = 0,
    ) -> None:
        self._function = function
        self._minimize = minimize
        self._metric = metric
        given = _listed(choices)
        self._values = {name: {str(value): value for value in values} for name, values in given.items()}
        self.rng = np.random.default_rng(seed)
        self._check(given)
        self._check_function()

    def _check_function(self) -> None:
        """Refuses what cannot be called with the names of the choices."""
        if not callable(self._function):
            raise ConfigError(f"function must be one, got {self._function!r}; give a function of {self._named()}")
        try:
            signature = inspect.signature(self._function, follow_wrapped=False)  # a decorator may add arguments
        except ValueError:  # of some built-in ones nobody knows the arguments
            return
        try:
            signature.bind(**dict.fromkeys(self._values))
        except TypeError as error:
            raise ConfigError(
                f"function must take the choices by their names, {self._named()}, got one of {signature} ({error}); "
                "rename its arguments or the choices"
            ) from None

    def _named(self) -> str:
        return ", ".join(self._values)

    def _check(self, choices: Mapping[str, Sequence[Any]]) -> None:
        for name, values in choices.items():
            known = self._values[name]
            if not values or len(known) < len(values):
                raise ConfigError(
                    f"a choice needs values that read differently, got {name}: {list(values)}; name each value once"
                )
            if lasting := [text for text in known if _ADDRESS.search(text)]:
                raise ConfigError(
                    f"values of choices must read alike in every process, got {name}: {lasting[0]}, which names a "
                    "place in memory; give names, and look up in the function what they stand for"
                )
            if any(_SEPARATOR in text for text in (name, *known)) or "=" in name:
                raise ConfigError(
                    f"names and values of choices must be without {_SEPARATOR!r}, and names without '=', got {name}: "
                    f"{list(values)}; rename them"
                )
            if any(storable(text) != text for text in (name, *known)):
                raise ConfigError(
                    f"names and values of choices must be Unicode without NUL, got {name!a}: {list(values)!a}; "
                    "give a path by another name, such as its number"
                )
        if not any(len(known) > 1 for known in self._values.values()):
            raise ConfigError(f"a search needs a name with at least two choices, got {dict(choices)}; add some")

    @property
    def is_minimize(self) -> bool:
        """True where a smaller fitness is better."""
        return self._minimize

    def describe(self) -> ObjectiveInfo:
        """A function, evaluated in workers."""
        entries = {name: tuple(known) for name, known in self._values.items()}

        def read(candidate: str) -> dict[str, str | float]:
            return dict(zip(entries, self._parse(candidate), strict=True))

        return ObjectiveInfo(
            direction=Direction.of(self._minimize),
            metric=self._metric,
            parameters=Parameters(read, entries),
            size=math.prod(len(known) for known in self._values.values()),
        )

    def sample(self) -> str:
        """A choice of each, all equally likely."""
        chosen = [known[int(self.rng.integers(len(known)))] for known in self.entries()]
        return self._encode(chosen)

    def get_neighbor(self, orig_arch: str) -> str:
        """The candidate with one choice changed, each other one equally likely.

        Raises:
            ArchitectureError: not a candidate of these choices.
        """
        neighbors = self.neighbors(orig_arch)
        return neighbors[int(self.rng.integers(len(neighbors)))]

    def neighbors(self, arch: str) -> Sequence[str]:
        """Every candidate with one other choice."""
        here = self._parse(arch)
        return [
            self._encode([*here[:position], entry, *here[position + 1 :]])
            for position, known in enumerate(self.entries())
            for entry in known
            if entry != here[position]
        ]

    def components(self, arch: str) -> tuple[str, ...]:
        """The choices as texts, in the order of the names."""
        return tuple(self._parse(arch))

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The texts of the choices for every name."""
        return tuple(tuple(known) for known in self._values.values())

    def compose(self, components: Sequence[str]) -> str | None:
        """The candidate of these choices; None where one of them does not exist."""
        fits = len(components) == len(self._values) and all(
            text in known for text, known in zip(components, self._values.values(), strict=True)
        )
        return self._encode(components) if fits else None

    def choices_of(self, candidate: Candidate) -> dict[str, Any]:
        """The chosen values by their names, as the function gets them."""
        texts = self._parse(str(candidate))
        return {name: known[text] for (name, known), text in zip(self._values.items(), texts, strict=True)}

    def evaluate(self, candidate: str) -> dict[str, Any]:
        """Calls the function; the result has at least the key `fitness`."""
        result = self._function(**self.choices_of(candidate))
        figures = dict(result) if isinstance(result, Mapping) else {"fitness": result}
        return figures | {"fitness": float(figures["fitness"])}

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        """A function does not get better by waiting: the same value again."""
        return self.evaluate(candidate)

    def _encode(self, texts: Sequence[str]) -> str:
        return _SEPARATOR.join(f"{name}={text}" for name, text in zip(self._values, texts, strict=True))

    def _parse(self, candidate: str) -> list[str]:
        parts = candidate.split(_SEPARATOR)
        texts = [part.partition("=")[2] for part in parts]
        names = [part.partition("=")[0] for part in parts]
        known = names == list(self._values)
        if not known or any(text not in entries for text, entries in zip(texts, self._values.values(), strict=True)):
            example = self._encode([next(iter(entries)) for entries in self._values.values()])
            raise ArchitectureError(
                f"a candidate must name one of the choices for each of {', '.join(self._values)}, got {candidate!r}; "
                f"such as {example!r}"
            )
        return texts


def _listed(choices: Mapping[str, Iterable[Any] | Choice | Log]) -> dict[str, list[Any]]:
    """The values of each name.

    Raises:
        ConfigError: what has none.
    """
    if not isinstance(choices, Mapping):
        raise ConfigError(f"choices must be values by their names, got {choices!r}; give {{name: [values]}}")
    listed = {}
    for name, given in choices.items():
        values = given.values if isinstance(given, Choice | Log) else given
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise ConfigError(f"choices must be lists of values by their names, got {name}: {given!r}; give lists")
        listed[name] = list(values)
    return listed
