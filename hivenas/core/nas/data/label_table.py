"""A table of labels beside images, `labels.csv`: which files, with which labels, in which splits."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hivenas.config.text import nearest
from hivenas.core.nas.data.class_folders import (
    SPLIT_FOLDERS,
    Unread,
    are_splits_alone,
    extension,
    files_below,
    is_users,
    kind_of_unread,
    subfolders,
    unread_refusal,
)
from hivenas.core.nas.data.decoding import EXTENSIONS
from hivenas.core.nas.data.image_arrays import SPLITS
from hivenas.core.nas.data.labelled_files import LEAVE_OUT, Label, Listing
from hivenas.errors import DatasetError
from hivenas.wording import number_of

TABLE = "labels.csv"
FILE, SPLIT = "file", "split"
_WITHOUT_ROW = "without a row"

# From the names of the columns of labels and their texts to the label.
OfRow = Callable[[Sequence[str], Sequence[str]], Label]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table.

    Args:
        place: file and line of the table, for errors.
        file: of the image, relative to the folder.
        label: a text or a number.
        split: train, val or test.
    """

    place: str
    file: PurePosixPath
    label: Label
    split: str


def listed(root: Path, of_row: OfRow, *, required: bool, leave_out: bool = False) -> Listing | None:
    """The images of a folder with a table of labels, `file,label…[,split]`, in the table's order.

    Args:
        root: the folder; files in the table are relative to it, and may be in folders in it.
        of_row: makes the label of a row; what is wrong with it is a ValueError.
        required: whether there must be a table. Else folders in the folder are classes, and the table counts only where
            there are none, or where they are train and test with images in them.
        leave_out: whether images without a row, of whatever format, are counted and left out instead of refused.

    Returns:
        None where there is no table, and none is required.

    Raises:
        DatasetError: the rule, what was found and the way out.
    """
    table = root / TABLE
    if not required:
        folders = subfolders(root)
        if not table.is_file() or (folders and not are_splits_alone(folders)):
            return None
    if not table.is_file():
        raise DatasetError(
            f"{root}: there must be a table {TABLE} of labels in it for this task, got none; write one that begins "
            "with the line file,label"
        )
    rows = list(_rows(table, of_row))
    _refuse_missing(root, rows)
    splits = [split for split in SPLITS if any(row.split == split for row in rows)]
    if "train" not in splits:
        raise DatasetError(
            f"{table}: there must be a row of the split train, got {number_of(len(rows), 'row')} without; add some"
        )
    without = _images_without(root, {row.file for row in rows})
    if without and not leave_out:
        raise _without_refusal(table, without)
    files = {split: [(root / row.file, row.label) for row in rows if row.split == split] for split in splits}
    return Listing(str(root), files, Counter(each.kind for each in without))


def _rows(table: Path, of_row: OfRow) -> Iterator[_Row]:
    seen: dict[PurePosixPath, str] = {}
    lines = _lines(table)
    header = _header(table, next(lines, (1, []))[1])
    for number, cells in lines:
        place = f"{table}, line {number}"
        if len(cells) != len(header):
            raise DatasetError(
                f"{place}: a row must have {len(header)} cells, as the first line has, got {len(cells)}; correct it, "
                "and put text with commas between quotes"
            )
        named = dict(zip(header, cells, strict=True))
        file, split = _file_of(place, named.pop(FILE)), _split_of(place, named.pop(SPLIT, "train"))
        if file in seen:
            raise DatasetError(f"{place}: an image must have one row, got {file} also on {seen[file]}; leave one")
        seen[file] = f"line {number}"
        yield _Row(place, file, _label_of(place, of_row, named), split)


def _lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers; cells without the spaces around them."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{table}: the table must be UTF-8 text with commas between cells, got one that cannot be read ({error}); "
            "save it so"
        ) from error


def _header(table: Path, names: Sequence[str]) -> Sequence[str]:
    shown = ",".join(names) or "nothing"
    if not names or names[0] != FILE or not [name for name in names[1:] if name != SPLIT]:
        raise DatasetError(
            f"{table}: the first line must be {FILE},label, the names of the columns, got {shown}; write such a line"
        )
    twice = [name for name, count in Counter(names).items() if count > 1 or not name]
    if twice:
        raise DatasetError(f"{table}: columns must have names of their own, got {shown}; rename {twice[0]!r}")
    return names


def _file_of(place: str, given: str) -> PurePosixPath:
    file = PurePosixPath(given.replace("\\", "/") if os.sep == "\\" else given)
    if not given or file.is_absolute() or ".." in file.parts:
        raise DatasetError(f"{place}: a file must be in the folder of the table, got {given!r}; name it from there")
    return file


def _split_of(place: str, given: str) -> str:
    if given not in SPLIT_FOLDERS:
        raise DatasetError(
            f"{place}: {SPLIT} must be {', '.join(SPLITS)}, got {given!r}{nearest(given, SPLIT_FOLDERS)}; correct it, "
            "or leave the column out"
        )
    return SPLIT_FOLDERS[given]


def _label_of(place: str, of_row: OfRow, named: Mapping[str, str]) -> Label:
    try:
        return of_row(tuple(named), tuple(named.values()))
    except ValueError as error:
        raise DatasetError(f"{place}: a row {error}") from None


def _refuse_missing(root: Path, rows: Sequence[_Row]) -> None:
    missing = [row for row in rows if not (root / row.file).is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DatasetError(
            f"{missing[0].place}: the file must be there, got {missing[0].file}, which is not{more}; add it, or leave "
            "the row out"
        )


def _images_without(root: Path, known: set[PurePosixPath]) -> list[Unread]:
    """Images in the folder, or in folders in it, that are the user's and have no row, also such as are not read."""
    found = []
    for file in files_below(root):
        if is_users(file) and PurePosixPath(file.relative_to(root).as_posix()) not in known:
            is_read = extension(file) in EXTENSIONS
            kind = _WITHOUT_ROW if is_read else kind_of_unread(file, beside=file.parent == root)
            found += [Unread(file, kind)] if kind else []
    return found


def _without_refusal(table: Path, without: Sequence[Unread]) -> DatasetError:
    """The images without a row, in one line; of those that are not read, what they are."""
    first = next((each for each in without if each.kind == _WITHOUT_ROW), None)
    if first is None:
        return unread_refusal(without)
    return DatasetError(
        f"{table}: every image of the folder must have a row, got {len(without)} without, such as "
        f"{first.file.relative_to(table.parent)}; add it, move it away, or leave such out with {LEAVE_OUT}"
    )
