from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from hivenas.config import BUILT_IN_DATASETS, DatasetConfig
from hivenas.config.tasks import CLASSIFY, TASKS
from hivenas.core.nas.data.built_in import BUILT_IN
from hivenas.core.nas.data.datasets import (
    describe_dataset,
    image_shape_and_classes,
    load_dataset,
    register_dataset,
)
from hivenas.core.nas.data.sources import files_of
from hivenas.core.nas.data.stored_images import Images, in_memory
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.seeds import derive_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, DatasetError


@pytest.mark.parametrize(("split", "name"), [("train", "training"), ("val", "validation"), ("test", "test")])
def test_no_split_has_values_beyond_the_scale(tmp_path: Path, split: str, name: str) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {f"x_{part}": rng.random((20, 2, 2, 1)) for part in ("train", "val", "test")}
    labels: dict[str, Any] = {f"y_{part}": np.arange(20) % 2 for part in ("train", "val", "test")}
    config = DatasetConfig(name="npz", path=str(tmp_path / "x.npz"), scale=(0.0, 1.0))
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    assert load_dataset(config, 1).classes == 2
    arrays[f"x_{split}"] *= 255
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    with pytest.raises(DatasetError, match=f"the {name} images must have values within dataset.scale"):
        load_dataset(config, 1)


def test_digits_are_split_without_overlap_and_stratified() -> None:
    data = load_dataset(DatasetConfig(), seed=1)
    parts = (data.x_train, data.x_val, data.x_test)
    assert sum(map(len, parts)) == 1797
    # As often as in the source, no image stands in the three splits together: none was taken twice.
    together = np.concatenate([in_memory(part).reshape(len(part), -1) for part in parts])
    source = load_digits().images.reshape(1797, -1).astype(np.float32)
    assert np.array_equal(together[np.lexsort(together.T)], source[np.lexsort(source.T)])
    assert data.shape == (8, 8, 1)
    assert data.classes == 10
    assert len(data.x_val) == round(0.2 * (1797 - len(data.x_test)))
    for labels in (data.y_train, data.y_val, data.y_test):
        shares = np.bincount(labels, minlength=10) / len(labels)
        assert shares.min() > 0.085
        assert shares.max() < 0.115


def test_the_seed_moves_the_validation_split_and_never_the_test_split() -> None:
    one, same, other = (load_dataset(DatasetConfig(), seed=seed) for seed in (1, 1, 2))
    assert one.digest() == same.digest()
    assert not np.array_equal(one.x_val, other.x_val)
    assert np.array_equal(one.x_test, other.x_test)


def test_train_limit_keeps_every_class_and_the_test_split() -> None:
    data = load_dataset(DatasetConfig(train_limit=100), seed=1)
    assert len(data.x_train) + len(data.x_val) == 100
    assert set(data.y_train) == set(range(10))
    assert len(data.x_test) == 360


def test_statistics_come_from_the_training_split_alone() -> None:
    data = load_dataset(DatasetConfig(), seed=1)
    mean, variance = data.statistics()
    assert mean == pytest.approx(in_memory(data.x_train).mean(), rel=1e-5)
    assert variance == pytest.approx(in_memory(data.x_train).var(), rel=1e-5)


def test_the_test_digest_is_that_of_the_test_images_whatever_the_seed_and_the_share() -> None:
    first = load_dataset(DatasetConfig(), seed=7)
    same = load_dataset(DatasetConfig(train_limit=200, validation_split=0.3), seed=8)
    assert same.digest() != first.digest()
    assert same.test_digest() == first.test_digest()
    assert replace(first, x_test=in_memory(first.x_test) + 1).test_digest() != first.test_digest()
    assert replace(first, y_test=first.y_test[::-1].copy()).test_digest() != first.test_digest()
    assert replace(first, class_names=(*first.class_names[:-1], "ten")).test_digest() != first.test_digest()


def test_the_digests_of_built_in_data_never_change() -> None:
    assert load_dataset(DatasetConfig(), seed=7).digest() == "19c921638d6ac5fc"
    assert load_dataset(DatasetConfig(train_limit=200), seed=7).digest() == "34db30bc4605aa10"


