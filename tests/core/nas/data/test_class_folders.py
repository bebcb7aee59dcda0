from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hivenas.core.nas.data.class_folders import counted, list_images
from hivenas.errors import DatasetError
from tests.image_folders import read_image_folder


def image(path: Path, kind: str = "PNG", colour: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), colour).save(path, kind)


def text(path: Path, content: str = "no image") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(tmp_path / "mine" / name)
    return tmp_path / "mine"


def pages(path: Path) -> None:
    image(path)
    frames = [Image.new("L", (4, 4), shade) for shade in (1, 2, 3)]
    frames[0].save(path, "TIFF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("name", "write", "kind", "message"),
    [
        ("a/3f2a0001", image, "PNG data without an extension", "images must be png, .*, got PNG data without"),
        ("a/1.jpeg_large", lambda p: image(p, "JPEG"), "JPEG data named .jpeg_large", "got JPEG data named"),
        ("a/1.png.bak", image, "PNG data named .bak", "rename it"),
        ("b/IMG_1.HEIC", text, ".HEIC", "got .HEIC; convert it"),
        ("b/1.avif", text, ".avif", "got .avif"),
        ("b/1.jxl", text, ".jxl", "got .jxl"),
        ("b/1.svg", text, ".svg", "got .svg"),
        ("b/1.dcm", text, ".dcm", "got .dcm"),
        ("b/1.npy", text, ".npy", "got .npy"),
        ("b/more.zip", text, ".zip", "got .zip"),
        ("loose.png", image, "beside the class folders", "images must be in class folders, got one beside them"),
        ("loose.heic", text, "beside the class folders", "got one beside them; move it into that of its class"),
        ("loose", lambda p: image(p, "GIF"), "beside the class folders", "got one beside them"),
        ("a/old/1.png", image, "in folders within class folders", "mine/a: .* got the folder 'old' in it; move"),
        ("a/x/y/z", lambda p: image(p, "BMP"), "in folders within class folders", "got the folder 'x' in it"),
        ("b/3.png", text, "that cannot be read", "b/3.png: the image cannot be read .*leave_out"),
        (
            "b/3.jpg",
            lambda p: p.write_bytes(b"\0\0\0\x18ftypheic"),
            "that cannot be read",
            r"\(it holds HEIC data\); rep",
        ),
        ("b/1.\udcff", image, "PNG data named .\\udcff", r"got PNG data named \.\\udcff"),
        ("b/3.png", lambda p: p.symlink_to("gone"), "that cannot be read", "b/3.png: the image cannot be read"),
        ("b/3", lambda p: p.symlink_to("gone"), "broken link", "got broken link"),
        ("c", lambda p: p.symlink_to("gone"), "broken link", "mine/c: .*got broken link"),
    ],
)
def test_images_that_are_not_read_are_refused_or_counted(
    root: Path, name: str, write: Callable[[Path], object], kind: str, message: str
) -> None:
    write(root / name)
    with pytest.raises(DatasetError, match=message) as caught:
        read_image_folder(str(root), None)
    assert "dataset.unread_images: leave_out" in str(caught.value)
    assert "\n" not in str(caught.value)
    left = read_image_folder(str(root), None, leave_out=True)
    assert left.left_out == {kind: 1}
    assert len(left.arrays["x_train"]) == len(left.arrays["y_train"]) == 4


