"""The figures of the concept pages, drawn from the records of real searches.

    python docs/scripts/concept_figures.py [--only NAME] [--work FOLDER] [--out docs/images]

Draws those that --only names, which may be given several times, or all: it then searches scikit-learn's digits three
times and a recorded table once, about ten CPU minutes. What --work holds already is not searched again.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from small_png import write_small_png

from hivenas.config import EvaluationConfig, load
from hivenas.core.folder import ResultsFolder
from hivenas.core.history import Curves, improvements
from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.core.nas.training.rules import StoppingRule, median_thresholds
from hivenas.core.records import Direction, Trial
from hivenas.storage import read_ledger

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
BEE_COLOURS = {"employee": "#b06f00", "onlooker": "#1f6a9c", "scout": "#6b6378"}  # those of a report
FAINT, STRONG, WARN = "#b9b9b9", "#2a6f97", "#b23a48"
TRAINED = """
name: {name}
seed: 3
dataset: {{name: digits}}
space: {{preset: layerwise, depth: 4, skip_rate: 0.2}}
optimizer_line
colony: {{size: 7, iterations: {iterations}}}
full_train: {{enabled: false}}
execution: {{workers: 2}}
""".replace(
    "optimizer_line",
    "evaluation: {{batch_size: 32, optimizer: !Operation {{op: Adam}}, initial_lr: 0.003, final_lr: 0.0003, {more}}}",
)
SEARCHES = {
    "stopping": TRAINED.format(name="stopping", iterations=4, more="epochs: 10, stopping: none"),
    "momentum": TRAINED.format(name="momentum", iterations=3, more="epochs: 4, stopping: none, momentum_epochs: 8"),
    "inheritance": TRAINED.format(name="inheritance", iterations=3, more="epochs: 5, stopping: none, inherit: true"),
    "colony": f"""
