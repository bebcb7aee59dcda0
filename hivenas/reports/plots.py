"""The pictures of a search, from its records; `findings` has the figures behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.core.records import Row
from hivenas.reports.findings import (
    bands,
    incumbents,
    learning_curves,
    operation_map,
    pareto_front,
    roles,
    succeeded,
    timeline,
)
from hivenas.reports.pictures import save
from hivenas.reports.text import figure as shown
from hivenas.reports.text import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEE_COLOURS = {"employee": "#c8860d", "onlooker": "#2a6f97", "scout": "#7a7a7a"}
_INK, _FAILED, _FRONT = "#222222", "#b3261e", "#2b8a6e"
_MOST_LABELS = 8  # of points in a picture: more of them hide each other
_LEGIBLE_CELLS = 150


def draw_plots(rows: Sequence[Row], folder: Path, *, minimize: bool) -> list[Path]:
    """Draws the pictures of a search.

    Args:
        rows: the records; nothing is drawn where none has succeeded.
        folder: where the PNG files go.
        minimize: whether a smaller fitness is better.

    Returns:
        The files: convergence.png and roles.png; of architectures also operations.png; where networks have parameters
        parameters.png; where any were trained learning_curves.png and timeline.png.
    """
    good = succeeded(rows)
    if not good:
        return []
    pictures: list[tuple[str, Callable[[], Figure | None]]] = [
        ("convergence", lambda: _convergence(rows, minimize)),
        ("operations", lambda: _operations(rows, minimize)),
        ("parameters", lambda: _parameters(good, minimize)),
        ("roles", lambda: _roles(rows, minimize)),
        ("learning_curves", lambda: _learning_curves(rows, minimize)),
        ("timeline", lambda: _timeline(rows)),
    ]
    files = []
    for name, draw in pictures:
        picture = draw()
        if picture is not None:
            file = folder / f"{name}.png"
            save(picture, file)
            files.append(file)
    return files


def _page(title: str, width: float = 8.0, height: float = 4.5) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    page = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = page.add_subplot()
    _dress(axes, title)
    return page, axes


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _scatter_by_bee(axes: Axes, rows: Sequence[Row], x_of: Callable[[Row], float]) -> None:
    for bee, colour in BEE_COLOURS.items():
        chosen = [row for row in rows if row.bee == bee and row.phase != "momentum"]
        if chosen:
            axes.scatter(
                [x_of(r) for r in chosen], [r.fitness for r in chosen], s=26, color=colour, label=bee, zorder=3
            )
    continued = [row for row in rows if row.phase == "momentum"]
    if continued:
        axes.scatter(
            [x_of(r) for r in continued],
            [r.fitness for r in continued],
            s=34,
            marker="^",
            facecolor="none",
            edgecolor=_INK,
            label="trained on",
            zorder=3,
        )


def _convergence(rows: Sequence[Row], minimize: bool) -> Figure:
    good, course = succeeded(rows), incumbents(rows, minimize=minimize)
    page, axes = _page(f"Best so far: {shown(good[0])} → {course[-1].fitness:.4g}")
    for band in bands(rows)[1::2]:
        axes.axvspan(band.first - 0.5, band.last + 0.5, color="#000000", alpha=0.05, linewidth=0)
    end = rows[-1].index
    axes.step(
        [each.index for each in course] + [end],
        [each.fitness for each in course] + [course[-1].fitness],
        where="post",
        color=_INK,
        linewidth=1.8,
        label="best so far",
    )
    _scatter_by_bee(axes, good, lambda row: row.index)
    failed = [row.index for row in rows if row.status == "failed"]
    if failed:
        axes.plot(
            failed,
            [0.02] * len(failed),
            "x",
            color=_FAILED,
            transform=axes.get_xaxis_transform(),
            label="failed",
            clip_on=False,
        )
    axes.set_xlabel("evaluation (bands: every other iteration of the colony)")
    _scale(axes, good, minimize)
    _legend_below(page, *axes.get_legend_handles_labels())
    return page


def _scale(axes: Axes, good: Sequence[Row], minimize: bool) -> None:
    """Scales fitness so that the better candidates can be told apart, however bad the worst ones are."""
    axes.set_ylabel("fitness")
    if minimize and all(row.fitness > 0 for row in good):
        axes.set_yscale("log")
        return
    ordered = sorted((row.fitness for row in good), reverse=not minimize)
    best, common = ordered[0], ordered[round(0.85 * (len(ordered) - 1))]
    floor = common + 0.5 * (common - best)
    beyond = sum((fitness - floor) * (common - best) > 0 for fitness in ordered)
    if beyond:
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom if minimize else floor, floor if minimize else top)
        axes.set_ylabel(f"fitness ({beyond} worse ones are not shown)")


def _legend_below(page: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend that hides nothing."""
    page.legend(handles, labels, frameon=False, fontsize="small", ncols=len(labels), loc="outside lower left")


