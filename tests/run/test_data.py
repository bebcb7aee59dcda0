"""Data that are not the same whenever they are loaded: nothing is trained on them, nor on two kinds of them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import hivenas
from hivenas import api
from hivenas.config import Config, DatasetConfig, from_mapping
from hivenas.config.registry import DATASETS
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas import nas_interface
from hivenas.core.nas.data.datasets import describe_dataset, load_dataset, register_dataset
from hivenas.core.nas.data.sameness import unchanged
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.records import Trial
from hivenas.core.tracker import NullTracker
from hivenas.errors import DatasetError
from hivenas.execution import SerialExecutor
from hivenas.run.data import describe_data, first_digest, settle_data, surveyed_data
from hivenas.run.standalone import StandaloneTraining, train_alone
from hivenas.storage import read_state

DIGITS = load_digits()
SAME = r"every process must load the same images and labels in the same order, got digest \w+ first and \w+ now; "


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Forgets what a test registers, and the data that this process has loaded."""
    before = dict(DATASETS._entries)
    yield
    DATASETS._entries.clear()
    DATASETS._entries.update(before)
    nas_interface._interface.cache_clear()


def arrays(count: int = 200) -> dict[str, Any]:
    return {"x_train": DIGITS.images[:count, ..., None].astype(np.float32), "y_train": DIGITS.target[:count]}


def settings(name: str, folder: Path, **others: Any) -> dict[str, Any]:
    return {
        "name": "unstable",
        "seed": 3,
        "tracking": "none",
        "dataset": {"name": name},
        "space": {"depth": 1, "operations": ["identity", "dropout", "max_pool3x3"]},
        "evaluation": {"epochs": 1, "stopping": "none"},
        "colony": {"kind": "random", "size": 3, "iterations": 1},
        "full_train": {"enabled": False, "epochs": 1},
        "execution": {"kind": "serial"},
        "results": {"dir": str(folder / "results")},
        **others,
    }


calls = itertools.count()


def shuffled(path: str | None) -> dict[str, Any]:
    order = np.random.default_rng().permutation(200)
    return {name: array[order] for name, array in arrays().items()}


def augmented(path: str | None) -> dict[str, Any]:
    given = arrays()
    return given | {"x_train": given["x_train"] + np.random.default_rng().normal(0, 1e-6, (200, 8, 8, 1))}


def growing(path: str | None) -> dict[str, Any]:
    return arrays(200 + next(calls))


def relabelled(path: str | None) -> dict[str, Any]:
    given = arrays()
    return given | {"y_train": np.roll(given["y_train"], next(calls))}


def last_bit(path: str | None) -> dict[str, Any]:
    given = arrays()
    given["x_train"][0, 0, 0, 0] = np.nextafter(np.float32(1), np.float32(2)) if next(calls) % 2 else 1
    return given


@pytest.mark.parametrize("loader", [shuffled, augmented, growing, relabelled, last_bit])
def test_a_loader_that_gives_others_when_it_is_called_again_is_refused(
    loader: Callable[[str | None], dict[str, Any]], tmp_path: Path
) -> None:
    register_dataset("own", loader)
    config = from_mapping(settings("own", tmp_path))
    with pytest.raises(DatasetError, match=SAME + "its loader gives others .* seed what it draws") as caught:
        describe_dataset(config.dataset, 3)
    assert "\n" not in str(caught.value)
    executor = SerialExecutor()
    first = first_digest(config, executor, ResultsFolder(tmp_path, "unstable"))
    with pytest.raises(DatasetError, match=SAME):
        settle_data(config, executor, load_dataset(config.dataset, 3).describe(), first)


def test_a_loader_that_gives_the_same_is_taken(tmp_path: Path) -> None:
    register_dataset("own", lambda path: arrays())
    config = from_mapping(settings("own", tmp_path))
    data = describe_dataset(config.dataset, 3)
    executor = SerialExecutor()
    assert first_digest(config, executor, ResultsFolder(tmp_path, "unstable")) == data["digest"]
    settle_data(config, executor, data, data["digest"])
    assert first_digest(from_mapping({}), executor, ResultsFolder(tmp_path, "unstable")) == ""


OF_THE_PROCESS = """
import os
import numpy as np
from hivenas import register_dataset

@register_dataset("own")
def load(path):
    x = np.random.default_rng(0).random((100, 4, 4, 1))
    x[0] = os.getpid()
    return {"x_train": x, "y_train": np.arange(100) % 2}
"""


