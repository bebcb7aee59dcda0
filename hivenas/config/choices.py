"""Values of a key of which a search chooses one a candidate: `!Choice [a, b, c]` and `!Log [low, high, n]`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hivenas.errors import ConfigError
from hivenas.plain import python_values

Scalar = bool | int | float | str

MOST_VALUES = 100
_NO_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off"))  # YAML means others by them
_DIGITS = 4  # of the values between the ends of a Log: what is chosen stands in a candidate's string


@dataclass(frozen=True, slots=True)
class Choice:
    """The values of a key of which a search chooses one a candidate; `!Choice [a, b, c]` in YAML.

    Args:
        values: numbers, words, or true and false, all different. The first one stands for the key wherever one value
            is needed. Numbers are neighbours of the next lower and the next higher one, all else of every other.

    Raises:
        ConfigError: none, too many, two that are equal, or what is no value.

    Examples:
        >>> str(Choice([32, 64]))
        '!Choice [32, 64]'
    """

    values: Sequence[Scalar]

    def __post_init__(self) -> None:
        """Refuses what cannot be chosen from."""
        object.__setattr__(self, "values", python_values(self.values))
        if isinstance(self.values, str) or not isinstance(self.values, Sequence) or not self.values:
            raise ConfigError(f"a !Choice must have a list of values, got {self.values!r}; write !Choice [32, 64]")
        if len(self.values) > MOST_VALUES:
            raise ConfigError(f"a !Choice must have at most {MOST_VALUES} values, got {len(self.values)}; give fewer")
        for value in self.values:
            if not _is_scalar(value):
                raise ConfigError(
                    f"a !Choice must be among finite numbers, words, true and false, got {value!r}; leave it out"
                )
        if len({(isinstance(value, bool), value) for value in self.values}) < len(self.values):
            raise ConfigError(
                f"a !Choice must have different values, got {_listed(self.values)}; leave those out that stand twice"
            )
        object.__setattr__(self, "values", tuple(self.values))

    @property
    def is_ordered(self) -> bool:
        """True of numbers: each is nearer to the next one than to the one after that."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    def __str__(self) -> str:
        """As YAML."""
        return f"!Choice [{_listed(self.values)}]"


@dataclass(frozen=True, slots=True)
class Log:
    """Numbers in equal ratios of which a search chooses one a candidate; `!Log [low, high, n]` in YAML.

    Args:
        low: the lowest, above 0; it stands for the key wherever one value is needed.
        high: the highest.
        n: so many from low to high, 2 … 100; those between are rounded to four digits, and where both ends are whole
            numbers to whole ones.

    Raises:
        ConfigError: an end that is not positive, fewer than two values, or two that are equal.

    Examples:
        >>> Log(0.001, 0.01, 3).values
        (0.001, 0.003162, 0.01)
        >>> Log(16, 128, 4).values
        (16, 32, 64, 128)
    """

    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        """Refuses ends and numbers of values that make none."""
        for key in ("low", "high", "n"):
            object.__setattr__(self, key, python_values(getattr(self, key)))
        for name, value in (("low", self.low), ("high", self.high)):
            number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
            if not 0 < number < math.inf:
                raise ConfigError(
                    f"a !Log must have {name} > 0, got {value!r}; write !Log [low, high, n], such as !Log [0.001, "
                    "0.01, 5], and 0 as a value of a !Choice"
                )
        if self.low >= self.high:
            raise ConfigError(f"a !Log must have low < high, got [{self.low!r}, {self.high!r}]; turn them")
        if isinstance(self.n, bool) or not isinstance(self.n, int) or not 2 <= self.n <= MOST_VALUES:
            raise ConfigError(f"a !Log must have from 2 to {MOST_VALUES} values, got n={self.n!r}; correct n")
        if len(set(self.values)) < self.n:
            raise ConfigError(
                f"a !Log must have different values, got {_listed(self.values)}, rounded; lower n, or give the values "
                "with !Choice"
            )

    @property
    def values(self) -> tuple[float, ...]:
        """All of them, the lowest first."""
        ratio = (self.high / self.low) ** (1 / (self.n - 1))
        between = [self.low * ratio**step for step in range(1, self.n - 1)]
        if isinstance(self.low, int) and isinstance(self.high, int):
            return (self.low, *map(round, between), self.high)
        return (self.low, *(float(f"{value:.{_DIGITS}g}") for value in between), self.high)

    @property
    def is_ordered(self) -> bool:
        """True: each is nearer to the next one than to the one after that."""
        return True

    def __str__(self) -> str:
        """As YAML."""
        return f"!Log [{_listed((self.low, self.high, self.n))}]"


Varied = Choice | Log


def written(value: Scalar) -> str:
    """A value as it stands in a candidate's string, which reads back exactly."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) is not None and value.lower() not in _NO_WORDS
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _listed(values: Sequence[Scalar]) -> str:
    return ", ".join(written(value) if isinstance(value, bool | int | float | str) else repr(value) for value in values)
