"""The prepared copy: the same data as read directly, made once, whole or not at all."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from hivenas.config import DatasetConfig, from_mapping
from hivenas.core.nas.data.datasets import Dataset, load_dataset
from hivenas.core.nas.data.image_table import RemoteImage
from hivenas.core.nas.data.labelled_files import FileReader, Form, Listing, Part
from hivenas.core.nas.data.placement import machine_memory, placed
from hivenas.core.nas.data.prepared_copy import PreparedCopy
from hivenas.core.nas.data.preparing import LOOKED_AT, Preparing
from hivenas.core.nas.data.sources import copy_of
from hivenas.core.nas.data.stored_images import StoredImages
from hivenas.errors import DatasetError, DiskFullError
from hivenas.storage import difference

COUNT = 300


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as PNG files in class folders."""
    folder = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images[:COUNT], digits.target, strict=False)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / str(label) / f"{index}.png")
    return folder


@pytest.fixture
def config(written: Path, tmp_path: Path) -> DatasetConfig:
    shutil.copytree(written, tmp_path / "digits")
    path, cache = str(tmp_path / "digits"), str(tmp_path / "cache")
    return DatasetConfig(name="image_folder", path=path, image_size=(64, 64), cache=cache)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The parts that are decoded."""
    found: list[int] = []
    original = FileReader.part

    def part(self: FileReader, start: int) -> Part:
        found.append(start)
        return original(self, start)

    monkeypatch.setattr(FileReader, "part", part)
    return found


def directly(config: DatasetConfig) -> DatasetConfig:
    return config.model_copy(update={"cache": "none"})


def copy(config: DatasetConfig) -> PreparedCopy:
    found = copy_of(config)
    assert found is not None
    return found


def first(config: DatasetConfig) -> Path:
    return sorted(Path(str(config.path)).rglob("*.png"))[0]


def assert_equal(one: Dataset, other: Dataset) -> None:
    assert one.describe() == other.describe()
    for split in ("train", "val", "test"):
        for kind in "xy":
            ours, theirs = (np.asarray(getattr(each, f"{kind}_{split}")) for each in (one, other))
            assert np.array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    for ours, theirs in zip(one.statistics(), other.statistics(), strict=True):
        assert np.array_equal(ours, theirs)


def test_data_from_the_copy_are_those_read_directly(config: DatasetConfig, starts: list[int]) -> None:
    wanted = load_dataset(directly(config), seed=3)
    made = load_dataset(config, seed=3)
    assert starts == [0, 64, 128, 192, 256] * 2
    again = load_dataset(config, seed=3)
    stored = load_dataset(config.model_copy(update={"memory_mb": 1}), seed=3)
    assert len(starts) == 10  # nothing was decoded any more
    assert isinstance(stored.x_train, StoredImages)
    for data in (made, again, stored):
        assert_equal(data, wanted)
        assert data.test_digest() == wanted.test_digest()
    assert type(made.x_train) is type(again.x_train) is np.ndarray


def test_what_is_kept_of_the_images_is_theirs_alone(config: DatasetConfig) -> None:
    first_seed = load_dataset(config, seed=3)
    (kept,) = copy(config).path.glob("figures-*.json")
    assert first_seed.digest() in kept.read_text()
    for other in (config.model_copy(update={"train_limit": 100}), config.model_copy(update={"validation_split": 0.3})):
        assert_equal(load_dataset(other, seed=3), load_dataset(directly(other), seed=3))
    assert load_dataset(config, seed=4).digest() == load_dataset(directly(config), seed=4).digest()
    kept.write_text("{")
    assert_equal(load_dataset(config, seed=3), load_dataset(directly(config), seed=3))
    assert first_seed.digest() in kept.read_text()


def test_the_copy_follows_the_files(config: DatasetConfig, starts: list[int]) -> None:
    before = load_dataset(config, seed=3)
    os.utime(first(config))
    assert load_dataset(config, seed=3).digest() == before.digest()
    assert len(starts) == 5  # another time, and the same content
    kept = first(config).read_bytes()
    first(config).write_bytes(kept[:-20] + bytes(reversed(kept[-20:])))  # of the same size, and broken
    assert not copy(config).is_ready
    with pytest.raises(DatasetError, match="the image cannot be read"):
        load_dataset(config, seed=3)
    first(config).write_bytes(kept)
    assert load_dataset(config, seed=3).digest() == before.digest()
    first(config).unlink()
    assert_equal(load_dataset(config, seed=3), load_dataset(directly(config), seed=3))
    small = config.model_copy(update={"image_size": (8, 8)})
    assert load_dataset(small, seed=3).shape == (8, 8, 1)
    assert copy(config).is_ready
    assert copy(small).is_ready
    assert copy(small).path != copy(config).path


@pytest.mark.parametrize(
    ("origin", "same"),
    [("s3://bucket/a.csv", True), ("https://a.org/a.csv", True), ("~/a.csv", True), ("a.csv", False)],
)
def test_the_copy_of_an_address_is_one_from_every_folder(
    origin: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = Listing(
        origin, {"train": [(RemoteImage(f"s3://bucket/{index}.png", tmp_path), "a") for index in (1, 2)]}, {}
    )
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found.append(PreparedCopy(tmp_path / "cache", listing, Form()).path)
    assert (found[0] == found[1]) is same


def test_broken_images_are_named_or_left_out_and_counted(config: DatasetConfig) -> None:
    broken = first(config)
    broken.write_bytes(broken.read_bytes()[:80])
    with pytest.raises(DatasetError, match=rf"{broken.name}: the image cannot be read .* or leave out what cannot"):
        load_dataset(config, seed=3)
    lenient = config.model_copy(update={"unread_images": "leave_out"})
    data = load_dataset(lenient, seed=3)
    assert data.left_out == {"that cannot be read": 1}
    assert_equal(data, load_dataset(directly(lenient), seed=3))
    assert_equal(load_dataset(lenient, seed=3), data)


def test_an_image_that_cannot_be_read_just_now_is_never_left_out(
    config: DatasetConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, opened = first(config), Image.open

    def failing(source: Any, **more: Any) -> Any:
        if getattr(source, "name", None) == str(broken):
            raise OSError(errno.EIO, "Input/output error")
        return opened(source, **more)

    lenient = config.model_copy(update={"unread_images": "leave_out"})
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", failing)
        with pytest.raises(DatasetError, match=rf"{broken.name}: the file cannot be read .*Input/output.*; try again$"):
            load_dataset(lenient, seed=3)
    assert load_dataset(lenient, seed=3).left_out == {}


def test_an_image_that_may_be_read_by_now_is_taken(config: DatasetConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    denied, opened = first(config), Path.open
    lenient = config.model_copy(update={"unread_images": "leave_out"})

    def denying(self: Path, *args: Any, **more: Any) -> Any:
        if self == denied:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denying)
        assert load_dataset(lenient, seed=3).left_out == {"that cannot be read": 1}
        assert load_dataset(lenient, seed=3).left_out == {"that cannot be read": 1}
    assert load_dataset(lenient, seed=3).left_out == {}


@pytest.mark.parametrize("change", [Path.unlink, Path.touch, lambda file: file.write_bytes(b"")])
def test_files_that_change_while_the_copy_is_made_are_named(
    change: Callable[[Path], object], config: DatasetConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, file = FileReader.part, first(config)

    def part(self: FileReader, start: int) -> Part:
        found = original(self, start)
        if start == 64:
            change(file)
        return found

    monkeypatch.setattr(FileReader, "part", part)
    with pytest.raises(DatasetError, match=f"must not change while they are read, got 1 that did, such as {file}; w"):
        copy(config).images()
    assert not copy(config).is_ready


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_said_in_a_line(
    config: DatasetConfig, small_disk: Path
) -> None:
    with pytest.raises(DiskFullError, match=r"must have space for the prepared copy of 300 images, .* dataset.cache"):
        load_dataset(config.model_copy(update={"cache": str(small_disk / "cache")}), seed=3)
    with pytest.raises(DatasetError, match=r"dataset\.cache must be a folder that can be written, got .*png"):
        load_dataset(config.model_copy(update={"cache": str(first(config))}), seed=3)


def test_a_copy_on_a_disk_that_others_fill_meanwhile_is_gone_on_with(
    config: DatasetConfig, small_disk: Path, starts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config.model_copy(update={"cache": str(small_disk / "cache")})
    with monkeypatch.context() as patched:
        patched.setattr(PreparedCopy, "_refuse_lack_of_space", lambda *_: None)  # there was space when it was looked at
        with pytest.raises(DiskFullError, match=r"must have space .* make space, then go on \(--resume\)"):
            load_dataset(config, seed=3)
    assert not copy(config).is_ready
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    starts.clear()
    data = load_dataset(config, seed=3)
    assert starts == [64, 128, 192, 256]
    assert_equal(data, load_dataset(directly(config), seed=3))


def test_two_that_begin_at_once_make_one_copy(config: DatasetConfig, starts: list[int]) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load_dataset(config, seed=3).digest())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(starts) == [0, 64, 128, 192, 256]
    assert len(found) == 2
    assert len(set(found)) == 1


KILLED = """
import os, signal, sys
from hivenas.config import DatasetConfig
from hivenas.core.nas.data import labelled_files
from hivenas.core.nas.data.sources import copy_of