@pytest.mark.parametrize(
    ("name", "write", "kind"),
    [
        ("a/notes.txt", text, ".txt"),
        ("a/boxes.json", text, ".json"),
        ("labels.csv", text, ".csv"),
        ("a/x.\udcff", text, ".\\udcff"),
        ("a/LICENSE", text, "without an extension"),
        ("a/.hidden.png", image, "hidden"),
        ("a/._1.png", text, "hidden"),
        (".DS_Store", text, "hidden"),
        (".ipynb_checkpoints/1.png", image, "hidden"),
        ("a/Thumbs.db", text, "of the operating system"),
        ("desktop.ini", text, "of the operating system"),
        ("__MACOSX/a/._1.png", text, "of the operating system"),
        ("a/@eaDir/1.png", image, "of the operating system"),
        ("images.zip", text, ".zip"),
        ("labels.mat", text, ".mat"),
        ("a/masks/notes.txt", text, ".txt"),
        ("a/pages.tif", pages, "further frames or pages"),
    ],
)
def test_other_files_are_ignored_with_a_count(root: Path, name: str, write: Callable[[Path], None], kind: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    write(root / name)
    found = read_image_folder(str(root), None)
    assert found.left_out == {kind: 2 if write is pages else 1}
    assert len(found.arrays["x_train"]) == (5 if write is pages else 4)


def test_a_folder_with_nothing_else_counts_nothing(root: Path) -> None:
    (root / "a/link.png").symlink_to(root / "b/1.png")
    (root / "linked").symlink_to(root / "a")
    found = list_images(root)
    assert found.left_out == {}
    assert [label for _, label in found.files["train"]] == ["a"] * 3 + ["b"] * 2 + ["linked"] * 3


@pytest.mark.parametrize("inner", [".ipynb_checkpoints/1.png", "__MACOSX/1.png", "mlruns/1/meta.yaml"])
def test_a_class_of_images_without_an_extension_does_not_vanish_for_a_folder_in_it(root: Path, inner: str) -> None:
    image(root / "c/3f2a0001")
    text(root / "c" / inner)
    with pytest.raises(DatasetError, match=r"c/3f2a0001: images must be png, .* got PNG data without an extension"):
        list_images(root)


def test_a_split_whose_folder_holds_hidden_folders_alone_is_refused(root: Path) -> None:
    root.rename(root.parent / "train")
    text(root.parent / "test/.ipynb_checkpoints/1.txt")
    with pytest.raises(DatasetError, match="test: there must be class folders in it, got none but 1 hidden"):
        list_images(root.parent)


def test_images_beside_the_folders_of_splits_are_refused(root: Path) -> None:
    root.rename(root.parent / "train")
    image(root.parent / "test/a/1.png")
    image(root.parent / "test/loose.png")
    with pytest.raises(DatasetError, match=r"test/loose\.png: images must be in class folders"):
        list_images(root.parent)
    image(root.parent / "loose.png")
    assert list_images(root.parent, leave_out=True).left_out == {"beside the class folders": 2}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "got none, it is empty; put the images of each class into a folder of its own"),
        (["1.png", "2.jpg"], "got none but 1 .jpg, 1 .png; put the images"),
        (["names.csv"], "got none but 1 .csv; .*image_table and dataset.path to .*names.csv, or name it labels.csv"),
        (["images.tar.gz"], "got none but 1 .gz; unpack images.tar.gz"),
        ([".git/1.png"], "got none but 1 hidden"),
        (["a/data.csv", "b/1.png"], "mine/a: a class folder must hold images .* got none but 1 .csv; add some"),
        (["a/.keep", "b/1.png"], "mine/a: a class folder must hold images .* got none but 1 hidden"),
        (["data/a/1.png", "data/b/1.png"], "move its images up, set dataset.path to .*mine/data, name the folders"),
        (["a/old/notes.txt", "b/1.png"], "mine/a: a class folder must hold images .* got none but 1 .txt"),
        (["a/.ipynb_checkpoints/1.png", "b/1.png"], "mine/a: a class folder must hold images .* none but 1 hidden"),
        (["a/__MACOSX/1.png", "b/1.png"], "mine/a: a class folder must hold images .* none but 1 of the operating"),
        (["a/.git/x", "a/1.heic", "b/1.png"], "a/1.heic: images must be png, .* got .heic"),
        (["a/.cache/x", "a/1.heic", "b/1.png"], "a/1.heic: images must be png, .* got .heic"),
        (["a/.cache/x", "a/1.txt", "b/1.png"], "mine/a: a class folder must hold images .* got none but 1 .txt, 1 hid"),
        (["a/mlruns/1.txt", "a/1.heic", "b/1.png"], "a/1.heic: images must be png, .* got .heic"),
    ],
)
def test_folders_without_class_folders_say_what_is_in_them(tmp_path: Path, names: list[str], message: str) -> None:
    (tmp_path / "mine").mkdir()
    for name in names:
        (image if name.endswith("png") else text)(tmp_path / "mine" / name)
    with pytest.raises(DatasetError, match=message):
        list_images(tmp_path / "mine")


def test_a_class_of_which_no_image_can_be_read_is_refused_even_where_some_are_left_out(root: Path) -> None:
    text(root / "c/1.heic")
    with pytest.raises(DatasetError, match="mine/c: a class folder must hold images"):
        list_images(root, leave_out=True)


@pytest.mark.parametrize("broken", [("a/1.png", "a/2.png"), ("a/1.png", "a/2.png", "b/1.png", "b/2.png")])
def test_a_class_of_which_every_image_is_broken_does_not_vanish(root: Path, broken: tuple[str, ...]) -> None:
    for name in broken:
        text(root / name)
    with pytest.raises(DatasetError, match="mine/a: a class folder must hold an image that can be read, got none"):
        read_image_folder(str(root), None, leave_out=True)


def test_every_count_is_shown_the_most_frequent_first() -> None:
    assert counted({"b": 1, "a": 1, "c": 1200}) == "1,200 c, 1 a, 1 b"
    assert counted({str(kind): kind for kind in range(1, 10)}) == "9 9, 8 8, 7 7, 6 6, 5 5, 4 4, 6 others"


def test_what_searches_write_beside_the_classes_are_no_classes(root: Path) -> None:
    (root / "results/.cache").mkdir(parents=True)
    assert {label for _, label in list_images(root).files["train"]} == {"a", "b"}
    text(root / "results/first/ledger.db")
    text(root / "results/a-and-b.html")
    text(root / "mlruns/1/meta.yaml")
    assert {label for _, label in list_images(root).files["train"]} == {"a", "b"}
    text(root / "a/mlruns/1/meta.yaml")
    image(root / "results/1.png")  # a class of that name
    assert {label for _, label in list_images(root).files["train"]} == {"a", "b", "results"}
