"""TFRecord files of image classification, read without TensorFlow: where each image is in its file, and its label.

A file is a row of records, each with its length (8 bytes), a checksum of that (4), the record and a checksum of it (4);
a record is a `tf.train.Example`, a message of protocol buffers. Files are mapped and images are stepped over, so that
listing them reads little; checksums are not compared, as a broken image is found when it is decoded.

Source: tensorflow/core/lib/io/record_writer.h and tensorflow/core/example/example.proto.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivenas.core.nas.data.class_folders import SPLIT_FOLDERS, files_below, is_users
from hivenas.core.nas.data.decoding import AnyFile
from hivenas.core.nas.data.label_kinds import LabelKind, Recorded
from hivenas.core.nas.data.labelled_files import Label, Listing
from hivenas.errors import DatasetError

IMAGE, LABEL, TEXT = "image/encoded", "image/class/label", "image/class/text"
_NAMED = re.compile(r"\.tfrecords?($|[-.])|-of-\d+$")
_INDICES = (".idx", ".index")  # which others write beside such files
_CHECKPOINT = ".data-"  # of TensorFlow, which numbers its files as those of records
_SPLITS: Mapping[str, str] = {**SPLIT_FOLDERS, "training": "train", "valid": "val", "testing": "test"}
_SPLIT = re.compile(rf"(?:^|[^a-z])({'|'.join(_SPLITS)})(?![a-z])")
_GZIP = b"\x1f\x8b\x08"  # its last byte, the method, keeps it from being the length of a record of 35 kB
_HEAD, _CHECKSUM = 12, 4  # bytes
_LENGTH = 2  # wire type of strings, bytes and messages
_TEXTS, _FLOATS = 1, 2  # fields of a feature, beside the one of whole numbers


@dataclass(frozen=True, slots=True)
class RecordedImage:
    """An image file within a TFRecord file.

    Args:
        file: the TFRecord file.
        number: of the record in it, from 0.
        start, length: of the image in bytes.
    """

    file: Path
    number: int
    start: int
    length: int

    def __str__(self) -> str:
        return f"{self.file}, record {self.number}"

    def read(self) -> bytes:
        """Its bytes."""
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.length)

    def stamp(self) -> tuple[int, int]:
        """Its size, and when its file was changed; −1 where that is not there any more."""
        try:
            return self.length, self.file.stat().st_mtime_ns
        except OSError:
            return -1, -1


def list_records(path: Path, kind: LabelKind) -> Listing:
    """Lists the images of a TFRecord file, or of those in a folder, whose names say train, val or test.

    Args:
        path: the file, or the folder.
        kind: of the labels.

    Raises:
        DatasetError: no such files, or some in folders below; a name of two splits; a file that is none or is cut off,
            a record without an image or a label.
    """
    found = [(split, *record) for split, file in _files(path) for record in _records(file, kind)]
    files: dict[str, list[tuple[AnyFile, Label]]] = {"train": []}
    try:
        labels = kind.of_records([recorded for _, _, recorded in found])
    except ValueError as error:
        raise DatasetError(f"{path}: every record {error}") from None
    for (split, image, _), label in zip(found, labels, strict=True):
        files.setdefault(split, []).append((image, label))
    if not files["train"]:
        raise DatasetError(f"{path}: there must be records to train on, got none; give files with some")
    return Listing(str(path), files, {})


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [("train", path)]
    found = sorted(file for file in path.iterdir() if is_users(file) and file.is_file() and _is_of_records(file))
    _refuse_below(path)
    if not found:
        raise DatasetError(f"{path}: there must be .tfrecord files in the folder, got none; correct dataset.path")
    splits = [_split_of(file) for file in found]
    if not any(splits):
        return [("train", file) for file in found]
    if not all(splits):
        raise DatasetError(
            f"{path}: the names of all files must say train, val or test where some do, got "
            f"{found[splits.index('')].name}; rename it or move it away"
        )
    return list(zip(splits, found, strict=True))


def _split_of(file: Path) -> str:
    """The split that a file's name says; empty where it says none."""
    said = {_SPLITS[word]: word for word in _SPLIT.findall(file.name.lower())}
    if len(said) > 1:
        raise DatasetError(
            f"{file}: the name of a file must say one split, got {' and '.join(said.values())}; rename it"
        )
    return next(iter(said), "")


