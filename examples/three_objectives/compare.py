"""One colony on three objectives: a function, a recorded table, real training; a table and a plot of the best so far.

    python compare.py [--evaluations 28] [--bees 7] [--out comparison]

Each search is a process of its own, run as any program may run it: `hivenas search --json` prints an event a line. Run
it in this folder; it writes comparison.md and comparison.png.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TABLE = Path("../../benchmarks/tables/digits.csv.gz")


@dataclass(frozen=True, slots=True)
class Objective:
    """What is searched: the configuration's name, what it is for people, the optimum where it is known."""

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
    events = {objective.name: search(objective, options.evaluations, options.bees) for objective in objectives}
    text = comparison(objectives, events, options.bees)
    print(text)
    options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    draw(objectives, events, options.out.with_suffix(".png"))


def best_of_table() -> float:
    """The fitness of the table's best network, which the search does not know."""
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as file:
        return max(float(line["fitness"]) for line in csv.DictReader(file))


def search(objective: Objective, evaluations: int, bees: int) -> list[dict[str, Any]]:
    """The events of a search, which are shown as they come."""
    iterations = f"colony.iterations={evaluations // bees}"
    command = [sys.executable, "-m", "hivenas", "search", "--json", "--overwrite"]
    command += ["--config", f"{objective.name}.yaml", "--set", f"colony.size={bees}", "--set", iterations]
    events = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            events.append(event := json.loads(line))
            if event["event"] == "evaluated":
                print(f"{objective.name} {event['index'] + 1}: best {event['best_fitness']}", file=sys.stderr)
    if process.returncode:
        sys.exit(f"the search of {objective.name} failed")
    return events


def curve(events: list[dict[str, Any]]) -> list[float]:
    """The best so far after every evaluation."""
    return [event["best_fitness"] for event in events if event["event"] == "evaluated"]


def comparison(objectives: list[Objective], events: dict[str, list[dict[str, Any]]], bees: int) -> str:
    """A table in markdown, a line an objective."""
    lines = [
        f"| objective | evaluations | best of the first {bees} | best | regret | found at | s |",
        "|" + " --- |" * 7,
    ]
    for objective in objectives:
        best = curve(events[objective.name])
        regret = "" if objective.optimum is None else f"{abs(best[-1] - objective.optimum):.4g}"
        numbers = f"{best[min(bees, len(best)) - 1]:.4g} | {best[-1]:.4g} | {regret} | {best.index(best[-1]) + 1}"
        lines.append(f"| {objective.title} | {len(best)} | {numbers} |")
    return "\n".join(lines)


def draw(objectives: list[Objective], events: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """The best so far, a panel an objective."""
    figure, panels = plt.subplots(1, len(objectives), figsize=(12, 3.4), layout="constrained")
    for objective, panel in zip(objectives, panels, strict=True):
        best = curve(events[objective.name])
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
