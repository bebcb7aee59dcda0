"""Searches on folders of image files: killed and resumed, the start of a worker, and a worker's memory.

    python -m benchmarks.image_folders killed [--images 20000] [--seed 1]
    python -m benchmarks.image_folders start [--photos 5000] [--distinct 50]
    python -m benchmarks.image_folders memory [--gigabytes 2]

- killed: Fashion-MNIST, written as PNG files in class folders of train and test, searched by two workers whose
  `dataset.memory_mb` is too small for the images. One search is let be; the other one is killed three times with all of
  its processes, first while the copy is made, then at instants drawn from the seed, and resumed. All that the two have
  left on the disk and in MLflow is compared.
- start: CPU and wall seconds of a worker until its data are there to train on, the second and later times, with photos
  of 3 megapixels resized to 96×96 and with digits; photos are held in memory, and read from the copy. Few photos are
  distinct, the others are further names of them.
- memory: the peak of a worker's anonymous memory through the survey and a candidate, with so many GB of prepared images
  of 128×128×3 against 1,000 of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.worker_memory import MemoryPeak
from hivenas.config import Config, from_mapping
from hivenas.core.nas.nas_interface import interface_of
from hivenas.core.records import Proposal
from hivenas.execution import Task, WorkerExecutor, evaluate_network, limit_threads, tasks
from hivenas.run.data import prepare_data
from tests.outcome import differences, outcome
from tests.processes import Place, Process

CLASSES = 10
SEARCH = """
name: clothes
seed: {seed}
dataset: {{name: image_folder, path: {path}, memory_mb: 8}}
space: {{depth: 1, operations: [conv3x3_8, conv3x3_16, conv5x5_8, max_pool3x3], input_stem: [conv3x3_8], skip_rate: 0}}
evaluation: {{epochs: 3, momentum_epochs: 2, stopping: none}}
colony: {{size: 2, iterations: 3}}
full_train: {{epochs: 2, finalists: 1}}
execution: {{workers: 2, checkpoint_s: 0}}
"""
_FEW = 1_000  # images of the worker that the other one is compared with
_SIDE = 128


def main() -> None:
    """Measures what is asked for and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("killed", "start", "memory"))
    parser.add_argument("--images", type=int, default=20_000, help="of Fashion-MNIST, an eighth of them to test")
    parser.add_argument("--photos", type=int, default=5_000)
    parser.add_argument("--distinct", type=int, default=50, help="of the photos")
    parser.add_argument("--rounds", type=int, default=3, help="starts of a worker")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of prepared images, removed afterwards")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary one by default")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    limit_threads(1)
    with tempfile.TemporaryDirectory(prefix="hivenas-", dir=options.folder) as name:
        folder = Path(name)
        if options.what == "killed":
            killed(options.images, folder, options.seed)
        elif options.what == "start":
            starts(options.photos, options.distinct, options.rounds, folder)
        else:
            compare_memory(options.gigabytes, folder)


def killed(images: int, folder: Path, seed: int) -> None:
    """Compares a search that is killed three times with one that is let be; prints what differs."""
    write_clothes(folder / "clothes", images)
    text = SEARCH.format(path=folder / "clothes", seed=seed)
    whole, place = Place(folder / "whole", text), Place(folder / "killed", text)
    began = time.monotonic()
    _complete(whole.run())
    print(f"{images} images: a search that is let be takes {time.monotonic() - began:.0f} s", flush=True)
    rng = np.random.default_rng(seed)
    for number in range(3):
        process = place.start(*["--resume"][: number > 0])
        _wait_for_instant(place, process, number, rng)
        if not process.is_running:
            raise SystemExit(f"it ended before it was killed:\n{process.output}")
        print(f"kill {number + 1} after {process.seconds:.1f} s, {_state(place)}", flush=True)
        process.kill()
        assert process.group_ends()
    _complete(place.run("--resume"))
    lines = differences(outcome(place), outcome(whole))
    print("\n".join(lines) if lines else "all equal: table, histories, state, weights, files, MLflow")
    raise SystemExit(bool(lines))


def _complete(process: Process) -> None:
    if process.wait():
        raise SystemExit(f"it failed:\n{process.output}")


def write_clothes(root: Path, count: int) -> None:
    """Writes Fashion-MNIST as PNG files, in class folders of train and test."""
    import keras

    tested = count // 8
    for split, (images, labels) in zip(("train", "test"), keras.datasets.fashion_mnist.load_data(), strict=True):
        for label in range(CLASSES):
            (root / split / f"class {label}").mkdir(parents=True)
        for index in range(tested if split == "test" else count - tested):
            file = root / split / f"class {labels[index]}" / f"{index:05}.png"
            Image.fromarray(images[index]).save(file)


def _wait_for_instant(place: Place, process: Process, number: int, rng: np.random.Generator) -> None:
    """Waits for the instant of a kill: the first while the copy is made, the second and third while networks train."""
    if number == 0:
        share = rng.uniform(0.1, 0.9)
        total = sum(1 for _ in (place.folder.parent / "clothes").rglob("*.png")) / 64
        while process.is_running and len(_lines_of_copy(place)) < share * total:
            time.sleep(0.002)
        return
    before = len(list(place.results.glob("training_history/*.json")))
    wanted = before + number - 1
    checkpoints = place.results / "checkpoints"
    while process.is_running and not (
        len(list(place.results.glob("training_history/*.json"))) >= wanted and any(checkpoints.glob("*"))
    ):
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 1.5))


def _lines_of_copy(place: Place) -> list[str]:
    return [line for file in place.folder.glob("results/.cache/*/parts.jsonl") for line in file.open()]


