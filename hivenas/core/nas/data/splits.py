"""Splits of labelled images; of classes with every one on both sides wherever the counts allow it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hivenas.config import DatasetConfig
from hivenas.core.nas.data.image_arrays import LabelledImages, Labels
from hivenas.core.nas.data.stored_images import Images, at
from hivenas.core.seeds import derive_seed
from hivenas.errors import DatasetError
from hivenas.wording import number_of

TEST_SHARE = 0.2
TEST_SEED = 0  # one test split for every run of every user, or test accuracies could not be compared
_NAMED = 5
Labelled = tuple[Images, Labels]
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """A part of labelled images, and the others.

    Args:
        x, y: the part.
        x_rest, y_rest: the others.
    """

    x: Images
    y: Labels
    x_rest: Images
    y_rest: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The split that is asked for.

    Args:
        size: images of the part; where classes are rare, the nearest number with each of them on both sides.
        seed: of the draw.
        least: images of each class that the part must have, as many as further splits of it need.
        rest_is_used: whether every class must be among the others, too.
        names: of the classes.
        way_out: what can be done where the counts do not allow it.
    """

    size: int
    seed: int
    least: int = 1
    rest_is_used: bool = True
    names: Sequence[str]
    way_out: str


# From labels and the split that is wanted to the positions of the part, and of the others.
Draw = Callable[[Labels, Wanted], tuple[Positions, Positions]]


def by_class(y: Labels, wanted: Wanted) -> tuple[Positions, Positions]:
    """Draws so many images with the shares of the classes kept.

    The draw is scikit-learn's. It refuses counts of rare classes that it would round to nothing on a side; those are
    given an image on each side first.

    Raises:
        DatasetError: a class has too few images; names such classes and their counts.
    """
    counts = np.bincount(y, minlength=len(wanted.names))
    drawn = _drawn_by_shares(y, counts, wanted)
    if drawn is None:
        quotas = _quotas(counts, wanted)
        if quotas is None:
            raise DatasetError(_refusal(counts, wanted))
        drawn = _drawn_by_quotas(y, quotas, wanted.seed)
    return drawn


def split(
    origin: str,
    config: DatasetConfig,
    given: LabelledImages,
    names: Sequence[str],
    *,
    seed: int,
    draw: Draw = by_class,
) -> tuple[Labelled, Labelled, Labelled]:
    """Splits labelled images into training, validation and test.

    Args:
        origin: file, folder or name of the data set.
        config: the `dataset` section of a configuration.
        given: the splits that the source brings along; the others are held out of its training images.
        names: of the classes.
        seed: the run's seed; it decides which training images are held out or left out.
        draw: which images a part gets.

    Raises:
        DatasetError: a class has too few images.
    """
    x, y = given.images["train"], given.labels["train"]
    least = 1 if "val" in given.images else 2  # of each class, in what is split once more
    if "test" in given.images:
        test = given.images["test"], given.labels["test"]
    else:
        way_out = f"add images to {origin} or give it a test split"
        kept = len(x) - math.ceil(len(x) * TEST_SHARE)
        part = _parted(x, y, Wanted(size=kept, seed=TEST_SEED, least=least, names=names, way_out=way_out), draw)
        x, y, test = part.x, part.y, (part.x_rest, part.y_rest)
    drawn = derive_seed(seed, "validation split")
    keys = (
        f"add images of it or change dataset.train_limit={config.train_limit} or "
        f"validation_split={config.validation_split}"
    )
    if config.train_limit and config.train_limit < len(x):
        wanted = Wanted(
            size=config.train_limit,
            seed=drawn,
            least=least if config.train_limit >= least * len(names) else 1,
            rest_is_used=False,
            names=names,
            way_out=keys,
        )
        part = _parted(x, y, wanted, draw)
        x, y = part.x, part.y
    if "val" in given.images:
        return (x, y), (given.images["val"], given.labels["val"]), test
    kept = len(x) - max(1, round(len(x) * config.validation_split))
    part = _parted(x, y, Wanted(size=kept, seed=drawn, names=names, way_out=keys), draw)
    return (part.x, part.y), (part.x_rest, part.y_rest), test


