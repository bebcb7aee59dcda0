"""From figures to places in a picture: scales, their ticks, and figures as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MOST_DECADES = 7
_MOST = 1.7e308
_FEWEST, _MOST_DIGITS = 3, 15  # more would show how floats are rounded
LETTER = 7.0  # the width of a digit of a label


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: it gives a value its place.

    Args:
        low, high: the values at its ends, low < high; both > 0 where it is logarithmic.
        start, end: the places of these ends, in units of the picture.
        log: equal factors, not equal differences, are equally long.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; what lies beyond an end stands at that end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        # Divided first: the difference of two huge values may be infinite.
        share = (at / 2 - low / 2) / (high / 2 - low / 2)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """About so many round values between the ends, with their labels."""
        if self.log and self.high / self.low >= 10:
            return self._decades()
        span = self.high - self.low
        if not math.isfinite(span):
            return [(self.low, brief(self.low)), (self.high, brief(self.high))]
        step = _round_step(span / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        place = math.floor(math.log10(step) + 1e-9)
        largest = math.floor(math.log10(max(abs(self.low), abs(self.high))))
        digits = min(max(_FEWEST, largest - place + 1), _MOST_DIGITS)  # with fewer, two labels might read alike
        values = [number * step for number in range(first, last + 1)]
        return [(value, _label(value, max(0, -place), digits)) for value in values]

    def beside(self, ticks: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
        """As many of its ticks, evenly chosen, as have room for their labels side by side."""
        places = [self(value) for value, _ in ticks]
        nearest = min((abs(other - one) for one, other in pairwise(places)), default=math.inf)
        widest = LETTER * (max((len(label) for _, label in ticks), default=0) + 1)
        return ticks[:: max(1, math.ceil(widest / max(nearest, 1e-3)))]

    def _decades(self) -> list[tuple[float, str]]:
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        stride = 1 + (last - first) // _MOST_DECADES
        factors, begin = ((1.0, 3.0), first - 1) if last - first < 2 else ((1.0,), first)
        values = (factor * 10.0**power for power in range(begin, last + 1, stride) for factor in factors)
        return [(value, brief(value)) for value in values if self.low <= value * (1 + 1e-9) and value <= self.high]


def scale_of(values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.05) -> Scale:
    """A scale on which all values have room.

    Args:
        values: what is to be shown; those that are not finite are left out.
        start: the place of its lower end.
        end: the place of its upper end.
        log: logarithmic, where every value is above 0.
        margin: room beyond the outermost values, as a share.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    # Clipped, so that there is room beyond the largest that a float can be.
    low, high = (max(min(value, _MOST / 1.07), -_MOST / 1.07) for value in (min(finite), max(finite)))
    if log and low > 0:
        room = max((high / low) ** margin, 1.05)
        return Scale(max(low / room, 5e-324), min(high * room, _MOST), start, end, log=True)
    room = max((high - low) * margin, abs(high) * 1e-6, 1e-12) if high > low else max(abs(high) * 0.1, 0.1)
    return Scale(max(low - room, -_MOST), min(high + room, _MOST), start, end)


def spreads(values: Iterable[float]) -> bool:
    """Say if values are seen better by their factors than by their differences: all above 0, over two decades."""
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) > 100


def brief(value: float, digits: int = _FEWEST) -> str:
    """A figure in few characters: 950, 12k, 3.4M, 1e-07."""
    size = abs(float(f"{value:.{digits}g}"))
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if limit <= size < 1e12:
            return f"{value / limit:.{digits}g}{letter}"
    return f"{value:.{digits}g}"


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda near: abs(math.log(near / step)))


def _label(value: float, places: int, digits: int) -> str:
    if abs(value) >= 10_000:
        return brief(value, digits)
    text = f"{value:.{places}f}" if places <= 4 else f"{value:.{digits}g}"
    return "0" if float(text) == 0 else text
