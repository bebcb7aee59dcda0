"""Class folders: the images in them, and a count of whatever else is there: nothing is left out without a word."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hivenas.config.text import nearest
from hivenas.core.folder import LEDGER
from hivenas.core.nas.data.decoding import EXTENSIONS, sniffed_format
from hivenas.core.nas.data.labelled_files import LEAVE_OUT, Listing
from hivenas.core.nas.data.placement import COPIES
from hivenas.errors import DatasetError

SPLIT_FOLDERS: Mapping[str, str] = MappingProxyType(
    {"train": "train", "val": "val", "validation": "val", "test": "test"}
)
ARCHIVES = ("zip", "tar", "tgz", "gz", "bz2", "xz", "zst", "7z", "rar")
TABLES = ("csv", "tsv", "json", "jsonl", "parquet", "xls", "xlsx", "xml", "txt")
# Images and arrays that are not read: left out without a word, they would be missing from their class.
_OTHER_EXTENSIONS = frozenset(
    (
        *("apng", "avif", "avifs", "heic", "heif", "hif", "jxl", "jp2", "j2k", "jpf", "jpx", "svg", "svgz", "psd"),
        *("tga", "pbm", "pgm", "pnm", "ppm", "pfm", "pcx", "dds", "exr", "hdr", "qoi", "sgi", "xbm", "xpm", "eps"),
        *("dcm", "dicom", "nii", "mha", "nrrd", "fits", "svs", "ndpi", "czi", "raw", "dng", "cr2", "cr3", "nef", "arw"),
        *("orf", "rw2", "raf"),
    )
)
# Images within class folders, and beside them what the folders were unpacked from or what is known of them.
_ARRAYS = ("npy", "npz", "h5", "hdf5", "mat", "tfrecord")
_OF_SYSTEMS = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "#recycle", "$recycle.bin"),
        *("system volume information", "lost+found", "__pycache__"),
    )
)
_OF_RUNS = ("mlruns", "mlartifacts")
_BESIDE, _NESTED, _BROKEN = "beside the class folders", "in folders within class folders", "broken link"
_OWN_FOLDERS = "put the images of each class into a folder of its own"
_SHOWN = 6


def list_images(root: Path, *, leave_out: bool = False) -> Listing:
    """Lists the images of class folders, or of train[, val, test] with class folders in each.

    Args:
        root: the folder. Hidden files, those of operating systems and those that are no images are counted and ignored.
        leave_out: whether images that are not read are counted and left out, too, instead of refused.

    Raises:
        DatasetError: folders of another layout, an empty class, images that would not be read.
    """
    survey = _Survey()
    splits = _split_folders(root)
    files = {split: survey.class_files(folder) for split, folder in splits.items()}
    if root not in splits.values():
        survey.look_beside(root)
    if survey.unread and not leave_out:
        raise unread_refusal(survey.unread)
    if survey.empty:
        folder, others = survey.empty[0]
        raise DatasetError(
            f"{folder}: a class folder must hold images ({', '.join(EXTENSIONS)}), got none{_but(others)}; add some or "
            "remove it"
        )
    return Listing(str(root), files, Counter(each.kind for each in survey.unread) + survey.ignored)


def folder_way_out(path: Path) -> str:
    """The advice to whoever gave a path at which there is no folder."""
    if path.is_file() and extension(path) in ARCHIVES:
        return "unpack it and give the folder"
    if path.is_file() and extension(path) in TABLES:
        return f"set dataset.name to image_table for a table of image files, or {_OWN_FOLDERS} and give their folder"
    return "correct the path"


def counted(kinds: Mapping[str, int]) -> str:
    """Counts with their kinds in a line, the most frequent first."""
    ranked = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count:,} {kind}" for kind, count in ranked[:_SHOWN]]
    rest = sum(count for _, count in ranked[_SHOWN:])
    return ", ".join([*shown, f"{rest:,} others"] if rest else shown)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that looks like an image and would not be read.

    Args:
        file: where it is.
        kind: what it is, as it is counted.
        within: for one in a folder within a class folder, the class folder.
        alone: whether that is the only one.
    """

    file: Path
    kind: str
    within: Path | None = None
    alone: bool = False


