"""The data sets: raw images split into training, validation and test, loaded in the process that trains."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from hivenas.config import BUILT_IN_DATASETS, FILE_DATASETS, DatasetConfig
from hivenas.config.registry import DATASETS
from hivenas.config.tasks import CLASSIFY, TASKS
from hivenas.core.nas.data.built_in import BUILT_IN
from hivenas.core.nas.data.image_arrays import LabelledImages, Labels
from hivenas.core.nas.data.kept_figures import Figures, kept_figures
from hivenas.core.nas.data.label_kinds import LabelKind
from hivenas.core.nas.data.memory import kept_bytes
from hivenas.core.nas.data.moments import channel_moments
from hivenas.core.nas.data.placement import memory_budget
from hivenas.core.nas.data.remarks import LabelledSplit, remarks
from hivenas.core.nas.data.sameness import digest_of, other_data, unchanged
from hivenas.core.nas.data.sources import read_source
from hivenas.core.nas.data.splits import Labelled, split
from hivenas.core.nas.data.stored_images import Images, StoredImages, in_memory
from hivenas.core.nas.data.values import Scale, check_scale, known_scale, refuse_alike
from hivenas.errors import ConfigError

Loader = Callable[[str | None], Mapping[str, Any] | Iterable[Any]]
L = TypeVar("L", bound=Loader)


@dataclass(frozen=True)
class Dataset:
    """Raw images and labels, split; what is computed from them comes from the training split alone, and once.

    Args:
        name: as in the configuration.
        x_train, x_val, x_test: images (count, height, width, channels) with the values that the source gives; arrays,
            or `StoredImages` where they are more than `dataset.memory_mb` allows.
        y_train, y_val, y_test: classes as whole numbers from 0; of other tasks rows (count, outputs) of float32.
        classes: number of classes, or of outputs.
        class_names: what the source calls them, in their order.
        scale: the values that stand for the bytes 0 and 255 in image files; None where nobody has said.
        background: what transparent pixels of image files become.
        left_out: how many files were not read, by the reason.
        transparent: how many images were laid over the background.
        task: what the labels are for.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_val: Images
    y_val: Labels
    x_test: Images
    y_test: Labels
    classes: int
    class_names: tuple[str, ...]
    scale: Scale | None = None
    background: tuple[int, int, int] = (255, 255, 255)
    left_out: Mapping[str, int] = field(default_factory=dict)
    transparent: int = 0
    task: str = CLASSIFY

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.x_train.shape[1:]
        return int(height), int(width), int(channels)

    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and variance of every channel over the training split."""
        return self._moments

    def digest(self) -> str:
        """A hash of every image and label, in order: the same data give the same digest on every machine."""
        return self._digest

    def test_digest(self) -> str:
        """A hash of the test split and the classes: models of equal ones are comparable by their test accuracy."""
        return digest_of(self.x_test, self.y_test, np.array(self.class_names, dtype=np.str_))

    @functools.cached_property
    def _moments(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mean, variance = channel_moments(self.x_train)
        return mean.astype(np.float32), variance.astype(np.float32)

    @functools.cached_property
    def _digest(self) -> str:
        return digest_of(self.x_train, self.y_train, self.x_val, self.y_val, self.x_test, self.y_test)

    def describe(self) -> dict[str, Any]:
        """Describe the data for the records: name, digests, images and their values, classes, size of each split."""
        return {
            "name": self.name,
            "digest": self.digest(),
            "test_digest": self.test_digest(),
            "shape": list(self.shape),
            "dtype": str(self.x_train.dtype),
            "lowest": float(self.x_train.min()),
            "highest": float(self.x_train.max()),
            "classes": self.classes,
            "class_names": list(self.class_names),
            "train": len(self.x_train),
            "validation": len(self.x_val),
            "test": len(self.x_test),
            "scale": self.scale and list(self.scale),
            "background": list(self.background),
            "left_out": dict(self.left_out),
            "transparent": self.transparent,
            "remarks": self.remarks(),
            **TASKS[self.task].marks,
        }

    def stored(self) -> dict[str, Any]:
        """Describe what stays on the disk: as `stored` the images' bytes and their files; nothing where all is read."""
        there = [x for x in (self.x_train, self.x_val, self.x_test) if isinstance(x, StoredImages)]
        files = sorted({str(x.file) for x in there if x.file})
        return {"stored": {"bytes": sum(x.nbytes for x in there), "files": files}} if there else {}

    def remarks(self) -> list[str]:
        """Lines on what may mislead whoever trains on the data; none of those that everybody knows."""
        if self.name in BUILT_IN:
            return []
        train, val = LabelledSplit(self.x_train, self.y_train), LabelledSplit(self.x_val, self.y_val)
        kind: LabelKind = TASKS[self.task].piece("labels")
        names = self.class_names if kind.are_classes else ()
        labels = self.class_names if kind.may_be_none else ()
        return remarks(train, val, LabelledSplit(self.x_test, self.y_test), names, labels)


@overload
def register_dataset(name: str) -> Callable[[L], L]: ...
@overload
def register_dataset(name: str, loader: L) -> L: ...
def register_dataset(name: str, loader: L | None = None) -> L | Callable[[L], L]:
    """Makes a data set of one's own known as `dataset.name`; without a loader, a decorator of one.

    Args:
        name: letters, digits and _.
        loader: takes `dataset.path` (None where it is not given) and returns a mapping of arrays named as in an npz
            file: x_train, y_train[, x_val, y_val, x_test, y_test]. Where val is given it is the validation split;
            where test is missing a fifth becomes the test split, of classes a fifth of each. Instead of arrays it may
            return pairs (x, y) of batches, which are gone through once: a tf.data.Dataset, a keras.utils.PyDataset, an
            iterator, or a mapping of such named train[, val, test]. It is called in every process that trains, and once
            before them all, so it must return the same arrays in the same order every time: other ones are refused.

    Returns:
        The loader.

    Raises:
        ConfigError: not a name, one that is taken, or not a function.
    """
    return DATASETS.register(name, loader, (*BUILT_IN_DATASETS, *FILE_DATASETS), _check_loader)


