"""Saved states of networks, read for comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py


def content(path: Path) -> dict[str, Any]:
    """Every array of an h5 file as bytes, and what it says of itself."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "dtype") else None)
        found["hivenas"] = json.loads(file.attrs["hivenas"])
    return found
