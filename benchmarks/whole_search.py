r"""A whole search with what makes candidates cheaper, against the same search without: CPU seconds, and what it finds.

    python benchmarks/whole_search.py --config benchmarks/whole_search.yaml --set evaluation.stopping=none \
        --cheaper evaluation.stopping=median [--seeds 3] [--out O.json]

A search is a process of its own, with its workers, MLflow in sqlite and its full training; its CPU seconds are all
that it spends, imports included. The two searches of a seed run one after the other. Printed are the seconds of either,
those of them that were spent before its full training, the time on the clock, the epochs that were trained, the best
validation accuracy of the search and the test accuracy of its final model, for every seed; then the ratio of the sums
and the differences of the accuracies.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from spent import cpu_seconds

from hivenas import Callback
from hivenas.config import load
from hivenas.reports import as_text


@dataclass(frozen=True, slots=True)
class Outcome:
    """The spending and the findings of a search."""

    seconds: float
    search_seconds: float
    wall: float
    epochs: int
    best: float
    test_accuracy: float


class UntilFullTraining(Callback):
    """Notes the CPU seconds that are spent when the first full training begins."""

    seconds: float | None = None

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Counts once."""
        if self.seconds is None:
            self.seconds = cpu_seconds()


def main() -> None:
    """Runs both searches with every seed and compares them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--cheaper", action="append", default=[], help="what is set in one of the searches alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time")
    parser.add_argument("--out", type=Path, default=Path("whole_search.json"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(search(options.config, options.overrides))))
        return
    found: dict[str, list[Outcome]] = {"without": [], "with": []}

    def pair(seed: int) -> dict[str, Outcome]:
        outcomes = {}
        for name, more in (("without", []), ("with", options.cheaper)):
            command = [sys.executable, __file__, "--one", "--config", str(options.config.resolve())]
            command += [f"--set={each}" for each in [*options.overrides, *more, f"seed={seed}"]]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            outcomes[name] = Outcome(**json.loads(done.stdout.splitlines()[-1]))
            print(f"seed {seed}, {name}: {outcomes[name]}", flush=True)
        return outcomes

    with ThreadPoolExecutor(options.jobs) as pool:
        for outcomes in pool.map(pair, range(options.seeds)):
            for name, outcome in outcomes.items():
                found[name].append(outcome)
    options.out.write_text(json.dumps({k: [asdict(o) for o in v] for k, v in found.items()}) + "\n", encoding="utf-8")
    print("\n" + compared(found["without"], found["with"]))


def search(file: Path, overrides: list[str]) -> Outcome:
    """Searches in this process, in a folder of its own."""
    from hivenas import api

    config, began, until_full_training = load(file, overrides), time.monotonic(), UntilFullTraining()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = "sqlite:///mlflow.db"
        result = api.search(config, progress=False, callbacks=[until_full_training])
    seconds, best = cpu_seconds(), result.best
    if best is None:
        raise RuntimeError("every candidate failed")
    return Outcome(
        seconds=round(seconds, 1),
        search_seconds=round(until_full_training.seconds or seconds, 1),
        wall=round(time.monotonic() - began, 1),
        epochs=sum(len(trial.evaluation.history) for trial in result.trials if not trial.failed),
        best=best.fitness,
        test_accuracy=float("nan") if result.test_accuracy is None else result.test_accuracy,
    )


def compared(without: list[Outcome], with_: list[Outcome]) -> str:
    """The sums and means of both, their ratio or difference, and the standard error of a difference."""
    lines = [["", "without", "with", ""]]
    for name in ("seconds", "search_seconds", "wall", "epochs"):
        one, other = (sum(getattr(each, name) for each in runs) for runs in (without, with_))
        lines.append([f"{name.replace('_', ' ')} in all", f"{one:.0f}", f"{other:.0f}", f"ratio {other / one:.2f}"])
    for name in ("best", "test_accuracy"):
        one, other = (np.array([getattr(each, name) for each in runs]) for runs in (without, with_))
        error = (other - one).std(ddof=1) / len(one) ** 0.5 if len(one) > 1 else float("nan")
        difference = f"{(other - one).mean():+.4f} ± {error:.4f}"
        lines.append([name.replace("_", " "), f"{one.mean():.4f}", f"{other.mean():.4f}", difference])
    return as_text(lines)


if __name__ == "__main__":
    main()
