"""Pictures of what a fully trained network answered on the test split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hivenas.core.nas.training.predictions import TestPredictions
from hivenas.core.unicode import storable
from hivenas.reports.pictures import all_made, draw_titled, plain_text, save, shown_name, write_table
from hivenas.wording import number_of

_LEGIBLE_CLASSES = 25


def draw_predictions(answers: TestPredictions, folder: Path) -> list[Path]:
    """Draws what a fully trained network answered on the test split.

    Returns:
        confusion_matrix.png, confusion_matrix.csv and, where it made mistakes, worst_mistakes.png; what cannot be made
        is left out, with a warning.
    """
    kinds = {"confusion_matrix.png": _draw_confusion, "confusion_matrix.csv": _write_confusion}
    if len(answers.mistakes):
        kinds["worst_mistakes.png"] = _draw_mistakes
    return all_made(answers, folder, kinds)


def _write_confusion(answers: TestPredictions, file: Path) -> Path:
    names = [storable(name) for name in answers.class_names]
    lines = zip(names, answers.confusion().tolist(), strict=True)
    return write_table(file, [["true class", *names], *([name, *counts] for name, counts in lines)])


@plain_text()
def _draw_confusion(answers: TestPredictions, file: Path) -> Path:
    from matplotlib.figure import Figure

    counts = answers.confusion()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    side = min(14.0, 3.5 + 0.45 * classes)
    figure = Figure(figsize=(side, side), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if classes <= _LEGIBLE_CLASSES:
        names = [shown_name(name) for name in answers.class_names]
        axes.set_xticks(range(classes), names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), names)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize="small")
    axes.set_xlabel("answered class")
    axes.set_ylabel("true class")
    axes.set_title(f"test accuracy {answers.accuracy:.4f} on {number_of(len(answers.labels), 'image')}")
    save(figure, file)
    return file


@plain_text()
def _draw_mistakes(answers: TestPredictions, file: Path) -> Path:
    names = [shown_name(name) for name in answers.class_names]
    titles = []
    for position in answers.mistakes:
        answer = int(answers.probabilities[position].argmax())
        sure, truth = answers.probabilities[position, answer], names[answers.labels[position]]
        titles.append(f"{names[answer]} {sure:.0%}\ntruly {truth}")
    return draw_titled(answers.pictures, titles, "The surest mistakes on the test split", file)