@dataclass(slots=True)
class _Survey:
    """Notes what is in folders beside the images that are read.

    Args:
        unread: files that look like images.
        ignored: how many others there are of each kind.
        empty: class folders without an image that is read, and what is in them instead.
    """

    unread: list[Unread] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    empty: list[tuple[Path, Mapping[str, int]]] = field(default_factory=list)

    def class_files(self, folder: Path) -> list[tuple[Path, str]]:
        """The image files of every class folder, with its name."""
        classes = subfolders(folder)
        if not classes:
            raise _without_classes(folder)
        self.look_beside(folder)
        return [(file, sub.name) for sub in classes for file in self._image_files(sub, alone=len(classes) == 1)]

    def look_beside(self, folder: Path) -> None:
        """Notes what is in a folder beside the folders that belong there."""
        for entry in _entries(folder):
            if not is_users(entry):
                self.ignored[_named(entry)] += 1
            elif not entry.is_dir():
                kind = _BESIDE if extension(entry) in EXTENSIONS else kind_of_unread(entry, beside=True)
                self._note(Unread(entry, kind if kind in ("", _BROKEN) else _BESIDE))

    def _image_files(self, folder: Path, *, alone: bool) -> list[Path]:
        before, files = self.ignored.copy(), []
        for entry in _entries(folder):
            if not is_users(entry):
                self.ignored[_named(entry)] += 1
            elif entry.is_dir():
                for file in files_below(entry):
                    is_image = extension(file) in EXTENSIONS or kind_of_unread(file)
                    self._note(Unread(file, _NESTED if is_image else "", folder, alone))
            elif extension(entry) in EXTENSIONS:
                files.append(entry)
            else:
                self._note(Unread(entry, kind_of_unread(entry)))
        if not files:
            self.empty.append((folder, self.ignored - before))
        return files

    def _note(self, each: Unread) -> None:
        if each.kind:
            self.unread.append(each)
        else:
            self.ignored[_named(each.file)] += 1


def unread_refusal(unread: Sequence[Unread]) -> DatasetError:
    """The refusal of images that would not be read, in one line.

    Args:
        unread: one of them at least.
    """
    first = unread[0]
    kinds = counted(Counter(each.kind for each in unread))
    way_out = f"or leave out what is not read ({kinds}) with {LEAVE_OUT}"
    if first.kind == _BESIDE:
        return DatasetError(
            f"{first.file}: images must be in class folders, got one beside them; move it into that of its class, "
            f"{way_out}"
        )
    if first.within is None:
        return DatasetError(
            f"{first.file}: images must be {', '.join(EXTENSIONS)}, got {first.kind}; convert it, rename it or move it "
            f"away, {way_out}"
        )
    inner = first.file.relative_to(first.within).parts[0]
    path = f", set dataset.path to {first.within}" if first.alone else ""
    return DatasetError(
        f"{first.within}: a class folder must hold images, got the folder {inner!r} in it; move its images up{path}, "
        f"name the folders of the splits train, val and test, {way_out}"
    )


def _without_classes(folder: Path) -> DatasetError:
    there = _entries(folder)
    archives = [entry.name for entry in there if extension(entry) in ARCHIVES]
    tables = [entry.name for entry in there if extension(entry) in TABLES]
    way_out = _OWN_FOLDERS
    if archives:
        way_out = f"unpack {archives[0]}, and {way_out}"
    elif tables:
        way_out += f", set dataset.name to image_table and dataset.path to {folder / tables[0]}, or name it labels.csv"
    found = _but(Counter(map(_named, there))) if there else ", it is empty"
    return DatasetError(f"{folder}: there must be class folders in it, got none{found}; {way_out}")


def kind_of_unread(file: Path, *, beside: bool = False) -> str:
    """The kind of image data in a file that is not read for its name; empty for other files.

    Args:
        file: where it is.
        beside: whether it lies beside the folders of images, where archives and arrays are what these came from.

    Raises:
        DatasetError: a file that may not be read.
    """
    if extension(file) in (*ARCHIVES, *_ARRAYS):
        return "" if beside else _shown_suffix(file)
    if extension(file) in _OTHER_EXTENSIONS:
        return _shown_suffix(file)
    if not file.is_file():
        return _BROKEN if file.is_symlink() else ""
    try:
        found = sniffed_format(file)
    except FileNotFoundError:  # of a search that is at work
        return ""
    except OSError as error:
        raise DatasetError(
            f"{file}: every file in the folder must be readable, got {error.strerror}; allow it or move it away"
        ) from error
    return found and f"{found} data {f'named {_shown_suffix(file)}' if file.suffix else 'without an extension'}"


