"""CPU time of a candidate of a real search, everything included, against a bare `model.fit` of the same model.

    python benchmarks/tracked_candidate.py [--dataset digits|fashion_mnist] [--preset residual] [--candidates 8]
    python benchmarks/tracked_candidate.py --augmented [--dataset …] [--candidates 8]
    python benchmarks/tracked_candidate.py --profile [--dataset …] [--candidates 8]

A search runs as `hivenas search` does: a guided colony in the driver, a worker that trains, h5 files, histories, the
table, an MLflow store in sqlite with a nested run a candidate. Phases are of one candidate. Whenever one is recorded,
the search waits while another process trains the same architecture with `model.fit(validation_data=…)` on the same
arrays, with the same batches, epochs, optimizer and schedule, and saves nothing. Each process has one thread. The
first pair warms both up and is left out. "Ours" is the CPU of driver and worker since the search went on. What a
worker takes to start is printed apart: it is shared by `execution.recycle_after` candidates.

With --augmented one worker trains random candidates without and with all augmentation, in turns. With --profile a
worker trains random candidates step by step; what is printed are medians a candidate.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from process_tree import descendants

from hivenas import api
from hivenas.config import Config, from_mapping
from hivenas.core.nas.nas_interface import interface_of
from hivenas.core.records import Proposal, Trial
from hivenas.execution import Task, WorkerExecutor, evaluate_network, limit_threads
from hivenas.run.callbacks import Callback

EPOCHS = 5
ALL: dict[str, Any] = {"affine": True, "cutout": 1.0, "saturation": 1.0, "contrast": 1.0}


def main() -> None:
    """Runs the search and prints each pair and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=("digits", "fashion_mnist"), default="digits")
    parser.add_argument("--preset", default="residual")
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--images", type=int, default=6000, help="of Fashion-MNIST")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--augmented", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ["MLFLOW_REGISTRY_URI"] = os.environ["MLFLOW_TRACKING_URI"]
        os.environ.pop("MLFLOW_RUN_ID", None)
        os.chdir(folder)
        if options.augmented:
            augmented(options, Path(folder))
        elif options.profile:
            profile(options, Path(folder))
        else:
            against_fit(options, Path(folder))


def config_of(options: argparse.Namespace, folder: Path, **execution: Any) -> Config:
    """A search of random and neighbouring candidates that trains every one of them to the end."""
    dataset: dict[str, Any] = {"name": options.dataset}
    if options.dataset == "fashion_mnist":
        dataset["train_limit"] = options.images
    return from_mapping(
        {
            "name": "cost",
            "seed": options.seed,
            "dataset": dataset,
            "space": {"preset": options.preset, "depth": options.depth},
            "evaluation": {"epochs": options.epochs, "stopping": "none", "augmentation": {"shift": 0.0}},
            "colony": {"size": 2, "employee_ratio": 0.5, "iterations": options.candidates // 2},
            "full_train": {"enabled": False},
            "results": {"dir": str(folder / "results")},
            "execution": {"recycle_after": 1000, **execution},
        }
    )


class Pairs(Callback):
    """Is told of every candidate that was recorded, and has the peer train it too."""

    def __init__(self, config: Config, peer: Executor) -> None:
        self.config = config
        self.peer = peer
        self.pairs: list[tuple[float, float, float]] = []
        self.start = 0.0  # CPU of the worker when its first candidate ended: import, data, first graph
        self._before: tuple[float, float] | None = None

    def on_record(self, trial: Trial) -> None:
        """Reads what the candidate took, then lets the peer train the same one, before the next one is begun."""
        now = (time.process_time(), _children_cpu())
        fit = self.peer.submit(bare_fit, self.config, trial.encoded).result()
        if self._before is None:
            self.start = now[1]
        else:
            driver, worker = (a - b for a, b in zip(now, self._before, strict=True))
            self.pairs.append((driver, worker, fit))
            ours = driver + worker
            print(
                f"fit {fit:6.2f}  ours {ours:6.2f} (driver {driver:.2f})  ratio {ours / fit:.2f}  {trial.encoded}",
                flush=True,
            )
        self._before = (time.process_time(), now[1])


def against_fit(options: argparse.Namespace, folder: Path) -> None:
    """Prints the ratios of a tracked candidate and a bare fit."""
    config = config_of(options, folder)
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=limit_threads, initargs=(1,)
    ) as peer:
        _PEERS.add(peer.submit(os.getpid).result())
        pairs = Pairs(config, peer)
        api.search(config, callbacks=[pairs], progress=False)
    driver, worker, fits = np.array(pairs.pairs).T
    _summary(fits, driver + worker)
    print(f"driver, median a candidate: {np.median(driver):.3f} s")
    print(f"a worker's start and first candidate: {pairs.start:.1f} s")


