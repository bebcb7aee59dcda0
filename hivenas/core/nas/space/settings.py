"""The settings that are searched with a space's architectures: drawn, stepped through, listed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from hivenas.config.choices import Varied, written
from hivenas.config.settings import SECTION
from hivenas.errors import ArchitectureError

Settings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SettingChoices:
    """The settings that a space's candidates may have, by keys without `evaluation.`, in their order.

    Args:
        choices: nothing where settings are the same for all candidates.
    """

    choices: Mapping[str, Varied] = field(default_factory=dict)

    @classmethod
    def of(cls, choices: Mapping[str, Varied]) -> SettingChoices:
        """Those of a configuration's `choices`."""
        return cls({key.removeprefix(SECTION): varied for key, varied in choices.items()})

    @property
    def size(self) -> int:
        """The number of combinations."""
        return math.prod(len(varied.values) for varied in self.choices.values())

    def draw(self, rng: np.random.Generator) -> Settings:
        """A value for every setting, each equally likely; draws nothing where there is none."""
        return tuple((key, texts[int(rng.integers(len(texts)))]) for key, texts in self._texts())

    def steps(self, settings: Settings) -> Iterator[Settings]:
        """The settings one step away: of numbers the next lower and the next higher one, of all else any other."""
        for place, (key, text) in enumerate(settings):
            for other in self._next(key, text):
                yield (*settings[:place], (key, other), *settings[place + 1 :])

    def _next(self, key: str, text: str) -> list[str]:
        varied = self.choices[key]
        if not varied.is_ordered:
            return [written(value) for value in varied.values if written(value) != text]
        ordered = [written(value) for value in sorted(varied.values)]
        place = ordered.index(text)
        return [ordered[i] for i in (place - 1, place + 1) if 0 <= i < len(ordered)]

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The components that may stand at every setting's position, `key=value`."""
        return tuple(tuple(f"{key}={text}" for text in texts) for key, texts in self._texts())

    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """The place in the order of each of the `entries`; nothing at a position whose entries have none."""
        return tuple(_ranks(varied) if varied.is_ordered else () for varied in self.choices.values())

    def parameters(self) -> dict[str, tuple[str, ...]]:
        """The values of every setting as text, by its dotted key."""
        return {f"{SECTION}{key}": tuple(texts) for key, texts in self._texts()}

    def all(self) -> Iterator[Settings]:
        """Every combination once."""
        texts = list(self._texts())
        for values in itertools.product(*(each for _, each in texts)):
            yield tuple(zip((key for key, _ in texts), values, strict=True))

    def check(self, settings: Settings, arch: str) -> None:
        """Refuses what are not the settings of a candidate of this space, in their order.

        Raises:
            ArchitectureError: the rule, what was given, and the way out.
        """
        given = tuple(key for key, _ in settings)
        if given != tuple(self.choices):
            suffix = "".join(f";{key}=…" for key in self.choices)
            rule = f"ends in {suffix}" if suffix else "has no settings, as nothing under evaluation is !Choice or !Log"
            raise ArchitectureError(f"an architecture of this space {rule}, got {arch!r}; write input|…|output{suffix}")
        for key, text in settings:
            texts = [written(value) for value in self.choices[key].values]
            if text not in texts:
                raise ArchitectureError(
                    f"{key} of an architecture of this space must be one of {', '.join(texts)} (evaluation.{key}), got "
                    f"{text} in {arch!r}; choose one of them"
                )

    def _texts(self) -> Iterator[tuple[str, list[str]]]:
        for key, varied in self.choices.items():
            yield key, [written(value) for value in varied.values]


def _ranks(varied: Varied) -> tuple[int, ...]:
    ordered = sorted(varied.values)
    return tuple(ordered.index(value) for value in varied.values)
