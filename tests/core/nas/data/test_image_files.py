from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from hivenas.core.nas.data.npz_files import read_npz
from hivenas.errors import DatasetError
from tests.image_folders import colour_tiff, read_image_folder

X = np.arange(4 * 6 * 5 * 3, dtype=np.uint8).reshape(4, 6, 5, 3)
Y = np.array(["cat", "dog"] * 2)


def image(path: Path, *, mode: str = "RGB", size: tuple[int, int] = (6, 5), colour: Any = 100) -> None:
    """A file of one colour; the size is height and width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = colour if isinstance(colour, tuple) else (colour,) * len(Image.new(mode, (1, 1)).getbands())
    Image.new(mode, size[::-1], colours if len(colours) > 1 else colours[0]).save(path)


def two_classes(root: Path, **of: Any) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(root / name, **of)


def sixteen_bit_rgb(path: Path) -> None:
    """A colour PNG of 16 bits a channel, which Pillow reads and cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    rows = (b"\0" + bytes(5 * 6)) * 6
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


# -- npz ---------------------------------------------------------------------------------------------------------------


def test_an_npz_file_gives_its_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", x_train=X, y_train=Y)
    arrays = read_npz(str(tmp_path / "mine.npz"))
    assert sorted(arrays) == ["x_train", "y_train"]
    assert np.array_equal(arrays["x_train"], X)
    assert np.array_equal(arrays["y_train"], Y)


def single_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, X)


def broken_npz(path: Path) -> None:
    np.savez_compressed(path, x_train=X, y_train=Y)
    raw = bytearray(path.read_bytes())
    raw[60:160] = bytes(100)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be opened .*No such file"),
        (lambda path: path.mkdir(), "cannot be opened .*Is a directory"),
        (lambda path: path.write_bytes(b""), "cannot be opened .*write it with numpy.savez_compressed"),
        (lambda path: path.write_text("a,b\n1,2\n"), "cannot be opened"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), "cannot be opened"),
        (single_array, "it holds a single array"),
        (broken_npz, "x_train must be an array .* cannot be read"),
        (lambda path: np.savez(path, x_train=X, y_train=Y.astype(object)), r"y_train must be .* \.astype\(str\)"),
        (lambda path: np.savez(path, X_train=X, y_train=Y), "got 'X_train'; did you mean 'x_train'"),
        (lambda path: np.savez(path, x_train=X), "without y_train"),
    ],
)
def test_npz_files_that_cannot_be_used_are_refused(
    tmp_path: Path, write: Callable[[Path], object], message: str
) -> None:
    write(tmp_path / "mine.npz")
    with pytest.raises(DatasetError, match=f"mine.npz: .*{message}"):
        read_npz(str(tmp_path / "mine.npz"))


# -- folders -----------------------------------------------------------------------------------------------------------


