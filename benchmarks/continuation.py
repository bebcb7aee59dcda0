"""The cost of going on with a candidate: in its network, which is still alive, and through its h5 file.

    python benchmarks/continuation.py [--config conf/digits.yaml] [--candidates 8] [--epochs 5] [--set KEY=VALUE]
    python benchmarks/continuation.py --memory 40

For every candidate the two are timed in turns in one process with one thread, and compared to the last bit. With
`--memory`: what a process takes after so many trainings, with all of their networks alive and with none, each in a
process of its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measuring import in_processes

from hivenas.config import load
from hivenas.core.onednn import choose_onednn
from hivenas.execution import limit_threads
from hivenas.reports import as_text

if TYPE_CHECKING:
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.records import Evaluation

OVERRIDES = ["evaluation.momentum_epochs=1", "evaluation.stopping=none", "seed=42"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one continuation."""

    cpu: float
    wall: float


def main() -> None:
    """Times pairs, or measures memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("conf/digits.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, metavar="NETWORKS")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.memory:
        tasks = [(options.config, options.overrides, options.memory, kept) for kept in (options.memory, 0)]
        for kept, before, after in in_processes(resident, tasks, processes=1):
            growth = (after - before) / options.memory
            print(f"{kept:>3} of {options.memory} alive: {before} MB after one, {after} at the end, {growth:.1f} each")
        return
    choose_onednn()
    limit_threads(1)
    print(table(pairs(options.config, options.overrides, options.candidates, options.epochs), options.epochs))


def interface(file: Path, overrides: list[str], kept: int) -> NASInterface:
    """The interface of a configuration, with results that are thrown away."""
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.tracker import NullTracker

    own = [f"results.dir={tempfile.mkdtemp()}", f"execution.keep_alive={kept}"]
    return NASInterface.from_config(load(file, [*OVERRIDES, *overrides, *own]), tracker=NullTracker())


def pairs(file: Path, overrides: list[str], candidates: int, epochs: int) -> list[tuple[Cost, Cost]]:
    """Costs through the file and alive, a pair a candidate; each of the two is first in every second pair."""
    own = interface(file, overrides, kept=2)
    strategy, found = own.eval_strategy, []
    for number in range(candidates + 1):
        candidate = own.sample()
        first = strategy.evaluate(candidate)
        path = strategy.weights_path(first.filename)

        def go_on(arch: str = candidate, name: str = first.filename) -> Evaluation:
            return strategy.momentum_eval(arch, name, epochs)

        if number % 2:
            loop = strategy.alive.take(path)
            assert loop is not None
            read, through_file = timed(go_on)
            strategy.alive.keep(path, loop)
            went_on, alive = timed(go_on)
        else:
            went_on, alive = timed(go_on)
            read, through_file = timed(go_on)
        assert read.history == went_on.history
        print(f"{through_file.cpu:5.2f} s through the file, {alive.cpu:5.2f} alive  {candidate}", flush=True)
        if number:  # the first pair warms the process up
            found.append((through_file, alive))
    return found


def timed(work: Callable[[], Evaluation]) -> tuple[Evaluation, Cost]:
    """The outcome of a call, and what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, Cost(time.process_time() - cpu, time.perf_counter() - wall)


def table(found: list[tuple[Cost, Cost]], epochs: int) -> str:
    """Sums and ratios as text."""
    lines = [[f"{epochs} further epochs, s", "through the file", "alive", "ratio of sums", "median ratio", "range"]]
    for name in ("cpu", "wall"):
        one, other = (np.array([getattr(pair[side], name) for pair in found]) for side in (0, 1))
        ratios = other / one
        spread = f"{ratios.min():.2f} – {ratios.max():.2f}"
        figures = [f"{one.mean():.2f}", f"{other.mean():.2f}", f"{other.sum() / one.sum():.2f}"]
        lines.append([name, *figures, f"{np.median(ratios):.2f}", spread])
    return as_text(lines)


def resident(file: Path, overrides: list[str], networks: int, kept: int) -> tuple[int, int, int]:
    """Megabytes that a process takes after one training and after so many more.

    Args:
        file: the configuration.
        overrides: of it.
        networks: that are trained after the first.
        kept: at most so many stay alive.

    Returns:
        `kept` and the two figures.
    """
    own = interface(file, overrides, kept)
    own.eval_strategy.evaluate(own.sample())
    before = resident_now()
    for _ in range(networks):
        own.eval_strategy.evaluate(own.sample())
    assert len(own.eval_strategy.alive.names) == kept
    return kept, before, resident_now()


def resident_now() -> int:
    """Resident memory of this process, MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) // 1024


if __name__ == "__main__":
    main()