def _refuse_below(path: Path) -> None:
    """Refuses files of records in folders below, which are not read."""
    for file in files_below(path):
        if file.parent != path and is_users(file) and _is_of_records(file) and _CHECKPOINT not in file.name.lower():
            raise DatasetError(
                f"{path}: .tfrecord files must be in the folder itself, got {file.relative_to(path)}; move it up, with "
                f"its split in its name, move it away, or set dataset.path to {file.parent}"
            )


def _is_of_records(file: Path) -> bool:
    name = file.name.lower()
    return bool(_NAMED.search(name)) and not name.endswith(_INDICES)


def _records(file: Path, kind: LabelKind) -> Iterator[tuple[RecordedImage, Recorded]]:
    """Every image of a file with the numbers of its labels, and their texts where it has some."""
    with file.open("rb") as stream:
        if stream.read(len(_GZIP)) == _GZIP:
            raise DatasetError(f"{file}: TFRecord files must not be compressed, got one that is; unpack it (gunzip)")
        if not file.stat().st_size:
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            place = number = 0
            while place < len(data):
                start = place + _HEAD
                length = struct.unpack_from("<Q", data, place)[0] if start <= len(data) else 0
                place = start + length + _CHECKSUM
                if place > len(data):
                    raise DatasetError(
                        f"{file}: it must be a whole TFRecord file, got one that ends within record {number}; write or "
                        "copy it anew"
                    )
                yield _image(file, number, data, (start, start + length), kind)
                number += 1


def _image(
    file: Path, number: int, data: mmap.mmap, place: tuple[int, int], kind: LabelKind
) -> tuple[RecordedImage, Recorded]:
    try:
        features = dict(_features(data, *place))
        numbers, texts = features.get(LABEL, []), [str(text) for text in features.get(TEXT, [])]
    except (LookupError, UnicodeDecodeError, struct.error) as error:  # also a feature without a name
        raise DatasetError(
            f"{file}: every record must be a tf.train.Example, got another as record {number}; write them as those"
        ) from error
    wanted = (IMAGE,) if kind.may_be_none else (IMAGE, LABEL)
    missing = [name for name in wanted if not features.get(name)]
    if missing:
        raise DatasetError(
            f"{file}: every record must have {' and '.join(wanted)}, got record {number} with "
            f"{', '.join(features) or 'nothing'}; write {' and '.join(missing)}, or read the file by a function of "
            "your own (register_dataset)"
        )
    first, last = features[IMAGE][0]
    return RecordedImage(file, number, first, last - first), (numbers, texts)


def _features(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[str, list[Any]]]:
    """The features of an example: of the image the place of its bytes, of its labels the values."""
    for _, *features in _messages(data, start, end):
        for _, *entry in _messages(data, features[0], features[1]):
            parts = {field: (first, last) for field, first, last in _messages(data, entry[0], entry[1])}
            name = data[slice(*parts[1])].decode()
            for kind, *values in _messages(data, *parts[2]) if 2 in parts else ():
                places = [(first, last) for _, first, last in _messages(data, values[0], values[1])]
                if places:
                    yield name, places if name not in (LABEL, TEXT) else _values(data, kind, places)


def _values(data: mmap.mmap, kind: int, places: Sequence[tuple[int, int]]) -> list[Any]:
    """The values of a feature: texts, numbers, or whole numbers; the latter two lie one after another, or singly."""
    if kind == _TEXTS:
        return [data[first:last].decode("utf-8", "backslashreplace") for first, last in places]
    if kind == _FLOATS:
        packed = b"".join(data[first:last] for first, last in places)
        return [value for (value,) in struct.iter_unpack("<f", packed)]
    return [number for first, last in places for number in _whole_numbers(data, first, last)]


def _whole_numbers(data: mmap.mmap, place: int, end: int) -> Iterator[int]:
    while place < end:
        value, place = _varint(data, place)
        yield value - (value >> 63 << 64)


def _messages(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message with the place of their content; numbers by themselves count as their bytes."""
    while start < end:
        tag, start = _varint(data, start)
        kind = tag & 7
        if kind == _LENGTH:
            length, start = _varint(data, start)
            last = start + length
        elif kind == 0:
            last = _varint(data, start)[1]
        else:
            last = start + {1: 8, 5: 4}.get(kind, end + 1)
        if last > end:
            raise IndexError("a field goes beyond its message")
        yield tag >> 3, start, last
        start = last


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