def test_class_folders_are_read_in_alphabetical_order(tmp_path: Path) -> None:
    colours = {"dogs/b.png": 4, "dogs/a.png": 3, "cats/B.png": 1, "cats/a.PNG": 2}
    for name, colour in colours.items():
        image(tmp_path / name, mode="L", colour=colour)
    for ignored in ("cats/notes.txt", "cats/.hidden.png", ".git/x.png", "readme.md"):
        (tmp_path / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / ignored).write_text("no image")
    arrays = read_image_folder(str(tmp_path), None).arrays
    assert arrays["y_train"].tolist() == ["cats", "cats", "dogs", "dogs"]
    assert arrays["x_train"].shape == (4, 6, 5, 1)
    assert arrays["x_train"].dtype == np.uint8
    assert arrays["x_train"][:, 0, 0, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_folders_of_splits_are_told_apart(tmp_path: Path, validation: str) -> None:
    for colour, split in enumerate(("train", validation, "test")):
        two_classes(tmp_path / split, colour=colour)
    arrays = read_image_folder(str(tmp_path), None).arrays
    assert set(arrays) == {"x_train", "y_train", "x_val", "y_val", "x_test", "y_test"}
    assert [int(arrays[f"x_{split}"].max()) for split in ("train", "val", "test")] == [0, 1, 2]
    assert all(arrays[f"y_{split}"].tolist() == ["a", "a", "b", "b"] for split in ("train", "val", "test"))


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    image(tmp_path / "train/1.png")
    image(tmp_path / "plane/1.png")
    assert read_image_folder(str(tmp_path), None).arrays["y_train"].tolist() == ["plane", "train"]


@pytest.mark.parametrize(
    ("modes", "channels"),
    [(("1", "L", "LA"), 1), (("L", "RGB"), 3), (("L", "P"), 3), (("LA", "RGBA"), 3)],
    ids=str,
)
def test_images_stay_grey_only_where_every_one_is(tmp_path: Path, modes: tuple[str, ...], channels: int) -> None:
    for mode in modes:
        image(tmp_path / f"a/{mode}.png", mode=mode, colour=255)
        image(tmp_path / f"b/{mode}.png", mode=mode, colour=255)
    x = read_image_folder(str(tmp_path), None).arrays["x_train"]
    assert x.shape == (2 * len(modes), 6, 5, channels)
    assert (x[: len(modes) - 1] == 255).all()


@pytest.mark.parametrize("extension", ["png", "jpg", "JPEG", "jfif", "jpe", "bmp", "gif", "webp", "tif", "TIFF"])
def test_every_format_gives_the_colours_that_were_saved(tmp_path: Path, extension: str) -> None:
    for label in "ab":
        image(tmp_path / f"{label}/1.{extension}", colour=(200, 100, 50))
    x = read_image_folder(str(tmp_path), None).arrays["x_train"]
    assert x.shape == (2, 6, 5, 3)
    assert np.abs(x.astype(int) - (200, 100, 50)).max() <= 4  # JPEG and WebP are lossy


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_exif_data_say(tmp_path: Path, extension: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    quadrants = np.array([[0, 80, 80], [160, 240, 240]], np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.fromarray(quadrants).convert("RGB").save(tmp_path / label / f"1.{extension}", exif=exif, quality=100)
    # By the standard: on which side of the picture the file's first row and first column are.
    turned = {
        1: quadrants,
        2: quadrants[:, ::-1],
        3: quadrants[::-1, ::-1],
        4: quadrants[::-1],
        5: quadrants.T,
        6: quadrants.T[:, ::-1],
        7: quadrants.T[::-1, ::-1],
        8: quadrants.T[::-1],
    }[orientation]
    for size in (None, (turned.shape[0], turned.shape[1])):
        x = read_image_folder(str(tmp_path), size).arrays["x_train"]
        assert x.shape == (2, *turned.shape, 3)
        assert np.abs(x[0, :, :, 0].astype(int) - turned).max() <= 6  # JPEG and WebP are lossy


def test_palettes_with_transparency_alpha_and_cmyk_become_rgb(tmp_path: Path) -> None:
    two_classes(tmp_path, mode="RGBA", colour=(10, 20, 30, 0))
    palette = Image.new("P", (5, 6), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "a/palette.png", transparency=bytes([0, 128]))
    Image.new("L", (5, 6), 7).save(tmp_path / "a/grey.png", transparency=7)
    Image.new("CMYK", (5, 6), (0, 0, 0, 0)).save(tmp_path / "b/white.jpg")
    images = read_image_folder(str(tmp_path), None)
    halfway = [132, 137, 142]
    assert images.arrays["x_train"][:, 0, 0].tolist() == [
        *[[255, 255, 255]] * 3,
        halfway,
        *[[255, 255, 255]] * 3,
    ]
    assert images.transparent == 6
    black = read_image_folder(str(tmp_path), None, background=(0, 0, 0)).arrays["x_train"]
    assert black[:, 0, 0].tolist() == [*[[0, 0, 0]] * 3, [5, 10, 15], *[[0, 0, 0]] * 2, [255, 255, 255]]


def test_the_first_frame_of_a_gif_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (5, 6), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    for label in "ab":
        (tmp_path / label).mkdir()
        frames[0].save(tmp_path / label / "1.gif", save_all=True, append_images=frames[1:])
    assert (read_image_folder(str(tmp_path), None).arrays["x_train"] == (250, 0, 0)).all()


def test_images_are_resized_to_height_and_width(tmp_path: Path) -> None:
    two_classes(tmp_path, size=(12, 4), colour=(9, 8, 7))
    image(tmp_path / "b/large.png", size=(50, 70), colour=(9, 8, 7))
    x = read_image_folder(str(tmp_path), (6, 8)).arrays["x_train"]
    assert x.shape == (5, 6, 8, 3)
    assert (x == (9, 8, 7)).all()
    ramp = np.repeat(np.array([[0, 100]], np.uint8), 2, axis=0)
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "a/0.png")
    assert read_image_folder(str(tmp_path), (2, 4)).arrays["x_train"][0, 0, :, 0].tolist() == [0, 25, 75, 100]


def nested(root: Path) -> None:
    for split in ("Train", "Test"):
        two_classes(root / split)


def splits(root: Path, *names: str) -> None:
    for name in names:
        two_classes(root / name)


def without_classes(root: Path) -> None:
    two_classes(root / "train")
    (root / "test").mkdir()


def truncated(root: Path) -> None:
    two_classes(root)
    Image.effect_noise((60, 60), 50).save(root / "b/9.jpg")
    whole = (root / "b/9.jpg").read_bytes()
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        image(root / name, size=(60, 60))
    (root / "b/9.jpg").write_bytes(whole[: len(whole) // 2])


def with_file(root: Path, name: str, write: Callable[[Path], object]) -> None:
    two_classes(root)
    (root / name).parent.mkdir(exist_ok=True)
    write(root / name)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda root: None, "must be a folder that can be read, got No such file"),
        (lambda root: root.write_text("x"), "must be a folder that can be read, got Not a directory"),
        (lambda root: root.mkdir(), "mine: there must be class folders in it, got none"),
        (lambda root: image(root / "1.png"), "mine: there must be class folders in it, got none"),
        (lambda root: with_file(root, "c/notes.txt", Path.touch), r"mine/c: a class folder must hold images \(png"),
        (
            lambda root: with_file(root, "a/3.PPM", Path.touch),
            r"a/3.PPM: images must be png, .*tiff, got .PPM;",
        ),
        (
            lambda root: with_file(root, "a/3.tif", lambda p: Image.new("I;16", (5, 6)).save(p)),
            "a/3.tif: images must have 8 bits a channel, got 16 bits",
        ),
        (
            lambda root: with_file(root, "a/3.tif", lambda p: Image.new("F", (5, 6)).save(p)),
            "a/3.tif: images must have 8 bits a channel, got mode F",
        ),
        (
            lambda root: with_file(root, "a/3.tif", lambda p: p.write_bytes(colour_tiff(16))),
            "a/3.tif: images must have 8 bits .*got 16 bits",
        ),
        (nested, "mine/Test: a class folder must hold images, got the folder 'a' in it; .* train, val and test"),
        (lambda root: splits(root, "train", "valid"), "got the folder 'valid'; did you mean 'val"),
        (lambda root: splits(root, "train", "val", "validation"), "must be one validation split"),
        (without_classes, "mine/test: there must be class folders"),
        (lambda root: with_file(root, "a/3.png", lambda p: p.write_bytes(b"GI")), "a/3.png: the image cannot be read"),
        (lambda root: with_file(root, "a/3.png", lambda p: p.symlink_to("gone")), "a/3.png: the image cannot be read"),
        (truncated, "b/9.jpg: the image cannot be read .*truncated"),
        (lambda root: with_file(root, "a/3.png", sixteen_bit_rgb), "a/3.png: images must have 8 bits .*got 16 bits"),
        (lambda root: two_classes(root, mode="I;16"), "a/1.png: images must have 8 bits a channel, got 16 bits"),
        (
            lambda root: with_file(root, "b/tiff.png", lambda p: Image.new("F", (5, 6)).save(p, format="TIFF")),
            "b/tiff.png: images must have 8 bits a channel, got mode F",
        ),
        (
            lambda root: with_file(root, "b/large.png", lambda p: image(p, size=(7, 9))),
            r"got 6×5 in .*a/1.png and 7×9 in .*b/large.png .* set dataset.image_size: \[height, width\]",
        ),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path: Path, write: Callable[[Path], object], message: str) -> None:
    write(tmp_path / "mine")
    with pytest.raises(DatasetError, match=message):
        read_image_folder(str(tmp_path / "mine"), None)
