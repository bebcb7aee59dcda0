from __future__ import annotations

import errno
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from hivenas.core.nas.data.decoding import PassingReadError, Target, read_header, read_pixels, sniffed_format
from hivenas.core.nas.training.export import picture_server
from hivenas.errors import DatasetError
from tests.image_folders import colour_tiff

WHITE, BLACK, PINK = (255, 255, 255), (0, 0, 0), (255, 0, 128)
INK = (10, 20, 30)


def first_pixels(file: Path, background: tuple[int, int, int], *, grey: bool = False) -> list[list[int]]:
    """The pixels of a row of three: opaque ink, half transparent ink, transparent ink."""
    pixels, transparent = read_pixels(file, Target(read_header(file).size, grey, background))
    assert transparent
    return [pixel.tolist() for pixel in pixels[0]]


def over(colour: tuple[int, ...], alpha: int, background: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    return np.array(colour) * alpha / 255 + np.array(background) * (1 - alpha / 255)


def rgba() -> Image.Image:
    return Image.fromarray(np.array([[(*INK, 255), (*INK, 128), (*INK, 0)]], np.uint8))


@pytest.mark.parametrize("background", [WHITE, BLACK, PINK], ids=str)
@pytest.mark.parametrize("extension", ["png", "webp", "tiff", "ico"])
def test_transparent_colours_are_laid_over_the_background(
    tmp_path: Path, extension: str, background: tuple[int, int, int]
) -> None:
    file = tmp_path / f"image.{extension}"
    more: dict[str, Any] = {"lossless": True, "exact": True} if extension == "webp" else {}
    if extension == "ico":
        rgba().resize((48, 16), Image.Resampling.NEAREST).save(file, sizes=[(48, 16)])
    else:
        rgba().save(file, **more)
    pixels = first_pixels(file, background)[:: 16 if extension == "ico" else 1]
    for pixel, alpha in zip(pixels, (255, 128, 0), strict=True):
        assert np.abs(np.array(pixel) - over(INK, alpha, background)).max() <= 1
    assert pixels[2] == [*background]


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("background", [WHITE, BLACK, (90, 90, 90)], ids=str)
def test_transparent_greys_are_laid_over_the_background(
    tmp_path: Path, background: tuple[int, int, int], grey: bool
) -> None:
    file = tmp_path / "image.png"
    Image.fromarray(np.array([[(40, 255), (40, 128), (40, 0)]], np.uint8), "LA").save(file)
    pixels = first_pixels(file, background, grey=grey)
    for pixel, alpha in zip(pixels, (255, 128, 0), strict=True):
        assert len(pixel) == (1 if grey else 3)
        assert abs(pixel[0] - over((40,), alpha, background)[0]) <= 1


def test_a_coloured_image_becomes_grey_after_it_is_laid_over(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    rgba().save(file)
    expected = [Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in (INK, PINK)]
    pixels = first_pixels(file, PINK, grey=True)
    assert [pixels[0][0], pixels[2][0]] == expected


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_palettes_keep_their_transparency(tmp_path: Path, extension: str) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([*INK, 0, 0, 0, 5, 5, 5])
    palette.putdata([0, 0, 1])
    file = tmp_path / f"image.{extension}"
    palette.save(file, transparency=1 if extension == "gif" else bytes([255, 0, 255]))
    assert first_pixels(file, PINK) == [[*INK], [*INK], [*PINK]]


def png(path: Path, bits: int, kind: int, row: bytes, transparent: bytes, palette: bytes = b"") -> Path:
    """A PNG of a row, two pixels wide, with a transparent colour; Pillow does not write every one that there is."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    parts = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, bits, kind, 0, 0, 0))
    parts += chunk(b"PLTE", palette) if palette else b""
    parts += chunk(b"tRNS", transparent) if transparent else b""
    parts += chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.parametrize(
    ("bits", "kind", "row", "transparent", "kept"),
    [
        (1, 0, b"\x80", b"\0\1", [0, 0, 0]),
        (1, 0, b"\x40", b"\0\0", [255, 255, 255]),
        (2, 0, b"\xd0", b"\0\3", [85, 85, 85]),
        (2, 0, b"\x40", b"\0\1", [0, 0, 0]),
        (4, 0, b"\xf1", b"\0\x0f", [17, 17, 17]),
        (8, 0, b"\xff\x01", b"\0\xff", [1, 1, 1]),
        (8, 2, b"\1\2\3\4\5\6", b"\0\1\0\2\0\3", [4, 5, 6]),
        (8, 2, b"\1\2\3\1\2\4", b"\0\1\0\2\0\3", [1, 2, 4]),
    ],
)
def test_a_colour_that_is_transparent_is_laid_over_whatever_the_bits(
    tmp_path: Path, bits: int, kind: int, row: bytes, transparent: bytes, kept: list[int]
) -> None:
    assert first_pixels(png(tmp_path / "image.png", bits, kind, row, transparent), PINK) == [[*PINK], kept]


def test_palettes_with_an_alpha_of_their_own_are_read(tmp_path: Path) -> None:
    Image.new("PA", (3, 1)).save(tmp_path / "image.tiff")
    assert first_pixels(tmp_path / "image.tiff", PINK) == [[*PINK]] * 3


@pytest.mark.parametrize(("kind", "channels"), [(4, 2), (6, 4)])
def test_sixteen_bits_with_transparency_are_refused(tmp_path: Path, kind: int, channels: int) -> None:
    file = png(tmp_path / "image.png", 16, kind, bytes(2 * 2 * channels), b"")
    with pytest.raises(DatasetError, match="images must have 8 bits a channel, got 16 bits"):
        read_header(file)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_opaque_pixels_keep_every_bit(tmp_path: Path, mode: str) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image = Image.fromarray(colours).convert(mode)
    image.save(tmp_path / "image.png")
    pixels, transparent = read_pixels(tmp_path / "image.png", Target((20, 20), False, PINK))
    assert not transparent
    assert np.array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        *[(f"3f2a{extension}", extension, extension.upper()) for extension in ("png", "gif", "bmp", "ppm", "tiff")],
        ("x.jpeg_large", "jpeg", "JPEG"),
        ("x.dat", "webp", "WebP"),
        ("x", b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"),
        ("x", b"\0\0\0\x18ftypavif" + bytes(20), "AVIF"),
        ("x", b"\xff\x0a" + bytes(20), "JPEG XL"),
        ("x", bytes(128) + b"DICM", "DICOM"),
        ("x", b"8BPS" + bytes(20), "PSD"),
        ("x", b"<?xml version='1.0'?>\n<svg xmlns='...'/>", "SVG"),
        ("x", b"", ""),
        ("x", b"BM is how this text begins", ""),
        ("x", b"P5 is a paper size", ""),
        ("x", b"\n\n\n", ""),
        ("x.csv", b"file,label\n1.png,a\n", ""),
        ("x.xml", b"<?xml version='1.0'?><annotation/>", ""),
        ("x", b"RIFF\0\0\0\0WAVE", ""),
    ],
)
def test_image_data_are_found_whatever_a_file_is_called(
    tmp_path: Path, name: str, data: bytes | str, found: str
) -> None:
    if isinstance(data, str):
        Image.new("RGB", (4, 4), PINK).save(tmp_path / name, data)
    else:
        (tmp_path / name).write_bytes(data)
    assert sniffed_format(tmp_path / name) == found


def turned_by(where: str) -> bytes:
    """A PNG of 2 × 3 pixels that says where that it is to be turned."""
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    if where == "xmp":
        text = '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
        info.add_itxt("XML:com.adobe.xmp", text)
    elif where == "profile":
        raw = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
        info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n")
    pixels = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    pixels.save(buffer, format="PNG", pnginfo=info, **({"exif": exif} if where == "exif" else {}))
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_a_tiff_is_turned_alike_from_the_disk_and_from_memory(tmp_path: Path, mode: str, orientation: int) -> None:
    file, exif = tmp_path / "turned.tif", Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14).convert(mode)
    image.save(file, exif=exif)
    size = (3, 2) if orientation > 4 else (2, 3)
    assert read_header(file).size == size
    pixels, _ = read_pixels(file, Target(size, mode == "L", WHITE))
    assert (
        pixels.tolist() == picture_server._pixels(file.read_bytes(), (*size, 1 if mode == "L" else 3), WHITE).tolist()
    )
    upright = np.sort(np.asarray(image.convert("L" if mode == "L" else "RGB")).ravel())
    assert np.sort(pixels.ravel()).tolist() == upright.tolist()


@pytest.mark.parametrize("where", ["", "exif", "xmp", "profile"])
def test_a_png_is_turned_alike_for_training_and_by_the_served_model(tmp_path: Path, where: str) -> None:
    file = tmp_path / "turned.png"
    file.write_bytes(turned_by(where))
    size = (3, 2) if where else (2, 3)
    assert read_header(file).size == size
    pixels, _ = read_pixels(file, Target(size, True, WHITE))
    served = picture_server._pixels(file.read_bytes(), (*size, 1), WHITE)
    assert pixels.tolist() == served.tolist()
    first = pixels[..., 0].ravel().tolist()
    assert first == ([120, 0, 160, 40, 200, 80] if where else [0, 40, 80, 120, 160, 200])


def test_a_tiff_of_more_bits_is_refused_however_its_channels_lie(tmp_path: Path) -> None:
    file = tmp_path / "planes.tif"
    file.write_bytes(colour_tiff(8, planar=True))
    assert read_header(file).size == (2, 2)
    assert picture_server._pixels(file.read_bytes(), (2, 2, 3), WHITE).max() == 0
    file.write_bytes(colour_tiff(16, planar=True))
    with pytest.raises(DatasetError, match=r"planes.tif: images must have 8 bits a channel, got 16 bits"):
        read_header(file)
    with pytest.raises(ValueError, match="images must have 8 bits a channel"):
        picture_server._pixels(file.read_bytes(), (2, 2, 3), WHITE)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.EIO, "I/O error"), True),
        (OSError(errno.ENOENT, "gone"), False),
        (OSError(errno.ENAMETOOLONG, "too long"), False),
        (OSError("truncated"), False),
    ],
)
def test_what_the_machine_fails_in_says_nothing_of_an_image(error: OSError, passes: bool) -> None:
    class File:
        def read(self) -> bytes:
            raise error

        def stamp(self) -> tuple[int, int]:
            return 0, 0

    with pytest.raises(DatasetError) as caught:
        read_header(File())
    assert isinstance(caught.value, PassingReadError) is passes


def test_memory_that_is_lacking_says_nothing_of_an_image() -> None:
    class File:
        def read(self) -> bytes:
            raise MemoryError

        def stamp(self) -> tuple[int, int]:
            return 0, 0

    with pytest.raises(MemoryError):
        read_header(File())
