"""Image files as pixels: turned upright, laid over a background where transparent, in given colours and size."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from hivenas.errors import DatasetError, HivenasError, first_line

Colour = tuple[int, int, int]


class PassingReadError(DatasetError):
    """A file cannot be read now, for a reason that says nothing of what is in it."""


class EncodedImage(Protocol):
    """An image file that is no file of its own on this machine; its text is its name, for errors."""

    def read(self) -> bytes:
        """Its bytes."""

    def stamp(self) -> tuple[int, int]:
        """Its size in bytes, and the moment of the last change in nanoseconds; 0 where that is not known."""


AnyFile = Path | EncodedImage
EXTENSIONS = ("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "gif", "ico", "webp", "tif", "tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "ICO", "WEBP", "TIFF")
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# Pillow spreads grey of 2 and 4 bits over 0…255, and leaves the transparent one among them as the file numbers it.
_GREY_STEPS: Mapping[str, int] = MappingProxyType({"L;2": 85, "L;4": 17})
_EXIF_IN_PNG = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}  # as Pillow has read them before the pixels
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_SEVERAL = ("GIF", "PNG", "TIFF", "WEBP")  # formats of animations and pages
_OPAQUE = 255
# Formats by the first bytes of a file, for files whose names do not say what they are.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "BigTIFF"),
    (0, b"8BPS", "PSD"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"DDS ", "DDS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "HDR"),
    (0, b"qoif", "QOI"),
    (0, b"\x93NUMPY", "an array of numpy"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypcrx", "CR3"),
    (8, b"WEBP", "WebP"),
    (128, b"DICM", "DICOM"),
)
# Their first bytes also begin other files: Pillow has to read more of them.
_WEAKLY_SIGNED = ("BMP", "ICO", "PPM", "PCX")
_WEAK_SIGNATURES = (b"BM", b"\0\0\1\0", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"\x0a")
_HEAD = 1024
# Numbers of errors that lie with a file, or with its name.
_OF_FILE = frozenset(
    (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
)


@dataclass(frozen=True, slots=True)
class Header:
    """The head of an image file: all that it says of its image before the pixels are decoded.

    Args:
        size: height and width in pixels, turned upright.
        grey: whether it has no colours.
        frames: how many images the file holds; the first is read.
    """

    size: tuple[int, int]
    grey: bool
    frames: int


@dataclass(frozen=True, slots=True)
class Target:
    """The form into which images are brought.

    Args:
        size: height and width in pixels.
        grey: one channel, else RGB.
        background: what transparent pixels become.
    """

    size: tuple[int, int]
    grey: bool
    background: Colour

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return (*self.size, 1 if self.grey else 3)


def read_header(file: AnyFile) -> Header:
    """Reads the head of an image file.

    Raises:
        DatasetError: a file that is no image, or one of more than 8 bits a channel.
    """
    with _opened(file) as image:
        # Pillow would silently keep the upper 8 bits of a colour PNG or TIFF of 16 bits.
        bits = 16 if any(";16" in str(tile[3]) for tile in image.tile) else max(_bits(image), default=8)
        if image.mode not in _GREY_MODES + _COLOUR_MODES or bits > 8:
            named = f"{bits} bits" if 8 < bits <= 16 else f"mode {image.mode}"
            raise DatasetError(
                f"{file}: images must have 8 bits a channel, got {named}; convert it, or give the pixels as they are "
                "in an npz file"
            )
        # A photo's further images (MPO) are previews of the first.
        frames = getattr(image, "n_frames", 1) if image.format in _SEVERAL else 1
        _turn_upright(image)
        return Header((image.height, image.width), image.mode in _GREY_MODES, frames)


def read_pixels(file: AnyFile, target: Target) -> tuple[NDArray[np.uint8], bool]:
    """Reads an image file's first image.

    Args:
        file: the image.
        target: its form; images of another size are resized (bilinear).

    Returns:
        The pixels (height, width, channels), and whether any was transparent.

    Raises:
        DatasetError: the image cannot be read.
    """
    with _opened(file) as opened:
        _turn_upright(opened)
        image, transparent = _laid_over(opened, target.background)
        image = image.convert("L" if target.grey else "RGB")
        if (image.height, image.width) != target.size:
            image = image.resize(target.size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(target.shape), transparent


def sniffed_format(file: AnyFile) -> str:
    """The format of image data in a file, whatever it is called; empty where it holds none.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    else:
        head = file.read()[:_HEAD]
    for start, signature, name in _SIGNATURES:
        if head.startswith(signature, start):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return "SVG"
    if head.startswith(_WEAK_SIGNATURES):
        # A decoder that meets something else may raise anything.
        with (
            contextlib.suppress(Exception),
            _source(file) as weak,
            Image.open(weak, formats=_WEAKLY_SIGNED) as image,
        ):
            return str(image.format)
    return ""


def _laid_over(image: Image.Image, background: Colour) -> tuple[Image.Image, bool]:
    """The image without transparency, and whether any pixel had some; opaque ones keep their values to the last bit."""
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode != "P" and not image.has_transparency_data:
        return image, False
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema()[0] == _OPAQUE:
        return layer, False
    ground = Image.new("RGBA", layer.size, (*background, _OPAQUE))
    ground.alpha_composite(layer)
    return ground, True


def _bits(image: ImageFile.ImageFile) -> tuple[int, ...]:
    """The bits of each channel of a TIFF, whose planes Pillow does not name by them; none of other formats."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits: tuple[int, ...] = tags.get(_BITS_PER_SAMPLE, ())
    return bits


def _turn_upright(image: ImageFile.ImageFile) -> None:
    """Turns the pixels as the file's EXIF data say that the camera was held."""
    # Pillow would decode a whole PNG to look for EXIF data behind its pixels.
    if image.format == "PNG" and not image.info.keys() & _EXIF_IN_PNG:
        return
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)


def _source(file: AnyFile) -> IO[bytes]:
    """A stream of a file. Given a path, Pillow would map a TIFF's pixels by the size that it has once it is turned."""
    return file.open("rb") if isinstance(file, Path) else io.BytesIO(file.read())


@contextlib.contextmanager
def _opened(file: AnyFile) -> Iterator[ImageFile.ImageFile]:
    try:
        with _source(file) as stream, Image.open(stream, formats=_FORMATS) as image:
            step = next((_GREY_STEPS[str(tile[3])] for tile in image.tile if str(tile[3]) in _GREY_STEPS), 1)
            if step > 1 and isinstance(image.info.get("transparency"), int):
                image.info["transparency"] *= step
            yield image
    except (HivenasError, MemoryError):
        raise
    except Exception as error:  # what a decoder raises depends on where the file is broken
        if _may_pass(error):
            raise PassingReadError(f"{file}: the file cannot be read ({first_line(error)}); try again") from error
        raise DatasetError(
            f"{file}: the image cannot be read ({_reason(file, error)}); replace or remove it"
        ) from error


def _may_pass(error: Exception) -> bool:
    """True for failures of the machine; those of decoders have no number."""
    return isinstance(error, OSError) and error.errno is not None and error.errno not in _OF_FILE


def _reason(file: AnyFile, error: Exception) -> str:
    """The reason why an image cannot be read: often it is of another format than its name says."""
    if not isinstance(error, UnidentifiedImageError):
        return first_line(error)
    found = ""
    with contextlib.suppress(OSError):
        found = sniffed_format(file)
    return f"it holds {found} data" if found else "it holds no image of a known format"
