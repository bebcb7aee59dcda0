"""The images that a split gets where labels are no classes: by chance, or spread over the numbers that there are."""

from __future__ import annotations

import numpy as np

from hivenas.core.nas.data.image_arrays import Labels
from hivenas.core.nas.data.splits import Positions, Wanted
from hivenas.errors import DatasetError
from hivenas.wording import number_of


def by_permutation(y: Labels, wanted: Wanted) -> tuple[Positions, Positions]:
    """The images of a part and the others, by a permutation of the seed alone.

    Args:
        y: labels (count, outputs).
        wanted: the split that is asked for.

    Raises:
        DatasetError: too few images.
    """
    size = _size(len(y), wanted)
    order = np.random.default_rng(wanted.seed).permutation(len(y))
    return order[:size], order[size:]


def by_order(y: Labels, wanted: Wanted) -> tuple[Positions, Positions]:
    """The images of a part and the others, with numbers from the lowest to the highest on both sides.

    In the order of their numbers the images are cut into as many runs as the smaller side is to have; of each run one,
    drawn by the seed, goes there.

    Args:
        y: numbers (count, 1).
        wanted: the split that is asked for.

    Raises:
        DatasetError: too few images.

    Source: stratified sampling with one unit a stratum, W. G. Cochran, Sampling Techniques (1977), section 5A.9.
    """
    size = _size(len(y), wanted)
    rng = np.random.default_rng(wanted.seed)
    shuffled = rng.permutation(len(y))  # so that equal numbers are in an order of the seed's
    order = shuffled[np.argsort(y[shuffled, 0], kind="stable")]
    fewer = min(size, len(y) - size)
    chosen = np.zeros(len(y), np.bool_)
    for run in np.array_split(order, fewer) if fewer else ():
        chosen[run[int(rng.integers(len(run)))]] = True
    small, large = shuffled[chosen[shuffled]], shuffled[~chosen[shuffled]]
    return (small, large) if fewer == size else (large, small)


def _size(count: int, wanted: Wanted) -> int:
    """Images of the part; at least one, and where the others are used one of these."""
    most = count - 1 if wanted.rest_is_used else count
    if most < wanted.least:
        raise DatasetError(
            f"{number_of(count, 'image')} cannot be split {wanted.size} to {count - wanted.size} with one on both "
            f"sides; {wanted.way_out}"
        )
    return min(max(wanted.size, wanted.least), most)
