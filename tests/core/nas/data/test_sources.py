"""Tables of image files, TFRecord files, batches and archives beyond memory: all of them the same data in the end."""

from __future__ import annotations

import hashlib
import http.server
import io
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hivenas.config import DatasetConfig
from hivenas.core.nas.data.datasets import load_dataset, register_dataset
from hivenas.core.nas.data.sources import check_path, copy_of
from hivenas.core.nas.data.stored_images import StoredImages
from hivenas.core.preparation import shown_by
from hivenas.errors import DatasetError

COUNT = 40
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 5, 3), dtype=np.uint8)
NAMES = np.array(["bee", "owl"])[np.arange(COUNT) % 2]


@pytest.fixture
def digest(tmp_path: Path) -> str:
    """The digest of the same images as arrays."""
    np.savez(tmp_path / "plain.npz", x_train=PIXELS, y_train=NAMES)
    return load_dataset(DatasetConfig(name="npz", path=str(tmp_path / "plain.npz")), seed=1).digest()


def png(index: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[index]).save(stream, "PNG")
    return stream.getvalue()


# -- tables of image files ---------------------------------------------------------------------------------------------


def write_images(folder: Path) -> list[str]:
    (folder / "of").mkdir(parents=True)
    for index in range(COUNT):
        (folder / "of" / f"{index}.png").write_bytes(png(index))
    return [f"of/{index}.png" for index in range(COUNT)]


def as_csv(columns: Mapping[str, Any]) -> bytes:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    return "\ufeff".encode() + "\r\n".join(",".join(map(str, row)) for row in rows).encode() + b"\r\n"


def as_parquet(columns: Mapping[str, Any]) -> bytes:
    from pyarrow import BufferOutputStream, parquet, table

    stream = BufferOutputStream()
    parquet.write_table(table({name: list(column) for name, column in columns.items()}), stream)
    return bytes(stream.getvalue())


def table(path: Path | str, **others: Any) -> DatasetConfig:
    return DatasetConfig(name="image_table", path=str(path), **others)


@pytest.mark.parametrize(("suffix", "write"), [("csv", as_csv), ("parquet", as_parquet)])
def test_a_table_of_image_files_is_a_data_set(
    suffix: str, write: Callable[[Mapping[str, Any]], bytes], tmp_path: Path, digest: str
) -> None:
    paths = write_images(tmp_path)
    file = tmp_path / f"images.{suffix}"
    file.write_bytes(write({"path": paths, "label": NAMES, "more": [1] * COUNT}))
    check_path(table(file))
    assert load_dataset(table(file), seed=1).digest() == digest
    copied = table(file, cache=str(tmp_path / "cache"))
    assert load_dataset(copied, seed=1).digest() == digest
    splits = ["train"] * 24 + ["validation"] * 10 + ["test"] * 6
    absolute = [str(tmp_path / path) for path in paths]
    file.write_bytes(write({"split": splits, "label": 10 - np.arange(COUNT) % 2, "path": absolute}))
    data = load_dataset(copied, seed=1)
    assert data.class_names == ("9", "10")  # numbers, in their order
    for x, wanted in ((data.x_train, PIXELS[:24]), (data.x_val, PIXELS[24:34]), (data.x_test, PIXELS[34:])):
        assert np.array_equal(x, wanted)