def _named(entry: Path) -> str:
    """The name by which a file that is ignored is counted."""
    if entry.name.startswith("."):
        return "hidden"
    if not is_users(entry):
        return "of the operating system"
    return _shown_suffix(entry).lower() or "without an extension"


def _shown_suffix(file: Path) -> str:
    """The extension, also where its bytes are no Unicode, which no record could hold."""
    return file.suffix.encode("utf-8", "backslashreplace").decode()


def _but(others: Mapping[str, int]) -> str:
    return f" but {counted(others)}" if others else ""


def extension(file: Path) -> str:
    """The extension by which a file's kind is known, in small letters and without the dot."""
    return file.suffix.lower().lstrip(".")


def is_users(entry: Path) -> bool:
    """False for hidden entries and those that operating systems make."""
    return not entry.name.startswith(".") and entry.name.lower() not in _OF_SYSTEMS


def _is_of_runs(folder: Path) -> bool:
    """True for the results of a search, and for what MLflow keeps of runs: written while images are read."""
    with contextlib.suppress(OSError):
        return folder.name in _OF_RUNS or (folder / LEDGER).is_file()
    return False


def _holds_runs(folder: Path) -> bool:
    """True for a folder without images whose folders are all of runs, or that holds prepared copies alone."""
    folders: list[Path] = []
    files: list[Path] = []
    has_copies = False
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if extension(Path(entry.name)) in EXTENSIONS:  # of a class, which may have very many
                return False
            if is_users(Path(entry.name)):
                (folders if entry.is_dir() else files).append(Path(entry.path))
            else:
                has_copies |= entry.name == COPIES and entry.is_dir()
    if not folders:  # a class that lost its images must not vanish for a hidden folder in it
        return has_copies and not files
    return all(map(_is_of_runs, folders)) and not any(map(_is_image, files))


def _is_image(file: Path) -> bool:
    """True for a file that looks like an image by its name or its content."""
    with contextlib.suppress(OSError, DatasetError):
        return kind_of_unread(file, beside=True) not in ("", _BROKEN)
    return False


def _split_folders(root: Path) -> dict[str, Path]:
    folders = subfolders(root)
    names = [folder.name for folder in folders]
    # A class may be called train: only folders of folders are splits.
    if not (root / "train" in folders and subfolders(root / "train")):
        if are_splits_alone(folders):
            raise DatasetError(
                f"{root}: the folders of splits must hold class folders, got {', '.join(names)} with images; "
                f"{_OWN_FOLDERS} within them, or write a table labels.csv that begins with file,label,split"
            )
        return {"train": root}
    for name in names:
        if name not in SPLIT_FOLDERS:
            raise DatasetError(
                f"{root}: beside train there may be {', '.join(list(SPLIT_FOLDERS)[1:])}, got the folder {name!r}"
                f"{nearest(name, SPLIT_FOLDERS)}; rename it or move it away"
            )
    if {"val", "validation"} <= set(names):
        raise DatasetError(f"{root}: there must be one validation split, got val and validation; remove one of them")
    return {SPLIT_FOLDERS[folder.name]: folder for folder in folders}


def are_splits_alone(folders: Sequence[Path]) -> bool:
    """True where several folders are named as splits are, and hold no folders."""
    named = [folder for folder in folders if folder.name in SPLIT_FOLDERS and not subfolders(folder)]
    return len(folders) > 1 and len(named) == len(folders)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are the user's, by name, but for those of searches."""
    found = [entry for entry in _entries(folder) if is_users(entry) and entry.is_dir()]
    return [entry for entry in found if not _is_of_runs(entry) and not _holds_runs(entry)]


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and in all folders below it that are the user's, by name, but for those of searches."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_users(Path(name)) and not _is_of_runs(Path(place, name)))
        yield from (Path(place, name) for name in sorted(names))


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder, by code point: the order must not depend on the machine."""
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{folder}: dataset.path must be a folder that can be read, got {error.strerror}; correct the path"
        ) from error
