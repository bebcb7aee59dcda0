"""The settings of the recipe that pay: each alone against the defaults, on Fashion-MNIST, 4,800 training images.

Every setting trains the same networks with the same seeds; accuracies are those on 4,000 further images. Differences
are paired: a network and seed with the setting, less the same with the base.

    python benchmarks/recipe.py train --out /tmp/recipe.jsonl            # an hour or so; goes on where it was
    python benchmarks/recipe.py table /tmp/recipe.jsonl
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from measuring import add_line, in_processes, read_lines

SGD = "evaluation.optimizer={op: SGD, momentum: 0.9, nesterov: true"
# What is added to the defaults, which `base` is without anything.
SETTINGS: Mapping[str, str] = {
    "base": "",
    "the ancestor's: SGD 0.08 → 0.01, batches of 128": f"evaluation.batch_size=128 {SGD}}} evaluation.initial_lr=0.08 "
    "evaluation.schedule=exponential evaluation.final_lr=0.01 evaluation.warmup_epochs=0",
    "SGD 0.05, weight decay 0.0005": f"{SGD}, weight_decay: 0.0005}} evaluation.initial_lr=0.05 "
    "evaluation.final_lr=0.0005",
    "Adam": "evaluation.optimizer={op: Adam}",
    "Nadam": "evaluation.optimizer={op: Nadam}",
    "RMSprop 0.001": "evaluation.optimizer={op: RMSprop} evaluation.initial_lr=0.001 evaluation.final_lr=0.00001",
    "Lion 0.0003": "evaluation.optimizer={op: Lion, weight_decay: 0.1} evaluation.initial_lr=0.0003 "
    "evaluation.final_lr=0.000003",
    "rate 0.001": "evaluation.initial_lr=0.001 evaluation.final_lr=0.00001",
    "rate 0.01": "evaluation.initial_lr=0.01 evaluation.final_lr=0.0001",
    "exponential": "evaluation.schedule=exponential evaluation.final_lr=0.0003",
    "constant": "evaluation.schedule=constant evaluation.final_lr=0.003",
    "no warm-up": "evaluation.warmup_epochs=0",
    "warm-up of an epoch": "evaluation.warmup_epochs=1",
    "no weight decay": "evaluation.optimizer.weight_decay=0",
    "weight decay 0.1": "evaluation.optimizer.weight_decay=0.1",
    "L2 0.0001": "space.l2=0.0001",
    "batches of 32": "evaluation.batch_size=32",
    "batches of 128": "evaluation.batch_size=128",
    "label smoothing 0.1": "evaluation.label_smoothing=0.1",
    "clipnorm 1": "evaluation.optimizer.global_clipnorm=1",
    "average of weights 0.99": "evaluation.ema=0.99",
    "bfloat16": "evaluation.precision=bfloat16",
    "no shift": "evaluation.augmentation.shift=0",
    "flip": "evaluation.augmentation.flip=true",
    "affine in the place of shift": "evaluation.augmentation.affine=true evaluation.augmentation.shift=0",
    "cutout 0.5": "evaluation.augmentation.cutout=0.5",
    "mixup 0.2": "evaluation.augmentation.mixup=0.2",
    "cutmix 1": "evaluation.augmentation.cutmix=1",
    "RandAugment 0.3": "evaluation.augmentation.rand_augment=0.3",
    "12 epochs": "evaluation.epochs=12",
    "16 epochs": "evaluation.epochs=16",
    "flip, 16 epochs": "evaluation.augmentation.flip=true evaluation.epochs=16",
}
NETWORKS = ("input|res3x3_bottleneck|res3x3_half|res3x3|res3x3_bottleneck|identity|res3x3_half|output",)
DATA: dict[str, Any] = {"name": "fashion_mnist", "train_limit": 8800, "validation_split": 4000 / 8800}


def measure(setting: str, arch: str, seed: int) -> dict[str, Any]:
    """Trains a network; returns its accuracy by epoch and its CPU seconds."""
    from hivenas.config import from_mapping
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.tracker import NullTracker

    given = {"seed": seed, "dataset": DATA, "space": {"preset": "residual"}, "evaluation": {"stopping": "none"}}
    given |= {"tracking": "none", "results": {"dir": "/tmp/hivenas_recipe"}}
    config = from_mapping(given, [SETTINGS[setting]])
    strategy = NASInterface.from_config(config, tracker=NullTracker()).eval_strategy
    _ = strategy.data
    before = time.process_time()
    evaluation = strategy.evaluate(arch)
    cpu = time.process_time() - before
    curve = [figures.val_accuracy for figures in evaluation.history]
    return {"setting": setting, "arch": arch, "seed": seed, "curve": curve, "cpu": cpu, "reason": evaluation.reason}


@click.group()
def main() -> None:
    """Settings of the recipe, each alone."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--processes", default=2, show_default=True)
@click.option("--only", multiple=True, type=click.Choice([*SETTINGS]), help="A setting; all by default.")
def train(out: Path, seeds: int, processes: int, only: tuple[str, ...]) -> None:
    """Trains with every setting; a line of JSON each is added to a file."""
    done = {(line["setting"], line["arch"], line["seed"]) for line in read_lines(out)}
    every = [(name, arch, seed) for seed in range(1, seeds + 1) for arch in NETWORKS for name in only or SETTINGS]
    for result in in_processes(measure, [task for task in every if task not in done], processes):
        add_line(out, result)
        print(f"{result['seed']} {result['setting']:50} {result['curve'][-1:]} {result['cpu']:.1f} s", flush=True)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def table(files: tuple[Path, ...]) -> None:
    """Prints a table in Markdown: accuracy and difference to the base with its standard error, and the cost."""
    lines = {(line["setting"], line["arch"], line["seed"]): line for line in read_lines(*files)}
    print("| setting | accuracy, each seed | mean | less the base | CPU of the base's |")
    print("|---|---|---|---|---|")
    for name in SETTINGS:
        pairs = [(line, lines.get(("base", *key[1:]))) for key, line in lines.items() if key[0] == name]
        both = [(line, base) for line, base in pairs if base and line["curve"]]
        if not both:
            continue
        own = np.array([line["curve"][-1] for line, _ in both])
        gain = own - [base["curve"][-1] for _, base in both]
        cost = np.mean([line["cpu"] / base["cpu"] for line, base in both])
        error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else np.nan
        each = " ".join(f"{value:.4f}" for value in own)
        print(f"| {name} | {each} | {own.mean():.4f} | {gain.mean():+.4f} ± {error:.4f} | {cost:.2f} |")


if __name__ == "__main__":
    main()
