"""Class folders of images, read into memory."""

from __future__ import annotations

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
