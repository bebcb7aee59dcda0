"""The results folder: what is written there is written whole or not at all, and what is dropped goes alone."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hivenas.core.files import written_whole
from hivenas.core.folder import ResultsFolder, write_atomically
from hivenas.core.records import EpochFigures, Evaluation
from hivenas.errors import DiskFullError

ARCH = "input|identity|dropout|output"
PURPOSES = ("train", "momentum", "full", "full2", "refit")


def test_a_history_keeps_the_figures_of_every_epoch(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    evaluation = Evaluation(ARCH, "complete", 0.5, history=(EpochFigures(1, 0.7, 0.6, 0.5, 0.1 + 0.2),))
    folder.write_history("abc", evaluation)
    data = json.loads((folder.histories / "abc.json").read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(evaluation.to_json()))
    assert data["history"][0]["val_accuracy"] == 0.1 + 0.2


def test_write_atomically_replaces_the_whole_text_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "a long old text")
    write_atomically(file, "né")
    assert file.read_text(encoding="utf-8") == "né"
    assert list(tmp_path.iterdir()) == [file]


def test_two_threads_that_write_a_file_at_once_write_it_whole(tmp_path: Path) -> None:
    file = tmp_path / "image"
    with written_whole(file) as ours, ThreadPoolExecutor(1) as pool:
        ours.write_text("ours")
        pool.submit(write_atomically, file, "theirs").result()
        assert file.read_text(encoding="utf-8") == "theirs"
    assert file.read_text(encoding="utf-8") == "ours"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_text(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "half of it \ud800")
    assert file.read_text(encoding="utf-8") == "old"


def test_a_write_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "state.json", "half of it \ud800")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_text_that_finds_no_space_is_not_written(small_disk: Path) -> None:
    folder = ResultsFolder(small_disk, "search")
    write_atomically(folder.state, "old")
    (small_disk / "pad").write_bytes(bytes(385 * 1024))
    with pytest.raises(DiskFullError, match=r"make space, then go on \(--resume\)"):
        write_atomically(folder.state, "x" * 200_000)
    assert folder.state.read_text() == "old"
    assert list(folder.path.iterdir()) == [folder.state]


def test_the_checkpoints_of_one_candidate_are_dropped_and_those_of_others_stay(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.drop_checkpoints(ARCH)
    folder.checkpoints.mkdir(parents=True)
    other = folder.checkpoint("input|dropout|dropout|output", "train")
    for path in (other, *(folder.checkpoint(ARCH, purpose) for purpose in PURPOSES)):
        path.touch()
    assert len(list(folder.checkpoints.iterdir())) == 1 + len(PURPOSES)
    folder.drop_checkpoints(ARCH)
    assert list(folder.checkpoints.iterdir()) == [other]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is nothing that tells the file of a number")
def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_anything_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def noting(number: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{number}")).name[:5], (tmp_path / "a.txt").exists()))
        real(number)

    monkeypatch.setattr(os, "fsync", noting)
    for sync in (False, True):
        with written_whole(tmp_path / "a.txt", sync=sync) as temporary:
            temporary.write_text("x")
        assert synced == ([(".tmp-", False), (tmp_path.name[:5], True)] if sync else [])
        (tmp_path / "a.txt").unlink()


def test_checkpoints_are_cleared_by_purpose_and_their_folder_with_the_last(tmp_path: Path) -> None:
    folder = ResultsFolder(str(tmp_path), "probe")
    files = {purpose: folder.checkpoint("a", purpose) for purpose in ("train", "momentum", "full", "refit")}
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    folder.clear_checkpoints("train", "momentum")
    assert [purpose for purpose, file in files.items() if file.is_file()] == ["full", "refit"]
    folder.clear_checkpoints("full", "refit")
    folder.clear_checkpoints("full", "refit")
    assert not folder.checkpoints.exists()


@pytest.mark.process
def test_a_sweep_removes_what_dead_processes_left_half_written_and_nothing_else(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.sweep()
    ended = subprocess.Popen(["true"])
    ended.wait()
    places = [folder.path, folder.weights, folder.checkpoints, folder.histories, folder.attachments, folder.plots]
    places.append(folder.plots / "full-0a1b2c3d")
    stay: set[Path] = set()
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / f".tmp-{ended.pid}-abc-001.weights.h5").touch()
        (place / f".tmp-{os.getpid()}-state.json").touch()  # of this process's number, from before it began
        (place / f".tmp-{10**30}-state.json").touch()
        living = place / f".tmp-{os.getppid()}-state.json"
        stay |= {living, *(place / name for name in (".tmp-", ".tmp-x-1", f"tmp-{ended.pid}-x", ".lock", "abc.json"))}
    for path in stay:
        path.touch()
    folder_of_that_name = folder.path / f".tmp-{ended.pid}-folder"
    folder_of_that_name.mkdir()
    foreign = folder.path / "my own" / f".tmp-{ended.pid}-x"
    foreign.parent.mkdir()
    foreign.touch()
    folder.sweep()
    files = {path for path in folder.path.rglob("*") if path.is_file()}
    assert files == stay | {foreign}
    assert folder_of_that_name.is_dir()
