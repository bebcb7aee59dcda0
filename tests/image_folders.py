"""Class folders of images, read into memory, and a kind of image that Pillow cannot write."""

from __future__ import annotations

import struct
from pathlib import Path

from hivenas.core.nas.data.class_folders import list_images
from hivenas.core.nas.data.decoding import Colour
from hivenas.core.nas.data.labelled_files import FileImages, Form, read_directly


def read_image_folder(
    path: str,
    image_size: tuple[int, int] | None,
    *,
    background: Colour = (255, 255, 255),
    leave_out: bool = False,
) -> FileImages:
    """The images of a folder, in a form."""
    listing = list_images(Path(path), leave_out=leave_out)
    return read_directly(listing, Form(size=image_size, background=background, leave_out=leave_out))


def colour_tiff(bits: int, *, planar: bool = False) -> bytes:
    """A black TIFF of 2 × 2 pixels with three channels of so many bits.

    Args:
        bits: of a channel; Pillow reads 16 of a colour image, and writes 8 alone.
        planar: whether the channels lie one after the other, not pixel by pixel.
    """
    strips = 3 if planar else 1
    strip = bytes(2 * 2 * 3 * bits // 8 // strips)
    long, short = 4, 3
    start = 8  # of the bits of each channel; then come the strips' offsets, their sizes, and they themselves
    offsets = start + 3 * 2
    sizes = offsets + 4 * strips
    pixels = sizes + 4 * strips
    fields = [
        (256, long, 1, 2),
        (257, long, 1, 2),
        (258, short, 3, start),
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long, strips, offsets if planar else pixels),
        (277, short, 1, 3),
        (278, long, 1, 2),
        (279, long, strips, sizes if planar else len(strip)),
        (284, short, 1, 2 if planar else 1),
    ]
    places = (pixels + number * len(strip) for number in range(strips))
    body = struct.pack(f"<3H{2 * strips}I", *[bits] * 3, *places, *[len(strip)] * strips) + strips * strip
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields) + bytes(4)
    return b"II*\0" + struct.pack("<I", start + len(body)) + body + directory