def _parted(x: Images, y: Labels, wanted: Wanted, draw: Draw) -> Split:
    first, rest = draw(y, wanted)
    return Split(at(x, first), y[first], at(x, rest), y[rest])


def _drawn_by_shares(y: Labels, counts: NDArray[np.intp], wanted: Wanted) -> tuple[Positions, Positions] | None:
    """Positions on both sides by scikit-learn; None where it leaves out a class."""
    if not wanted.rest_is_used and len(y) - wanted.size < len(counts) <= wanted.size:
        # Too few are left over for scikit-learn, which wants every class among them.
        first, rest = _all_but_a_few(y, wanted.size, wanted.seed), np.empty(0, np.intp)
    else:
        from sklearn.model_selection import train_test_split

        try:
            first, rest = train_test_split(
                np.arange(len(y)), train_size=wanted.size, stratify=y, random_state=wanted.seed
            )
        except ValueError:
            return None
    # It rounds the shares of rare classes to nothing.
    for part, least in ((first, wanted.least), (rest, 1 if wanted.rest_is_used else 0)):
        if np.bincount(y[part], minlength=len(counts)).min() < least:
            return None
    return first, rest


def _quotas(counts: NDArray[np.intp], wanted: Wanted) -> NDArray[np.intp] | None:
    """The number of images of each class that the part gets; None where no numbers will do."""
    lowest = np.full(len(counts), wanted.least)
    highest = counts - (1 if wanted.rest_is_used else 0)
    if (lowest > highest).any() or (not wanted.rest_is_used and lowest.sum() > wanted.size):
        return None
    size = min(max(wanted.size, int(lowest.sum())), int(highest.sum()))
    shares = counts * (size / counts.sum())
    quotas: NDArray[np.intp] = np.clip(np.floor(shares).astype(np.intp), lowest, highest)
    while missing := size - int(quotas.sum()):
        step = 1 if missing > 0 else -1
        movable = quotas < highest if step > 0 else quotas > lowest
        quotas[np.where(movable, step * (shares - quotas), -np.inf).argmax()] += step
    return quotas


def _drawn_by_quotas(y: Labels, quotas: NDArray[np.intp], seed: int) -> tuple[Positions, Positions]:
    order = np.random.default_rng(seed).permutation(len(y))
    # The place of each among those of its class, in the order of the draw.
    place = np.empty(len(y), np.intp)
    for label in range(len(quotas)):
        of_class = np.flatnonzero(y[order] == label)
        place[of_class] = np.arange(len(of_class))
    chosen = place < quotas[y[order]]
    return order[chosen], order[~chosen]


def _all_but_a_few(y: Labels, size: int, seed: int) -> Positions:
    """Positions of so many random labels, every class among them."""
    order = np.random.default_rng(seed).permutation(len(y))
    firsts = np.unique(y[order], return_index=True)[1]
    return np.concatenate([order[firsts], np.delete(order, firsts)])[:size]


def _refusal(counts: NDArray[np.intp], wanted: Wanted) -> str:
    needed = wanted.least + (1 if wanted.rest_is_used else 0)
    rarest = np.argsort(counts, kind="stable")
    short = [label for label in rarest if counts[label] < needed] or [rarest[0]]
    got = ", ".join(f"{counts[label]} of class {wanted.names[label]!r}" for label in short[:_NAMED])
    more = f" and {number_of(len(short) - _NAMED, 'more class')}" if len(short) > _NAMED else ""
    total = int(counts.sum())
    each = f" (at least {needed} of each are needed)" if counts.min() < needed else ""
    return (
        f"{number_of(total, 'image')} of {number_of(len(counts), 'class')} cannot be split {wanted.size} "
        f"to {total - wanted.size} with every class on both sides{each}, got {got}{more}; {wanted.way_out}"
    )
