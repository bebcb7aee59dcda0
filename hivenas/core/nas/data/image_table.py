"""Tables of image files: csv or parquet with the columns path, label and, if there are several, split."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivenas.config.text import nearest
from hivenas.core.files import user_path, written_whole
from hivenas.core.nas.data.class_folders import SPLIT_FOLDERS
from hivenas.core.nas.data.decoding import AnyFile, PassingReadError
from hivenas.core.nas.data.label_kinds import LabelKind
from hivenas.core.nas.data.labelled_files import Label, Listing
from hivenas.errors import DatasetError, first_line

COLUMNS = ("path", "label")
SPLIT = "split"
_NEAR = 0.8  # of a misspelt `split`; `slide` and `site` are columns of their own
_ELSEWHERE = "://"
_OF_EXTRA = ("s3", "s3a", "gs", "gcs", "http", "https")  # for which the extra `remote` brings what fsspec needs
Column = Sequence[Any]


def is_elsewhere(path: str) -> bool:
    """True for the address of a file in another place than this machine's folders, such as s3://bucket/images.csv."""
    return _ELSEWHERE in path


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image file elsewhere, fetched once when it is first read; it is taken to stay what it is.

    Args:
        address: as fsspec takes it.
        folder: to which it is fetched.
    """

    address: str
    folder: Path

    def __str__(self) -> str:
        return self.address

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            DatasetError: it cannot be fetched.
        """
        file = self.folder / hashlib.sha256(self.address.encode()).hexdigest()
        if not file.exists():
            with written_whole(file) as temporary:
                temporary.write_bytes(fetched(self.address))
        return file.read_bytes()

    def stamp(self) -> tuple[int, int]:
        """Nothing is known of it without asking for every one."""
        return 0, 0


def list_table(path: str, downloads: Path, kind: LabelKind) -> Listing:
    """Lists the image files of a table.

    Args:
        path: of the table, in a folder or elsewhere; relative paths in it start from where it is, and on the web get
            the query of its address.
        downloads: the folder to which files from elsewhere are fetched.
        kind: of the labels.

    Raises:
        DatasetError: a table that cannot be read or is empty, a missing column, one that is called almost as that of
            splits, a row without a label or of another split.
    """
    content = fetched(path) if is_elsewhere(path) else _read(user_path(path))
    columns = _columns(path, content)
    rows = len(columns[COLUMNS[0]])
    if not rows:
        raise DatasetError(f"{path}: the table must have a row for each image, got none; add some")
    for name, column in columns.items():
        may_be_empty = name == COLUMNS[1] and kind.may_be_none
        empty = [row for row, value in enumerate(column) if value is None or (value == "" and not may_be_empty)]
        if empty:
            raise DatasetError(
                f"{path}: every row must have a {name}, got {len(empty)} without one, such as row {empty[0] + 1}; "
                "complete or remove them"
            )
    folder = downloads / hashlib.sha256(content).hexdigest()[:16]
    try:
        labels = kind.of_column(columns[COLUMNS[1]])
    except ValueError as error:
        raise DatasetError(f"{path}: every row {error}") from None
    files: dict[str, list[tuple[AnyFile, Label]]] = {"train": []}
    splits = columns.get(SPLIT, ["train"] * rows)
    seen: dict[str, int] = {}
    for row, (name, label, split) in enumerate(zip(columns[COLUMNS[0]], labels, splits, strict=True), 1):
        if split not in SPLIT_FOLDERS:
            raise DatasetError(
                f"{path}: split must be {', '.join(SPLIT_FOLDERS)}, got {split!r} in row {row}"
                f"{nearest(str(split), SPLIT_FOLDERS)}; correct it"
            )
        file = _file(path, str(name), folder)
        if (first := seen.setdefault(os.path.normpath(str(file)), row)) != row:
            raise DatasetError(f"{path}: an image must have one row, got {name} in row {first} and {row}; leave one")
        files.setdefault(SPLIT_FOLDERS[split], []).append((file, label))
    if not files["train"]:
        raise DatasetError(f"{path}: there must be rows of the split train, got none; add some")
    remote = any(isinstance(file, RemoteImage) for labelled in files.values() for file, _ in labelled)
    return Listing(path, files, {}, folder if remote else None)


