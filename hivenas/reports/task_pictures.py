"""Pictures and tables of what was answered on the test split, where answers are no classes: labels, or numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hivenas.core.label_metrics import answered, label_figures
from hivenas.core.nas.training.task_predictions import TaskPredictions
from hivenas.core.number_metrics import errors, mae, rmse
from hivenas.core.unicode import storable
from hivenas.reports.pictures import all_made, draw_titled, plain_text, save, shown_name, write_table
from hivenas.wording import number_of

_LEGIBLE = 25  # labels
_NAMED = 3  # labels above a picture


def draw_labels(answers: TaskPredictions, folder: Path) -> list[Path]:
    """Draws which labels a fully trained network has found on the test split.

    Returns:
        labels.png and labels.csv with precision, recall and F1 of every label, and where it made mistakes
        worst_mistakes.png; what cannot be made is left out, with a warning.
    """
    kinds = {"labels.png": _draw_figures, "labels.csv": _write_figures}
    return all_made(answers, folder, kinds | ({"worst_mistakes.png": _draw_mistakes} if len(answers.worst) else {}))


def draw_numbers(answers: TaskPredictions, folder: Path) -> list[Path]:
    """Draws which numbers a fully trained network has answered on the test split.

    Returns:
        predicted_true.png and predicted_true.csv, what was answered against what is true, and worst_errors.png; what
        cannot be made is left out, with a warning.
    """
    kinds = {"predicted_true.png": _draw_scatter, "predicted_true.csv": _write_numbers}
    return all_made(answers, folder, kinds | ({"worst_errors.png": _draw_errors} if len(answers.worst) else {}))


def _write_figures(answers: TaskPredictions, file: Path) -> Path:
    found = label_figures(answers.labels, answers.answers, answers.names)
    there, named = (each.sum(axis=0).astype(int).tolist() for each in (answers.labels, answered(answers.answers)))
    head = ["label", "images", "answered", "precision", "recall", "f1"]
    rows = [
        [storable(name), there[place], named[place], *(f"{found[name][key]:.4f}" for key in head[3:])]
        for place, name in enumerate(answers.names)
    ]
    return write_table(file, [head, *rows])


@plain_text()
def _draw_figures(answers: TaskPredictions, file: Path) -> Path:
    from matplotlib.figure import Figure

    found = label_figures(answers.labels, answers.answers, answers.names)
    order = np.argsort(-answers.labels.sum(axis=0), kind="stable")[:_LEGIBLE]
    names = [answers.names[place] for place in order]
    figure = Figure(figsize=(6.5, 1.6 + 0.5 * max(len(names), 1)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(names))
    for shift, (key, colour) in enumerate((("precision", "#74c0fc"), ("recall", "#1c7ed6"), ("f1", "#f59f00"))):
        values = [found[name][key] for name in names]
        axes.barh(places + 0.27 * (shift - 1), values, height=0.25, color=colour, label=key.replace("f1", "F1"))
    axes.set_yticks(places, [shown_name(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False, fontsize="small")
    images = number_of(len(answers.labels), "test image")
    more = f", the {len(names)} commonest" if len(names) < len(answers.names) else ""
    axes.set_title(f"{number_of(len(answers.names), 'label')} on {images}{more}", fontsize=11)
    save(figure, file)
    return file


@plain_text()
def _draw_mistakes(answers: TaskPredictions, file: Path) -> Path:
    found, truth = answered(answers.answers), answers.labels > 0

    def named(row: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
        names = [shown_name(answers.names[place]) for place in np.flatnonzero(row)]
        return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "") or "none"

    titles = [f"{named(found[place])}\ntruly {named(truth[place])}" for place in answers.worst]
    return draw_titled(answers.pictures, titles, "The worst mistakes on the test split", file)


@plain_text()
def _draw_errors(answers: TaskPredictions, file: Path) -> Path:
    titles = [f"{answers.answers[place, 0]:.4g}\ntruly {answers.labels[place, 0]:.4g}" for place in answers.worst]
    return draw_titled(answers.pictures, titles, "The largest errors on the test split", file)


def _write_numbers(answers: TaskPredictions, file: Path) -> Path:
    rows = zip(answers.labels[:, 0].tolist(), answers.answers[:, 0].tolist(), strict=True)
    wrong = errors(answers.labels, answers.answers).tolist()
    head = ["true", "predicted", "error"]
    return write_table(file, [head, *([*row, error] for row, error in zip(rows, wrong, strict=True))])


@plain_text()
def _draw_scatter(answers: TaskPredictions, file: Path) -> Path:
    from matplotlib.figure import Figure

    true, found = answers.labels[:, 0], answers.answers[:, 0]
    figure = Figure(figsize=(6, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    ends = [float(min(true.min(), found.min())), float(max(true.max(), found.max()))]
    axes.plot(ends, ends, color="#adb5bd", linewidth=1, zorder=1)
    axes.scatter(true, found, s=14, color="#1c7ed6", alpha=0.5, linewidths=0, zorder=2)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    wrong = rmse(answers.labels, answers.answers), mae(answers.labels, answers.answers)
    figures = f"RMSE {wrong[0]:.4g}, mean absolute error {wrong[1]:.4g}"
    axes.set_title(f"{figures} on {number_of(len(true), 'test image')}", fontsize=10)
    save(figure, file)
    return file
