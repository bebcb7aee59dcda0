"""Do weight inheritance and short first looks decide as well as full evaluations, and for how much less?

Parents and neighbours of theirs (one operation differs) are trained on Fashion-MNIST in every way that a search could
have trained them; the truth is the accuracy on 10,000 further images after a long training from scratch.

    python benchmarks/cheaper_candidates.py train --seed 0 --out /tmp/cheaper_0.jsonl    # hours; goes on where it was
    python benchmarks/cheaper_candidates.py table /tmp/cheaper_*.jsonl
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

EPOCHS, SNAPSHOT, TRUTH_EPOCHS = 5, 3, 15
TRUTH_IMAGES = 10_000
SPACE = {"preset": "layerwise", "depth": 3}
EVALUATION = {"epochs": EPOCHS, "stopping": "none"}


def choose_pairs(parents: int, children: int) -> list[tuple[str, str]]:
    """Random parents, each with neighbours in which one operation was replaced; the same on every machine."""
    from hivenas.config import SpaceConfig
    from hivenas.core.nas.search_space import NASSearchSpace

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
        self._weights: dict[tuple[str, int], list[Any]] = {}
        images = fashion_mnist.load_data()[0]
        used = {image.tobytes() for x in (self.strategy.data.x_train, self.strategy.data.x_val) for image in x}
        fresh = [i for i, image in enumerate(images[0]) if image.tobytes() not in used][:TRUTH_IMAGES]
        mean, variance = self.strategy.data.statistics()
        self._x = (images[0][fresh][..., np.newaxis].astype(np.float32) - mean) / np.sqrt(variance)
        self._y = images[1][fresh]

    def scratch(self, arch: str) -> dict[str, Any]:
        """A whole evaluation from scratch; keeps its weights at the snapshot's age and at the end."""
        network, loop = self._start(arch, EPOCHS)
        curve = self._run(loop, 1, SNAPSHOT)
        self._keep(arch, SNAPSHOT, network)
        first, seconds = curve["curve"], curve["cpu"]
        rest = self._run(loop, SNAPSHOT + 1, EPOCHS)
        self._keep(arch, EPOCHS, network)
        later = self._run(loop, EPOCHS + 1, EPOCHS + 2)  # the parent at the age of a child that went on from its end
        return {
            "curve": [*first, *rest["curve"], *later["curve"]],
            "cpu": seconds + rest["cpu"],
            "cpu_later": later["cpu"],
            "params": int(sum(np.prod(v.shape) for v in network.trainable_variables)),
        }

    def truth(self, arch: str) -> dict[str, Any]:
        """A long training from scratch, scored on images that no search has seen."""
        network, loop = self._start(arch, TRUTH_EPOCHS)
        result = self._run(loop, 1, TRUTH_EPOCHS)
        answers = [network(self._x[i : i + 500], training=False).numpy().argmax(1) for i in range(0, len(self._x), 500)]
        return result | {"truth": float((np.concatenate(answers) == self._y).mean())}

    def inherited(self, child: str, parent: str, age: int) -> dict[str, Any]:
        """Two epochs of the child from the parent's matching weights of that age."""
        from hivenas.core.nas.network import copy_matching_weights

        started = time.process_time()
        donor = self.strategy.instantiate_network(parent)
        donor.set_weights(self._weights[parent, age])
        network, loop = self._start(child, EPOCHS)
        share = copy_matching_weights(donor, network)
        result = self._run(loop, age + 1, age + 2)
        return result | {"cpu": time.process_time() - started, "share": share}

    def _start(self, arch: str, planned: int) -> Any:
        from hivenas.core.nas.training import TrainingLoop
        from hivenas.core.seeds import derive_seed

        self._started = time.process_time()
        strategy = self.strategy
        network = strategy.instantiate_network(arch)
        seed = derive_seed(strategy._seed, arch, "train", planned)
        config = strategy._config.evaluation
        return network, TrainingLoop(network, strategy._arrays, config, planned_epochs=planned, seed=seed)

    def _run(self, loop: Any, first: int, last: int) -> dict[str, Any]:
        history, _ = loop.run(first, last)
        now = time.process_time()
        cpu, self._started = now - self._started, now
        return {"curve": [figures.val_accuracy for figures in history], "cpu": cpu}

    def _keep(self, arch: str, age: int, network: Any) -> None:
        self._weights[arch, age] = network.get_weights()


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
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[variable] = "1"
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
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
            "inherited_equal": trainer.inherited(child, parent, SNAPSHOT),
            "inherited_late": trainer.inherited(child, parent, EPOCHS),
        }
        with out.open("a") as file:
            file.write(json.dumps(record) + "\n")
        click.echo(f"{number}: {parent} {record['parent_long']['truth']:.4f} → {record['child_long']['truth']:.4f}")


if __name__ == "__main__":
    main()
