"""The folder of prepared copies: what killed processes leave there half written goes, what others write stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hivenas.config import DatasetConfig
from hivenas.core.nas.data.datasets import load_dataset, register_dataset
from hivenas.core.nas.data.placement import sweep_copies

# It has written some batches, and is killed in the middle of an archive's images.
KILLED = """
import os, signal, sys
import numpy as np
from hivenas.core.nas.data import batches, npz_files

cache, archive = sys.argv[1:]
file = batches._SpooledImages(batches.Path(cache), (4, 4, 1), np.dtype(np.uint8))
file.write(np.zeros((5, 4, 4, 1), np.uint8))
npz_files.Preparing.advance = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
npz_files.read_npz(archive, 1, npz_files.Path(cache))
"""


def age(path: Path, hours: float) -> None:
    os.utime(path, (time.time() - 3600 * hours,) * 2)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_what_killed_processes_left_half_written_goes_and_what_others_write_stays(
    tmp_path: Path, registry: None
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), np.uint8)
    archive, cache = tmp_path / "a.npz", tmp_path / "cache"
    labels = np.arange(40) % 2
    np.savez_compressed(archive, x_train=np.repeat(images, 1500, axis=1), y_train=labels)
    done = subprocess.run([sys.executable, "-c", KILLED, str(cache), str(archive)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    spooled, unpacked = sorted(cache.glob(".tmp-*"), key=lambda file: file.suffix)
    assert [spooled.suffix, unpacked.suffix] == [".images", ".npy"]
    others = cache / f".tmp-{os.getppid()}-abc.images"  # of a living process
    others.touch()
    age(others, 30)
    config = DatasetConfig(name="npz", path=str(archive), cache=str(cache), memory_mb=1)
    load_dataset(config, seed=1)
    assert not unpacked.exists()  # whoever wrote it held the lock of that file
    assert spooled.exists()  # it may be another machine's
    age(spooled, 2)
    register_dataset("large", lambda path: zip(np.repeat(images, 1500, axis=1), labels, strict=True))
    load_dataset(DatasetConfig(name="large", cache=str(cache), memory_mb=1), seed=1)
    assert [file.name for file in cache.glob(".tmp-*")] == [others.name]


def test_a_copy_that_a_power_failure_has_cut_is_made_anew(tmp_path: Path, registry: None) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 6000, 4, 1), np.uint8)
    register_dataset("large", lambda path: zip(images, np.arange(40) % 2, strict=True))
    config = DatasetConfig(name="large", cache=str(tmp_path), memory_mb=1, validation_split=0.5)
    whole = load_dataset(config, seed=1).digest()
    (copy,) = tmp_path.glob("*.images")
    copy.write_bytes(copy.read_bytes()[:1000])
    assert load_dataset(config, seed=1).digest() == whole


def test_folders_within_are_swept_too(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    copy, fetched = tmp_path / "0123", tmp_path / "fetched" / "ab"
    for folder in (copy, fetched):
        folder.mkdir(parents=True)
        for name in (f".tmp-{dead.pid}-7-files.npz", f".tmp-{os.getppid()}-7-files.npz", "files.npz"):
            (folder / name).touch()
            age(folder / name, 2)
        (folder / f".tmp-{dead.pid}-8-files.npz").touch()
    sweep_copies(tmp_path)
    for folder in (copy, fetched):
        stay = sorted(file.name for file in folder.iterdir())
        assert stay == sorted([f".tmp-{os.getppid()}-7-files.npz", f".tmp-{dead.pid}-8-files.npz", "files.npz"])
