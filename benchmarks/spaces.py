"""Random networks of each preset, what they reach and cost: Fashion-MNIST, 6,000 images, the same recipe for all.

python benchmarks/spaces.py train --out benchmarks/tables/spaces.jsonl     # hours; goes on where it was
python benchmarks/spaces.py table benchmarks/tables/spaces.jsonl --picture docs/images/spaces.png
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from measuring import add_line, in_processes, read_lines

SHARES = (0.80, 0.84, 0.86, 0.88)
FIRST = 8  # networks of a first look
DATA: dict[str, Any] = {"name": "fashion_mnist", "train_limit": 6000}


def networks_of(preset: str, count: int) -> list[str]:
    """Random architectures of a preset, the same on every machine."""
    from hivenas.config import SpaceConfig
    from hivenas.core.nas.space.search_space import NASSearchSpace

    space = NASSearchSpace(SpaceConfig(preset=preset), np.random.default_rng(2026))
    return [space.sample() for _ in range(count)]


def macs_of(preset: str, arch: str) -> int:
    """Multiply-adds of a network for one image of Fashion-MNIST."""
    from hivenas.config import SpaceConfig
    from hivenas.core.nas.space.search_space import NASSearchSpace
    from hivenas.core.nas.space.sizes import NetworkSizes

    space = NASSearchSpace(SpaceConfig(preset=preset), np.random.default_rng(0))
    sizes = NetworkSizes(space.reference, shape=(28, 28, 1), classes=10, frame=space.frame)
    return sizes.of(space.parse(arch)).macs


def measure(preset: str, arch: str, settings: Sequence[str]) -> dict[str, Any]:
    """Trains a network; returns its validation accuracy, size and CPU seconds."""
    from hivenas.config import from_mapping
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.tracker import NullTracker

    given = {"dataset": DATA, "space": {"preset": preset}, "evaluation": {"stopping": "none"}, "tracking": "none"}
    config = from_mapping(given | {"results": {"dir": "/tmp/hivenas_spaces"}}, settings)
    strategy = NASInterface.from_config(config, tracker=NullTracker()).eval_strategy
    _ = strategy.data
    before = time.process_time()
    evaluation = strategy.evaluate(arch)
    return {
        "preset": preset,
        "arch": arch,
        "accuracy": evaluation.fitness,
        "curve": [figures.val_accuracy for figures in evaluation.history],
        "params": evaluation.params,
        "macs": evaluation.macs,
        "cpu": time.process_time() - before,
        "reason": evaluation.reason,
    }


@click.group()
def main() -> None:
    """Random networks of each preset."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--presets", default="layerwise,cells,residual,mobile", show_default=True)
@click.option("--networks", default=40, show_default=True, help="Of each preset.")
@click.option("--processes", default=2, show_default=True)
@click.option("--most-macs", default=math.inf, help="Leave out networks of more multiply-adds.")
@click.option("--set", "settings", multiple=True, help="A key of the configuration, as for hivenas search.")
def train(out: Path, presets: str, networks: int, processes: int, most_macs: float, settings: tuple[str, ...]) -> None:
    """Trains the networks; a line of JSON each is added to a file."""
    done = {(line["preset"], line["arch"]) for line in read_lines(out)}
    every = {preset: networks_of(preset, networks) for preset in presets.split(",")}
    # Preset by preset in turn, so that what there is after a while is comparable.
    order = [(preset, archs[i]) for i in range(networks) for preset, archs in every.items()]
    left = [each for each in order if each not in done and macs_of(*each) <= most_macs]
    tasks = [(preset, arch, settings) for preset, arch in left]
    for result in in_processes(measure, tasks, processes):
        add_line(out, result)
        print(f"{result['preset']:10} {result['accuracy']:.4f} {result['cpu']:6.1f} s  {result['arch']}", flush=True)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), help="A PNG of accuracy against CPU seconds.")
def table(files: tuple[Path, ...], picture: Path | None) -> None:
    """Prints a table in Markdown of what the networks came to."""
    lines = read_lines(*files)
    by_preset = {preset: [line for line in lines if line["preset"] == preset] for preset in _names(lines)}
    heads = "".join(f" ≥ {share:.2f} |" for share in SHARES)
    print(
        f"| preset | networks | best | median | worst |{heads} CPU s, median (10–90 %) | multiply-adds, median | "
        f"best of the first {FIRST} (CPU s in all) |"
    )
    print("|---|---|---|---|---|" + "---|" * len(SHARES) + "---|---|---|")
    for preset, found in by_preset.items():
        accuracy = np.array([line["accuracy"] for line in found])
        shares = "".join(f" {(accuracy >= share).mean():.0%} |" for share in SHARES)
        low, middle, high = np.percentile([line["cpu"] for line in found], (10, 50, 90))
        macs = np.median([line["macs"] for line in found]) / 1e6
        first = [line for line in found if line["arch"] in networks_of(preset, FIRST)]
        few = f"{max(line['accuracy'] for line in first):.4f} ({sum(line['cpu'] for line in first):.0f})"
        print(
            f"| {preset} | {len(found)} | {accuracy.max():.4f} | {np.median(accuracy):.4f} | {accuracy.min():.4f} |"
            f"{shares} {middle:.0f} ({low:.0f}–{high:.0f}) | {macs:.1f} M | {few} |"
        )
    if picture:
        _draw(by_preset, picture)


def _draw(by_preset: dict[str, list[dict[str, Any]]], picture: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for marker, (preset, found) in zip("osD^vP", by_preset.items(), strict=False):
        cpu, accuracy = ([line[key] for line in found] for key in ("cpu", "accuracy"))
        axes.scatter(cpu, accuracy, marker=marker, s=28, alpha=0.75, label=f"{preset} ({len(found)})")
    axes.set(xscale="log", xlabel="CPU seconds of the training", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # more would touch each other
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("Random networks of each preset: Fashion-MNIST, 6,000 images", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=110)


def _names(lines: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(line["preset"] for line in lines))


if __name__ == "__main__":
    main()
