"""Tables and pictures of a search, from its records."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.config import AugmentationConfig
from hivenas.core.files import written_whole
from hivenas.core.nas.answers import Answers
from hivenas.core.records import Row, ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_LEGIBLE_CLASSES = 25
BEE_COLOURS = {"employee": "#c8860d", "onlooker": "#2a6f97", "scout": "#7a7a7a"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a search: evaluations and continuations, reused records, failures, epochs, wall time in seconds."""

    evaluations: int
    reused: int
    failed: int
    epochs: int
    seconds: float

    @classmethod
    def of(cls, rows: Sequence[Row], *, reused: int, seconds: float) -> Summary:
        """Counts the records; momentum epochs count once, where they were trained."""
        epochs = 0
        trained: dict[str, int] = {}
        for row in (row for row in rows if row.status != "failed"):
            total = row.epochs + row.momentum_epochs
            epochs += total - (trained.get(row.candidate, 0) if row.phase == "momentum" else 0)
            trained[row.candidate] = total
        failed = sum(row.status == "failed" for row in rows)
        return cls(len(rows), reused, failed, epochs, seconds)

    def metrics(self) -> dict[str, float]:
        """As metrics of the parent run."""
        return {
            "evaluations": float(self.evaluations),
            "reused": float(self.reused),
            "failed": float(self.failed),
            "epochs": float(self.epochs),
        }


def best_table(rows: Sequence[Row], *, minimize: bool, count: int = 5) -> list[list[str]]:
    """A header and the best candidates: rank, fitness, parameters, epochs, evaluation, architecture."""
    table = [["", "fitness", "parameters", "epochs", "evaluation", "architecture"]]
    for rank, row in enumerate(ranking(rows, minimize)[:count], start=1):
        name = f"{row.index:04d}-{'momentum' if row.phase == 'momentum' else row.bee}"
        epochs = str(row.epochs) + (f"+{row.momentum_epochs}" if row.momentum_epochs else "")
        table.append([str(rank), figure(row), f"{row.params:,}", epochs, name, short(row.candidate)])
    return table


def figure(row: Row) -> str:
    """A fitness for people: an accuracy to four places, the value of a numerical objective to six digits."""
    return f"{row.fitness:.6g}" if row.candidate.startswith("[") else f"{row.fitness:.4f}"


def short(candidate: str, width: int = 0) -> str:
    """An architecture without its ends, cut to a width where one is given."""
    text = candidate.removeprefix("input|").removesuffix("|output")
    return text if not width or len(text) <= width else text[: width - 1] + "…"


def as_text(table: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table)
    return "\n".join(lines)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """A table as markdown; the `|` of architectures become arrows."""
    lines = [[cell.replace("|", " → ") for cell in line] for line in table]
    head = "| " + " | ".join(lines[0]) + " |\n|" + " --- |" * len(lines[0])
    return head + "".join("\n| " + " | ".join(line) + " |" for line in lines[1:])


def search_note(
    name: str,
    rows: Sequence[Row],
    summary: Summary,
    *,
    minimize: bool,
    test_accuracy: float | None = None,
    interval: tuple[float, float] | None = None,
    model_uri: str = "",
    verdict: str = "",
    reason: str = "",
) -> str:
    """The parent run's description: why it ended early, if so, what was found and spent, how to load the result."""
    parts = [f"# Search `{name}`"]
    if reason:
        parts.append(f"Ended early: {reason}. The search goes on with `--resume`.")
    if test_accuracy is not None:
        between = f" (95 % confidence interval {interval[0]:.4f} … {interval[1]:.4f})" if interval else ""
        parts.append(f"Test accuracy of the fully trained best: **{test_accuracy:.4f}**{between}")
    if model_uri:
        parts.append(f'Load it: `mlflow.pyfunc.load_model("{model_uri}")`')
    if verdict:
        parts.append(f"In the registry: {verdict}")
    parts.append("## Best candidates\n\n" + as_markdown(best_table(rows, minimize=minimize)))
    parts.append(
        f"{summary.evaluations} evaluations, {summary.epochs} epochs, {summary.failed} failed, "
        f"{summary.reused} records reused, {summary.seconds:.0f} s"
    )
    return "\n\n".join(parts) + "\n"


