"""The same search by hivenas and by KerasTuner: accuracy of the best network against CPU seconds.

    python benchmarks/against_keras_tuner.py --config benchmarks/tables/digits.yaml [--evaluations 40] [--seeds 3]

Space, images, epochs, batches, optimizer and learning rates are those of the configuration, and the networks are built
by the same code. KerasTuner (pip install keras-tuner tensorboard) gets a `Choice` a layer and searches with
RandomSearch and with BayesianOptimization; hivenas searches as a user does: workers, MLflow in sqlite, records, h5
files. A search is a process of its own, and its CPU seconds are all that it and its workers spend from their start,
imports included. Accuracy is the largest validation accuracy after any epoch of any network so far, which is what
KerasTuner chooses by.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spent import cpu_seconds

from hivenas.config import Config, load
from hivenas.execution import limit_threads
from hivenas.reports import as_text

METHODS = ("hivenas", "RandomSearch", "BayesianOptimization")
_Report = Callable[[float], None]
_Floats = NDArray[np.float64]


def main() -> None:
    """Runs every method with every seed and compares their curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    parser.add_argument("--out", type=Path, default=Path("against_keras_tuner.json"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        search_once(options.one[0], load(options.config), options.evaluations, int(options.one[1]))
        return
    curves: dict[str, list[list[list[float]]]] = {method: [] for method in METHODS}

    def searched(search: tuple[int, str]) -> list[list[float]]:
        seed, method = search
        command = [sys.executable, __file__, "--config", options.config, "--one", method, str(seed)]
        command += ["--evaluations", str(options.evaluations)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        curve = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        print(f"{method} seed {seed}: {len(curve)} networks, {curve[-1][0]:.0f} CPU s, {curve[-1][1]:.4f}", flush=True)
        return curve

    searches = list(itertools.product(range(options.seeds), METHODS))
    with ThreadPoolExecutor(options.jobs) as pool:
        for (_, method), curve in zip(searches, pool.map(searched, searches), strict=True):
            curves[method].append(curve)
            options.out.write_text(json.dumps(curves) + "\n", encoding="utf-8")
    print("\n" + compared(curves))
    if options.plot:
        draw(curves, options.plot)


def compared(curves: dict[str, list[list[list[float]]]]) -> str:
    """A table: accuracy, averaged over the seeds, when so many CPU seconds were spent, and at the end."""
    shortest = min(run[-1][0] for runs in curves.values() for run in runs)
    marks = [round(shortest * share) for share in (0.25, 0.5, 0.75, 1.0)]
    lines = [["", *(f"after {mark} CPU s" for mark in marks), "at the end", "CPU s in all"]]
    for method, runs in curves.items():
        reached = np.array([[accuracy_at(run, mark) for mark in [*marks, np.inf]] for run in runs])
        spent = np.mean([run[-1][0] for run in runs])
        lines.append([method, *(f"{value:.4f}" for value in reached.mean(axis=0)), f"{spent:.0f}"])
    return as_text(lines)


def accuracy_at(run: list[list[float]], seconds: float) -> float:
    """The best accuracy of a search that had spent so many CPU seconds; 0 before its first network."""
    return max((accuracy for spent, accuracy in run if spent <= seconds), default=0.0)


def draw(curves: dict[str, list[list[list[float]]]], path: Path) -> None:
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


def search_once(method: str, config: Config, evaluations: int, seed: int) -> None:
    """Searches in this process, which prints [CPU seconds, best accuracy] after every network."""
    best = 0.0
    if method != "hivenas":  # whose workers limit themselves
        limit_threads(config.execution.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def report(accuracy: float) -> None:
        nonlocal best
        best = max(best, accuracy)
        print(json.dumps([round(cpu_seconds(), 2), round(best, 5)]), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        (_search_with_hivenas if method == "hivenas" else _search_with_keras_tuner)(
            method, config, evaluations, seed, report
        )


def _search_with_hivenas(method: str, config: Config, evaluations: int, seed: int, report: _Report) -> None:
    from hivenas import api
    from hivenas.core.records import Trial
    from hivenas.run.callbacks import Callback

    class Reports(Callback):
        def on_record(self, trial: Trial) -> None:
            if not trial.failed:
                report(max(trial.accuracies().values()))

    size = config.colony.size
    searched = config.model_copy(
        update={
            "seed": seed,
            "name": "own",
            "colony": config.colony.model_copy(update={"iterations": -(-evaluations // size)}),
            "full_train": config.full_train.model_copy(update={"enabled": False}),
        }
    )
    os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = "sqlite:///mlflow.db"
    api.search(searched, callbacks=[Reports()], progress=False)


def _search_with_keras_tuner(method: str, config: Config, evaluations: int, seed: int, report: _Report) -> None:
    import keras
    import keras_tuner  # type: ignore[import-not-found]

    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.nas.space.architecture import Chain
    from hivenas.core.nas.space.frame import Frame
    from hivenas.core.nas.training.loop import make_optimizer
    from hivenas.core.nas.training.network import build_network
    from hivenas.core.nas.training.rates import learning_rates
    from hivenas.core.tracker import NullTracker

    interface = NASInterface.from_config(config.model_copy(update={"seed": seed}), tracker=NullTracker())
    strategy, space, evaluation = interface.eval_strategy, config.space, config.evaluation
    arrays = strategy._arrays
    built = iter(range(10_000))

    def build(hp: Any) -> keras.Model:
        operations = tuple(hp.Choice(f"layer_{i}", list(space.operations or ())) for i in range(space.depth))
        data = strategy.data
        network = build_network(
            Chain(operations, (0,) * space.depth),
            interface.search_space.reference,
            shape=data.shape,
            classes=data.classes,
            frame=Frame.of(space),
            seed=1_000 * seed + next(built),
        )
        network.compile(make_optimizer(evaluation.optimizer), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return network

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            (rate,) = learning_rates(evaluation, epoch, epochs=evaluation.epochs, steps=1)
            self.model.optimizer.learning_rate = rate

        def on_train_end(self, logs: Any = None) -> None:
            report(max(self.model.history.history["val_accuracy"]))

    tuner = getattr(keras_tuner, method)(
        build, objective="val_accuracy", max_trials=evaluations, seed=seed, directory=".", project_name="tuner"
    )
    tuner.search(
        arrays.x_train.numpy(),
        arrays.y_train.numpy(),
        batch_size=evaluation.batch_size,
        epochs=evaluation.epochs,
        validation_data=(arrays.x_val.numpy(), arrays.y_val.numpy()),
        callbacks=[Progress()],
        verbose=0,
    )


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
