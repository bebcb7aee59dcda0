"""The data of a search in a line or two: how many images of which splits, and what was left out or looks odd."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from hivenas.config import Config
from hivenas.core.nas.data.class_folders import counted
from hivenas.core.nas.data.datasets import describe_dataset
from hivenas.core.seeds import drawn_seed

_NAMED = 3

logger = logging.getLogger("hivenas")


def describe_data(config: Config) -> dict[str, Any]:
    """Reads a configuration's data, as every process that trains will, and describes them.

    Data sets that come with hivenas are not read: their sizes are known.

    Args:
        config: the configuration.

    Returns:
        As `Dataset.describe`, of built-in data its counts alone; empty where nothing is trained.

    Raises:
        DatasetError: data that cannot be found, or cannot be trained on.
    """
    return describe_dataset(config.dataset, drawn_seed(config.seed)) if config.objective == "nas" else {}


def summary(data: Mapping[str, Any]) -> str:
    """The counts of images, classes and splits, and of what was left out.

    Args:
        data: what `describe_data` says.
    """
    parts = [f"{data['train']:,} images to train, {data['validation']:,} to validate, {data['test']:,} to test"]
    parts.append(f"{'×'.join(map(str, data['shape']))} (height × width × channels)")
    parts.append(f"{data['classes']} classes")
    text = f"{data['name']}: {', '.join(parts)}"
    if "scale" in data and data["scale"] is None:
        text += (
            f"; values {data['lowest']:g}…{data['highest']:g}: to classify image files, too, set dataset.scale to "
            "those of the bytes 0 and 255"
        )
    if data.get("transparent"):
        text += f"; {data['transparent']:,} with transparency, laid over {_colour(data['background'])}"
    if data.get("left_out"):
        text += f"; left out: {counted(data['left_out'])}"
    return text


def oddities(data: Mapping[str, Any]) -> list[str]:
    """Warnings of what nothing can be learnt from."""
    alike = data.get("alike", ())
    if not alike:
        return []
    more = f" and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
    return [f"all images of {', '.join(alike[:_NAMED])}{more} are the same picture; look at what was saved in them"]


def say(data: Mapping[str, Any]) -> None:
    """Logs the summary, and a warning for each oddity."""
    logger.info("data: %s", summary(data))
    for oddity in oddities(data):
        logger.warning("%s", oddity)


def _colour(rgb: list[int]) -> str:
    return {(255, 255, 255): "white", (0, 0, 0): "black"}.get((rgb[0], rgb[1], rgb[2]), str(rgb))