def test_a_split_that_cannot_hold_every_class_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"cannot be split 11 to 1 .*train_limit=12 or validation_split=0\.1"):
        load_dataset(DatasetConfig(train_limit=12, validation_split=0.1), seed=1)


# -- data of one's own -------------------------------------------------------------------------------------------------


def labelled(
    count: int, kinds: tuple[str, ...] = ("owl", "bee", "cat"), seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Random images whose labels come in turn."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 5, 4, 3), dtype=np.uint8)
    return images, np.array([kinds[i % len(kinds)] for i in range(count)])


def npz(path: Path, **of: tuple[Images, NDArray[Any]]) -> DatasetConfig:
    pairs: dict[str, Any] = {
        f"{kind}_{split}": array for split, pair in of.items() for kind, array in zip("xy", pair, strict=True)
    }
    np.savez(path / "mine.npz", **pairs)
    return DatasetConfig(name="npz", path=str(path / "mine.npz"))


def rows(*arrays: Images) -> set[bytes]:
    return {image.tobytes() for array in arrays for image in array}


def test_missing_splits_are_held_out_of_the_training_images(tmp_path: Path) -> None:
    train = labelled(75)
    config = npz(tmp_path, train=train)
    one, other = load_dataset(config, seed=1), load_dataset(config, seed=2)
    assert [len(x) for x in (one.x_train, one.x_val, one.x_test)] == [48, 12, 15]
    assert rows(one.x_train, one.x_val, one.x_test) == rows(train[0])
    assert np.bincount(one.y_test).tolist() == [5, 5, 5]
    assert np.array_equal(one.x_test, other.x_test)
    assert not np.array_equal(one.x_val, other.x_val)
    names = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    for x, y in ((one.x_train, one.y_train), (one.x_val, one.y_val), (one.x_test, one.y_test)):
        assert [one.class_names[code] for code in y] == [names[image.tobytes()] for image in x]
    assert one.describe()["class_names"] == ["bee", "cat", "owl"]


def test_splits_that_are_given_are_kept_as_they_are(tmp_path: Path) -> None:
    parts = {"train": labelled(40), "val": labelled(9, seed=1), "test": labelled(6, seed=2)}
    config = npz(tmp_path, **parts)
    data = load_dataset(config, seed=1)
    for split, (x, y) in parts.items():
        assert np.array_equal(getattr(data, f"x_{split}"), x)
        assert [data.class_names[code] for code in getattr(data, f"y_{split}")] == y.tolist()
    other_share = config.model_copy(update={"validation_split": 0.5})
    assert load_dataset(other_share, seed=2).digest() == data.digest()


def test_train_limit_spares_a_validation_split_that_is_given(tmp_path: Path) -> None:
    config = npz(tmp_path, train=labelled(60), val=labelled(30, seed=1), test=labelled(6, seed=2))
    data = load_dataset(config.model_copy(update={"train_limit": 12}), seed=1)
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [12, 30, 6]
    assert np.bincount(data.y_train).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ([0] * 30 + [1], (), r"31 images of 2 classes .* got 1 of class '1'; add images to npz .*mine.npz or give"),
        ([0] * 98 + [1] * 2, (), "100 images of 2 classes cannot be split 80 to 20 .* got 2 of class '1'"),
        ([0] * 98 + [1] * 2, ("val",), None),
        ([0] * 98 + [1] * 2, ("test",), None),
        ([0] * 99 + [1], ("test",), "got 1 of class '1'; add images of it or change dataset.train_limit"),
        ([0] * 90 + [1, 1, 2, 3, 4, 5, 6, 7, 8], (), "got 1 of class '2', .*, 1 of class '6' and 3 more classes; add"),
        ([0] * 30, ("val", "test"), r"y_train must have two classes or more, got \[0\]"),
    ],
)
def test_a_class_too_small_to_be_split_is_named(
    tmp_path: Path, labels: list[int], given: tuple[str, ...], message: str | None
) -> None:
    y = np.array(labels)
    pair = (labelled(len(y))[0], y)
    config = npz(tmp_path, train=pair, **dict.fromkeys(given, pair))
    if message is None:
        assert len(np.unique(load_dataset(config, seed=1).y_val)) == 2
        return
    with pytest.raises(DatasetError, match=message):
        load_dataset(config, seed=1)


