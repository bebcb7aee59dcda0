"""Accuracy against what was spent for it: curves, their values at some time, a table and a picture."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a contender.

    Args:
        contender: its name.
        seed: of the run.
        curve: (CPU seconds, test accuracy) of the network that it would have handed out, from then on; by time.
        cpu: seconds in all.
        stopped: its budget was spent before it had ended by itself.
        error: the last line of what it said when it failed; empty for others.
    """

    contender: str
    seed: int
    curve: tuple[tuple[float, float], ...]
    cpu: float
    stopped: bool
    error: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Run:
        """That of a line of the results."""
        curve = chosen([(cpu, val, test) for cpu, val, test in record["curve"]], record["budget"])
        if record["handed_out"] is not None:
            curve = [*curve, (record["cpu"], record["handed_out"])]
        stopped = record["stopped"]
        return cls(record["contender"], record["seed"], tuple(curve), record["cpu"], stopped, record["error"])

    def at(self, seconds: float) -> float | None:
        """The test accuracy of its choice after so many CPU seconds; None before the first, and past its budget."""
        if self.stopped and seconds > self.cpu:
            return None
        return next((test for cpu, test in reversed(self.curve) if cpu <= seconds), None)


def chosen(measured: Sequence[tuple[float, float, float]], budget: float) -> list[tuple[float, float]]:
    """The test accuracies of a contender's choices, which is made by validation alone.

    Args:
        measured: (CPU seconds, validation accuracy, test accuracy) of networks, in any order.
        budget: CPU seconds; what was measured later does not count.
    """
    best, choices = -1.0, []
    for cpu, val, test in sorted(measured):
        if val > best and cpu <= budget:
            best = val
            choices.append((cpu, test))
    return choices


def code_lines(file: Path) -> int:
    """Lines of a file that are neither blank nor comments nor docstrings."""
    text = file.read_text(encoding="utf-8")
    lines = {n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")}
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def table(runs: Sequence[Run], minutes: Sequence[float], lines: Mapping[str, str]) -> str:
    """A table in Markdown, a line a contender.

    Args:
        runs: of all contenders.
        minutes: of CPU time, after which test accuracies are compared: the mean, and each seed's.
        lines: what every contender needs in lines of code.
    """
    marks = "".join(f" after {mark:g} min |" for mark in minutes)
    head = f"| contender | seeds |{marks} CPU min in all | lines of code |"
    rows = [head, "|---|---|" + "---|" * (len(minutes) + 2)]
    for name, found in grouped(runs).items():
        good = [run for run in found if run.curve or not run.error]  # one that fails late has something by then
        cells = [_cell([run.at(60 * mark) for run in good]) for mark in minutes]
        spent = " ".join(f"{run.cpu / 60:.1f}" for run in good)
        rows.append(f"| {' | '.join([name, str(len(good)), *cells, spent or '–', lines.get(name, '')])} |")
    failed = [run for found in grouped(runs).values() for run in found if run.error]
    rows += [f"\n{run.contender}, seed {run.seed}, failed after {run.cpu:.0f} CPU s: {run.error}" for run in failed]
    return "\n".join(rows)


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    each = " ".join("–" if value is None else f"{value:.4f}" for value in values)
    mean = f"{np.mean(known):.4f}" if len(known) == len(values) else "–"
    return f"{mean} ({each})"


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of every contender, in the order in which contenders come first; the last of equal ones."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(run.contender, {})[run.seed] = run
    return {name: [by_seed[seed] for seed in sorted(by_seed)] for name, by_seed in found.items()}


def draw(runs: Sequence[Run], path: Path) -> None:
    """Test accuracy against CPU minutes: the mean of a contender's seeds, and a band from the worst to the best."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    floors = []
    for i, (name, found) in enumerate(grouped(runs).items()):
        good = [run for run in found if run.curve]
        if not good:
            continue
        grid = np.linspace(0, max(run.cpu for run in good), 600)
        reached = np.array([[run.at(seconds) or np.nan for seconds in grid] for run in good])
        known = ~np.isnan(reached).any(axis=0)
        axes.step(grid[known] / 60, reached.mean(axis=0)[known], where="post", color=f"C{i}", label=name)
        worst, best = reached.min(axis=0)[known], reached.max(axis=0)[known]
        axes.fill_between(grid[known] / 60, worst, best, step="post", color=f"C{i}", alpha=0.18, linewidth=0)
        floors += list(reached[:, known][:, grid[known] >= grid[-1] / 8].ravel()[:1])
    axes.set(xlabel="CPU minutes, of all processes", ylabel="test accuracy", xlim=(0, None))
    if floors:
        axes.set_ylim(bottom=min(floors) - 0.005)
    axes.set_title("Fashion-MNIST within one budget of CPU time", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)