def augmented(options: argparse.Namespace, folder: Path) -> None:
    """Prints the ratios of trainings with all augmentation and without any."""
    config = config_of(options, folder)
    candidates = _candidates(config, options.candidates)
    pairs: list[tuple[float, float]] = []
    with WorkerExecutor(config.execution, folder / "worker.log") as executor:
        for number, candidate in enumerate(candidates):
            plain, with_all = executor.submit(Task("compare", with_augmentation, (config, candidate))).result()
            if number:
                pairs.append((plain, with_all))
                print(
                    f"plain {plain:6.2f}  augmented {with_all:6.2f}  ratio {with_all / plain:.2f}  {candidate}",
                    flush=True,
                )
    _summary(*np.array(pairs).T)


def profile(options: argparse.Namespace, folder: Path) -> None:
    """Prints what the steps of an evaluation take, medians of all candidates but the first."""
    config = config_of(options, folder)
    with WorkerExecutor(config.execution, folder / "worker.log") as executor:
        print(f"import and data, once a worker: {executor.submit(Task('prepare', _prepare, (config,))).result():.2f} s")
        tasks = [Task("profile", steps_of, (config, c)) for c in _candidates(config, options.candidates)]
        steps = [executor.submit(task).result() for task in tasks]
    whole = np.median([sum(one.values()) for one in steps[1:]])
    for name in steps[0]:
        median = np.median([one[name] for one in steps[1:]])
        print(f"{name:<32} {median:6.3f} s  {median / whole:6.1%}")
    print(f"{'a candidate':<32} {whole:6.3f} s")


def _candidates(config: Config, count: int) -> list[str]:
    interface = interface_of(config)
    return [interface.sample() for _ in range(count)]


def _summary(base: NDArray[np.float64], ours: NDArray[np.float64]) -> None:
    ratios = ours / base
    print(f"{len(ratios)} pairs, CPU seconds in sum: {base.sum():.1f} and {ours.sum():.1f}")
    print(f"ratio of sums {ours.sum() / base.sum():.3f}, median of ratios {np.median(ratios):.3f}")


def bare_fit(config: Config, candidate: str) -> float:
    """CPU seconds of `model.fit` in this process."""
    import keras

    from hivenas.core.nas.training.loop import make_optimizer

    strategy = interface_of(config).eval_strategy
    arrays = strategy.training_data.arrays
    train = arrays.x_train.numpy(), arrays.y_train.numpy()
    validation = arrays.x_val.numpy(), arrays.y_val.numpy()
    recipe = config.evaluation
    steps = -(-len(train[0]) // recipe.batch_size)

    def fit() -> None:
        network = strategy.instantiate_network(candidate)
        optimizer = make_optimizer(recipe.optimizer)
        optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            int((recipe.epochs - recipe.warmup_epochs) * steps),
            alpha=recipe.final_lr / recipe.initial_lr,
            warmup_target=recipe.initial_lr,
            warmup_steps=int(recipe.warmup_epochs * steps),
        )
        network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
        network.fit(*train, batch_size=recipe.batch_size, epochs=recipe.epochs, validation_data=validation, verbose=0)

    return _timed(fit)


def with_augmentation(config: Config, candidate: str) -> tuple[float, float]:
    """CPU seconds of a training without any augmentation and with all of it."""
    data = config.to_mapping()
    names: dict[str, dict[str, Any]] = {"plain": {"shift": 0.0}, "augmented": ALL}
    seconds = []
    for name, augmentation in names.items():
        evaluation = {**data["evaluation"], "augmentation": augmentation}
        changed = from_mapping({**data, "name": name, "evaluation": evaluation})
        strategy = interface_of(changed).eval_strategy
        _ = strategy.training_data.arrays
        proposal = Proposal(0, 0, "employee", 0, candidate)
        seconds.append(_timed(evaluate_network(changed, proposal).run))
    return seconds[0], seconds[1]


def _prepare(config: Config) -> float:
    _ = interface_of(config).eval_strategy.training_data.arrays
    return time.process_time()


def steps_of(config: Config, candidate: str) -> dict[str, float]:
    """CPU seconds of the steps of an evaluation in this process, as `NASEval.evaluate` does them."""
    from hivenas.core.nas.training.checkpoints import Saved, save_state

    strategy = interface_of(config).eval_strategy
    seconds: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = work()
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
        return result

    epochs = config.evaluation.epochs
    network = step("build the network", lambda: strategy.instantiate_network(candidate))
    loop = step("optimizer, trace the graph", lambda: strategy._loop(network, candidate, "train", epochs))
    history = [step("first epoch, graph prepared", lambda: loop._one(1))]
    for epoch in range(2, epochs + 1):
        history.append(step("the other epochs", functools.partial(loop._one, epoch)))
    step("look for weights not finite", lambda: loop._check_weights(1))
    path = strategy.results.weights / "profile.weights.h5"
    step("save h5", lambda: save_state(network, path, Saved(candidate, epochs, 0, tuple(history))))
    return seconds


_PEERS: set[int] = set()


def _children_cpu() -> float:
    """CPU seconds of this process's workers, the peer left out."""
    return sum(each.own for each in descendants(os.getpid()) if each.pid not in _PEERS)


def _timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
