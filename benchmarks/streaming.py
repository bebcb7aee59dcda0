"""Training from images that are read on their way, against images in memory; and the time from Ctrl-C to the prompt.

    python benchmarks/streaming.py [--images 60000] [--photos 3000] [--epochs 2] [--gigabytes 2]
    python benchmarks/streaming.py --only memory --gigabytes 20

- epoch: CPU seconds of an epoch of a small network, in turns in one process with one thread, from a memory-mapped file
  and from memory, Fashion-MNIST and random photos of 96×96×3; the figures of both are compared to the last bit. The
  network is small on purpose: what reading takes is the larger share.
- memory: private memory of a process that trains an epoch on so many GB of mapped photos, beside that of one that has
  1,000. Pages of the file that no other process has mapped at the time are private too, and dirty as long as the disk
  has not got them, but they are cache, which the system takes back: they are given separately.
- interrupt: seconds from SIGINT in the middle of an epoch of `hivenas search` with `kind: serial` until it has ended,
  and whether what is resumed has the figures of a search that was not interrupted.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.execution import limit_threads

SIDE = 96
FEW = 1_000  # images of the process that the other one is compared with
_BATCH = 128
_SEARCH = """
name: {name}
seed: 1
tracking: none
dataset: {{name: fashion_mnist, train_limit: {images}}}
space: {{depth: 1, operations: [conv3x3_8, conv3x3_16], input_stem: [conv3x3_8], skip_rate: 0}}
evaluation: {{epochs: 1, stopping: none}}
colony: {{size: 2, iterations: 1}}
full_train: {{enabled: false}}
execution: {{kind: serial}}
results: {{dir: {folder}}}
"""


class Mapped:
    """The images of a file of raw bytes, mapped."""

    def __init__(self, file: Path, side: int, channels: int) -> None:
        self._rows = np.asarray(np.memmap(file, np.uint8, "r")).reshape(-1, side, side, channels)
        self.shape, self.dtype = self._rows.shape, self._rows.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> NDArray[Any]:
        return np.array(self._rows[part])

    def take(self, indices: NDArray[Any]) -> NDArray[Any]:
        """The images at these positions."""
        return np.take(self._rows, indices, axis=0)


def main() -> None:
    """Measures what is asked for and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("epoch", "memory", "interrupt"), default=None)
    parser.add_argument("--images", type=int, default=60_000, help="of Fashion-MNIST, validation included")
    parser.add_argument("--photos", type=int, default=3_000, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=2, help="that are timed of each")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of photos, written once to a temporary folder")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    limit_threads(1)
    if options.worker:
        print(json.dumps(private_memory(options.worker, options.count)))
        return
    with tempfile.TemporaryDirectory(prefix="hivenas-") as name:
        folder = Path(name)
        if options.only in (None, "epoch"):
            images = clothes(options.images)
            compare_epochs("Fashion-MNIST", images, options.epochs, folder)
            compare_epochs("photos", random_photos(options.photos), options.epochs, folder)
        if options.only in (None, "memory"):
            compare_memory(options.gigabytes, folder)
        if options.only in (None, "interrupt"):
            interrupt(options.images, folder)


def clothes(count: int) -> NDArray[np.uint8]:
    """The training images of Fashion-MNIST."""
    import keras

    images: NDArray[np.uint8] = keras.datasets.fashion_mnist.load_data()[0][0][:count, ..., None]
    return images


def random_photos(count: int) -> NDArray[np.uint8]:
    """Random bytes in the place of photos."""
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def compare_epochs(name: str, images: NDArray[np.uint8], epochs: int, folder: Path) -> None:
    """Times epochs of both kinds in turns; prints their ratio."""
    file = folder / "images.raw"
    images.tofile(file)
    strides = (2, 1) if images.shape[1] == SIDE else (1, 2)
    moments = _moments(images)
    loops = [_loop(each, moments, strides) for each in (images, Mapped(file, *images.shape[2:]))]
    took: list[list[float]] = [[], []]
    same = True
    for epoch in range(1, epochs + 2):
        told = []
        for number, loop in enumerate(loops):
            started = time.process_time()
            told.append(loop.run(epoch, epoch))
            if epoch > 1:  # the first one prepares the graph
                took[number].append(time.process_time() - started)
        same = same and told[0] == told[1]
    held, read = map(sum, took)
    print(
        f"epoch of {len(images)} {name}: in memory {held / epochs:.2f} CPU s, read {read / epochs:.2f}, ratio "
        f"{read / held:.3f}, figures {'the same' if same else 'DIFFER'}",
        flush=True,
    )


