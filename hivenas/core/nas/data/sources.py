"""The sources of images: what each name of a data set reads, in the form that is then checked and split."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hivenas.config import ENCODED_DATASETS, FILE_DATASETS, DatasetConfig
from hivenas.config.registry import DATASETS
from hivenas.config.tasks import CLASSIFY, TASKS, LearningTask
from hivenas.core.files import user_path
from hivenas.core.nas.data.batches import by_split, drained
from hivenas.core.nas.data.built_in import BUILT_IN
from hivenas.core.nas.data.class_folders import folder_way_out, list_images
from hivenas.core.nas.data.image_arrays import ARRAYS, check_names
from hivenas.core.nas.data.image_table import is_elsewhere, list_table
from hivenas.core.nas.data.kept_figures import kept_beside
from hivenas.core.nas.data.label_kinds import LabelKind
from hivenas.core.nas.data.label_table import listed
from hivenas.core.nas.data.labelled_files import FileImages, Form, Listing, read_directly, stamps
from hivenas.core.nas.data.npz_files import read_npz
from hivenas.core.nas.data.placement import copies_folder, memory_budget
from hivenas.core.nas.data.prepared_copy import PreparedCopy
from hivenas.core.nas.data.stored_images import StoredImages
from hivenas.core.nas.data.tfrecords import list_records
from hivenas.core.nas.data.values import BYTES, Scale
from hivenas.errors import DatasetError, HivenasError, first_line


@dataclass(frozen=True, slots=True)
class Read:
    """All that was read of a data set.

    Args:
        arrays: x_train, y_train and those of other splits.
        scale: the values that stand for the bytes 0 and 255 in image files, where the source says so.
        left_out: how many files were not read, by the reason.
        transparent: how many images were laid over the background.
        kept: the beginning of the names of files in which what is computed of the images may be kept; None for those
            that are not mapped.
    """

    arrays: Mapping[str, Any]
    scale: Scale | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    transparent: int = 0
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class FileSource:
    """A source of encoded images.

    Args:
        list_files: lists them, given the section, the folder to which files from elsewhere are fetched, and the kind of
            labels.
        is_there: tells if `dataset.path` may be one, without reading it.
    """

    list_files: Callable[[DatasetConfig, Path, LearningTask], Listing]
    is_there: Callable[[Path], bool]


def _folder(config: DatasetConfig, downloads: Path, task: LearningTask) -> Listing:
    """Lists the images of class folders, or of a folder with a table of labels."""
    root, leave_out = _path(config), config.unread_images == "leave_out"
    kind: LabelKind = task.piece("labels")
    listing = listed(root, kind.of_row, required=task.needs_table, leave_out=leave_out)
    return listing or list_images(root, leave_out=leave_out)


FILE_SOURCES: Mapping[str, FileSource] = {
    "image_folder": FileSource(_folder, Path.is_dir),
    "image_table": FileSource(
        lambda config, downloads, task: list_table(str(config.path), downloads, task.piece("labels")), Path.is_file
    ),
    "tfrecord": FileSource(
        lambda config, downloads, task: list_records(_path(config), task.piece("labels")), Path.exists
    ),
}


def read_source(config: DatasetConfig, task: LearningTask) -> Read:
    """Reads what a data set names.

    Args:
        config: the `dataset` section of a configuration.
        task: what the labels are for.

    Raises:
        DatasetError: data that cannot be found or read.
        DiskFullError: there is no space for a copy.
    """
    if known := BUILT_IN.get(config.name):
        return Read(known.load(), known.scale)
    if config.name in ENCODED_DATASETS:
        images = _file_images(config, task)
        return Read(images.arrays, BYTES, images.left_out, images.transparent, kept=images.kept)
    if config.name == "npz":
        return _npz(config)
    return Read(_registered_arrays(config, task), config.scale)


def copy_of(config: DatasetConfig, task: LearningTask = TASKS[CLASSIFY]) -> PreparedCopy | None:
    """The prepared copy of a data set's images, made or not; None where there is none of such data, or none wanted.

    Raises:
        DatasetError: files that cannot be listed.
    """
    cache = copies_folder(config)
    if config.name not in ENCODED_DATASETS or cache is None:
        return None
    return PreparedCopy(cache, _listing(config, cache / "fetched", task), _form(config))


def files_of(config: DatasetConfig, task: LearningTask, copy: PreparedCopy | None) -> tuple[str, int]:
    """The files on this machine's disk that a data set is read from.

    Args:
        config: the `dataset` section of a configuration.
        task: what the labels are for.
        copy: see `copy_of`; what it has listed is not listed again.

    Returns:
        Where they are in words, and their bytes; nothing of a function's, and of those elsewhere.

    Raises:
        DatasetError: files that cannot be listed.
    """
    if config.name in ENCODED_DATASETS:
        size = copy.source_bytes if copy else int(stamps(_listing(config, Path(), task).all)[:, 0].clip(0).sum())
        named = "named in" if config.name == "image_table" else "in"
        return f"{named} {config.path}", size
    paths = [_path(config)] if config.name in FILE_DATASETS else []
    if known := BUILT_IN.get(config.name):
        paths = known.files
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return f"in {', '.join(map(str, paths))}", sum(file.stat().st_size for file in files)


def check_path(config: DatasetConfig) -> None:
    """Refuses a `dataset.path` where no file or folder of images is, without reading any.

    Raises:
        DatasetError: names the path and what a relative one starts from.
    """
    if config.name not in FILE_DATASETS or (config.name == "image_table" and is_elsewhere(str(config.path))):
        return
    source = FILE_SOURCES.get(config.name)
    path = _path(config)
    if not (source.is_there if source else Path.is_file)(path):
        origin = "" if path.is_absolute() else f" in {Path.cwd()}, where the command runs"
        way_out = folder_way_out(path) if config.name == "image_folder" else "correct the path"
        raise DatasetError(
            f"dataset.path must be an existing {FILE_DATASETS[config.name]}, got {config.path!r}{origin}; {way_out}"
        )


def _file_images(config: DatasetConfig, task: LearningTask) -> FileImages:
    copy = copy_of(config, task)
    if copy is not None:
        return copy.images()
    with tempfile.TemporaryDirectory(prefix="hivenas-") as downloads:
        return read_directly(_listing(config, Path(downloads), task), _form(config))


def _listing(config: DatasetConfig, downloads: Path, task: LearningTask) -> Listing:
    kind: LabelKind = task.piece("labels")
    return replace(FILE_SOURCES[config.name].list_files(config, downloads, task), are_classes=kind.are_classes)


def _form(config: DatasetConfig) -> Form:
    leave_out = config.unread_images == "leave_out"
    return Form(size=config.image_size, background=config.background_rgb, leave_out=leave_out)


def _path(config: DatasetConfig) -> Path:
    return user_path(str(config.path))


def _npz(config: DatasetConfig) -> Read:
    cache = copies_folder(config)
    arrays = read_npz(str(config.path), memory_budget(config), cache)
    stay = all(isinstance(array, StoredImages) for name, array in arrays.items() if name.startswith("x_"))
    return Read(arrays, config.scale, kept=kept_beside(_path(config), cache) if cache and stay else None)


def _registered_arrays(config: DatasetConfig, task: LearningTask) -> Mapping[str, Any]:
    origin = f"data set {config.name!r}"
    if config.name not in DATASETS:
        raise DatasetError(f"{origin} must be registered in every process, got none; import the module that does it")
    try:
        arrays = DATASETS[config.name](config.path)
        if (batches := by_split(arrays)) is not None:
            in_rows = not task.piece("labels").are_classes
            arrays = drained(origin, batches, memory_budget(config), copies_folder(config), in_rows=in_rows)
        elif isinstance(arrays, Mapping):
            arrays = dict(arrays)  # read here, where the mapping is an npz file
    except HivenasError:
        raise
    except Exception as error:
        raise DatasetError(
            f"{origin}: its loader failed with dataset.path={config.path!r} ({first_line(error)}); correct the path or "
            "the loader"
        ) from error
    if not isinstance(arrays, Mapping):
        raise DatasetError(
            f"{origin}: its loader must return a mapping of {', '.join(ARRAYS)}, got {type(arrays).__name__}; name the "
            "arrays"
        )
    check_names(origin, arrays)
    return arrays
