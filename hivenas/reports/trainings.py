"""The full trainings of a search as a table, for the terminal, the page and MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from hivenas.core.full_training import Finalist
from hivenas.reports.text import short


def is_told(trainings: Sequence[Finalist]) -> bool:
    """True where there is more to tell of full trainings than that there was one."""
    return len(trainings) > 1 or any(each.status == "failed" for each in trainings)


def as_table(trainings: Sequence[Finalist], metric: str = "validation accuracy") -> list[list[str]]:
    """A header and a line a training: whether the model is made of it, its validation figure, its epochs.

    Args:
        trainings: in the order in which they are told.
        metric: what the figure is, for people.
    """
    lines = [["", metric, "epoch", "what", "architecture"]]
    for each in trainings:
        figure = "–" if each.fitness is None else f"{each.fitness:.4f}"
        epoch = f"{each.kept_epoch} of {each.epochs}" if each.status != "failed" else "–"
        what = f"{each.label}: failed, {each.reason}" if each.status == "failed" else each.label
        lines.append(["chosen" if each.chosen else "", figure, epoch, what, short(each.candidate)])
    return lines
