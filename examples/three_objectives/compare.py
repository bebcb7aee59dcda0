"""One colony on three objectives: a function, a recorded table, real training; a table and a plot of the best so far.

    python compare.py [--evaluations 28] [--bees 7] [--out comparison]

Each search is a call of `hivenas.search` with a callback that is told of every candidate. Run it in this folder; it
writes comparison.md and comparison.png.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

import hivenas

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TABLE = Path("../../benchmarks/tables/digits.csv.gz")
Curves = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective that is searched: the configuration's name, what it is for people, the optimum where it is known."""

    name: str
    title: str
    minimize: bool = False
    optimum: float | None = None


def main() -> None:
    """Runs the three searches one after another and writes what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=28, help="of each search, a multiple of the bees")
    parser.add_argument("--bees", type=int, default=7, help="of each colony")
    parser.add_argument("--out", type=Path, default=Path("comparison"), help="the two files' name without its ending")
    options = parser.parse_args()
    objectives = [
        Objective("sphere", "Sphere, 10 numbers (less is better)", minimize=True, optimum=0.0),
        Objective("table", "recorded table, accuracy in points", optimum=best_of_table()),
        Objective("nas", "real training, validation accuracy"),
    ]
    curves = {objective.name: search(objective, options.evaluations, options.bees) for objective in objectives}
    text = comparison(objectives, curves, options.bees)
    print(text)
    options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    draw(objectives, curves, options.out.with_suffix(".png"))


def best_of_table() -> float:
    """The fitness of the table's best network, which the search does not know."""
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        return max(float(line["fitness"]) for line in csv.DictReader(file))


class Progress(hivenas.Callback):
    """Shows every candidate as it comes."""

    def on_trial(self, trial: hivenas.Trial) -> None:
        """Called when a candidate was evaluated and recorded."""
        print(f"{trial.index + 1}: {trial.fitness} {trial.candidate}", file=sys.stderr)


def search(objective: Objective, evaluations: int, bees: int) -> list[float]:
    """The best so far after every evaluation of a search."""
    result = hivenas.search(
        f"{objective.name}.yaml",
        f"colony.size={bees}",
        f"colony.iterations={evaluations // bees}",
        overwrite=True,
        callbacks=[Progress()],
        progress=False,
    )
    best: float | None = None
    curve = []
    for trial in result.trials:
        if not trial.failed and result.direction.is_better(trial.fitness, best):
            best = trial.fitness
        curve.append(math.nan if best is None else best)
    return curve


def comparison(objectives: list[Objective], curves: Curves, bees: int) -> str:
    """A table in markdown, a line an objective."""
    lines = [
        f"| objective | evaluations | best of the first {bees} | best | regret | found at |",
        "|" + " --- |" * 6,
    ]
    for objective in objectives:
        best = curves[objective.name]
        regret = "" if objective.optimum is None else f"{abs(best[-1] - objective.optimum):.4g}"
        numbers = f"{best[min(bees, len(best)) - 1]:.4g} | {best[-1]:.4g} | {regret} | {best.index(best[-1]) + 1}"
        lines.append(f"| {objective.title} | {len(best)} | {numbers} |")
    return "\n".join(lines)


def draw(objectives: list[Objective], curves: Curves, file: Path) -> None:
    """The best so far, a panel an objective."""
    figure, panels = plt.subplots(1, len(objectives), figsize=(12, 3.4), layout="constrained")
    for objective, panel in zip(objectives, panels, strict=True):
        best = curves[objective.name]
        panel.step(range(1, len(best) + 1), best, where="post", color="tab:blue", label="best so far")
        if objective.optimum is not None and not objective.minimize:
            panel.axhline(objective.optimum, color="0.6", linestyle="--", label="optimum")
        if objective.minimize:
            panel.set_yscale("log")
        panel.set(title=objective.title, xlabel="evaluations")
        panel.legend(loc="best", fontsize="small")
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    main()
