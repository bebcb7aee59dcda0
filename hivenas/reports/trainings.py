"""The full trainings of a search as a table, for the terminal, the page and MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from hivenas.config.metrics import figure_told
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
        figure = "–" if each.fitness is None else figure_told(each.fitness, metric.removeprefix("validation "))
        epoch = f"{each.kept_epoch} of {each.epochs}" if each.status != "failed" else "–"
        what = f"{each.label}: failed, {each.reason}" if each.status == "failed" else each.label
        lines.append(["chosen" if each.chosen else "", figure, epoch, what, short(each.candidate)])
    return lines


def model_told(trainings: Sequence[Finalist], ranked: Sequence[str]) -> str:
    """The networks that the model is made of, for people, where it is not that of the best candidate; else empty.

    Args:
        trainings: the full trainings.
        ranked: the candidates, the best first.
    """
    made_of = [each.candidate for each in trainings if each.chosen and not each.refit_epochs]  # beside its first one
    if len(made_of) > 1:
        return f"the average of {len(made_of)} networks"
    place = next((ranked.index(name) for name in made_of if name in ranked), 0)
    return f"number {place + 1} of the search, {short(made_of[0])}" if place else ""
