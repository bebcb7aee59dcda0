"""The pictures of a search, from its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.core.records import Row
from hivenas.reports.pictures import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEE_COLOURS = {"employee": "#c8860d", "onlooker": "#2a6f97", "scout": "#7a7a7a"}


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


def _draw(file: Path, paint: Any) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    paint(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    save(figure, file)
    return file


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