def _moments(images: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from hivenas.core.nas.data.moments import channel_moments

    mean, variance = channel_moments(images)
    return mean.astype(np.float32), variance.astype(np.float32)


def _loop(images: Any, moments: tuple[NDArray[np.float32], NDArray[np.float32]], strides: tuple[int, int]) -> Any:
    """The training of a network of two convolutions; a fifth of the images is for validation."""
    import keras

    from hivenas.config import EvaluationConfig
    from hivenas.core.nas.data.datasets import Dataset
    from hivenas.core.nas.training.arrays import Arrays
    from hivenas.core.nas.training.loop import TrainingLoop

    kept = len(images) * 4 // 5
    labels = (np.arange(len(images)) % 10).astype(np.int32)
    if isinstance(images, Mapped):
        parts: Any = _Part(images, 0, kept), _Part(images, kept, len(images))
    else:
        parts = images[:kept], images[kept:]
    held_out = parts[1], labels[kept:]
    data = Dataset("streamed", parts[0], labels[:kept], *held_out, *held_out, 10, tuple("0123456789"))
    data.__dict__["_moments"] = moments
    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input(images.shape[1:]),
            layers.Conv2D(32, 3, strides=strides[0], activation="relu"),
            layers.Conv2D(32, 3, strides=strides[1], activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    config = EvaluationConfig(batch_size=_BATCH)
    return TrainingLoop(network, Arrays.of(data), config, planned_epochs=5, seed=1)


class _Part:
    """The images from one to another."""

    def __init__(self, images: Mapped, first: int, last: int) -> None:
        self._images, self._first = images, first
        self.shape, self.dtype = (last - first, *images.shape[1:]), images.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> NDArray[Any]:
        return self.take(np.arange(len(self))[part])

    def take(self, indices: NDArray[Any]) -> NDArray[Any]:
        return self._images.take(indices + self._first)


def compare_memory(gigabytes: float, folder: Path) -> None:
    """Prints what a process with so many GB of photos has of its own beside one with few."""
    count = max(FEW, int(gigabytes * 2**30 / (SIDE * SIDE * 3)))
    found = []
    for images in (FEW, count):
        file = folder / f"{images}.raw"
        with file.open("wb") as opened:
            for start in range(0, images, FEW):
                opened.write(random_photos(min(FEW, images - start)).tobytes())
        command = [sys.executable, __file__, "--worker", str(file), "--count", str(images)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        found.append(json.loads(told))
        file.unlink()
    few, many = found
    more = {key: round(many[key] - few[key]) for key in few}
    print(
        f"memory: {gigabytes:g} GB of photos ({count}) against {FEW}: private memory {many['own']:.0f} MB against "
        f"{few['own']:.0f}, {more['own']} more; pages of the file {more['file']} MB more",
        flush=True,
    )


def private_memory(file: Path, count: int) -> dict[str, float]:
    """Trains an epoch on a file of photos; the peaks of private memory, in MB."""
    uniform = np.full(3, 127.5, np.float32), np.full(3, (256**2 - 1) / 12, np.float32)
    loop = _loop(Mapped(file, SIDE, 3), uniform, (4, 2))
    peaks = {"own": 0.0, "file": 0.0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for key, now in _private().items():
                peaks[key] = max(peaks[key], now)

    watching = threading.Thread(target=watch)
    watching.start()
    loop.run(1, 1)
    ended.set()
    watching.join()
    return peaks


def _private() -> dict[str, float]:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    sizes = {line.partition(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
    own = sizes["Anonymous"]
    return {"own": own, "file": sizes["Private_Clean"] + sizes["Private_Dirty"] - own}


def interrupt(images: int, folder: Path) -> None:
    """Interrupts a search in its first epoch; prints how long it took to end, and what came of going on."""
    for name in ("interrupted", "whole"):
        (folder / f"{name}.yaml").write_text(_SEARCH.format(name=name, images=images, folder=folder / "results"))
    process = _search(folder / "interrupted.yaml")
    _wait_for(lambda: any((folder / "results/interrupted/checkpoints").glob("*")) or process.poll() is not None)
    time.sleep(1.0)
    running = process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait()
    seconds = time.monotonic() - asked
    ways = _search(folder / "interrupted.yaml", "--resume"), _search(folder / "whole.yaml")
    codes = [each.wait() for each in ways]
    same = _figures(folder / "results/interrupted") == _figures(folder / "results/whole")
    where = "in the middle of an epoch" if running else "TOO LATE"
    print(
        f"Ctrl-C {where} of {images} images: {seconds:.1f} s until the prompt (exit code {process.returncode}); "
        f"resumed, exit codes {codes}, {'the same figures' if same else 'OTHER FIGURES'}",
        flush=True,
    )


def _search(config: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hivenas", "search", "--config", str(config), *more]
    return subprocess.Popen(command, cwd=config.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for(happens: Callable[[], bool]) -> None:
    while not happens():
        time.sleep(0.05)


def _figures(folder: Path) -> list[tuple[str, str]]:
    with (folder / f"{folder.name}.csv").open(encoding="utf-8") as file:
        return [(row["candidate"], row["fitness"]) for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