original = labelled_files.FileReader.part

def part(self, start):
    if start == 192:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, start)

labelled_files.FileReader.part = part
labelled_files._AHEAD = 0
copy_of(DatasetConfig.model_validate_json(sys.argv[1])).images()
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_copy_whose_making_was_killed_is_gone_on_with(config: DatasetConfig, starts: list[int]) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, config.model_dump_json()], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not copy(config).is_ready
    data = load_dataset(config, seed=3)
    assert starts == [192, 256]
    assert_equal(data, load_dataset(directly(config), seed=3))


def test_parts_whose_bytes_are_not_on_the_disk_are_read_again(
    config: DatasetConfig, starts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(PreparedCopy, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            copy(config).images()
    (pixels,) = copy(config).path.glob("images-*.npy")
    with pixels.open("r+b") as file:  # as after a power failure
        file.seek(200)
        file.write(b"\x99" * 9)
    starts.clear()
    data = load_dataset(config, seed=3)
    assert starts == [0]
    assert_equal(data, load_dataset(directly(config), seed=3))


@pytest.mark.parametrize("part", ["files.npz", "manifest.json"])
@pytest.mark.parametrize("left", [b"", b"PK\x03\x04", b"[]"])
def test_a_copy_that_a_power_failure_has_spoilt_is_made_anew(config: DatasetConfig, part: str, left: bytes) -> None:
    first = load_dataset(config, seed=3)
    (copy(config).path / part).write_bytes(left)
    assert not copy(config).is_ready
    assert_equal(load_dataset(config, seed=3), first)
    assert copy(config).is_ready


def test_a_preparation_that_takes_long_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr("hivenas.core.nas.data.preparing.time.monotonic", lambda: now)
    caplog.set_level(logging.INFO, "hivenas")
    with Preparing("photos", "images of", 2_000, Path("cache/ab"), done=1_000) as work:
        for now, count in ((1.0, 100), (2.5, 150), (4.0, 1), (16.0, 249)):  # noqa: B007
            work.advance(count)
        work.size = 3 * 2**30
    assert caplog.messages == [
        "data: preparing images of photos once, in cache/ab",
        "data: 1,250 of 2,000 images prepared (62%), about 8 s left",
        "data: 1,500 of 2,000 images prepared (75%), about 16 s left",
        "data: prepared in 16 s, 3.0 GiB on the disk",
    ]
    caplog.clear()
    with Preparing("photos", "images of", 10, Path("cache/ab")) as soon:
        soon.advance(10)
        soon.size = 10
    assert not caplog.messages
    with Preparing("photos", "files of", 2_000, None, deed=LOOKED_AT) as looking:
        now = 20.0
        looking.advance(500)
    assert caplog.messages == [
        "data: looking at files of photos",
        "data: 500 of 2,000 files looked at (25%), about 12 s left",
        "data: looked at in 4 s",
    ]


def test_places_are_those_of_the_configuration_by_default() -> None:
    given = from_mapping({"results": {"dir": "out"}, "execution": {"workers": 2}})
    found = placed(given)
    assert found.cache == "out/.cache"
    assert found.memory_mb == int(machine_memory() * 0.25) // 2 // 2**20
    own = from_mapping({"dataset": {"cache": "none", "memory_mb": 5}})
    assert placed(own) == own.dataset
    assert own.dataset.figures == from_mapping({}).dataset.figures
    assert difference(from_mapping({}), own) == ""  # a search may be gone on with from another place