@pytest.mark.parametrize(("limit", "rare"), [(20, 1), (390, 3)])
def test_a_limit_never_drops_a_class(tmp_path: Path, limit: int, rare: int) -> None:
    pair = (labelled(400)[0], np.array([0] * 397 + [1] * 3))
    config = npz(tmp_path, train=pair, val=pair, test=pair).model_copy(update={"train_limit": limit})
    assert np.bincount(load_dataset(config, seed=1).y_train).tolist() == [limit - rare, rare]


@pytest.mark.parametrize(
    "counts",
    [[5] * 8, [3] * 8, [6] * 100, [1000, *[4] * 10], [1000, *[5] * 10], [3, 500], [3, 3], [400, 90, 20, 7, 4, 3, 3]],
    ids=str,
)
@pytest.mark.parametrize(("share", "limit"), [(0.2, None), (0.01, None), (0.9, None), (0.2, 0.7)])
def test_every_class_is_in_every_split_wherever_it_has_three_images(
    tmp_path: Path, counts: list[int], share: float, limit: float | None
) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    train_limit = max(10, 2 * len(counts), int(limit * len(y))) if limit else None
    config = npz(tmp_path, train=(labelled(len(y))[0], y)).model_copy(
        update={"validation_split": share, "train_limit": train_limit}
    )
    data, other = load_dataset(config, seed=1), load_dataset(config, seed=2)
    for labels in (data.y_train, data.y_val, data.y_test):
        assert len(np.unique(labels)) == len(counts)
    together = [data.x_train, data.x_val, data.x_test]
    assert len(rows(*together)) == sum(map(len, together))  # no image is in two splits
    assert train_limit or sum(map(len, together)) == len(y)
    assert np.array_equal(data.x_test, other.x_test)
    assert data.digest() == load_dataset(config, seed=1).digest()


def test_splits_that_always_worked_stay_as_they_were() -> None:
    data = load_dataset(DatasetConfig(validation_split=0.1), seed=3)
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x, y = digits.images.astype(np.float32)[..., np.newaxis], digits.target
    x, _, y, _ = train_test_split(x, y, train_size=1437, stratify=y, random_state=0)
    seed = derive_seed(3, "validation split")
    x_train, x_val, _, y_val = train_test_split(x, y, train_size=1437 - 144, stratify=y, random_state=seed)
    assert np.array_equal(data.x_train, x_train)
    assert np.array_equal(data.x_val, x_val)
    assert np.array_equal(data.y_val, y_val)


# -- what there is to learn from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (np.zeros((5, 4, 3)), r"\[0(\.0)?, 0(\.0)?, 0(\.0)?\] in all of"),
        (np.ones((5, 4, 3)) * [9, 8, 7], r"\[9(\.0)?, 8.* in all of"),
        (np.full((5, 4, 1), 7), r"7(\.0)? in all of"),
        (np.arange(60).reshape(5, 4, 3), "times the same picture"),
    ],
)
def test_training_images_that_are_all_alike_are_refused(
    tmp_path: Path, picture: NDArray[Any], got: str, dtype: str
) -> None:
    images = np.repeat(picture[np.newaxis], 300, axis=0).astype(dtype)
    y = labelled(300)[1]
    with pytest.raises(DatasetError, match=f"the training images must differ in some pixel, got .*{got}"):
        load_dataset(npz(tmp_path, train=(images, y)), seed=1)
    images[:, 0, 0, 0] = np.arange(300) % 100
    assert load_dataset(npz(tmp_path, train=(images, y)), seed=1).classes == 3


def test_classes_and_splits_of_one_picture_are_named(tmp_path: Path) -> None:
    x, y = labelled(90)
    x[y == "bee"] = 5
    blank = (np.zeros((6, 5, 4, 3), np.uint8), labelled(6)[1])
    data = load_dataset(npz(tmp_path, train=(x, y), val=labelled(9, seed=1), test=blank), seed=1).describe()
    (said,) = data["remarks"]
    assert said.startswith("all images of the test split, class 'bee' are the same picture")
    assert load_dataset(npz(tmp_path, train=labelled(90)), seed=1).describe()["remarks"] == []