def _operations(rows: Sequence[Row], minimize: bool) -> Figure | None:
    found = operation_map(rows, minimize=minimize)
    if not found.operations:
        return None
    widest = max(len(name) for name in found.operations)
    page, axes = _page(
        "Mean fitness by operation and layer",
        max(6.6, 1.4 + 0.085 * widest + 0.8 * found.layers),
        max(3.0, 1.2 + 0.38 * len(found.operations)),
    )
    axes.grid(visible=False)
    colours = "viridis_r" if minimize else "viridis"
    image = axes.imshow(found.means, cmap=colours, aspect="auto")
    low, high = image.get_clim()
    if len(found.operations) * found.layers <= _LEGIBLE_CELLS:
        for line, (means, counts) in enumerate(zip(found.means, found.counts, strict=True)):
            for column, (mean, count) in enumerate(zip(means, counts, strict=True)):
                if count:
                    share = (mean - low) / (high - low) if high > low else 1.0
                    ink = "black" if (share > 0.6) != minimize else "white"
                    axes.text(column, line - 0.1, f"{mean:.3g}", ha="center", va="center", color=ink, fontsize=9)
                    axes.text(column, line + 0.28, f"{count}", ha="center", va="center", color=ink, fontsize=6.5)
    axes.set_xticks(range(found.layers), [str(layer + 1) for layer in range(found.layers)])
    axes.set_yticks(range(len(found.operations)), found.operations)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("layer; small: of how many candidates")
    page.colorbar(image, ax=axes, shrink=0.9).set_label("mean fitness")
    return page