@pytest.mark.parametrize("name", ["slide", "site", "title", "Split "])
def test_other_columns_of_a_table_are_ignored(name: str, tmp_path: Path, digest: str) -> None:
    columns: dict[str, Any] = {"path": write_images(tmp_path), "label": NAMES, name: ["test"] * COUNT}
    if name == "Split ":
        columns["split"] = ["train"] * COUNT  # which is the one that counts
    file = tmp_path / "images.parquet"
    file.write_bytes(as_parquet(columns))
    assert load_dataset(table(file), seed=1).digest() == digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            as_csv({"file": ["a.png"], "label": ["a"]}),
            "columns path and label, got file, label without path; name",
        ),
        (as_parquet({"path": ["a.png"], "labels": ["a"]}), r"got path, labels without label.* name them"),
        (as_csv({"path": [], "label": []}), "the table must have a row for each image, got none"),
        (b"", "got none without path and label"),
        (as_csv({"path": ["a.png", "b.png"], "label": ["a", ""]}), "must have a label, got 1 without one, .* row 2"),
        (b"path,label\na.png\n", "every row must have a label, got 1 without one, such as row 1"),
        (b"path,label\na.png,83,5\n", "row 1 has 3 cells of 2: text with commas needs quotes"),
        (b"path,label,label\na.png,a,b\n", "the column label stands in the head more than once"),
        (b"path,label\n\xff,a\n", "the table must be readable, got one that is not .*decode"),
        (b"PAR1 and no more", "the table must be readable, got one that is not"),
        *(
            (write({"path": ["a"], "label": ["a"], name: ["test"]}), f"val or test must be called split, got '{name}'")
            for name in ("Split", "SPLIT", "splits", "spilt")
            for write in (as_csv, as_parquet)
        ),
        (as_parquet({"path": ["a"], "label": ["a"], " split": ["test"]}), "called split, got ' split'; name it split"),
        (as_csv({"path": ["a"], "label": ["a"], "split": ["trian"]}), "split must be train, .* got 'trian' in row 1"),
        (as_csv({"path": ["a"], "label": ["a"], "split": ["val"]}), "rows of the split train, got none"),
        (as_csv({"path": ["gone.png"], "label": ["a"]}), r"gone\.png: the image cannot be read"),
        (as_csv({"path": ["~nobody1.png"], "label": ["a"]}), r"~nobody1\.png: the image cannot be read"),
        (as_csv({"path": ["nul\0.png"], "label": ["a"]}), r"nul.*\.png: the image cannot be read"),
        (as_csv({"path": ["a.png/b.png"], "label": ["a"]}), r"b\.png: the image cannot be read"),
        (as_csv({"path": [f"{'a' * 300}.png"], "label": ["a"]}), r"a\.png: the image cannot be read"),
        (
            as_csv({"path": ["a.png", "b.png", "./a.png"], "label": ["a", "b", "b"]}),
            r"an image must have one row, got \./a\.png in row 1 and 3; leave one",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_a_line(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / f"images.{'parquet' if content.startswith(b'PAR1') else 'csv'}"
    file.write_bytes(content)
    (tmp_path / "a.png").write_bytes(png(0))
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(table(file), seed=1)
    assert "\n" not in str(caught.value)


def test_a_table_and_its_images_may_lie_elsewhere(tmp_path: Path, digest: str) -> None:
    store = fsspec.filesystem("memory")
    for index in range(COUNT):
        store.pipe(f"/bucket/of/{index}.png", png(index))
    store.pipe("/bucket/images.csv", as_csv({"path": [f"of/{index}.png" for index in range(COUNT)], "label": NAMES}))
    config = table("memory://bucket/images.csv", cache=str(tmp_path / "cache"))
    try:
        check_path(config)
        assert load_dataset(config.model_copy(update={"cache": None}), seed=1).digest() == digest
        assert load_dataset(config, seed=1).digest() == digest
        store.rm("/bucket/of", recursive=True)
        left = tmp_path / "cache" / "fetched" / hashlib.sha256(store.cat("/bucket/images.csv")).hexdigest()[:16]
        left.mkdir()  # as a kill leaves it
        assert load_dataset(config, seed=1).digest() == digest  # fetched and decoded once
        assert not list((tmp_path / "cache" / "fetched").iterdir())
        with pytest.raises(DatasetError, match=r"memory://bucket/of/0.png: .*must be one that can be fetched, got"):
            load_dataset(config.model_copy(update={"cache": None}), seed=1)
    finally:
        store.rm("/bucket", recursive=True)
    with pytest.raises(DatasetError, match=r"nowhere://x/a\.csv: the file must be one that can be fetched, got .*nowh"):
        load_dataset(table("nowhere://x/a.csv"), seed=1)


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers for the files of a server, by their paths; notes what was asked for."""

    files: ClassVar[dict[str, bytes]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.files.get(self.path)
        self.send_response(403 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.process
def test_a_table_and_its_images_may_lie_on_a_web_server(
    tmp_path: Path, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivenas.core.nas.data.preparing._SOON_S", -1.0)  # all is said

    class Handler(Answering):
        files: ClassVar = {f"/set/of/{index}.png": png(index) for index in range(COUNT)}
        asked: ClassVar = []

    names = [f"of/{index}.png" for index in range(COUNT)]
    Handler.files["/set/images.csv"] = as_csv({"path": names, "label": NAMES})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/set"
        config = table(f"{address}/images.csv", cache=str(tmp_path / "cache"))
        told: list[str] = []
        with shown_by(lambda reached: told.append(str(reached).partition(", ")[0])):
            assert load_dataset(config, seed=1).digest() == digest
        assert told == [
            *(f"{count} of 40 files fetched ({count / 40:.0%})" for count in range(4, 44, 4)),
            "None",
            "40 of 40 images prepared (100%)",
            "None",
        ]
        assert sorted(Handler.asked) == sorted(Handler.files)  # one request for each
        Handler.asked.clear()
        assert load_dataset(config, seed=1).digest() == digest
        assert Handler.asked == ["/set/images.csv"]
        signed = "?sig=a/b%3D&raw=true"  # which the files need, too
        Handler.files = {path + signed: content for path, content in Handler.files.items()}
        assert load_dataset(table(f"{address}/images.csv{signed}"), seed=1).digest() == digest
        Handler.files |= {
            "/set/get?file=images.csv": Handler.files[f"/set/images.csv{signed}"],
            **{f"{path.partition('?')[0]}?file=images.csv": each for path, each in Handler.files.items()},
        }
        assert load_dataset(table(f"{address}/get?file=images.csv"), seed=1).digest() == digest
        with pytest.raises(DatasetError, match=r"/set/other\.csv: the file must be one that can be fetched, got .*403"):
            load_dataset(table(f"{address}/other.csv"), seed=1)
        server.shutdown()
    with pytest.raises(DatasetError, match=r"can be fetched, got .*Cannot connect to host 127.* may be read from here"):
        load_dataset(config, seed=1)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_a_package_that_fetches_files_and_is_not_there_is_named(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    remedy = "install it" if package == "adlfs" else r"pip install 'hivenas\[remote\]'"
    message = (
        rf"^{scheme}://x/a\.csv: fsspec must have the package .* got none \(.*[Ii]nstall {package} .*\); {remedy}$"
    )
    with pytest.raises(DatasetError, match=message):
        load_dataset(table(f"{scheme}://x/a.csv"), seed=1)


# -- TFRecord files ----------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    low = bytes([number & 127 | (128 if number > 127 else 0)])
    return low + varint(number >> 7) if number > 127 else low


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(**features: bytes | int) -> bytes:
    def value(given: bytes | int) -> bytes:
        return field(1, field(1, given)) if isinstance(given, bytes) else field(3, field(1, varint(given)))

    entries = (field(1, field(1, name.replace("_", "/").encode()) + field(2, value(v))) for name, v in features.items())
    return field(1, b"".join(entries))


def framed(*records: bytes) -> bytes:
    return b"".join(struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records)


def record(index: int, **others: bytes | int) -> bytes:
    return example(image_height=6, image_encoded=png(index), image_class_label=index % 2 - 1, **others)


def tfrecord(path: Path, **others: Any) -> DatasetConfig:
    return DatasetConfig(name="tfrecord", path=str(path), **others)


def test_tfrecord_files_are_read_without_tensorflow(tmp_path: Path, digest: str) -> None:
    file = tmp_path / "all.tfrecord"
    file.write_bytes(framed(*(record(index, image_class_text=str(NAMES[index]).encode()) for index in range(COUNT))))
    assert load_dataset(tfrecord(file), seed=1).digest() == digest
    copied = tfrecord(file, cache=str(tmp_path / "cache"))
    data = load_dataset(copied, seed=1)
    assert data.digest() == load_dataset(copied, seed=1).digest() == digest
    assert data.class_names == ("bee", "owl")
    for name, rows in (("train-00000-of-00002", range(20)), ("train-00001-of-00002", range(20, 30))):
        (tmp_path / name).write_bytes(framed(*map(record, rows)))
    file.rename(tmp_path / "validation.tfrecord-00000-of-00001").write_bytes(framed(*map(record, range(30, 40))))
    for name in ("._train-00000-of-00002", "train.tfrecord.idx", "train.tfrecord.index"):  # of a system, of others
        (tmp_path / name).write_bytes(b"0 129\n")
    sharded = load_dataset(tfrecord(tmp_path), seed=1)
    assert sharded.class_names == ("-1", "0")
    assert np.array_equal(sharded.x_val, PIXELS[30:])


@pytest.mark.keras
def test_tfrecord_files_are_those_that_tensorflow_writes(tmp_path: Path, digest: str) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for index in range(COUNT):
            values = {
                "image/encoded": png(index),
                "image/class/text": str(NAMES[index]).encode(),
                "image/format": b"png",
            }
            features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for name, v in values.items()}
            features["image/class/label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[index % 2]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    assert load_dataset(tfrecord(tmp_path), seed=1).digest() == digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (framed(record(0))[:-9], "must be a whole TFRecord file, got one that ends within record 0"),
        (framed(record(0), example(image_encoded=png(1))), "got record 1 with image/encoded; write image/class/label"),
        (framed(b"\x0a\xff\x01"), "every record must be a tf.train.Example, got another as record 0"),
        (framed(field(1, field(1, b""))), "every record must be a tf.train.Example, got another as record 0"),
        (b"\x1f\x8b\x08" + bytes(20), "must not be compressed"),
        (b"", "there must be records to train on, got none"),
        (framed(example(image_encoded=b"no", image_class_label=1)), "record 0: the image cannot be read"),
    ],
)
def test_what_is_wrong_with_a_tfrecord_file_is_said_in_a_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(tfrecord(tmp_path / "a.tfrecord"), seed=1)
    assert "\n" not in str(caught.value)


def test_a_copy_may_be_made_below_the_files(tmp_path: Path, digest: str) -> None:
    (tmp_path / "plain.npz").unlink()
    (tmp_path / "a.tfrecord").write_bytes(framed(*map(record, range(COUNT))))
    config = tfrecord(tmp_path, cache=str(tmp_path / "results" / ".cache"))
    assert [load_dataset(config, seed=1).digest() for _ in range(2)] == [digest] * 2


def test_a_record_whose_length_begins_as_gzip_does_is_read(tmp_path: Path) -> None:
    size = 0x8B1F - len(example(image_class_label=0, filler=b"")) - len(field(1, field(1, b"image/encoded"))) - 300
    large = next(
        filled
        for more in range(size, size + 400)
        if len(filled := example(image_encoded=png(0), image_class_label=0, filler=bytes(more))) == 0x8B1F
    )
    (tmp_path / "a.tfrecord").write_bytes(framed(large, *map(record, range(COUNT))))
    assert len(load_dataset(tfrecord(tmp_path / "a.tfrecord"), seed=1).x_train) > 0


def test_classes_of_records_that_share_a_text_or_have_no_unicode_stay_apart(tmp_path: Path) -> None:
    texts = (b"crane", b"crane", b"caf\xe9", b"caf\xe8")
    records = [
        example(image_encoded=png(n), image_class_label=n % 4, image_class_text=texts[n % 4]) for n in range(COUNT)
    ]
    (tmp_path / "a.tfrecord").write_bytes(framed(*records))
    names = load_dataset(tfrecord(tmp_path / "a.tfrecord"), seed=1).class_names
    assert names == ("caf\\xe8", "caf\\xe9", "crane (0)", "crane (1)")


def test_splits_of_tfrecord_files_may_be_training_and_testing(tmp_path: Path) -> None:
    for name, rows in (("training", range(20)), ("valid", range(20, 30)), ("testing", range(30, 40))):
        (tmp_path / f"{name}.tfrecord").write_bytes(framed(*map(record, rows)))
    data = load_dataset(tfrecord(tmp_path), seed=1)
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [20, 10, 10]


def test_folders_of_tfrecord_files_must_say_their_splits_in_all_names_or_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there must be \.tfrecord files in the folder, got none"):
        load_dataset(tfrecord(tmp_path), seed=1)
    for name in ("a.tfrecord", "test.tfrecord"):
        (tmp_path / name).write_bytes(framed(record(0)))
    with pytest.raises(DatasetError, match=r"names of all files must say .* got a\.tfrecord; rename"):
        load_dataset(tfrecord(tmp_path), seed=1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["signs_train-test.tfrecord-00000-of-00001", "signs_train-train.tfrecord-00000-of-00001"],
            r"train-test\..*: the name of a file must say one split, got train and test; rename it",
        ),
        (["val.tfrecord", "training-valid.tfrecord"], "must say one split, got training and valid; rename it"),
        (
            ["train.tfrecord", "test/a.tfrecord"],
            "must be in the folder itself, got test/a.tfrecord; move it up, .*/test",
        ),
        (["a/b/train-00000-of-00001"], "must be in the folder itself, got a/b/train-00000-of-00001; .* to .*/a/b$"),
    ],
)
def test_splits_of_tfrecord_files_are_not_guessed(names: list[str], message: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(framed(*map(record, range(COUNT))))
    with pytest.raises(DatasetError, match=message):
        load_dataset(tfrecord(tmp_path), seed=1)


def test_tfrecord_files_may_say_their_split_twice_and_have_other_folders_beside_them(tmp_path: Path) -> None:
    for name in ("train_signs-training.tfrecord", "signs-test.tfrecord"):
        (tmp_path / name).write_bytes(framed(*map(record, range(COUNT))))
    for name in ("results/a/ledger.db", "results/a/x.tfrecord", ".old/x.tfrecord", "net/variables.data-00000-of-00001"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert len(load_dataset(tfrecord(tmp_path), seed=1).x_test) == COUNT


# -- labels of other tasks than classes ------------------------------------------------------------------------------

SETS = [sorted({"owl", "bee"} - set(("bee", "owl")[: index % 3])) for index in range(COUNT)]  # both, one or none
NUMBERS = 1_000.5 + np.arange(COUNT) % 7


@pytest.fixture
def of_tasks(tmp_path: Path) -> dict[str, str]:
    """The digests of the same images as arrays with labels of each task."""
    labels = {"multilabel": np.array([";".join(names) for names in SETS]), "regress": NUMBERS}
    found = {}
    for task, y in labels.items():
        np.savez(tmp_path / "plain.npz", x_train=PIXELS, y_train=y)
        found[task] = load_dataset(DatasetConfig(name="npz", path=str(tmp_path / "plain.npz")), 1, task).digest()
    return found


def test_tables_have_names_or_numbers_and_images_without_a_label(tmp_path: Path, of_tasks: dict[str, str]) -> None:
    paths, joined = write_images(tmp_path), [";".join(names) for names in SETS]
    given: list[tuple[str, str, bytes]] = [
        ("multilabel", "csv", as_csv({"path": paths, "label": joined})),
        ("multilabel", "parquet", as_parquet({"path": paths, "label": SETS})),
        ("regress", "csv", as_csv({"path": paths, "label": NUMBERS})),
        ("regress", "parquet", as_parquet({"path": paths, "label": NUMBERS})),
    ]
    for task, suffix, content in given:
        file = tmp_path / f"images.{suffix}"
        file.write_bytes(content)
        for others in ({}, {"cache": str(tmp_path / "cache")}):
            assert load_dataset(table(file, **others), 1, task).digest() == of_tasks[task]
    file.write_bytes(as_parquet({"path": paths, "label": SETS}))
    for task, message in (("classify", "one label, got .*set task: multilabel"), ("regress", "one number, got")):
        with pytest.raises(DatasetError, match=f"every row must have {message}"):
            load_dataset(table(file), 1, task)
    file = tmp_path / "numbers.csv"
    file.write_bytes(as_csv({"path": paths, "label": np.arange(COUNT) % 3}))
    assert load_dataset(table(file), 1, "multilabel").class_names == ("0", "1", "2")


def example_of(index: int, kind: int, values: bytes) -> bytes:
    """A record whose labels are of a kind of values, see tensorflow/core/example/feature.proto."""
    image = field(1, field(1, b"image/encoded") + field(2, field(1, field(1, png(index)))))
    name = b"image/class/text" if kind == 1 else b"image/class/label"
    return field(1, image + field(1, field(1, name) + field(2, field(kind, values))))


def test_records_have_floats_or_several_labels(tmp_path: Path, of_tasks: dict[str, str]) -> None:
    file = tmp_path / "a.tfrecord"
    floats = [example_of(index, 2, field(1, struct.pack("<f", number))) for index, number in enumerate(NUMBERS)]
    file.write_bytes(framed(*floats))
    assert load_dataset(tfrecord(file), 1, "regress").digest() == of_tasks["regress"]
    with pytest.raises(DatasetError, match=r"must hold whole numbers or text, got 1\d+\.5; .*set task: regress"):
        load_dataset(tfrecord(file), 1)
    names = [b"".join(field(1, name.encode()) for name in each) for each in SETS]
    file.write_bytes(framed(*(example_of(index, 1, each) for index, each in enumerate(names))))
    assert load_dataset(tfrecord(file), 1, "multilabel").digest() == of_tasks["multilabel"]
    codes = [b"".join(varint(("bee", "owl").index(name)) for name in each) for each in SETS]
    file.write_bytes(framed(*(example_of(index, 3, field(1, each)) for index, each in enumerate(codes))))
    data = load_dataset(tfrecord(file), 1, "multilabel")
    assert (data.class_names, data.digest()) == (("0", "1"), of_tasks["multilabel"])


def test_batches_have_rows_and_lists_of_names(registry: None, of_tasks: dict[str, str]) -> None:
    rows = np.array([[name in names for name in ("bee", "owl")] for names in SETS], np.int64)
    texts = np.array([";".join(names).encode() for names in SETS], object)  # as tf.data has text
    given: dict[str, tuple[str, Callable[[str | None], Any]]] = {
        "single_rows": ("multilabel", lambda path: zip(PIXELS, rows, strict=True)),
        "single_names": ("multilabel", lambda path: zip(PIXELS, SETS, strict=True)),
        "batches_of_names": ("multilabel", lambda path: iter([(PIXELS[:9], SETS[:9]), (PIXELS[9:], SETS[9:])])),
        "bytes_of_names": ("multilabel", lambda path: iter([(PIXELS, texts)])),
        "arrays": ("multilabel", lambda path: {"x_train": PIXELS, "y_train": SETS}),
        "single_numbers": ("regress", lambda path: zip(PIXELS, NUMBERS, strict=True)),
        "single_columns": ("regress", lambda path: zip(PIXELS, NUMBERS[:, None], strict=True)),
    }
    for name, (task, loader) in given.items():
        register_dataset(name, loader)
        assert load_dataset(DatasetConfig(name=name), 1, task).digest() == of_tasks[task], name


# -- batches -----------------------------------------------------------------------------------------------------------


def batches(path: str | None) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    return ((PIXELS[start : start + 9], NAMES[start : start + 9]) for start in range(0, COUNT, 9))


def test_iterators_of_batches_are_gone_through_once(registry: None, tmp_path: Path, digest: str) -> None:
    register_dataset("in_batches", batches)
    register_dataset("in_singles", lambda path: zip(PIXELS, NAMES, strict=True))
    register_dataset("in_splits", lambda path: {"train": batches(None), "test": [(PIXELS[:4], NAMES[:4])]})
    for name in ("in_batches", "in_singles"):
        assert load_dataset(DatasetConfig(name=name), seed=1).digest() == digest
    assert np.array_equal(load_dataset(DatasetConfig(name="in_splits"), seed=1).x_test, PIXELS[:4])


def test_batches_beyond_memory_are_written_to_a_file_that_processes_share(
    registry: None, tmp_path: Path, digest: str
) -> None:
    large = np.repeat(np.repeat(PIXELS, 20, axis=1), 10, axis=2)  # 720 KB, and 3.6 MB with its standardised copy
    register_dataset("large", lambda path: zip(large, NAMES, strict=True))
    wanted = load_dataset(DatasetConfig(name="large"), seed=1)
    config = DatasetConfig(name="large", cache=str(tmp_path / "cache"), memory_mb=1)
    register_dataset("swapped", lambda path: zip(large.astype(">u2"), NAMES, strict=True))
    swapped = load_dataset(DatasetConfig(name="swapped", cache=str(tmp_path / "other"), memory_mb=1), seed=1)
    assert isinstance(swapped.x_train, StoredImages)
    assert swapped.digest() == load_dataset(DatasetConfig(name="swapped"), seed=1).digest()
    for _ in range(2):
        stored = load_dataset(config, seed=1)
        assert isinstance(stored.x_train, StoredImages)
        assert stored.describe() == wanted.describe()
        assert len(list((tmp_path / "cache").iterdir())) == 1


def test_splits_of_batches_share_the_memory_that_there_is(registry: None, tmp_path: Path) -> None:
    large = np.repeat(np.repeat(PIXELS, 6, axis=1), 5, axis=2)  # 108 KB a split, and 540 KB with the standardised copy
    register_dataset("splits", lambda path: {split: [(large, NAMES)] for split in ("train", "val", "test")})
    wanted = load_dataset(DatasetConfig(name="splits"), seed=1)
    data = load_dataset(DatasetConfig(name="splits", cache=str(tmp_path / "cache"), memory_mb=1), seed=1)
    assert [isinstance(x, StoredImages) for x in (data.x_train, data.x_val, data.x_test)] == [False, True, True]
    assert data.describe() == wanted.describe()


@pytest.mark.keras
def test_data_sets_of_tensorflow_and_keras_are_gone_through(registry: None, digest: str) -> None:
    import keras
    import tensorflow as tf

    class Pairs(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
            return PIXELS[8 * index : 8 * index + 8], NAMES[8 * index : 8 * index + 8]

    register_dataset("of_keras", lambda path: Pairs())
    register_dataset("of_tf", lambda path: tf.data.Dataset.from_tensor_slices((PIXELS, NAMES)).batch(16))
    register_dataset("endless", lambda path: tf.data.Dataset.from_tensor_slices((PIXELS, NAMES)).batch(16).repeat())
    for name in ("of_keras", "of_tf"):
        assert load_dataset(DatasetConfig(name=name), seed=1).digest() == digest
    with pytest.raises(DatasetError, match=r"the batches of train must end, .* leave out \.repeat"):
        load_dataset(DatasetConfig(name="endless"), seed=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: iter([]), "the batches of train must hold images, got none"),
        (lambda: iter([PIXELS]), r"must be pairs \(x, y\), got ndarray; give both"),
        (lambda: {"train": 5}, r"must be pairs \(x, y\), got int; give an iterator"),
        (
            lambda: iter([(PIXELS, NAMES, np.ones(len(NAMES)))]),
            r"must be pairs \(x, y\), got 3 parts; leave out weights of images",
        ),
        (
            lambda: iter([(PIXELS, np.ma.masked_array(np.arange(len(PIXELS)), np.arange(len(PIXELS)) < 5))]),
            "y must have a value everywhere, got an array with 5 masked values",
        ),
        (
            lambda: iter([(np.ma.masked_less(PIXELS, 1), NAMES)]),
            "x must have a value everywhere, got an array with .* masked values?",
        ),
        (
            lambda: iter([(PIXELS, NAMES), (PIXELS[:, :3], NAMES)]),
            r"of one shape and type, got \(3, 5, 3\) uint8",
        ),
        (
            lambda: iter([(PIXELS[:9], NAMES[:9]), (PIXELS[9:20], NAMES[9:19]), (PIXELS[20:30], NAMES[19:30])]),
            "must have as many labels as images, got 11 images and 10 labels in batch 2; give both",
        ),
        (lambda: iter([(5, NAMES)]), "as many labels as images, got 0 images and 40 labels in batch 1"),
    ],
)
def test_what_is_wrong_with_batches_names_the_data_set(given: Callable[[], Any], message: str, registry: None) -> None:
    register_dataset("odd", lambda path: given())
    with pytest.raises(DatasetError, match=f"data set 'odd': .*{message}"):
        load_dataset(DatasetConfig(name="odd"), seed=1)


# -- archives beyond memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 48, 48), (60, 40, 40, 3)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_beyond_memory_stay_on_the_disk(shape: tuple[int, ...], save: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random(shape).astype(np.float32)
    save(tmp_path / "a.npz", x_train=images, y_train=np.arange(60) % 3, x_test=images[:9], y_test=np.arange(9) % 3)
    config = DatasetConfig(name="npz", path=str(tmp_path / "a.npz"))
    wanted = load_dataset(config, seed=1)
    for _ in range(2):
        stored = load_dataset(config.model_copy(update={"cache": str(tmp_path / "cache"), "memory_mb": 1}), seed=1)
        assert isinstance(stored.x_train, StoredImages)
        assert isinstance(stored.x_test, StoredImages)
        assert stored.describe() == wanted.describe()
        for ours, theirs in zip(stored.statistics(), wanted.statistics(), strict=True):
            assert np.array_equal(ours, theirs)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == (2 if save is np.savez_compressed else 0)
    assert copy_of(config.model_copy(update={"cache": str(tmp_path)})) is None


def test_a_cache_that_cannot_be_written_is_what_is_named(tmp_path: Path, registry: None) -> None:
    images, labels = np.random.default_rng(0).random((60, 40, 40, 3)).astype(np.float32), np.arange(60) % 3
    np.savez_compressed(tmp_path / "a.npz", x_train=images, y_train=labels)
    register_dataset("large", lambda path: iter([(images, labels)]))
    others: dict[str, Any] = {"cache": str(tmp_path / "a.npz" / "cache"), "memory_mb": 1}
    for config in (
        DatasetConfig(name="npz", path=str(tmp_path / "a.npz"), **others),
        DatasetConfig(name="large", **others),
    ):
        with pytest.raises(
            DatasetError, match=r"^dataset\.cache must be a folder that can be written, got .*npz/cache"
        ):
            load_dataset(config, seed=1)


def test_figures_of_an_archive_are_kept_as_long_as_it_is_what_it_was(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((60, 40, 40, 3)).astype(np.float32)
    config = DatasetConfig(name="npz", path=str(tmp_path / "a.npz"), cache=str(tmp_path / "cache"), memory_mb=1)
    digests = []
    for given in (images, images[::-1]):
        np.savez(tmp_path / "a.npz", x_train=given, y_train=np.arange(60) % 3)
        digests += [load_dataset(config, seed=1).digest() for _ in range(2)]
        files = list((tmp_path / "cache").glob("figures-*.json"))
        assert any(digests[-1] in file.read_text() for file in files)
    assert len(files) == 2
    assert digests[0] == digests[1] != digests[2] == digests[3]
    (file,) = (each for each in files if digests[3] in each.read_text())
    file.write_text(file.read_text().replace(digests[3], "read"))
    assert load_dataset(config, seed=1).digest() == "read"
