"""A table of labels beside images: what is read of it for every task, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hivenas.config import DatasetConfig
from hivenas.core.nas.data.datasets import Dataset, load_dataset
from hivenas.core.nas.data.label_kinds import number_of_row
from hivenas.core.nas.data.label_table import listed
from hivenas.core.nas.data.sameness import unchanged
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.errors import DatasetError

COUNT = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images, each of a grey of its own, the last two in a folder."""
    (tmp_path / "more").mkdir()
    for number in range(COUNT):
        Image.fromarray(np.full((3, 3), 10 * number, np.uint8)).save(tmp_path / name(number))
    return tmp_path


def name(number: int) -> str:
    return f"more/{number}.png" if number >= COUNT - 2 else f"{number}.png"


def written(folder: Path, header: str, label: Any, split: Any = None) -> Path:
    lines = [header, *(f"{name(number)},{label(number)}{split(number) if split else ''}" for number in range(COUNT))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def load(folder: Path, task: str, **more: Any) -> Dataset:
    return load_dataset(DatasetConfig(name="image_folder", path=str(folder), **more), 1, task)


def test_numbers_and_splits_are_read(folder: Path) -> None:
    splits = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    data = load(written(folder, "file,weight,split", lambda n: n / 2, lambda n: f",{splits[n]}"), "regress")
    assert [len(y) for y in (data.y_train, data.y_val, data.y_test)] == [8, 2, 2]
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        assert (in_memory(x)[:, 0, 0, 0] / 20).tolist() == y[:, 0].tolist()


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("file,labels", lambda n: ";".join(["even"] * (n % 2 == 0) + ["low"] * (n < 6))),
        ("file,low,even", lambda n: f"{int(n < 6)},{int(n % 2 == 0)}"),
    ],
)
def test_several_labels_are_read_as_names_or_columns(folder: Path, header: str, label: Any) -> None:
    data = load(written(folder, header, label), "multilabel")
    assert data.class_names == ("even", "low")
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        numbers = in_memory(x)[:, 0, 0, 0] // 10
        assert y.tolist() == [[float(n % 2 == 0), float(n < 6)] for n in numbers.tolist()]


def test_of_classes_folders_count_and_else_the_table(folder: Path) -> None:
    written(folder, "file,label", lambda n: "low" if n < 6 else "high")
    with pytest.raises(DatasetError, match="images must be in class folders, got one beside them"):
        load(folder, "classify")
    for number in (10, 11):
        (folder / name(number)).rename(folder / f"{number}.png")
    (folder / "more").rmdir()
    table = (folder / "labels.csv").read_text(encoding="utf-8").replace("more/", "")
    (folder / "labels.csv").write_text(table, encoding="utf-8-sig")
    data = load(folder, "classify")
    assert data.class_names == ("high", "low")
    assert data.y_train.dtype == np.int32
    assert (data.y_train == (in_memory(data.x_train)[:, 0, 0, 0] < 60)).all()


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    rows = ["file,label,split"]
    for split, count in (("train", 8), ("test", 4)):
        (tmp_path / split).mkdir()
        for number in range(count):
            Image.fromarray(np.full((3, 3), 10 * number, np.uint8)).save(tmp_path / split / f"{number}.png")
            rows.append(f"{split}/{number}.png,{'odd' if number % 2 else 'even'},{split}")
    with pytest.raises(DatasetError, match=r"the folders of splits must hold class folders, got test, train with imag"):
        load(tmp_path, "classify")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    data = load(tmp_path, "classify")
    assert (data.class_names, len(data.x_test)) == (("even", "odd"), 4)


def test_results_of_searches_among_the_images_are_none_of_them(folder: Path) -> None:
    written(folder, "file,label", lambda n: n)
    results = folder / "results" / "digits"
    for place in (results / "plots", folder / "mlruns" / "1"):
        place.mkdir(parents=True)
        Image.fromarray(np.zeros((3, 3), np.uint8)).save(place / "plot.png")
    (results / "ledger.db").write_bytes(b"")
    config = DatasetConfig(name="image_folder", path=str(folder))
    with unchanged(config):  # a worker loads while others go on
        for file in (results / "worker.log", results / "ledger.db", folder / "mlflow.db", folder / "mlflow.db-journal"):
            file.write_bytes(b"1")
    assert len(load(folder, "regress").x_train) > 0


def test_what_has_no_row_is_left_out_on_purpose_alone(folder: Path) -> None:
    written(folder, "file,weight", lambda n: n)
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(folder / "other.png")
    with pytest.raises(DatasetError, match=r"labels.csv: every image of the folder must have a row, got 1 with"):
        load(folder, "regress")
    assert load(folder, "regress", unread_images="leave_out").left_out == {"without a row": 1}


