"""Single images out of stores, in a random order: numpy's .npy, zarr, parquet and Arrow.

    python -m venv /tmp/stores && /tmp/stores/bin/pip install numpy zarr pyarrow
    /tmp/stores/bin/python benchmarks/image_stores.py [--batches 20] [--folder /tmp]

Training draws the order of its images anew for every epoch, so a store is asked for 64 images from anywhere at a time.
Each store is written once and read in a process of its own: CPU milliseconds of a batch, and what the process has of
anonymous memory beyond what it had before it opened the store. The images are random bytes, which no codec makes
smaller, so zarr's and parquet's are not compressed, which is in their favour. tf.data's snapshot is left out, since it
gives images in the order in which they were written alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BATCH = 64
_SHAPES = {"96×96×3": (2_000, 96, 96, 3), "28×28×1": (2_000, 28, 28, 1)}
_GROUP = 64  # images of a chunk, or of a row group
Images = NDArray[np.uint8]
Gather = Callable[[NDArray[np.int64]], Images]


def main() -> None:
    """Writes every store, reads it in a process of its own, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where files are written; the system's temporary one by default")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        name, folder = options.read
        print(json.dumps(measured(name, Path(folder), options.batches)))
        return
    print(f"batches of {_BATCH} | store | CPU ms each | anonymous memory, MB | on the disk, MB")
    for shown, shape in _SHAPES.items():
        images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for name in STORES:
            with tempfile.TemporaryDirectory(prefix="hivenas-", dir=options.folder) as folder:
                STORES[name][0](images, Path(folder))
                size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
                command = [sys.executable, __file__, "--read", name, folder, "--batches", str(options.batches)]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found = json.loads(told.splitlines()[-1])
            print(
                f"{shown} | {name} | {1_000 * found['cpu'] / options.batches:.1f} | {found['memory']:.0f} | {size:.0f}",
                flush=True,
            )


def measured(name: str, folder: Path, batches: int) -> dict[str, float]:
    """CPU seconds and peak anonymous memory of so many batches; the first batch is checked for its shape, not timed."""
    rng = np.random.default_rng(1)
    opened = STORES[name][1](folder)
    before = _anonymous()
    gather, count = opened
    assert gather(np.arange(_BATCH)).shape[0] == _BATCH
    peak, began = 0.0, time.process_time()
    for number in range(batches):
        gather(rng.integers(0, count, _BATCH))
        if number % 10 == 0:
            peak = max(peak, _anonymous() - before)
    return {"cpu": time.process_time() - began, "memory": peak}


def _anonymous() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def _write_npy(images: Images, folder: Path) -> None:
    np.save(folder / "images.npy", images)


def _open_npy(folder: Path) -> tuple[Gather, int]:
    images = np.load(folder / "images.npy", mmap_mode="r")
    return lambda chosen: np.take(images, chosen, axis=0), len(images)


def _write_zarr(chunk: int) -> Callable[[Images, Path], None]:
    def write(images: Images, folder: Path) -> None:
        import zarr

        chunks = (chunk, *images.shape[1:])
        made = zarr.create_array(folder / "z", shape=images.shape, chunks=chunks, dtype="uint8", compressors=None)
        made[:] = images

    return write


def _open_zarr(folder: Path) -> tuple[Gather, int]:
    import zarr

    images: Any = zarr.open_array(folder / "z", mode="r")
    return lambda chosen: images.oindex[chosen], images.shape[0]


def _table(images: Images) -> Any:
    import pyarrow as pa

    size = int(np.prod(images.shape[1:]))
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(images), [None, pa.py_buffer(images.tobytes())])
    return pa.table({"image": column})


def _as_images(column: Any, count: int) -> Images:
    return np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(count, -1)


def _write_parquet(images: Images, folder: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(
        _table(images), folder / "p.parquet", row_group_size=_GROUP, compression="none", use_dictionary=False
    )


def _open_parquet(folder: Path) -> tuple[Gather, int]:
    from pyarrow import parquet

    file = parquet.ParquetFile(folder / "p.parquet", memory_map=True)

    def gather(chosen: NDArray[np.int64]) -> Images:
        groups, places = np.unique(chosen // _GROUP, return_inverse=True)
        read = file.read_row_groups(groups.tolist(), columns=["image"], use_threads=False).column("image")
        return _as_images(read.take(places * _GROUP + chosen % _GROUP), len(chosen))

    return gather, file.metadata.num_rows


def _write_arrow(images: Images, folder: Path) -> None:
    import pyarrow as pa

    table = _table(images)
    with pa.OSFile(str(folder / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _open_arrow(folder: Path) -> tuple[Gather, int]:
    import pyarrow as pa

    column = pa.ipc.open_file(pa.memory_map(str(folder / "a.arrow"))).read_all().column("image")
    return lambda chosen: _as_images(column.take(chosen), len(chosen)), len(column)


STORES: dict[str, tuple[Callable[[Images, Path], None], Callable[[Path], tuple[Gather, int]]]] = {
    ".npy, mapped": (_write_npy, _open_npy),
    "zarr, an image a chunk": (_write_zarr(1), _open_zarr),
    "zarr, 64 images a chunk": (_write_zarr(_GROUP), _open_zarr),
    "parquet, 64 images a row group": (_write_parquet, _open_parquet),
    "Arrow, mapped": (_write_arrow, _open_arrow),
}


if __name__ == "__main__":
    main()
