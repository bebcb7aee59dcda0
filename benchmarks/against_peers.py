"""The same search by hivenas and by other libraries: accuracy of the best network against CPU seconds.

    python benchmarks/against_peers.py --config benchmarks/tables/digits.yaml [--evaluations 40] [--seeds 3]
    python benchmarks/against_peers.py --config C.yaml --budget 600 --methods hivenas,"KerasTuner Hyperband"

`peer_searches.py` says how each searches. A search is a process of its own, and its CPU seconds are all that it and its
workers spend from their start, imports included. Accuracy is the largest validation accuracy after any epoch of any
network so far. With a budget, every search goes on until its CPU seconds are spent. A search that the file of results
has is not run again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measuring import add_line, read_lines
from numpy.typing import NDArray
from peer_searches import SEARCHES, Given
from spent import cpu_seconds

from hivenas.config import load
from hivenas.execution import limit_threads
from hivenas.reports import as_text

FIRST = ("hivenas", "KerasTuner RandomSearch", "KerasTuner BayesianOptimization")
_Floats = NDArray[np.float64]
# (CPU seconds, best accuracy) after every epoch.
_Curve = Sequence[Sequence[float]]


def main() -> None:
    """Runs every method with every seed and compares their curves."""
    options = read_options()
    if options.one:
        search_once(options, options.one[0], int(options.one[1]))
        return
    methods = options.methods.split(",")
    done = {(line["method"], line["seed"]) for line in read_lines(options.out)}

    def searched(search: tuple[int, str]) -> None:
        seed, method = search
        command = [sys.executable, __file__, *sys.argv[1:], "--one", method, str(seed)]
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        curve = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("[")]
        add_line(options.out, {"method": method, "seed": seed, "curve": curve})
        print(f"{method} seed {seed}: {len(curve)} epochs, {curve[-1][0]:.0f} CPU s, {curve[-1][1]:.4f}", flush=True)

    missing = [each for each in itertools.product(range(options.seeds), methods) if each[::-1] not in done]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(searched, missing))
    lines = read_lines(options.out)
    curves = {method: [line["curve"] for line in lines if line["method"] == method] for method in methods}
    print("\n" + compared(curves))
    if options.plot:
        draw(curves, options.plot)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--methods", default=",".join(FIRST), help=f"of {', '.join(SEARCHES)}")
    parser.add_argument("--evaluations", type=int, default=40, help="networks, without a budget")
    parser.add_argument("--budget", type=float, help="CPU seconds of every search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    parser.add_argument("--out", type=Path, default=Path("against_peers.jsonl"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SEED"), help=argparse.SUPPRESS)
    return parser.parse_args()


def compared(curves: Mapping[str, Sequence[_Curve]]) -> str:
    """A table: accuracy, averaged over the seeds, when so many CPU seconds were spent, and at the end."""
    shortest = min(run[-1][0] for runs in curves.values() for run in runs)
    marks = [round(shortest * share) for share in (0.25, 0.5, 0.75, 1.0)]
    lines = [["", *(f"after {mark} CPU s" for mark in marks), "at the end", "CPU s in all"]]
    for method, runs in curves.items():
        reached = np.array([[accuracy_at(run, mark) for mark in [*marks, np.inf]] for run in runs])
        spent = np.mean([run[-1][0] for run in runs])
        lines.append([method, *(f"{value:.4f}" for value in reached.mean(axis=0)), f"{spent:.0f}"])
    return as_text(lines)


def accuracy_at(run: _Curve, seconds: float) -> float:
    """The best accuracy of a search that had spent so many CPU seconds; 0 before its first network."""
    return max((accuracy for spent, accuracy in run if spent <= seconds), default=0.0)


def draw(curves: Mapping[str, Sequence[_Curve]], path: Path) -> None:
    """Accuracy against CPU seconds: a line a search, and their mean; not of the first, when all still leap upwards."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for i, (method, runs) in enumerate(curves.items()):
        grid: _Floats = np.linspace(0, max(run[-1][0] for run in runs), 200)
        reached = np.array([[accuracy_at(run, seconds) for seconds in grid] for run in runs])
        known = reached.min(axis=0) > 0
        for each in reached:
            axes.plot(grid[known], each[known], color=f"C{i}", alpha=0.3, linewidth=1)
        axes.plot(grid[known], reached.mean(axis=0)[known], color=f"C{i}", label=method)
    shortest = min(run[-1][0] for runs in curves.values() for run in runs)
    floor = min(accuracy_at(run, shortest / 3) for runs in curves.values() for run in runs)
    top = max(run[-1][1] for runs in curves.values() for run in runs)
    axes.set(xlabel="CPU seconds", ylabel="best validation accuracy", ylim=(floor - 0.005, top + 0.005))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def search_once(options: argparse.Namespace, method: str, seed: int) -> None:
    """Searches in this process, which prints [CPU seconds, best accuracy] after every epoch."""
    best, config = 0.0, load(options.config, options.overrides)
    if method != "hivenas":  # whose workers limit themselves
        limit_threads(config.execution.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def report(accuracy: float) -> None:
        nonlocal best
        spent, best = cpu_seconds(), max(best, accuracy)
        print(json.dumps([round(spent, 2), round(best, 5)]), flush=True)
        if options.budget and spent >= options.budget and method != "hivenas":  # which has a budget of its own
            raise SystemExit(0)

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        evaluations = None if options.budget else options.evaluations
        SEARCHES[method](Given(config, seed, evaluations, options.budget, report))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
