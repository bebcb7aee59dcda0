"""A data set as training wants it: standardised tensors on the device, or images that are read on their way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.joined_images import JoinedImages, taken
from hivenas.core.nas.data.pages import array_in_pages
from hivenas.core.nas.data.stored_images import Images, StoredImages
from hivenas.core.nas.training.standardisation import Standardisation

_BLOCK = 2**20  # values that are standardised at a time on their way to another device
_CACHED = 2**18  # and in memory: a block then stays in the processor's cache from one step to the next
_READ = 2**24  # bytes of images that are read for one call; one more part of them is read ahead

Tensors = tuple[Any, ...]


class Split(Protocol):
    """Images and labels from which compiled steps take their batches."""

    @property
    def specs(self) -> Tensors:
        """The types of what `take` gives, of any number of images."""
        ...

    @property
    def most(self) -> int | None:
        """The number of images that a call may be given; None for all."""
        ...

    def __len__(self) -> int: ...

    def take(self, chosen: NDArray[np.int32]) -> Tensors:
        """All that a call is given of the images at these positions."""
        ...

    def batch(self, start: Any, end: Any, given: Tensors) -> tuple[Any, Any]:
        """Standardised images and labels of a part of what `take` gave; traced."""
        ...

    def first(self, count: int) -> Any:
        """The first images, standardised."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Images on the device; a call is given their positions.

    Args:
        x: standardised images, a tensor.
        y: labels, a tensor.
    """

    x: Any
    y: Any

    @property
    def specs(self) -> Tensors:
        """Positions."""
        return (tf.TensorSpec((None,), tf.int32),)

    @property
    def most(self) -> None:
        """No bound."""

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: NDArray[np.int32]) -> Tensors:
        """The positions as a tensor."""
        return (tf.constant(chosen),)

    def batch(self, start: Any, end: Any, given: Tensors) -> tuple[Any, Any]:
        """Images and labels at a part of the positions."""
        chosen = given[0][start:end]
        return tf.gather(self.x, chosen), tf.gather(self.y, chosen)

    def first(self, count: int) -> Any:
        """The first images."""
        return self.x[:count]


@dataclass(frozen=True, slots=True)
class Read:
    """Images that are read for every call, raw, and standardised by it to the bits of `Standardisation.standardise`.

    Args:
        x: raw images.
        y: labels, a tensor.
        standardisation: of the images.
        mean, deviation: its tensors, of an image's shape, as those of a channel would take thrice the time. They must
            not become constants of the graph: TensorFlow multiplies by the reciprocal of one in the place of dividing.
    """

    x: Images | JoinedImages
    y: Any
    standardisation: Standardisation
    mean: Any
    deviation: Any

    @property
    def specs(self) -> Tensors:
        """Positions and raw images."""
        return tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, *self.x.shape[1:]), self.x.dtype)

    @property
    def most(self) -> int:
        """As many as some megabytes hold."""
        return max(1, _READ // _bytes_of_one(self.x))

    def __len__(self) -> int:
        return len(self.x)

    def take(self, chosen: NDArray[np.int32]) -> Tensors:
        """Positions and images as tensors."""
        return tf.constant(chosen), tf.convert_to_tensor(taken(self.x, chosen))  # which need not copy them

    def batch(self, start: Any, end: Any, given: Tensors) -> tuple[Any, Any]:
        """Images and labels of a part of what was read."""
        chosen, raw = (each[start:end] for each in given)
        return (tf.cast(raw, tf.float32) - self.mean) / self.deviation, tf.gather(self.y, chosen)

    def first(self, count: int) -> Any:
        """The first images, read and standardised."""
        return self.standardisation.standardise(self.x[:count])


@dataclass(frozen=True, slots=True)
class Arrays:
    """A data set as the loop wants it.

    Images in memory are standardised tensors on the device; where those of training or of validation are stored, both
    are raw as they came. Labels are tensors.
    """

    x_train: Any
    y_train: Any
    x_val: Any
    y_val: Any
    standardisation: Standardisation
    class_weights: Any = None

    @classmethod
    def of(
        cls,
        data: Dataset,
        standardisation: Standardisation | None = None,
        class_weights: NDArray[np.float64] | None = None,
    ) -> Arrays:
        """Standardises the images.

        Args:
            data: the raw images.
            standardisation: by which; the training split's mean and deviation of every channel by default.
            class_weights: by which the loss of a training image of each class is multiplied (classes,); None for none.
        """
        standardisation = standardisation or Standardisation.of(data)
        images: tuple[Any, ...] = data.x_train, data.x_val
        if not any(isinstance(each, StoredImages) for each in images):
            images = tuple(_on_device(standardisation, x) for x in images)
        return cls(
            images[0],
            tf.constant(data.y_train),
            x_val=images[1],
            y_val=tf.constant(data.y_val),
            standardisation=standardisation,
            class_weights=class_weights,
        )

    @property
    def training(self) -> Split:
        """The images that are trained on."""
        return self._split(self.x_train, self.y_train)

    @property
    def validation(self) -> Split:
        """The images that are validated on."""
        return self._split(self.x_val, self.y_val)

    @property
    def is_read(self) -> bool:
        """True for images that are read on their way to the device."""
        return not tf.is_tensor(self.x_train)

    def _split(self, x: Any, y: Any) -> Split:
        if not self.is_read:
            return Held(x, y)
        scale, shape = self.standardisation, x.shape[1:]
        mean, deviation = (tf.constant(np.broadcast_to(each, shape)) for each in (scale.mean, scale.deviation))
        return Read(x, y, scale, mean=mean, deviation=deviation)


def _on_device(standardisation: Standardisation, images: NDArray[Any]) -> Any:
    """Images as one standardised tensor, made in blocks: whole copies on the way to it would be thrice as large."""
    has_others = len(tf.config.get_visible_devices()) > 1
    return (_moved if has_others else _in_place)(standardisation, images)


def _in_place(standardisation: Standardisation, images: NDArray[Any]) -> Any:
    """The tensor made where it stays: TensorFlow takes memory that begins with a page without a copy."""
    tensor = array_in_pages(images.shape, np.dtype(np.float32))
    block = max(1, _CACHED // images[0].size)
    for start in range(0, len(images), block):
        standardisation.standardise(images[start : start + block], tensor[start : start + block])
    return tf.experimental.dlpack.from_dlpack(tensor.__dlpack__())


def _moved(standardisation: Standardisation, images: NDArray[Any]) -> Any:
    """The tensor made on another device."""
    block = max(1, _BLOCK // images[0].size)
    tensor = tf.raw_ops.Empty(shape=images.shape, dtype=tf.float32)
    for start in range(0, len(images), block):
        part = standardisation.standardise(images[start : start + block])
        rows = tf.range(start, start + len(part))
        tensor = tf.raw_ops.InplaceUpdate(x=tensor, i=rows, v=tf.constant(part))
    return tensor


def _bytes_of_one(images: Images | JoinedImages) -> int:
    return max(1, int(np.prod(images.shape[1:])) * images.dtype.itemsize)
