"""The size of the configured images, for those who count what networks cost on them."""

from __future__ import annotations

from hivenas.config import Config
from hivenas.core.nas.data.placement import placed


def counts_sizes(config: Config) -> bool:
    """True where a limit to the size or a cost asks for the sizes of networks."""
    return config.space.is_bounded or config.objectives.cost is not None


def image_of(config: Config, seed: int) -> tuple[tuple[int, int, int], int]:
    """Height, width and channels of an image, and the number of classes, by as little reading as they take.

    Raises:
        DatasetError: the data cannot be read.
    """
    from hivenas.core.nas.data.datasets import image_shape_and_classes

    return image_shape_and_classes(placed(config), seed, config.task)


def image_for_sizes(config: Config, seed: int) -> tuple[tuple[int, int, int], int] | None:
    """The same where sizes are counted; None elsewhere, where nothing needs to be read.

    Raises:
        DatasetError: the data cannot be read.
    """
    return image_of(config, seed) if counts_sizes(config) else None
