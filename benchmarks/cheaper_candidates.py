"""Do weight inheritance and short first looks decide as well as full evaluations, and for how much less?

Parents and neighbours of theirs (one operation differs) are trained on Fashion-MNIST in every way that a search could
have trained them; the truth is the accuracy on 10,000 further images after a long training from scratch.

    python benchmarks/cheaper_candidates.py train --seed 0 --out /tmp/cheaper_0.jsonl    # hours; goes on where it was
    python benchmarks/cheaper_candidates.py table /tmp/cheaper_*.jsonl
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from measuring import add_line, read_lines

from hivenas.execution import limit_threads

EPOCHS, SNAPSHOT, TRUTH_EPOCHS = 5, 3, 15
TRUTH_IMAGES = 10_000
# The layer-wise preset at its full size, but for the widest convolutions: those take up to 17 CPU seconds an epoch.
OPERATIONS = ["sep3x3_64", "sep5x5_32", "sep3x3_32", "max_pool3x3", "avg_pool3x3", "dropout", "identity"]
SPACE = {"operations": OPERATIONS, "depth": 3}
OPTIMIZER = {"op": "Adam"}
EVALUATION: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 64, "stopping": "none", "optimizer": OPTIMIZER}
EVALUATION |= {"initial_lr": 0.004, "final_lr": 0.0005}


def choose_pairs(parents: int, children: int) -> list[tuple[str, str]]:
    """Random parents, each with neighbours in which one operation was replaced; the same on every machine."""
    from hivenas.config import SpaceConfig
    from hivenas.core.nas.space.search_space import NASSearchSpace

    rng = np.random.default_rng(2026)
    space = NASSearchSpace(SpaceConfig.model_validate(SPACE), rng)
    pairs = []
    for _ in range(parents):
        parent = space.sample()
        neighbors = space.neighbors(parent)
        pairs += [(parent, neighbors[i]) for i in rng.choice(len(neighbors), children, replace=False)]
    return pairs


class Trainer:
    """Trains architectures in every way that is compared, on one seed.

    Args:
        seed: the run's seed: split, initial weights, order of images.
        limit: images that training and validation share.
    """

    def __init__(self, seed: int, limit: int) -> None:
        from keras.datasets import fashion_mnist

        from hivenas.core.nas.nas_interface import NASInterface
        from hivenas.core.tracker import NullTracker

        config = EVALUATION | {"seed": seed, "dataset": {"name": "fashion_mnist", "train_limit": limit}}
        self.strategy = NASInterface(SPACE, config, tracker=NullTracker()).eval_strategy
        self._weights: dict[str, list[Any]] = {}
        images = fashion_mnist.load_data()[0]
        used = {image.tobytes() for x in (self.strategy.data.x_train, self.strategy.data.x_val) for image in x}
        fresh = [i for i, image in enumerate(images[0]) if image.tobytes() not in used][:TRUTH_IMAGES]
        mean, variance = self.strategy.data.statistics()
        self._x = (images[0][fresh][..., np.newaxis].astype(np.float32) - mean) / np.sqrt(variance)
        self._y = images[1][fresh]

    def scratch(self, arch: str) -> dict[str, Any]:
        """A whole evaluation from scratch; keeps its weights at the snapshot's age."""
        network, loop = self._start(arch, EPOCHS)
        curve = self._run(loop, 1, SNAPSHOT)
        self._weights[arch] = network.get_weights()
        first, seconds = curve["curve"], curve["cpu"]
        rest = self._run(loop, SNAPSHOT + 1, EPOCHS)
        return {
            "curve": [*first, *rest["curve"]],
            "cpu": seconds + rest["cpu"],
            "params": int(sum(np.prod(v.shape) for v in network.trainable_variables)),
        }

    def truth(self, arch: str) -> dict[str, Any]:
        """A long training from scratch, scored on images that no search has seen."""
        network, loop = self._start(arch, TRUTH_EPOCHS)
        result = self._run(loop, 1, TRUTH_EPOCHS)
        answers = [network(self._x[i : i + 500], training=False).numpy().argmax(1) for i in range(0, len(self._x), 500)]
        return result | {"truth": float((np.concatenate(answers) == self._y).mean())}

    def inherited(self, child: str, parent: str) -> dict[str, Any]:
        """The last epochs of the child from the parent's matching weights at the snapshot's age."""
        from hivenas.core.nas.training.network import copy_matching_weights

        started = time.process_time()
        donor = self.strategy.instantiate_network(parent)
        donor.set_weights(self._weights[parent])
        network, loop = self._start(child, EPOCHS)
        share = copy_matching_weights(donor, network)
        result = self._run(loop, SNAPSHOT + 1, EPOCHS)
        return result | {"cpu": time.process_time() - started, "share": share}

    def _start(self, arch: str, planned: int) -> Any:
        from hivenas.core.nas.training.loop import TrainingLoop
        from hivenas.core.seeds import derive_seed

        self._started = time.process_time()
        strategy = self.strategy
        network = strategy.instantiate_network(arch)
        seed = derive_seed(strategy._seed, arch, "train", planned)
        config = strategy._config.evaluation
        return network, TrainingLoop(network, strategy.training_data.arrays, config, planned_epochs=planned, seed=seed)

    def _run(self, loop: Any, first: int, last: int) -> dict[str, Any]:
        history, _ = loop.run(first, last)
        now = time.process_time()
        cpu, self._started = now - self._started, now
        return {"curve": [figures.val_accuracy for figures in history], "cpu": cpu}