def model_note(origin: Mapping[str, str], config_yaml: str) -> str:
    """The registered version's description: search run, architecture, figures and configuration."""
    lines = "".join(
        f"\n| {key.removeprefix('hivenas.')} | {value.replace('|', ' → ')} |" for key, value in origin.items()
    )
    return (
        "Takes raw images, as the data set gives them: standardisation is inside. Returns class probabilities.\n\n"
        f"| | |\n| --- | --- |{lines}\n\n```yaml\n{config_yaml}```\n"
    )


def draw_plots(rows: Sequence[Row], folder: Path, *, minimize: bool) -> list[Path]:
    """Draws the pictures of a search.

    Args:
        rows: the records; nothing is drawn where none has succeeded.
        folder: where the PNG files go.
        minimize: whether a smaller fitness is better.

    Returns:
        The files: convergence.png and, for networks, parameters.png.
    """
    good = [row for row in rows if row.status != "failed"]
    if not good:
        return []
    files = [_draw(folder / "convergence.png", lambda axes: _convergence(axes, good, minimize))]
    if any(row.params for row in good):
        files.append(_draw(folder / "parameters.png", lambda axes: _parameters(axes, good)))
    return files


def draw_answers(answers: Answers, folder: Path) -> list[Path]:
    """Draws what a fully trained network answered on the test split.

    Returns:
        confusion_matrix.png, confusion_matrix.csv and, where it made mistakes, worst_mistakes.png.
    """
    table = folder / "confusion_matrix.csv"
    with written_whole(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true class", *answers.class_names])
        for name, counts in zip(answers.class_names, answers.confusion().tolist(), strict=True):
            writer.writerow([name, *counts])
    files = [_draw_confusion(answers, folder / "confusion_matrix.png"), table]
    return [*files, _draw_mistakes(answers, folder / "worst_mistakes.png")] if len(answers.mistakes) else files


def _draw_confusion(answers: Answers, file: Path) -> Path:
    from matplotlib.figure import Figure

    counts = answers.confusion()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    side = min(14.0, 3.5 + 0.45 * classes)
    figure = Figure(figsize=(side, side), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if classes <= _LEGIBLE_CLASSES:
        axes.set_xticks(range(classes), answers.class_names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), answers.class_names)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize="small")
    axes.set_xlabel("answered class")
    axes.set_ylabel("true class")
    axes.set_title(f"test accuracy {answers.accuracy:.4f} on {len(answers.labels):,} images")
    _save(figure, file)
    return file


def _draw_mistakes(answers: Answers, file: Path) -> Path:
    from matplotlib.figure import Figure

    columns = min(5, len(answers.mistakes))
    rows = math.ceil(len(answers.mistakes) / columns)
    figure = Figure(figsize=(2.2 * columns, 2.5 * rows), dpi=120, layout="constrained")
    panes = figure.subplots(rows, columns, squeeze=False).ravel()
    for pane in panes:
        pane.axis("off")
    for pane, position, picture in zip(panes, answers.mistakes, answers.pictures, strict=False):
        answer = int(answers.probabilities[position].argmax())
        truth = answers.class_names[answers.labels[position]]
        sure = answers.probabilities[position, answer]
        _show_image(pane, picture)
        pane.set_title(f"{answers.class_names[answer]} {sure:.0%}\ntruly {truth}", fontsize=8)
    figure.suptitle("The surest mistakes on the test split", fontsize=11)
    _save(figure, file)
    return file


def _show_image(axes: Axes, image: NDArray[Any]) -> None:
    """Shows a raw image, grey or RGB, whatever its range of values."""
    pixels = image if image.dtype == np.uint8 else (255 * _stretched(image)).astype(np.uint8)
    axes.imshow(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, cmap="gray", vmin=0, vmax=255)