name: colony
seed: 3
objective: table
table: {{path: {ROOT}/benchmarks/tables/digits.csv.gz}}
colony: {{size: 7, iterations: 8}}
""",
}


def main() -> None:
    """Searches what is missing, then draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SEARCHES), help="a figure; all of them by default")
    parser.add_argument("--work", type=Path, default=Path("results/concepts"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    drawings = {"colony": colony, "stopping": stopping, "momentum": momentum, "inheritance": inheritance}
    for name in options.only or drawings:
        file = searched(options.work.resolve(), name)
        written = options.out / f"concept_{name}.png"
        _, trials = read_ledger(ResultsFolder(options.work.resolve() / "results", name))
        png = io.BytesIO()
        drawings[name](trials, file).savefig(png, dpi=130)
        write_small_png(png.getvalue(), written)
        print(f"wrote {written}")


def searched(work: Path, name: str) -> Path:
    """The configuration of a search that has been run."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{name}.yaml"
    if not (work / "results" / name).exists():
        file.write_text(SEARCHES[name])
        command = [sys.executable, "-m", "hivenas", "search", "--config", file.name]
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{work}/mlflow.db"}
        subprocess.run(command, cwd=work, env=environment, check=True)
    return file


def colony(rows: Sequence[Trial], file: Path) -> Figure:
    """The fitness of every evaluation by the bee that flew there, and the best so far."""
    figure, axes = canvas(1)
    course = improvements(rows, Direction.MAXIMIZE)
    places = [*(row.index for row in course), rows[-1].index]
    steps = [*(row.fitness for row in course), course[-1].fitness]
    axes[0].step(places, steps, where="post", color="#444444", linewidth=1.2, label="best so far")
    for role, colour in BEE_COLOURS.items():
        own = [row for row in rows if row.role == role]
        axes[0].scatter([r.index for r in own], [r.fitness for r in own], color=colour, s=26, label=role, zorder=3)
    axes[0].set(xlabel="evaluation", ylabel="validation accuracy, %")
    figure.legend(frameon=False, loc="outside upper center", ncols=4)
    return figure


def stopping(rows: Sequence[Trial], file: Path) -> Figure:
    """The same learning curves under both rules: where each would have ended a training."""
    config = load(file, ["evaluation.stopping=median"]).evaluation
    figure, axes = canvas(2)
    cutoff = TerminateOnThreshold()
    epochs = range(1, config.epochs)
    axes[0].plot(epochs, [cutoff.threshold(epoch) for epoch in epochs], "--", color=WARN, label="threshold T(ε)")
    ended = [end_of(row, StoppingRule(cutoff=cutoff), config) for row in rows]
    draw_ended(axes[0], rows, ended, "Adaptive Cutoff Threshold")
    seen, ended = Curves(), []
    for row in rows:
        ended.append(end_of(row, StoppingRule(thresholds=median_thresholds(seen, config)), config))
        seen.add({epoch: value for epoch, value in row.accuracies().items() if epoch <= (ended[-1] or config.epochs)})
    judged = range(config.median.from_epoch, config.epochs)
    middles = [seen.at(epoch)[len(seen.at(epoch)) // 2] for epoch in judged]
    axes[1].plot(judged, middles, "--", color=WARN, label="median, at the end")
    draw_ended(axes[1], rows, ended, "median rule")
    return figure


def end_of(row: Trial, rule: StoppingRule, config: EvaluationConfig) -> int | None:
    """The epoch after which a rule ends a training; None where it goes on to its end."""
    curve = row.accuracies()
    return next((e for e in range(1, config.epochs) if rule.stop_reason(e, curve[e])), None)


def draw_ended(axes: Axes, rows: Sequence[Trial], ended: Sequence[int | None], title: str) -> None:
    """Curves up to where they were ended, the rest of them faint."""
    for row, end in zip(rows, ended, strict=True):
        curve = row.accuracies()
        epochs = sorted(curve)
        axes.plot(epochs, [curve[e] for e in epochs], color=FAINT, linewidth=0.8, zorder=1)
        kept = [e for e in epochs if end is None or e <= end]
        axes.plot(kept, [curve[e] for e in kept], color=STRONG, linewidth=1.1, zorder=2)
        if end is not None:
            axes.plot(end, curve[end], "x", color=WARN, zorder=3)
    count = sum(end is not None for end in ended)
    axes.set(title=f"{title}: ends {count} of {len(rows)}", xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    axes.legend(frameon=False, loc="lower right")


def momentum(rows: Sequence[Trial], file: Path) -> Figure:
    """The candidates that were given further epochs, and what came of them."""
    figure, axes = canvas(1)
    epochs = load(file).evaluation.epochs
    continued = [row for row in rows if row.phase == "momentum"]
    for row in (row for row in rows if row.phase == "evaluate"):
        plot(axes[0], row.accuracies().items(), FAINT, 0.8)
    for candidate in {row.candidate for row in continued}:
        curve: dict[int, float] = {}
        for row in (row for row in rows if row.candidate == candidate):
            curve |= row.accuracies()
        plot(axes[0], curve.items(), STRONG, 1.2)
        plot(axes[0], [item for item in curve.items() if item[0] >= epochs], BEE_COLOURS["employee"], 1.8)
    axes[0].axvline(epochs, color="#444444", linestyle=":", linewidth=1)
    names = len({row.candidate for row in continued})
    total = sum(row.phase == "evaluate" for row in rows)
    axes[0].set(title=f"{names} of {total} candidates were trained on", xlabel="epoch", ylabel="validation accuracy")
    return figure


def inheritance(rows: Sequence[Trial], file: Path) -> Figure:
    """Food sources and the neighbours that began with their weights, a panel a pair."""
    heirs = [row for row in rows if row.inherited][:4]
    figure, axes = canvas(max(1, len(heirs)))
    for panel, row in zip(axes, heirs, strict=False):
        source = next(r for r in rows if r.candidate == row.parent)
        plot(panel, source.accuracies().items(), FAINT, 1.6, "food source")
        plot(panel, row.accuracies().items(), STRONG, 1.8, "neighbour", marker="o")
        panel.set(title=f"{row.inherited:.0%} of its weights inherited", xlabel="age in epochs", ylim=(0, 1))
    axes[0].set_ylabel("validation accuracy")
    axes[0].legend(frameon=False, loc="lower right")
    return figure


def plot(
    axes: Axes, points: Iterable[tuple[int, float]], colour: str, width: float, label: str = "", marker: str = ""
) -> None:
    """A learning curve."""
    epochs, values = zip(*sorted(points), strict=True)
    axes.plot(epochs, values, color=colour, linewidth=width, label=label, marker=marker, markersize=4)


def canvas(panels: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels beside one another."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    width = 7.2 if panels == 1 else min(3.2 * panels + 2.5, 11.5)
    figure, axes = pyplot.subplots(
        1, panels, figsize=(width, 3.8), layout="constrained", sharey=panels > 1, squeeze=False
    )
    for each in axes[0]:
        each.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


if __name__ == "__main__":
    main()