@click.group()
def main() -> None:
    """Train the pairs of one seed, or print the table of what was trained."""


@main.command()
@click.option("--seed", type=int, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON lines; what stands there is kept.")
@click.option("--parents", default=6, show_default=True)
@click.option("--children", default=5, show_default=True, help="Of every parent.")
@click.option("--limit", default=6000, show_default=True, help="Images for training and validation.")
def train(seed: int, out: Path, parents: int, children: int, limit: int) -> None:
    """Trains pair by pair, with one thread."""
    limit_threads(1)
    done = read_lines(out)
    trainer = Trainer(seed, limit)
    parent_record: dict[str, Any] = {}
    for number, (parent, child) in enumerate(choose_pairs(parents, children)):
        if any(record["child"] == child and record["parent"] == parent for record in done):
            continue
        if parent_record.get("arch") != parent:
            parent_record = {"arch": parent, "scratch": trainer.scratch(parent), "long": trainer.truth(parent)}
        record = {
            "seed": seed,
            "parent": parent,
            "child": child,
            "parent_scratch": parent_record["scratch"],
            "parent_long": parent_record["long"],
            "child_scratch": trainer.scratch(child),
            "child_long": trainer.truth(child),
            "child_inherited": trainer.inherited(child, parent),
        }
        add_line(out, record)
        click.echo(f"{number}: {parent} {record['parent_long']['truth']:.4f} → {record['child_long']['truth']:.4f}")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to judge children: the figure that each child gets, that of its parent, epochs and CPU seconds spent."""

    name: str
    child: list[float]
    parent: list[float]
    epochs: float
    cpu: float


def ways_of(records: list[dict[str, Any]]) -> list[Way]:
    """Every way, from the records of one seed."""
    scratch = [record["child_scratch"] for record in records]
    parents = [record["parent_scratch"]["curve"] for record in records]
    cpu = float(np.mean([training["cpu"] for training in scratch]))
    ways = []
    for age in (1, 2, 3, EPOCHS):
        figures = [training["curve"][age - 1] for training in scratch]
        equals = [curve[age - 1] for curve in parents]
        ways.append(Way(f"{age} epochs against {age}", figures, equals, age, cpu * age / EPOCHS))
    short = [training["curve"][1] for training in scratch]
    ways.append(Way(f"2 epochs against {EPOCHS}", short, [curve[-1] for curve in parents], 2, cpu * 2 / EPOCHS))
    heirs = [record["child_inherited"] for record in records]
    figures = [training["curve"][-1] for training in heirs]
    spent = float(np.mean([training["cpu"] for training in heirs]))
    own = EPOCHS - SNAPSHOT
    ways.append(Way(f"inherited, {SNAPSHOT} + {own} against {EPOCHS}", figures, [c[-1] for c in parents], own, spent))
    return ways


def first_looks(records: list[dict[str, Any]], truth: dict[str, float]) -> list[str]:
    """The children that a first look after k epochs stops, and how many of the truly better ones."""
    better = [truth[record["child"]] > truth[record["parent"]] for record in records]
    lines = []
    for age in (1, 2, 3):
        stopped = [r["child_scratch"]["curve"][age - 1] < r["parent_scratch"]["curve"][age - 1] for r in records]
        lost = sum(s and b for s, b in zip(stopped, better, strict=True))
        spent = float(np.mean([age if s else EPOCHS for s in stopped])) / EPOCHS
        lines.append(
            f"first look after {age}: stops {sum(stopped)} of {len(records)}, {lost} of the {sum(better)} better ones; "
            f"{spent:.0%} of the epochs spent"
        )
    return lines


def spearman(one: list[float], other: list[float]) -> float:
    """Rank correlation, equals sharing their mean rank."""
    ranks = []
    for values in (np.array(one), np.array(other)):
        below = (values[:, None] > values[None, :]).sum(1)
        ranks.append(below + ((values[:, None] == values[None, :]).sum(1) - 1) / 2)
    return float(np.corrcoef(np.array(ranks))[0, 1])


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def table(files: tuple[Path, ...]) -> None:
    """Prints what was right, how well it ranks, and what it cost; the truth is the mean over the seeds."""
    seeds = [read_lines(file) for file in files]
    pairs = set.intersection(*({(r["parent"], r["child"]) for r in records} for records in seeds))
    seeds = [[r for r in records if (r["parent"], r["child"]) in pairs] for records in seeds]
    scores: dict[str, list[float]] = {}
    for records in seeds:
        for arch, score in {r[who]: r[f"{who}_long"]["truth"] for r in records for who in ("parent", "child")}.items():
            scores.setdefault(arch, []).append(score)
    truth = {arch: float(np.mean(values)) for arch, values in scores.items()}
    spread = float(np.mean([np.std(values, ddof=1) for values in scores.values()])) if len(seeds) > 1 else 0.0
    click.echo(f"{len(pairs)} pairs, {len(seeds)} seeds; a long training differs by {spread:.4f} between seeds (SD)")
    click.echo(f"{'way':<28} {'right':>9} {'better taken':>12} {'ranks':>6} {'epochs':>6} {'CPU s':>6}")
    shown = [ways_of(records) for records in seeds]
    for versions in zip(*shown, strict=True):
        right = total = better = taken = 0
        ranks = []
        for way, records in zip(versions, seeds, strict=True):
            for figure, bar, record in zip(way.child, way.parent, records, strict=True):
                is_better = truth[record["child"]] > truth[record["parent"]]
                right += (figure > bar) == is_better
                better += is_better
                taken += is_better and figure > bar
                total += 1
            ranks.append(spearman(way.child, [truth[record["child"]] for record in records]))
        cpu = float(np.mean([way.cpu for way in versions]))
        name, epochs = versions[0].name, versions[0].epochs
        click.echo(
            f"{name:<28} {right:>3} of {total:<3} {taken:>6} of {better:<3}"
            f"{np.mean(ranks):>5.2f} {epochs:>6} {cpu:>6.1f}"
        )
    shares = [record["child_inherited"]["share"] for records in seeds for record in records]
    click.echo(f"share of weights inherited: mean {np.mean(shares):.2f}, from {min(shares):.2f} to {max(shares):.2f}")
    for records, file in zip(seeds, files, strict=True):
        click.echo(f"{file.name}:")
        for line in first_looks(records, truth):
            click.echo(f"  {line}")


if __name__ == "__main__":
    main()