def _state(place: Place) -> str:
    if parts := _lines_of_copy(place):
        return f"{len(parts)} parts of the copy noted"
    histories = list(place.results.glob("training_history/*.json"))
    return f"{len(histories)} histories written, {len(list(place.results.glob('checkpoints/*')))} checkpoints open"


def starts(photos: int, distinct: int, rounds: int, folder: Path) -> None:
    """Prints what the start of a worker takes with photos and with digits, in turns."""
    drawn = np.random.default_rng(0)
    write_photos(folder / "photos", photos, distinct, (1500, 2000), drawn)
    of_photos = {"name": "image_folder", "path": str(folder / "photos"), "image_size": [96, 96]}
    ways: dict[str, Mapping[str, Any]] = {
        "digits": {"name": "digits"},
        "photos in memory": {**of_photos, "memory_mb": 8_000},
        "photos read from the copy": {**of_photos, "memory_mb": 64},
    }
    began = time.process_time()
    prepare_data(_config("photos", of_photos, folder))
    print(f"the copy of {photos} photos made: {time.process_time() - began:.1f} CPU s", flush=True)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, dataset in ways.items():
            found = _start(_config(name.replace(" ", "-"), dataset, folder), folder)
            if turn:  # the first finds cold files, and computes what is kept beside the copy
                took[name].append(found)
    base_cpu, base_wall = _medians(took["digits"])
    for name, measured in took.items():
        cpu, wall = _medians(measured)
        print(f"start with {name}: {cpu:.2f} CPU s, {wall:.2f} s; ratio {cpu / base_cpu:.3f}, {wall / base_wall:.3f}")


def _medians(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found)


def _start(config: Config, folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of a new worker until its data are there to train on."""
    began = time.monotonic()
    with WorkerExecutor(config.execution, folder / "worker.log") as executor:
        cpu = executor.submit(Task("prepare", _prepared, (config,))).result()
        return cpu, time.monotonic() - began


def _prepared(config: Config) -> float:
    strategy = interface_of(config).eval_strategy
    strategy.data.digest()  # is compared with the search's before anything is trained
    _ = strategy.training_data.arrays
    return time.process_time()


def write_photos(root: Path, count: int, distinct: int, size: tuple[int, int], drawn: np.random.Generator) -> None:
    """Writes JPEG files of smooth noise in class folders, few of which are distinct.

    Args:
        root: the folder.
        count: files.
        distinct: how many of them are files of their own, and not further names of others.
        size: height and width in pixels.
        drawn: the generator.
    """
    for number in range(distinct):
        folder = root / f"class {number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(drawn.integers(0, 256, (size[0] // 20, size[1] // 20, 3), np.uint8))
        first = folder / f"{number:04}-0.jpg"
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(first, quality=90)
        for again in range(1, count // distinct):
            os.link(first, folder / f"{number:04}-{again}.jpg")


def compare_memory(gigabytes: float, folder: Path) -> None:
    """Prints what a worker with so many GB of prepared images has of its own beside one with few."""
    many = max(_FEW, round(gigabytes * 2**30 / (_SIDE * _SIDE * 3 * _FEW)) * _FEW)
    peaks = []
    for count in (_FEW, many):
        write_photos(folder / f"{count}", count, min(count, _FEW), (_SIDE, _SIDE), np.random.default_rng(0))
        config = _config(
            f"of-{count}", {"name": "image_folder", "path": str(folder / f"{count}"), "memory_mb": 1}, folder
        )
        began = time.monotonic()
        prepare_data(config)
        prepared = time.monotonic()
        peaks.append(_peaks(config, folder))
        ended = time.monotonic()
        told = ", ".join(f"{peak:.0f} MB after {task}" for task, peak in peaks[-1].items())
        print(
            f"{count} images: {told}; prepared in {prepared - began:.0f} s, worker {ended - prepared:.0f} s", flush=True
        )
    few, most = (max(each.values()) for each in peaks)
    print(f"anonymous memory of a worker, {gigabytes:g} GB of prepared images against {_FEW}: {most - few:.0f} MB more")


def _peaks(config: Config, folder: Path) -> dict[str, float]:
    """The peak of a worker's anonymous memory in MB, from its start to the end of each task."""
    found = {}
    with WorkerExecutor(config.execution, folder / "worker.log") as executor:
        worker = executor.submit(Task("pid", os.getpid)).result()
        with MemoryPeak(worker) as peak:
            executor.submit(tasks.survey(config)).result()
            found["the survey"] = peak.mb
            candidate = interface_of(config).sample()
            trained = executor.submit(evaluate_network(config, Proposal(0, 0, "employee", 0, candidate))).result()
            assert trained.status == "complete", trained
            found["a candidate"] = peak.mb
    return found


def _config(name: str, dataset: Mapping[str, Any], folder: Path) -> Config:
    """A search of tiny networks, one worker and nothing tracked."""
    coarse = {"op": "Conv2D", "filters": 8, "kernel_size": 8, "strides": 8, "padding": "same", "activation": "relu"}
    space = {
        "depth": 1,
        "operations": ["conv3x3_8", "conv3x3_16"],
        "reference": {"coarse": coarse},
        "input_stem": ["coarse"],
    }
    return from_mapping(
        {
            "name": name,
            "seed": 1,
            "tracking": "none",
            "dataset": dict(dataset),
            "space": space,
            "evaluation": {"epochs": 1, "stopping": "none"},
            "full_train": {"enabled": False},
            "results": {"dir": str(folder / "results")},
            "execution": {"workers": 1},
        }
    )


if __name__ == "__main__":
    main()