@pytest.mark.parametrize(
    ("other", "content", "kind"),
    [
        ("x.heic", b"", ".heic"),
        ("more/x.AVIF", b"", ".AVIF"),
        ("x", b"\x89PNG\r\n\x1a\n", "PNG data without an extension"),
        ("more/x.bak", b"\xff\xd8\xff\xe0", "JPEG data named .bak"),
        ("more/x.zip", b"", ".zip"),
        ("more/x.npy", b"", ".npy"),
    ],
)
def test_images_of_other_formats_without_a_row_are_left_out_on_purpose_alone(
    folder: Path, other: str, content: bytes, kind: str
) -> None:
    written(folder, "file,weight", lambda n: n)
    (folder / other).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{other}: images must be png, .*, got {kind}; .*unread_images: leave_out"):
        load(folder, "regress")
    assert load(folder, "regress", unread_images="leave_out").left_out == {kind: 1}


def test_what_images_came_from_and_what_is_known_of_them_needs_no_row(folder: Path) -> None:
    written(folder, "file,weight", lambda n: n)
    for other in ("images.zip", "boxes.npy", "notes.txt", ".hidden.heic", "more/boxes.json"):
        (folder / other).write_bytes(b"PK\3\4")
    assert load(folder, "regress").left_out == {}
    (folder / "more/11.png").rename(folder / "eleven")  # without an extension, and with a row
    table = (folder / "labels.csv").read_text(encoding="utf-8")
    (folder / "labels.csv").write_text(table.replace("more/11.png", "eleven"), encoding="utf-8")
    assert load(folder, "regress").left_out == {}


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_folders_of_operating_systems_are_neither_classes_nor_without_a_row(tmp_path: Path, task: str) -> None:
    for folder in (tmp_path, tmp_path / "@eaDir", tmp_path / "__MACOSX"):
        folder.mkdir(exist_ok=True)
        for number in range(COUNT):
            Image.fromarray(np.full((3, 3), 10 * number, np.uint8)).save(folder / f"{number}.png")
    rows = "".join(f"{number}.png,{number % 2}\n" for number in range(COUNT))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}", encoding="utf-8")
    data = load(tmp_path, task)
    assert len(data.x_train) + len(data.x_val) + len(data.x_test) == COUNT
    assert not data.left_out


def test_a_folder_without_a_table_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"there must be a table labels.csv of labels in it for this task, got none"):
        load(folder, "regress")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line must be file,label, the names of the columns, got nothing"),
        ("name,weight\n0.png,1", "the first line must be file,label, the names of the columns, got name,weight"),
        ("file,split\n0.png,train", "the first line must be file,label, the names of the columns, got file,split"),
        (
            "file,weight,weight\n0.png,1,2",
            "columns must have names of their own, got file,weight,weight; rename 'weight'",
        ),
        ("file,weight\n0.png,1\n0.png,2", r"labels.csv, line 3: an image must have one row, got 0.png also on line 2"),
        ("file,weight\n\n./0.png,1\n0.png,2", "line 4: an image must have one row, got 0.png also on line 3"),
        ("file,weight\n0.png,1,2", "line 2: a row must have 2 cells, as the first line has, got 3"),
        ("file,weight\n0.png,heavy", "line 2: a row must have a finite number in the column weight, got 'heavy'"),
        ("file,weight\n0.png,nan", "line 2: a row must have a finite number in the column weight, got 'nan'"),
        ("file,weight,age\n0.png,1,2", "line 2: a row must have one column of numbers, got weight, age"),
        (
            "file,weight\ngone.png,1\n13.png,2",
            r"line 2: the file must be there, got gone.png, which is not \(and 1 more",
        ),
        ("file,weight\n../0.png,1", "line 2: a file must be in the folder of the table, got '../0.png'"),
        ("file,weight,split\n0.png,1,tset", "line 2: split must be train, val, test, got 'tset'; did you mean 'test'"),
        ("file,weight,split\n0.png,1,test", "there must be a row of the split train, got 1 row without"),
        ('file,weight\n"0.png,1', "must be UTF-8 text with commas between cells, got one that cannot be read"),
    ],
)
def test_a_table_that_does_not_say_it_is_refused_in_a_line(folder: Path, text: str, said: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=said) as caught:
        listed(folder, number_of_row, required=True, leave_out=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "header", "label", "said"),
    [
        ("multilabel", "file,a,b", lambda n: "1,2", "must have 0 or 1 in the column b, got '2'"),
        ("multilabel", "file,a,Split", lambda n: "x;y,test", "must have 0 or 1 in the column a, got 'x;y'"),
        ("classify", "file,a,b", lambda n: "x,y", "must have one column of labels, got a, b"),
        ("classify", "file,a", lambda n: "", "must name a class in the column a, got nothing"),
    ],
)
def test_labels_of_another_task_are_refused_with_their_line(
    folder: Path, task: str, header: str, label: Any, said: str
) -> None:
    written(folder, header, label)
    if task == "classify":
        for number in (10, 11):
            (folder / name(number)).unlink()
        (folder / "more").rmdir()
    with pytest.raises(DatasetError, match=f"labels.csv, line 2: a row {said}"):
        load(folder, task)