@pytest.mark.parametrize("name", BUILT_IN_DATASETS)
def test_counts_of_built_in_data_are_known_without_loading(name: str) -> None:
    config = DatasetConfig(name=name, train_limit=500)
    said = describe_dataset(config, 1)
    assert said["train"] + said["validation"] == 500
    if name == "digits":
        loaded = load_dataset(config, 1).describe()
        assert said == {key: loaded[key] for key in said}
        assert loaded["scale"] == [0, 16]


@pytest.mark.parametrize("limit", [1427, 1428, 1430, 1436, 1437])
def test_a_limit_just_below_the_number_of_images_leaves_out_the_few_beyond_it(limit: int) -> None:
    data, again = (load_dataset(DatasetConfig(train_limit=limit), seed=1) for _ in range(2))
    assert len(data.x_train) + len(data.x_val) == limit
    assert data.digest() == again.digest()
    assert rows(data.x_train, data.x_val) <= rows(load_digits().images[..., np.newaxis].astype(np.float32))


def test_a_class_of_one_image_is_never_among_the_few_that_are_left_out(tmp_path: Path) -> None:
    pair = (labelled(30)[0], np.array(["rare"] + ["common"] * 29))
    config = npz(tmp_path, train=pair, val=pair, test=pair).model_copy(update={"train_limit": 29})
    for seed in range(40):
        data = load_dataset(config, seed)
        assert np.bincount(data.y_train).tolist() == [28, 1]
        assert len(rows(data.x_train)) == 29


def test_errors_in_a_file_name_it(tmp_path: Path) -> None:
    config = npz(tmp_path, train=labelled(30), test=labelled(4, ("owl", "fox")))
    with pytest.raises(DatasetError, match=r"mine\.npz: y_test has labels out of range: 'fox', .* 'bee', 'cat', 'owl'"):
        load_dataset(config, seed=1)


def image_folder(root: Path, count: int, size: tuple[int, int] = (8, 6)) -> DatasetConfig:
    """Reddish and bluish RGB images of height and width 8 × 6 unless told."""
    generator = np.random.default_rng(0)
    for index in range(count):
        channel, label = ((0, "red"), (2, "blue"))[index % 2]
        pixels = generator.integers(0, 80, (*size, 3), dtype=np.uint8)
        pixels[..., channel] += 150
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / label / f"{index:03}.png")
    return DatasetConfig(name="image_folder", path=str(root))


def test_a_folder_is_a_data_set(tmp_path: Path) -> None:
    config = image_folder(tmp_path / "colours", 30)
    data = load_dataset(config, seed=1)
    assert (data.shape, data.classes, data.class_names) == ((8, 6, 3), 2, ("blue", "red"))
    reds, blues = data.x_train[data.y_train == 1], data.x_train[data.y_train == 0]
    assert reds[..., 0].min() >= 150 > blues[..., 0].max()
    assert load_dataset(config.model_copy(update={"image_size": (4, 4)}), seed=1).shape == (4, 4, 3)


def test_a_class_that_only_the_test_folder_has_is_named(tmp_path: Path) -> None:
    image_folder(tmp_path / "colours/train", 30)
    config = image_folder(tmp_path / "colours/test", 4).model_copy(update={"path": str(tmp_path / "colours")})
    (tmp_path / "colours/test/red").rename(tmp_path / "colours/test/green")
    with pytest.raises(DatasetError, match=r"colours: y_test has labels out of range: 'green', .* 'blue', 'red'"):
        load_dataset(config, seed=1)


@pytest.mark.keras
def test_a_candidate_is_trained_on_a_folder(tmp_path: Path, tiny: dict[str, Any]) -> None:
    data = {"name": "image_folder", "path": image_folder(tmp_path / "colours", 60).path}
    interface = NASInterface(
        {"preset": "layerwise", "depth": 1}, tiny | {"dataset": data, "batch_size": 8}, tracker=NullTracker()
    )
    evaluation = interface.eval_strategy.evaluate("input|sep3x3_32|output")
    assert evaluation.status == "complete"
    assert evaluation.epochs == 1
    assert interface.eval_strategy.data.classes == 2