@pytest.mark.process
@pytest.mark.slow
def test_what_depends_on_the_process_shows_in_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loader_of_the_process.py").write_text(OF_THE_PROCESS)
    monkeypatch.syspath_prepend(tmp_path)
    __import__("loader_of_the_process")
    config = from_mapping(settings("own", tmp_path, execution={"kind": "process"}))
    assert describe_dataset(config.dataset, 3)["digest"] == describe_dataset(config.dataset, 3)["digest"]
    folder = ResultsFolder(tmp_path, "unstable")
    assert first_digest(config, SerialExecutor(), folder) != describe_dataset(config.dataset, 3)["digest"]
    del sys.modules["loader_of_the_process"]


def write(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"22")


def add(folder: Path) -> None:
    (folder / "c.png").write_bytes(b"1")


def remove(folder: Path) -> None:
    (folder / "a.png").unlink()


def read_while(change: Callable[[Path], None], config: DatasetConfig) -> None:
    with unchanged(config):
        change(Path(str(config.path)))


@pytest.mark.parametrize("change", [write, add, remove])
def test_files_that_change_while_they_are_read_are_refused(change: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    config = from_mapping({"dataset": {"name": "image_folder", "path": str(tmp_path)}}).dataset
    read_while(lambda folder: add(folder / ".."), config)  # it is none of them
    with pytest.raises(DatasetError, match=r"must not change while they are read, got 1 .*png; wait"):
        read_while(change, config)


@pytest.mark.keras
def test_a_second_search_in_a_process_has_the_data_as_they_are_then(tmp_path: Path) -> None:
    given = settings("npz", tmp_path) | {"dataset": {"name": "npz", "path": str(tmp_path / "own.npz")}}
    digests = []
    for count in (200, 190):
        np.savez(tmp_path / "own.npz", **arrays(count))
        api.search(given, overwrite=True, progress=False)
        state = read_state(ResultsFolder(tmp_path / "results", "unstable"))
        assert state
        assert state.data == describe_dataset(config_of(given).dataset, 3)["digest"]
        digests.append(state.data)
    assert digests[0] != digests[1]


@dataclass
class Source:
    """Data that a test changes."""

    count: int = 200

    def __call__(self, path: str | None) -> dict[str, Any]:
        return arrays(self.count)


class Changes(hivenas.Callback):
    """Changes the data after the first candidate, and has whoever trains the next load them, as a new worker does."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def on_trial(self, trial: Trial) -> None:
        self.source.count = 190
        nas_interface._interface.cache_clear()


@pytest.mark.keras
@pytest.mark.slow
def test_a_search_ends_in_order_where_data_change_and_goes_on_when_they_are_back(tmp_path: Path) -> None:
    source = Source()
    register_dataset("own", source)
    given = settings("own", tmp_path)
    with pytest.raises(DatasetError, match=SAME):
        api.search(given, callbacks=[Changes(source)], progress=False)
    folder = ResultsFolder(tmp_path / "results", "unstable")
    interrupted = api.load_results(folder.path)
    assert [trial.status for trial in interrupted.trials] == ["complete"]

    # While they are others, nothing is trained that is recorded beside the first candidate.
    with pytest.raises(DatasetError, match=r"are not those that the search in .* began with"):
        api.search(given, resume=True, progress=False)
    with pytest.raises(DatasetError, match=SAME):
        api.train(given)
    with pytest.raises(DatasetError, match=SAME):
        direct(given).fully_train_best_model()
    assert not list(folder.histories.glob("*-full.json"))

    source.count = 200
    nas_interface._interface.cache_clear()
    finished = api.search(given, resume=True, progress=False)
    assert len(finished.trials) == 3
    assert finished.failed == []
    assert finished.trials[0].fitness == interrupted.trials[0].fitness

    # Other data that are asked for are no mistake.
    assert train_alone(config_of(given, "dataset.train_limit=100"), StandaloneTraining(arch="input|identity|output"))
    state = read_state(folder)
    assert state
    assert state.data == describe_dataset(config_of(given).dataset, 3)["digest"]


def config_of(given: dict[str, Any], *overrides: str) -> Config:
    return from_mapping(given, overrides)


def direct(given: dict[str, Any]) -> NASInterface:
    return NASInterface.from_config(from_mapping(given), tracker=NullTracker())


@pytest.mark.parametrize(("name", "said"), [("digits", 1), ("cifar10", 0)])
def test_a_setting_that_grey_images_do_not_use_is_named(name: str, said: int) -> None:
    given = {"dataset": {"name": name}, "evaluation": {"augmentation": {"saturation": 0.5}}}
    remarks = describe_data(from_mapping(given))["remarks"]
    assert remarks == said * [
        "evaluation.augmentation.saturation=0.5 is not used with images of 1 channel, which have no colours; leave it "
        "out"
    ]
    if said:
        assert (
            surveyed_data(from_mapping(given | {"seed": 1}), SerialExecutor(), "input|identity|output")["remarks"]
            == remarks
        )
