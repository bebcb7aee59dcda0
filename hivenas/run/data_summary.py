"""The data of a search in a line or two: how many images of which splits, and what was left out or looks odd."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from hivenas.config.tasks import task_of
from hivenas.core.nas.data.class_folders import counted
from hivenas.wording import number_of

logger = logging.getLogger("hivenas")


def summary(data: Mapping[str, Any]) -> str:
    """The counts of images, classes and splits, and of what was left out.

    Args:
        data: what `describe_data` says.
    """
    seen = data.get("candidates")
    of_candidates = f" (candidates: {seen['train']:,} and {seen['validation']:,})" if seen else ""
    parts = [
        f"{number_of(data['train'], 'image')} to train, {data['validation']:,} to validate{of_candidates}, "
        f"{data['test']:,} to test"
    ]
    parts.append(f"{'×'.join(map(str, data['shape']))} (height × width × channels)")
    parts.append(task_of(data).outputs(data["classes"]))
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


def say(data: Mapping[str, Any]) -> None:
    """Logs the summary, and a warning for each remark."""
    logger.info("data: %s", summary(data))
    for remark in data["remarks"]:
        logger.warning("%s", remark)


def _colour(rgb: list[int]) -> str:
    return {(255, 255, 255): "white", (0, 0, 0): "black"}.get((rgb[0], rgb[1], rgb[2]), str(rgb))
