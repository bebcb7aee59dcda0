"""Private memory of a worker whose images are many GB on the disk, beside that of one with 1,000 of them.

    python -m benchmarks.streamed_worker [--gigabytes 2] [--side 96] [--steps 200] [--folder /tmp]
    python -m benchmarks.streamed_worker --gigabytes 20 --known

Photos are those of an npz file that is not compressed, which the worker maps, and which is removed afterwards: a
thousand random ones, and then a hole in the file, which reads as black ones do and takes no space on the disk. The
worker is a real one: it loads the data, builds a network of the default space, trains it for so many steps of batches
drawn from all images, and validates it for a tenth as many calls. Its anonymous memory is looked at ten times a second.
With `--known` digest and moments are there already, as for a worker that begins anew, so that no pass over all is made.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worker_memory import MemoryPeak
from hivenas.config import Config, from_mapping
from hivenas.core.nas.nas_interface import interface_of
from hivenas.core.nas.training.stretches import Inside
from hivenas.execution import Task, WorkerExecutor, limit_threads

_FEW = 1_000
_CLASSES = 10


class _EnoughError(Exception):
    """So many steps were made."""


def main() -> None:
    """Measures both workers and prints the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of images, removed afterwards")
    parser.add_argument("--side", type=int, default=96, help="of an image, in pixels")
    parser.add_argument("--steps", type=int, default=200, help="that are trained")
    parser.add_argument("--known", action="store_true", help="digest and moments are there already")
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary one by default")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    limit_threads(1)
    many = max(_FEW, round(options.gigabytes * 2**30 / (options.side**2 * 3)))
    peaks = []
    with tempfile.TemporaryDirectory(prefix="hivenas-", dir=options.folder) as name:
        for count in (_FEW, many):
            began = time.monotonic()
            file = Path(name, f"{count}.npz")
            write_photos(file, count, options.side)
            written = time.monotonic()
            peaks.append(peaks_of(_config(file, Path(name)), options.steps, known=options.known))
            took = f"written in {written - began:.0f} s, worker {time.monotonic() - written:.0f} s"
            told = ", ".join(f"{peak:.0f} MB {stage}" for stage, peak in peaks[-1].items())
            print(f"{count:,} images of {options.side}×{options.side}×3: {told}; {took}", flush=True)
            file.unlink()
    few, most = (max(each.values()) for each in peaks)
    print(f"private memory of a worker: {options.gigabytes:g} GB of images against {_FEW:,}: {most - few:.0f} MB more")


def write_photos(file: Path, count: int, side: int) -> None:
    """Writes random photos and labels; beyond a thousand photos there is a hole in the file."""
    drawn = np.random.default_rng(0).integers(0, 256, (min(count, _FEW), side, side, 3), np.uint8)
    hole = (count - len(drawn)) * drawn[0].nbytes
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as member:
            head = {"shape": (count, side, side, 3), "fortran_order": False, "descr": "|u1"}
            np.lib.format.write_array_header_1_0(member, head)
            member.write(drawn.tobytes())
            archive.fp.seek(hole, os.SEEK_CUR)  # type: ignore[union-attr]
            member._file_size += hole  # type: ignore[attr-defined]  # its checksum is that of the photos alone
        with archive.open("y_train.npy", "w") as member:
            np.lib.format.write_array(member, np.arange(count) % _CLASSES)


def peaks_of(config: Config, steps: int, *, known: bool) -> dict[str, float]:
    """Peaks of a worker's anonymous memory in MB, from its start to the end of each stage."""
    found = {}
    with WorkerExecutor(config.execution, Path(config.results.dir) / "worker.log") as executor:
        worker = executor.submit(Task("pid", os.getpid)).result()
        with MemoryPeak(worker) as peak:
            executor.submit(Task("load", load, (config, known))).result()
            found["once its data are loaded"] = peak.mb
            made = executor.submit(Task("train", train, (config, steps))).result()
            found[f"after {made[0]} steps and {made[1]} calls of validation"] = peak.mb
    return found


def load(config: Config, known: bool) -> None:
    """Loads the data in a worker, with what is kept of them."""
    if known:
        from hivenas.core.nas.data import datasets
        from hivenas.core.nas.data.kept_figures import Figures

        moments = {"mean": [127.5] * 3, "variance": [5461.25] * 3}
        digest = hashlib.sha256(str(config.dataset.path).encode()).hexdigest()[:16]
        figures = Figures(digest, *(np.array(each, np.float32) for each in moments.values()))
        vars(datasets)["kept_figures"] = lambda file, compute: figures
    interface_of(config).eval_strategy.data.digest()


def train(config: Config, steps: int) -> Sequence[int]:
    """Trains a network of the space for some steps, and validates it for some calls; gives how many there were."""
    interface = interface_of(config)
    strategy = interface.eval_strategy
    candidate = interface.sample()
    loop = strategy._loop(strategy.instantiate_network(candidate), candidate, "train", 1)
    made = [0, 0]

    def tell(history: Any, share: float) -> None:
        part = int(share >= 1)
        made[part] = made[1] + 1 if part else round(share * loop._steps)
        if made[part] >= (steps if not part else steps // 10):
            raise _EnoughError

    loop._inside = Inside(tell=tell)
    for work in (loop._training_figures, loop._validation_figures):
        with contextlib.suppress(_EnoughError):
            work(1)
    return made


def _config(file: Path, folder: Path) -> Config:
    settings = {
        "name": file.stem,
        "seed": 1,
        "tracking": "none",
        "dataset": {"name": "npz", "path": str(file), "memory_mb": 1},
        "evaluation": {"epochs": 1, "stopping": "none"},
        "results": {"dir": str(folder / "results")},
        "execution": {"workers": 1, "threads": 1},
    }
    return from_mapping(json.loads(json.dumps(settings)))


if __name__ == "__main__":
    main()
