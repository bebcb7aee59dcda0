"""Candidates an hour of the ways to use two processors: two workers of one thread, against two threads for one.

    python benchmarks/throughput.py [--dataset digits|fashion_mnist] [--depth 5] [--pairs 5] [--iterations 5]

Every way is a whole search in a process of its own, MLflow in sqlite, over the same random candidates: a guided colony
would be led elsewhere by the last bits, which other threads round otherwise. Its phases are those of a colony of the
default size, 3 and 4 candidates. The ways take turns:

- `waits`: two workers of one thread, a phase waits for the whole phase before it (`colony.overlap: 0`);
- `overlaps`: two workers of one thread, `colony.overlap` as it is by default, or as --overlap says;
- `threads`: one worker of two threads;
- `serial`: `execution.kind: serial` with two threads, in the process of the search.

Time runs from the start of the eighth candidate, as workers are warm then, to the record of the last one. Printed are
the rates, the share of it in which workers trained, and the ratio of either of the first two to either of the last two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hivenas import api
from hivenas.config import Config, from_mapping
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.records import Trial
from hivenas.core.strategies.flight import Flight
from hivenas.core.strategies.kinds import register_strategy
from hivenas.execution import limit_threads
from hivenas.reports import as_text
from hivenas.run.callbacks import Callback

WAYS: dict[str, dict[str, Any]] = {
    "waits": {"workers": 2, "threads": 1},
    "overlaps": {"workers": 2, "threads": 1},
    "threads": {"workers": 1, "threads": 2},
    "serial": {"kind": "serial"},
}


def main() -> None:
    """Runs the ways in turns and prints rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=("digits", "fashion_mnist"), default="digits")
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--images", type=int, default=6000, help="of Fashion-MNIST")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--overlap", type=int, help="in place of the default")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(rate(config_of(options, options.one))))
        return
    rates: dict[str, list[float]] = {way: [] for way in options.ways.split(",")}
    for _ in range(options.pairs):
        for way, seen in rates.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--one", way]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            an_hour, busy = json.loads(done.stdout.splitlines()[-1])
            seen.append(an_hour)
            print(f"{way}: {an_hour:6.0f} an hour, workers busy {busy:.2f}", flush=True)
    print("\n" + compared(rates))


def compared(rates: Mapping[str, list[float]]) -> str:
    """Ratios of the ways with two workers to those with two threads, pair by pair."""
    lines = [["", "median", "of each pair"]]
    for two in ("waits", "overlaps"):
        for one in ("threads", "serial"):
            if two in rates and one in rates:
                ratios = np.array(rates[two]) / np.array(rates[one])
                shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
                lines.append([f"{two} / {one}", f"{np.median(ratios):.2f}", shown])
    return as_text(lines)


def config_of(options: argparse.Namespace, way: str) -> Config:
    """A search that trains every candidate to the end."""
    colony: dict[str, Any] = {"kind": "rehearsed", "iterations": options.iterations}
    if way == "waits":
        colony["overlap"] = 0
    elif options.overlap is not None:
        colony["overlap"] = options.overlap
    dataset = {"name": options.dataset}
    if options.dataset == "fashion_mnist":
        dataset["train_limit"] = options.images
    return from_mapping(
        {
            "name": way,
            "dataset": dataset,
            "space": {"depth": options.depth},
            "evaluation": {"epochs": 5, "batch_size": 128, "stopping": "none"},
            "colony": colony,
            "full_train": {"enabled": False},
            "execution": {"recycle_after": 1000, **WAYS[way]},
        }
    )


@register_strategy("rehearsed")
class Rehearsed(BeeColony):
    """Flies to random candidates, the same ones whatever comes of them."""

    kind: ClassVar[str] = "rehearsed"
    overlaps: ClassVar[bool] = True

    def _plan(self) -> list[Flight]:
        flights: list[Flight] = []
        for _ in range(self._config.employees if self._phase == "employees" else self._config.onlookers):
            candidate = self._objective.sample()
            flights.append(Flight("scout", -1, candidate, self._propose(flights, "scout", candidate)))
        return flights


class Clock(Callback):
    """Keeps when each candidate was recorded."""

    def __init__(self) -> None:
        self.recorded: list[tuple[Trial, float]] = []

    def on_record(self, trial: Trial) -> None:
        """Looks at the clock."""
        assert trial.status == "complete", trial.reason
        self.recorded.append((trial, time.time()))


def rate(config: Config) -> tuple[float, float]:
    """Candidates an hour of a search in this process, and the share of the time in which its workers trained."""
    if config.execution.kind == "serial":
        limit_threads(2)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = f"sqlite:///{folder}/mlflow.db"
        api.search(config, callbacks=[clock], progress=False)
    warm = clock.recorded[config.colony.size :]
    begun, ended = warm[0][0].started, warm[-1][1]
    trained = sum(min(trial.seconds, trial.started + trial.seconds - begun) for trial, _ in warm)
    return len(warm) * 3600 / (ended - begun), trained / (config.execution.workers * (ended - begun))


if __name__ == "__main__":
    main()
