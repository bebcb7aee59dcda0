"""CPU time that augmentation takes: an image, and as a share of training.

    python benchmarks/augmentation.py [--candidates 5] [--repeats 7] [--images 2000] [--threads 1] [--only-images]

First, CPU microseconds an image in batches of 128, for each transformation alone and for the first four together, every
image being changed. Then random candidates of the layer-wise preset are trained on Fashion-MNIST (random images where
it does not load), an epoch with these four on and one without in turns; prints the median of what augmentation adds to
an epoch.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hivenas.execution import limit_threads

if TYPE_CHECKING:
    from hivenas.core.nas.data.datasets import Dataset

BATCH = 128
_BATCHES = 40  # of different seeds: RandAugment draws other operations for each
ALL: dict[str, Any] = {"affine": True, "cutout": 1.0, "saturation": 1.0, "contrast": 1.0}
FURTHER: dict[str, Any] = {"flip": True, "shift": 0.1, "rand_augment": 0.5, "mixup": 0.2, "cutmix": 1.0}


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only-images", action="store_true", help="no trainings")
    options = parser.parse_args()
    limit_threads(options.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    settings = {name: {name: value} for name, value in (ALL | FURTHER).items()} | {"all": ALL}
    for shape in ((32, 32, 3), (28, 28, 1)):
        for name, on in settings.items():
            cost = microseconds_an_image(shape, on, options.repeats)
            print(f"{'×'.join(map(str, shape))}  {name:<12} {cost:6.1f} µs", flush=True)
    if options.only_images:
        return
    shares_of_training(options.candidates, options.repeats, options.images)


def microseconds_an_image(shape: tuple[int, int, int], settings: dict[str, Any], repeats: int) -> float:
    """The median CPU time of a batch, per image."""
    import tensorflow as tf

    from hivenas.config import AugmentationConfig
    from hivenas.core.nas.training.augmentation import Augmentation
    from hivenas.core.nas.training.standardisation import Standardisation

    channels = shape[2]
    scale = Standardisation(np.full(channels, 127.5, np.float32), np.full(channels, 73.9, np.float32), 0.0, 255.0)
    images = tf.constant(scale.standardise(np.random.default_rng(0).integers(0, 256, (BATCH, *shape))))
    augmentation = Augmentation(AugmentationConfig.only(**settings), scale)
    batch = tf.function(functools.partial(augmentation.batch, classes=10))
    labels = tf.range(BATCH) % 10
    seeds = [tf.constant([1, number], tf.int32) for number in range(_BATCHES)]
    batch(images, labels, seeds[0])
    times = [_cpu(lambda: [batch(images, labels, seed) for seed in seeds]) for _ in range(repeats)]
    return float(np.median(times)) / _BATCHES / BATCH * 1e6


def shares_of_training(candidates: int, repeats: int, images: int) -> None:
    """Prints what augmentation adds to an epoch of each candidate, and the median."""
    from hivenas.config import AugmentationConfig, EvaluationConfig
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.nas.training.arrays import Arrays
    from hivenas.core.nas.training.loop import TrainingLoop
    from hivenas.core.tracker import NullTracker

    interface = NASInterface({"depth": 5}, {"results": {"dir": tempfile.mkdtemp()}, "seed": 1}, tracker=NullTracker())
    strategy = interface.eval_strategy
    strategy.training_data.whole = images_of_clothes(images)
    arrays = Arrays.of(strategy.data)
    configs = [EvaluationConfig(augmentation=AugmentationConfig.only(**on)) for on in ({}, ALL)]
    shares = []
    for _ in range(candidates):
        candidate = interface.sample()
        loops = [
            TrainingLoop(strategy.instantiate_network(candidate), arrays, config, planned_epochs=5, seed=1)
            for config in configs
        ]
        for loop in loops:
            loop.run(1, 1)  # the first epoch prepares the graph
        times = np.array([[_cpu(functools.partial(loop.run, n, n)) for loop in loops] for n in range(2, repeats + 2)])
        without, with_all = np.median(times, axis=0)
        shares.append(np.median(times[:, 1] / times[:, 0]) - 1)
        print(f"epoch {without:5.2f} s, augmented {with_all:5.2f} s, adds {shares[-1]:6.3f}  {candidate}", flush=True)
    print(f"augmentation adds, median of {candidates} candidates: {np.median(shares):.3f}")


def images_of_clothes(count: int) -> Dataset:
    """The first images of Fashion-MNIST, or random ones of their size."""
    from hivenas.config import DatasetConfig
    from hivenas.core.nas.data.datasets import Dataset, load_dataset
    from hivenas.errors import DatasetError

    try:
        return load_dataset(DatasetConfig(name="fashion_mnist", train_limit=count), 1)
    except DatasetError as error:
        print(f"random images: {error}")
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (count, 28, 28, 1), np.uint8), rng.integers(0, 10, count).astype(np.int32)
        kept = count * 4 // 5
        return Dataset("random", x[:kept], y[:kept], x[kept:], y[kept:], x[kept:], y[kept:], 10, tuple("0123456789"))


def _cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