# -- data sets that are registered -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("registry")
def test_a_registered_loader_is_given_the_path() -> None:
    paths: list[str | None] = []

    @register_dataset("mine")
    def load(path: str | None) -> dict[str, Any]:
        paths.append(path)
        return dict(zip(("x_train", "y_train"), labelled(75), strict=True))

    by_path = load_dataset(DatasetConfig(name="mine", path="somewhere"), seed=1)
    assert load_dataset(DatasetConfig(name="mine"), seed=1).digest() == by_path.digest()
    assert paths == ["somewhere", None]
    assert len(by_path.x_test) == 15
    assert register_dataset("other", load) is load
    assert load_dataset(DatasetConfig(name="other"), seed=1).class_names == ("bee", "cat", "owl")


@pytest.mark.usefixtures("registry")
def test_a_loader_may_return_an_open_npz_file(tmp_path: Path) -> None:
    file = npz(tmp_path, train=labelled(75)).path
    register_dataset("archive", lambda path: np.load(str(path)))
    assert load_dataset(DatasetConfig(name="archive", path=file), seed=1).shape == (5, 4, 3)
    np.savez(str(file), x_train=labelled(4)[0], y_train=np.array(["a", "b"] * 2, dtype=object))
    with pytest.raises(DatasetError, match=r"'archive': its loader failed .*Object arrays cannot be loaded"):
        load_dataset(DatasetConfig(name="archive", path=file), seed=1)


def failing(path: str | None) -> dict[str, Any]:
    raise KeyError("no such table")


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (failing, "its loader failed with dataset.path=None .KeyError: 'no such table'"),
        (lambda path: labelled(30), "its loader must return a mapping of x_train, .*, got tuple"),
        (lambda path: {"images": 1}, "got 'images'"),
        (lambda path: {"x_train": labelled(30)[0]}, "without y_train"),
        (lambda path: {"x_train": labelled(30)[0], "y_train": [1, 2]}, "30 images in x_train and 2 labels"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_what_is_wrong_with_a_loader_names_its_data_set(loader: Any, message: str) -> None:
    register_dataset("mine", loader)
    with pytest.raises(DatasetError, match=f"mine.*{message}") as caught:
        load_dataset(DatasetConfig(name="mine"), seed=1)
    assert isinstance(caught.value.__cause__, KeyError) == (loader is failing)


@pytest.mark.parametrize(
    ("name", "loader", "message"),
    [
        ("digits", failing, "built in"),
        ("npz", failing, "built in"),
        ("my data", failing, "letters, digits and _"),
        (failing, None, "must be registered by name"),
        ("mine", {"x_train": 1}, "must be a function"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_names_that_are_taken_or_none_are_refused(name: Any, loader: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        register_dataset(name, loader)


def test_a_process_that_does_not_know_a_data_set_says_so() -> None:
    with pytest.raises(DatasetError, match="'mine' must be registered in every process"):
        load_dataset(DatasetConfig.model_construct(name="mine", path=None), seed=1)


# -- sizes, and data sets of Keras -------------------------------------------------------------------------------------


def test_sizes_of_built_in_data_are_known_without_loading() -> None:
    assert tuple(BUILT_IN) == BUILT_IN_DATASETS
    digits = load_dataset(DatasetConfig(), seed=1)
    assert image_shape_and_classes(DatasetConfig(), 1) == (digits.shape, digits.classes)
    assert image_shape_and_classes(DatasetConfig(name="cifar10"), 1) == ((32, 32, 3), 10)


def test_cifar10_is_here_where_keras_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for folder in ("cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"):
        (tmp_path / "datasets" / folder).mkdir(parents=True)
        (tmp_path / "datasets" / folder / "data_batch_1").write_bytes(b"images")
    cifar10 = DatasetConfig(name="cifar10")
    assert files_of(cifar10, TASKS[CLASSIFY], None)[1] == 0
    archive = tmp_path / "datasets/cifar-10-batches-py-target_archive"
    archive.write_bytes(b"all images")
    assert files_of(cifar10, TASKS[CLASSIFY], None) == (f"in {archive}", 10)


def test_sizes_of_other_data_come_from_the_data(tmp_path: Path) -> None:
    assert image_shape_and_classes(npz(tmp_path, train=labelled(75)), 1) == ((5, 4, 3), 3)


@pytest.mark.usefixtures("registry")
def test_data_of_ones_own_are_loaded_once_a_process_for_their_size() -> None:
    loaded: list[str | None] = []

    def load(path: str | None) -> dict[str, Any]:
        loaded.append(path)
        return dict(zip(("x_train", "y_train"), labelled(75), strict=True))

    register_dataset("counted", load)
    settings = {"dataset": {"name": "counted"}, "seed": 1}
    for _ in range(3):
        NASInterface({"depth": 1, "max_params": 10**6}, settings, tracker=NullTracker())
    assert loaded == [None]
    assert image_shape_and_classes(DatasetConfig(name="counted", path="b"), 1) == ((5, 4, 3), 3)
    assert loaded == [None, "b"]
    register_dataset("counted", lambda path: dict(zip(("x_train", "y_train"), labelled(75, ("a", "b")), strict=True)))
    assert image_shape_and_classes(DatasetConfig(name="counted"), 1) == ((5, 4, 3), 2)


def fashion_files(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Writes Fashion-MNIST's four IDX files with 100 and 20 images and gives what is in them."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.uint8]] = {}
    for prefix, split, count in (("train", "train", 100), ("t10k", "test", 20)):
        x = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        y = generator.permutation(np.arange(count, dtype=np.uint8) % 10)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">IIII", 2051, count, 28, 28) + x.tobytes())
        )
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">II", 2049, count) + y.tobytes())
        )
        arrays |= {f"x_{split}": x[..., np.newaxis], f"y_{split}": y}
    return arrays


