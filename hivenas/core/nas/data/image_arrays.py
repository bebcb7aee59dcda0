"""Checks of labelled images: whatever training would fail on, or silently go wrong with, is refused here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.text import nearest
from hivenas.core.nas.data.labels import CLASS_LABELS, LabelReader
from hivenas.core.nas.data.stored_images import Images, StoredImages, blocks
from hivenas.errors import DatasetError
from hivenas.wording import number_of

Labels = NDArray[Any]  # classes (count,), int32; of other tasks rows (count, outputs), float32
SPLITS = ("train", "val", "test")
ARRAYS = tuple(f"{kind}_{split}" for split in SPLITS for kind in "xy")


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Checked images and labels of the splits that were given.

    Args:
        images: by split, (count, height, width, channels) with the values that the source gives.
        labels: by split, classes as whole numbers from 0 in the sorted order of the training labels; of other tasks a
            row an image.
        class_names: the source's labels as text that can be stored, in the order of the classes, or of a row's columns.
    """

    images: Mapping[str, Images]
    labels: Mapping[str, Labels]
    class_names: tuple[str, ...]

    @classmethod
    def checked(cls, origin: str, arrays: Mapping[str, Any], reader: LabelReader = CLASS_LABELS) -> LabelledImages:
        """Checks arrays and brings them into the form that training wants.

        Args:
            origin: file, folder or name of the data set, for errors.
            arrays: x_train and y_train, and the same of val and test where given. Images are (count, height, width)
                or (count, height, width, channels) with 1 or 3 channels of finite numbers; labels are text or whole
                numbers of any kind, (count,) or (count, 1).
            reader: of labels of another kind.

        Raises:
            DatasetError: names the rule, what was found and the way out.
        """
        splits = [split for split in SPLITS if f"x_{split}" in arrays]
        images = {split: checked_images(origin, f"x_{split}", arrays[f"x_{split}"]) for split in splits}
        given = {
            split: reader.plain(origin, name, _array(origin, name, arrays[name]), len(images[split]))
            for split, name in ((split, f"y_{split}") for split in splits)
        }
        for split in splits:
            _check_split(origin, split, images, len(given[split]))
        labels, names = reader.encoded(origin, given)
        return cls(images, labels, names)


def check_names(origin: str, names: Iterable[str]) -> None:
    """Refuses arrays that nothing would read, and images without labels or labels without images.

    Raises:
        DatasetError: names the array.
    """
    given = list(names)
    for name in given:
        if name not in ARRAYS:
            near = nearest(str(name).lower(), ARRAYS)
            raise DatasetError(
                f"{origin}: arrays must be named {', '.join(ARRAYS)}, got {name!r}{near}; rename it or leave it out"
            )
    for split in SPLITS:
        pair = {f"x_{split}", f"y_{split}"}
        missing = sorted(pair - set(given))
        if missing and (split == "train" or len(missing) == 1):
            raise DatasetError(
                f"{origin}: images and labels go together, got {', '.join(given) or 'no arrays'} without "
                f"{' and '.join(missing)}; add what is missing"
            )


def checked_images(origin: str, name: str, given: Any) -> Images:
    """Images as (count, height, width, channels), in the machine's byte order.

    Args:
        origin: file, folder or name of the data set, for errors.
        name: of the array.
        given: (count, height, width) or (count, height, width, channels) with 1 or 3 channels of finite numbers.

    Raises:
        DatasetError: names the rule, what was found and the way out.
    """
    x = given if isinstance(given, StoredImages) else _array(origin, name, given)
    if x.dtype.kind not in "uif" or x.dtype.itemsize > 8:
        raise DatasetError(
            f"{origin}: {name} must hold numbers of at most 64 bits, got dtype {x.dtype}; convert it, such as with "
            f"{name}.astype('uint8')"
        )
    if x.ndim == 3:
        x = x.with_channel() if isinstance(x, StoredImages) else x[..., np.newaxis]
    if x.ndim != 4 or x.shape[3] not in (1, 3):
        channels_first = x.ndim == 4 and x.shape[1] in (1, 3)
        blended = x.ndim == 4 and x.shape[3] == 4
        way_out = "blend the fourth where it is transparency (rgb * a + 255 * (1 - a)), or leave it out"
        raise DatasetError(
            f"{origin}: {name} must be images (count, height, width) or (count, height, width, channels) with 1 or 3 "
            f"channels, got shape {x.shape}; "
            + (
                f"move the channels last: {name}.transpose(0, 2, 3, 1)"
                if channels_first
                else way_out
                if blended
                else "reshape it"
            )
        )
    if 0 in x.shape:
        raise DatasetError(f"{origin}: {name} must hold at least one image of one pixel, got shape {x.shape}; add some")
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            wrong = sum(int((~np.isfinite(part.astype(np.float32, copy=False))).sum()) for part in blocks(x))
        if wrong:
            raise DatasetError(
                f"{origin}: {name} must hold finite 32-bit pixels, got {wrong} that are NaN or infinite; clean it first"
            )
    return x if isinstance(x, StoredImages) else x.astype(x.dtype.newbyteorder("="), copy=False)


def _check_split(origin: str, split: str, images: Mapping[str, Images], labels: int) -> None:
    x, train = images[split], images["train"]
    if len(x) != labels:
        raise DatasetError(
            f"{origin}: every image needs one label, got {number_of(len(x), 'image')} in x_{split} and "
            f"{number_of(labels, 'label')} in y_{split}; drop or add some"
        )
    for what, found, wanted in (("shape", x.shape[1:], train.shape[1:]), ("dtype", x.dtype, train.dtype)):
        if found != wanted:
            raise DatasetError(
                f"{origin}: x_{split} must have the {what} of x_train, {wanted}, got {found}; prepare both alike"
            )


def labels_as_array(given: Any) -> NDArray[Any]:
    """A copy of labels as an array; lists of several lengths, such as the names of each image, as its objects.

    So are those of several types: numpy would make text of them, and of a number that is missing the name of a class.

    Raises:
        ValueError: no array can be made of them.
    """
    is_list = isinstance(given, list | tuple)
    try:
        found = np.array(given)
        is_text = found.dtype.kind in "US" and found.ndim == 1
        if not is_list or not is_text or all(isinstance(label, str | bytes) for label in given):
            return found
    except ValueError:
        if not is_list:
            raise
    objects = np.empty(len(given), dtype=object)
    objects[:] = given
    return objects


def refuse_masked(origin: str, name: str, given: Any) -> None:
    """Refuses arrays of which some values are masked: what is under the mask is not meant.

    Raises:
        DatasetError: names how many.
    """
    if np.ma.is_masked(given):
        raise DatasetError(
            f"{origin}: {name} must have a value everywhere, got an array with "
            f"{number_of(int(np.ma.getmaskarray(given).sum()), 'masked value')}; fill them in or leave those images out"
        )


def _array(origin: str, name: str, given: Any) -> NDArray[Any]:
    refuse_masked(origin, name, given)
    try:
        return labels_as_array(given) if isinstance(given, list) and name.startswith("y_") else np.asarray(given)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{origin}: {name} must be an array, got {type(given).__name__}; make it one") from error
