"""The scores that `evaluation.score` may name: what a curve of validation accuracies, or other figures, is worth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hivenas.config.text import nearest, shown


@dataclass(frozen=True, slots=True)
class Score:
    """A score, as a record that describes itself.

    Args:
        name: as `evaluation.score` names it, `:` and a number of epochs left out.
        description: what it is, in a line.
        of: the score of an accuracy an epoch, at least one, and a number of epochs.
        counts: whether it takes that number.
    """

    name: str
    description: str
    of: Callable[[Sequence[float], int], float]
    counts: bool = False


def _mean(accuracies: Sequence[float], epochs: int) -> float:
    last = accuracies[-epochs:]
    return math.fsum(last) / len(last)


SCORES: Mapping[str, Score] = {
    score.name: score
    for score in (
        Score("last", "the last epoch's accuracy", lambda accuracies, _: accuracies[-1]),
        Score("best", "the highest accuracy of any epoch", lambda accuracies, _: max(accuracies)),
        Score("mean", "the mean of the last epochs' accuracies", _mean, counts=True),
    )
}


def score_of(accuracies: Sequence[float], score: str) -> float:
    """The fitness of a training.

    Args:
        accuracies: of the validation split, one an epoch, at least one; figures of which less is better with their sign
            changed, as the score then is.
        score: as `evaluation.score` says it; a mean over more epochs than there are is over those that there are.
    """
    name, _, epochs = score.partition(":")
    return SCORES[name].of(accuracies, int(epochs or 1))


def epochs_of(score: str) -> int:
    """The epochs that a score looks at, as far as it says so; else 1."""
    return int(score.partition(":")[2] or 1)


def check_score(score: object) -> str:
    """Refuses what is no score.

    Raises:
        ValueError: the rule, the value and the nearest.
    """
    written = [f"{each.name}:K" if each.counts else each.name for each in SCORES.values()]
    name, colon, epochs = (score if isinstance(score, str) else "").partition(":")
    known = SCORES.get(name)
    if known is None or bool(colon) is not known.counts or (colon and not re.fullmatch(r"[1-9][0-9]{0,5}", epochs)):
        hint = "" if known else nearest(name, written)
        raise ValueError(
            f"must be {', '.join(written[:-1])} or {written[-1]} with a whole number K ≥ 1 of epochs, got "
            f"{shown(score)}{hint or '; mean:3, say'}"
        )
    return str(score)