FASHION = """
import shutil
import sys
import numpy as np
from hivenas.config import DatasetConfig
from hivenas.core.nas.data.datasets import image_shape_and_classes, load_dataset
from hivenas.errors import DatasetError
config = DatasetConfig(name="fashion_mnist")
try:
    sys.exit(str(load_dataset(config, seed=1)))
except DatasetError as error:
    print(error, file=sys.stderr)
shutil.copytree(sys.argv[2], sys.argv[3], dirs_exist_ok=True)
data = load_dataset(config, seed=1)
assert (data.shape, data.classes) == image_shape_and_classes(config, 1), data.shape
print(*data.class_names, sep="|")
names = [f"{kind}_{split}" for kind in "xy" for split in ("train", "val", "test")]
np.savez(sys.argv[1], **{name: getattr(data, name) for name in names})
"""


@pytest.mark.process
@pytest.mark.slow
def test_fashion_mnist_is_found_offline_and_where_it_is_not_the_place_for_its_files_is_said(tmp_path: Path) -> None:
    """In a process of its own, as Keras reads KERAS_HOME once; nothing can be downloaded there."""
    written = fashion_files(tmp_path / "files")
    offline = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    home, files = tmp_path / "home", (tmp_path / "files", tmp_path / "home/datasets/fashion-mnist")
    done = subprocess.run(
        [sys.executable, "-c", FASHION, str(tmp_path / "loaded.npz"), *map(str, files)],
        capture_output=True,
        text=True,
        env=os.environ | offline | {"KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=Path(__file__).parents[4],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dataset.name=fashion_mnist")]
    assert f"into the writable folder {home}/datasets" in line
    assert "fashion-mnist/ with train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images" in line
    assert "Debian's package dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist" in line
    names = done.stdout.splitlines()[-1].split("|")
    assert (names[0], names[6], names[9]) == ("T-shirt/top", "Shirt", "Ankle boot")
    loaded = np.load(tmp_path / "loaded.npz")
    assert np.array_equal(loaded["x_test"], written["x_test"])
    assert np.array_equal(loaded["y_test"], written["y_test"])
    assert len(loaded["x_train"]) == 80
    assert rows(loaded["x_train"], loaded["x_val"]) == rows(written["x_train"])
    assert np.bincount(loaded["y_val"]).tolist() == [2] * 10