def _parameters(good: Sequence[Row], minimize: bool) -> Figure | None:
    sized = [row for row in good if row.params]
    if not sized:
        return None
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    page, axes = _page("Fitness against size, with the Pareto front")
    _scatter_by_bee(axes, sized, lambda row: row.params)
    front = pareto_front(good, minimize=minimize)
    axes.step(
        [row.params for row in front],
        [row.fitness for row in front],
        where="post",
        color=_FRONT,
        linewidth=1.6,
        label="Pareto front",
    )
    axes.scatter(
        [row.params for row in front],
        [row.fitness for row in front],
        s=90,
        facecolor="none",
        edgecolor=_FRONT,
        linewidth=1.4,
    )
    for row in front[-_MOST_LABELS:]:
        axes.annotate(
            f"{row.index:04d}",
            (row.params, row.fitness),
            xytext=(-6, 7),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_FRONT,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("trainable parameters (numbers: evaluations)")
    axes.margins(x=0.08, y=0.08)
    _scale(axes, sized, minimize)
    _legend_below(page, *axes.get_legend_handles_labels())
    return page


def _roles(rows: Sequence[Row], minimize: bool) -> Figure | None:
    found = roles(rows, minimize=minimize)
    if not found:
        return None
    from matplotlib.figure import Figure

    page = Figure(figsize=(9.6, 3.6), dpi=120, layout="constrained")
    panels = page.subplots(1, 4)
    names = [f"{role.bee}s" for role in found]
    colours = [BEE_COLOURS[role.bee] for role in found]
    panes: list[tuple[str, list[float], Callable[[float], str]]] = [
        ("Evaluations", [role.evaluations for role in found], "{:.0f}".format),
        ("Raised the best", [role.improvements for role in found], "{:.0f}".format),
        ("… by, in sum", [role.gain for role in found], "{:.3g}".format),
    ]
    for axes, (title, heights, label) in zip(panels, panes, strict=False):
        _dress(axes, title)
        bars = axes.bar(names, heights, color=colours, width=0.62)
        axes.bar_label(bars, [label(height) for height in heights], fontsize="small", padding=2)
        axes.margins(y=0.14)
    last = panels[-1]
    _dress(last, "Fitness found")
    for place, (role, colour) in enumerate(zip(found, colours, strict=True)):
        own = [row.fitness for row in succeeded(rows) if row.bee == role.bee]
        if not own:
            continue
        box = last.boxplot([own], positions=[place], widths=0.55, patch_artist=True, showfliers=True)
        for part in box["boxes"]:
            part.set(facecolor=colour, alpha=0.35, edgecolor=colour)
        for part in (*box["medians"], *box["whiskers"], *box["caps"]):
            part.set(color=colour, linewidth=1.5)
        for part in box["fliers"]:
            part.set(marker=".", markeredgecolor=colour, markersize=5)
    last.set_xticks(range(len(names)), names)
    if minimize and all(row.fitness > 0 for row in succeeded(rows)):
        last.set_yscale("log")
    for axes in panels:
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="x", labelsize="small", length=0)
        axes.tick_params(axis="y", labelsize="small")
        axes.title.set_fontsize("small")
    return page


def _learning_curves(rows: Sequence[Row], minimize: bool) -> Figure | None:
    curves = learning_curves(rows, minimize=minimize)
    if not curves:
        return None
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    page, axes = _page(f"Learning curves of the {len(curves)} best", 9.0, 4.8)
    colours = colormaps["viridis"]
    for place, curve in reversed(list(enumerate(curves))):
        axes.plot(
            curve.epochs,
            curve.accuracies,
            marker=".",
            color="#c2410c" if not place else colours(0.1 + 0.8 * place / len(curves)),
            linewidth=2.4 if not place else 1.3,
            label=f"{curve.row.index:04d}  {shown(curve.row)}  {short(curve.row.candidate, 38)}",
        )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1],
        labels[::-1],
        frameon=False,
        fontsize=7,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        title="best first",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy")
    return page


def _timeline(rows: Sequence[Row]) -> Figure | None:
    found = timeline(rows)
    if not found:
        return None
    from matplotlib.patches import Patch

    spans = [span for lane in found for span in lane.spans]
    end = max(stop for _, stop, _ in spans)
    unit, length = ("min", 60.0) if end >= 180 else ("s", 1.0)
    unit, length = ("h", 3600.0) if end >= 10_800 else (unit, length)
    busy = math.fsum(stop - start for start, stop, _ in spans)
    page, axes = _page(
        f"What {len(found)} worker processes trained: {busy / end / len(found):.0%} of the time on average",
        height=min(12.0, 1.9 + 0.34 * len(found)),
    )
    for place, lane in enumerate(found):
        for start, stop, row in lane.spans:
            colour = BEE_COLOURS.get(row.bee, "#7a7a7a")
            axes.barh(
                place,
                (stop - start) / length,
                left=start / length,
                height=0.62,
                color=_FAILED if row.status == "failed" else colour,
                alpha=0.55 if row.status == "stopped" else 1.0,
                hatch="///" if row.phase == "momentum" else None,
                edgecolor="white",
                linewidth=0.8,
            )
    axes.set_yticks(range(len(found)), [lane.worker for lane in found], fontsize="small")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{unit} since the first training began (pale: stopped early; hatched: trained on)")
    keys = BEE_COLOURS | ({"failed": _FAILED} if any(row.status == "failed" for row in rows) else {})
    _legend_below(page, [Patch(color=colour) for colour in keys.values()], list(keys))
    return page