def _check_loader(name: str, loader: object) -> None:
    if not callable(loader):
        raise ConfigError(f"the loader of data set {name!r} must be a function of a path, got {loader!r}; pass one")
    _loaded.cache_clear()  # an interactive session may register another loader under the name


def load_dataset(config: DatasetConfig, seed: int, task: str = CLASSIFY) -> Dataset:
    """Loads a data set and holds out the splits that it does not bring along, stratified by class.

    Args:
        config: the `dataset` section of a configuration.
        seed: the run's seed; it decides which training images are held out or left out.
        task: what the labels are for.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on.
        DiskFullError: there is no space for a prepared copy.
    """
    origin = config.name if config.path is None else f"{config.name} {config.path}"
    kind: LabelKind = TASKS[task].piece("labels")
    with unchanged(config):
        read = read_source(config, TASKS[task])
        given = LabelledImages.checked(origin, read.arrays, kind.reader)
    names = given.class_names
    known = BUILT_IN.get(config.name)
    if known and known.class_names:
        names = tuple(known.class_names[int(label)] for label in names)
    parts = split(origin, config, given, names, seed=seed, draw=kind.draw)
    train, val, test = _held(parts, memory_budget(config))
    refuse_alike(origin, train[0], str(config.background) if read.transparent else "")
    if config.scale:
        for name, (images, _) in {"training": train, "validation": val, "test": test}.items():
            check_scale(f"{origin}: the {name} images", images, config.scale)
    data = Dataset(
        config.name,
        *train,
        x_val=val[0],
        y_val=val[1],
        x_test=test[0],
        y_test=test[1],
        classes=len(names),
        class_names=names,
        scale=read.scale or known_scale(train[0]),
        background=config.background_rgb,
        left_out=read.left_out,
        transparent=read.transparent,
        task=task,
    )
    if read.kept:
        drawn = digest_of(*(x.rows for x, _ in parts if isinstance(x, StoredImages)), *(y for _, y in parts))
        file = read.kept.with_name(f"{read.kept.name}-{drawn}.json")
        figures = kept_figures(file, lambda: Figures(data.digest(), *data.statistics()))
        vars(data).update(_digest=figures.digest, _moments=(figures.mean, figures.variance))
    return data


def _held(splits: tuple[Labelled, Labelled, Labelled], budget: float) -> tuple[Labelled, Labelled, Labelled]:
    """The splits with stored images read into memory, where that and what training makes of them fit a budget."""
    train, val, _ = splits
    values = sum(math.prod(x.shape) for x, _ in (train, val))
    if kept_bytes(sum(x.nbytes for x, _ in splits), values) > budget:
        return splits
    train, val, test = ((in_memory(x), y) for x, y in splits)
    return train, val, test


def describe_dataset(config: DatasetConfig, seed: int, task: str = CLASSIFY) -> dict[str, Any]:
    """Describe a data set for people; built-in ones are not loaded, of them the counts are given.

    Args:
        config: the `dataset` section of a configuration.
        seed: the run's seed.
        task: what the labels are for.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on; a loader that gives others when it is called
            again.

    Returns:
        As `Dataset.describe`, and `Dataset.stored`.
    """
    if config.name not in BUILT_IN:
        data = load_dataset(config, seed, task)
        if config.name in DATASETS and (again := load_dataset(config, seed, task).digest()) != data.digest():
            raise other_data(config, first=data.digest(), now=again)
        return {**data.describe(), **data.stored()}
    known = BUILT_IN[config.name]
    used = min(known.train, config.train_limit or known.train)
    validation = max(1, round(used * config.validation_split))
    sizes = {"train": used - validation, "validation": validation, "test": known.test}
    return {"name": config.name, "shape": list(known.shape), "classes": known.classes, **sizes, "remarks": []}


def class_names(config: DatasetConfig, seed: int, task: str = CLASSIFY) -> tuple[str, ...]:
    """The names of the classes; built-in data sets are not loaded for it.

    Args:
        config: the `dataset` section of a configuration.
        seed: the run's seed.
        task: what the labels are for.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on.
    """
    known = BUILT_IN.get(config.name)
    if known is None:
        return _loaded(config, seed, task)[2]
    return known.class_names or tuple(str(code) for code in range(known.classes))


def image_shape_and_classes(config: DatasetConfig, seed: int, task: str = CLASSIFY) -> tuple[tuple[int, int, int], int]:
    """Height, width and channels of the images and the number of classes; built-in data sets are not loaded for it.

    Args:
        config: the `dataset` section of a configuration.
        seed: the run's seed.
        task: what the labels are for.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on.
    """
    known = BUILT_IN.get(config.name)
    return (known.shape, known.classes) if known else _loaded(config, seed, task)[:2]


@functools.lru_cache(maxsize=16)
def _loaded(config: DatasetConfig, seed: int, task: str) -> tuple[tuple[int, int, int], int, tuple[str, ...]]:
    """Shape of an image, number and names of the classes, of data that are loaded for that once a search.

    Every interface asks, and equal settings mean the same images until another command begins in this process.
    """
    data = load_dataset(config, seed, task)
    return data.shape, data.classes, data.class_names


def look_anew() -> None:
    """Forgets what was found of data: they may be others by now."""
    _loaded.cache_clear()