def _stretched(values: NDArray[Any]) -> NDArray[np.float64]:
    """Raw values of any range and type as 0 … 1, the darkest and the brightest."""
    exact = values.astype(np.float64)
    low, high = exact.min(), exact.max()
    share: NDArray[np.float64] = (exact - low) / max(high - low, float(np.finfo(np.float32).tiny))
    return share


def _draw(file: Path, paint: Any) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    paint(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    _save(figure, file)
    return file


def _save(figure: Figure, file: Path) -> None:
    with written_whole(file) as temporary:
        figure.savefig(temporary)


def _convergence(axes: Axes, rows: Sequence[Row], minimize: bool) -> None:
    best: list[float] = []
    for row in rows:
        best.append(row.fitness if not best else (min if minimize else max)(best[-1], row.fitness))
    for iteration in sorted({row.iteration for row in rows})[1::2]:
        inside = [row.index for row in rows if row.iteration == iteration]
        axes.axvspan(min(inside) - 0.5, max(inside) + 0.5, color="#000000", alpha=0.04, linewidth=0)
    axes.step([row.index for row in rows], best, where="post", color="#222222", label="best so far")
    _scatter_by_bee(axes, rows, [row.index for row in rows])
    axes.set_xlabel("evaluation (bands: iterations of the colony)")
    axes.set_ylabel("fitness")
    axes.legend(frameon=False, ncols=4, loc="lower right" if not minimize else "upper right", fontsize="small")


def _parameters(axes: Axes, rows: Sequence[Row]) -> None:
    _scatter_by_bee(axes, rows, [row.params for row in rows])
    axes.set_xscale("log")
    axes.set_xlabel("trainable parameters")
    axes.set_ylabel("fitness")
    axes.legend(frameon=False, loc="lower right", fontsize="small")


def _scatter_by_bee(axes: Axes, rows: Sequence[Row], x: Sequence[float]) -> None:
    for bee, colour in BEE_COLOURS.items():
        chosen = [i for i, row in enumerate(rows) if row.bee == bee]
        if chosen:
            axes.scatter([x[i] for i in chosen], [rows[i].fitness for i in chosen], s=22, color=colour, label=bee)


def draw_augmentation(examples: NDArray[Any], config: AugmentationConfig, folder: Path) -> Path:
    """Draws training images as they are and augmented, a row an image, so that a person sees what is trained on.

    Args:
        examples: (images, 1 + versions, height, width, channels) of raw values, originals first; what is not RGB is
            shown by its first channel. The page's darkest and brightest values are black and white.
        config: what was on, for the title.
        folder: where augmentation.png goes.
    """
    from matplotlib.figure import Figure

    images, versions, height, width, channels = examples.shape
    shown = examples if channels == 3 else examples[..., :1].repeat(3, axis=-1)
    gap = max(1, round(0.06 * width))
    tiles = np.pad(
        _stretched(shown),
        ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)),
        constant_values=1.0,
    )
    page = tiles.swapaxes(1, 2).reshape(images * (height + gap), versions * (width + gap), 3)
    figure = Figure(figsize=(versions, 0.7 + images * height / width), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(page, interpolation="nearest")
    axes.set_xticks([(width - 1) / 2 + (width + gap) * n for n in range(versions)])
    axes.set_xticklabels(["original", *map(str, range(1, versions))])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(_augmentation_title(config), fontsize="medium")
    _save(figure, folder / "augmentation.png")
    return folder / "augmentation.png"


def _augmentation_title(config: AugmentationConfig) -> str:
    probable = {"cutout": config.cutout, "saturation": config.saturation, "contrast": config.contrast}
    on = ["affine"] * config.affine + [f"{name} {value:g}" for name, value in probable.items() if value]
    return "augmentation: " + (", ".join(on) or "off")
