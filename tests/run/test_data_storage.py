"""The room that data take, for every source: the files, what is written of them, and the memory of a worker."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hivenas.config import from_mapping
from hivenas.core.nas.data.datasets import register_dataset
from hivenas.core.nas.data.stored_images import all_of
from hivenas.run.data import describe_data
from hivenas.run.data_storage import DataStorage
from tests.core.nas.data.conftest import registry  # noqa: F401

COUNT, SIDE = 40, 60
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
LABELS = np.arange(COUNT) % 2


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: None) -> Path:  # noqa: F811
    """The working directory, with the same images in every form."""
    monkeypatch.chdir(tmp_path)
    np.savez("plain.npz", x_train=PIXELS, y_train=LABELS)
    np.savez_compressed("packed.npz", x_train=PIXELS, y_train=LABELS)
    for index, image in enumerate(PIXELS):
        folder = Path("photos", str(LABELS[index]))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    Path("table.csv").write_text("path,label\n" + "\n".join(f"{file},a{file.parent.name}" for file in photos()))
    register_dataset("arrays", lambda path: {"x_train": PIXELS, "y_train": LABELS})
    register_dataset("batches", lambda path: zip(PIXELS, LABELS, strict=True))
    return tmp_path


def photos() -> list[Path]:
    return sorted(Path("photos").rglob("*.png"))


HELD, STORED = "2 MiB for the images (1 MiB as they are)", "none for the images, which stay on the disk (1 MiB)"
COPY = "results/.cache/*, 1 MiB on the disk"


@pytest.mark.parametrize(
    ("dataset", "files", "copy", "images"),
    [
        ({"name": "npz", "path": "plain.npz"}, "1 MiB in plain.npz", "", HELD),
        ({"name": "npz", "path": "plain.npz", "memory_mb": 1}, "1 MiB in plain.npz", "", STORED),
        (
            {"name": "npz", "path": "packed.npz", "memory_mb": 1},
            "1 MiB in packed.npz; 1 MiB in results/.cache/*.npy",
            "",
            STORED,
        ),
        ({"name": "image_folder", "path": "photos"}, "1 MiB in photos", COPY, HELD),
        ({"name": "image_folder", "path": "photos", "memory_mb": 1}, "1 MiB in photos", COPY, STORED),
        ({"name": "image_folder", "path": "photos", "cache": "none"}, "1 MiB in photos", "", HELD),
        ({"name": "image_table", "path": "table.csv"}, "1 MiB named in table.csv", COPY, HELD),
        ({"name": "arrays"}, "", "", HELD),
        ({"name": "batches"}, "", "", HELD),
        ({"name": "batches", "memory_mb": 1}, "1 MiB in results/.cache/*.images", "", STORED),
        ({"name": "digits"}, "", "", "1 MiB for the images (1 MiB as they are)"),
    ],
    ids=str,
)
def test_files_copy_and_memory_are_said_of_every_source(
    dataset: dict[str, Any], files: str, copy: str, images: str, here: Path
) -> None:
    config = from_mapping({"dataset": dataset})
    storage = DataStorage.of(config, describe_data(config))
    lines = dict(storage.lines())
    for heading, wanted in (("files", files), ("copy", copy)):
        assert fnmatchcase(lines.get(heading, ""), wanted), lines
    assert f"0.6 GiB a worker: {images}, 0.6 GiB for TensorFlow" in lines["memory"]
    fields = storage.fields()
    if dataset["name"] in ("image_folder", "image_table"):
        assert fields["source_bytes"] == sum(os.path.getsize(file) for file in photos())
    assert fields["worker_bytes"] > fields["memory_bytes"]
    assert (fields["memory_bytes"] == 0) is (images == STORED)
    assert bool(fields["written_bytes"]) is ("results" in files)


def test_splits_of_batches_in_memory_are_counted_beside_those_on_the_disk(here: Path) -> None:
    few = PIXELS[:12], LABELS[:12]
    register_dataset("mixed", lambda path: {"train": [few], "val": [(PIXELS, LABELS)], "test": [(PIXELS, LABELS)]})
    config = from_mapping({"dataset": {"name": "mixed", "memory_mb": 1}})
    memory = DataStorage.of(config, describe_data(config)).memory
    assert (memory.images, memory.stored) == (92 * SIDE * SIDE * 3, 80 * SIDE * SIDE * 3)
    assert memory.peak == round(2.8 * 12 * SIDE * SIDE * 3)
    assert "1 MiB for the images (1 MiB as they are), others stay on the disk (1 MiB)" in str(memory)


def test_images_know_the_file_that_they_are_mapped_from(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PIXELS[..., 0])
    mapped = all_of(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert mapped.file == mapped.with_channel().select(np.arange(3)).file == tmp_path / "a.npy"
    assert all_of(PIXELS).file is None
