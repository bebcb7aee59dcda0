"""The data that runs are linked to: which splits of which data set, and where its files are."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.core.children import UsedData
from hivenas.core.files import user_path

# By these a split is known; what else there is to say of the data the search's own run says.
_KNOWN_BY = ("name", "digest", "test_digest", "shape", "dtype", "classes", "train", "validation", "test")


def used_data(config: Config, data: Mapping[str, Any], *contexts: str) -> UsedData | None:
    """The splits that a training has used; None where nothing is known of its data.

    Args:
        config: the configuration.
        data: what `Dataset.describe` says.
        contexts: `training`, `validation`, `testing`.
    """
    if "digest" not in data:
        return None
    return UsedData({key: data[key] for key in _KNOWN_BY if key in data}, contexts, place_of(config))


def contexts_of(config: Config, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The uses that a search as a whole has for its data; of a table the one."""
    if "train" not in data:
        return ("training",)
    return "training", "validation", *(["testing"] if config.full_train.enabled else [])


def place_of(config: Config) -> str:
    """The absolute path, or the address, of the files of a search's data; of a pattern the folder.

    Returns:
        Empty where they come from hivenas, or from a function.
    """
    path = (config.dataset if config.objective == "nas" else config.table).path
    if path is None or "://" in path:
        return path or ""
    whole = Path(os.path.abspath(user_path(path)))
    while glob.has_magic(str(whole)) and not whole.exists():
        whole = whole.parent
    return str(whole)