def fetched(address: str) -> bytes:
    """The bytes of a file elsewhere.

    Raises:
        DatasetError: fsspec or its part for such addresses is not installed, or the file cannot be fetched.
    """
    try:
        import fsspec
    except ImportError as error:
        raise DatasetError(
            f"{address}: files elsewhere are fetched by fsspec, got none; pip install 'hivenas[remote]'"
        ) from error
    try:
        store, path = fsspec.core.url_to_fs(address)
        return bytes(store.cat_file(path))  # one request; to open it would take another for its size
    except ImportError as error:
        remedy = "install it" if address.partition("://")[0] not in _OF_EXTRA else "pip install 'hivenas[remote]'"
        raise DatasetError(
            f"{address}: fsspec must have the package that fetches such files, got none ({error}); {remedy}"
        ) from error
    except Exception as error:  # what it raises depends on the place
        # One that is not there will not be there the next time either.
        kind = DatasetError if isinstance(error, FileNotFoundError) else PassingReadError
        raise kind(
            f"{address}: the file must be one that can be fetched, got {first_line(error) or type(error).__name__}; "
            "correct the address, or see that it may be read from here"
        ) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{file}: the table must be readable, got {error.strerror}; correct the path") from error


def _file(table: str, name: str, folder: Path) -> AnyFile:
    if is_elsewhere(name):
        return RemoteImage(name, folder)
    if is_elsewhere(table):
        place, query = _without_query(table)
        return RemoteImage(posixpath.join(place.rpartition("/")[0], name) + query, folder)
    return user_path(table).parent / user_path(name)


def _without_query(address: str) -> tuple[str, str]:
    """An address on the web without its query, such as a signature, and that; elsewhere ? may be part of a name."""
    if not address.lower().startswith(("http://", "https://")):
        return address, ""
    place, mark, query = address.partition("?")
    return place, mark + query


def _columns(path: str, content: bytes) -> Mapping[str, Column]:
    """The columns that are read, of a table of whatever kind."""
    endings = [address.rpartition(".")[2].lower() for address in (_without_query(path)[0], path)]
    kind = next((_KINDS[ending] for ending in endings if ending in _KINDS), None)
    if kind is None:
        raise DatasetError(
            f"{path}: a table of images must be named .{' or .'.join(_KINDS)}, got another name; write it as one"
        )
    try:
        names, read = kind(content)
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise DatasetError(
                f"{path}: the table must have the columns path and label, got {', '.join(names) or 'none'} without "
                f"{' and '.join(missing)}{nearest(missing[0], names)}; name them in its head"
            )
        if SPLIT in names:
            return read([*COLUMNS, SPLIT])
        _refuse_near_split(path, names)
        return read(COLUMNS)
    except DatasetError:
        raise
    except Exception as error:  # what a reader raises depends on what the file is instead
        raise DatasetError(
            f"{path}: the table must be readable, got one that is not ({first_line(error)}); write it anew"
        ) from error


def _refuse_near_split(path: str, names: Sequence[str]) -> None:
    """Refuses a column that is called almost as that of splits: left out, its test images would be trained on."""
    plain = {name.strip().casefold(): name for name in names}
    near = difflib.get_close_matches(SPLIT, plain, n=1, cutoff=_NEAR)
    if near:
        raise DatasetError(
            f"{path}: the column that says train, val or test must be called {SPLIT}, got {plain[near[0]]!r}; name it "
            f"{SPLIT}, or call it something else where it says another thing"
        )


Read = Callable[[Sequence[str]], Mapping[str, Column]]


def _csv(content: bytes) -> tuple[Sequence[str], Read]:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    names = next(rows, [])
    heads = [name.strip() for name in names]
    places = {name: place for place, name in enumerate(heads)}

    def read(wanted: Sequence[str]) -> Mapping[str, Column]:
        if twice := next((name for name in wanted if heads.count(name) > 1), ""):
            raise ValueError(f"the column {twice} stands in the head more than once")
        given = [row for row in rows if row]
        for number, row in enumerate(given, 1):
            if any(cell.strip() for cell in row[len(heads) :]):
                raise ValueError(f"row {number} has {len(row)} cells of {len(heads)}: text with commas needs quotes")
        return {
            name: [row[places[name]].strip() if places[name] < len(row) else None for row in given] for name in wanted
        }

    return list(places), read


def _parquet(content: bytes) -> tuple[Sequence[str], Read]:
    from pyarrow import BufferReader, parquet

    file = parquet.ParquetFile(BufferReader(content))

    def read(wanted: Sequence[str]) -> Mapping[str, Column]:
        columns: Mapping[str, Column] = file.read(columns=list(wanted)).to_pydict()
        return columns

    return file.schema_arrow.names, read


_KINDS: Mapping[str, Callable[[bytes], tuple[Sequence[str], Read]]] = {"csv": _csv, "parquet": _parquet}
