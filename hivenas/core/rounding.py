"""The rounding of figures: networks compute theirs in float32, which records an exact 0.9 as 0.8999999761581421."""

from __future__ import annotations

import math

ROUNDING = 1e-6  # as a share of a figure: some units of float32's last place


def reaches(figure: float, least: float, *, over: float = 0.0) -> bool:
    """True where a figure is at least so large, up to rounding.

    Args:
        figure: larger is better.
        least: the limit; of the difference where `over` is given.
        over: what is taken from the figure first.
    """
    gap = figure - over
    return gap >= least or math.isclose(gap, least, rel_tol=0.0, abs_tol=ROUNDING * max(abs(figure), abs(over)))
