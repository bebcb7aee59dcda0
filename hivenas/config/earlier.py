"""The values that keys had before they were there, for what earlier versions, and the ancestor, have written down."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hivenas.config.presets import PLAIN

# Of configurations that hivenas has recorded: all keys of their time are in them.
EARLIER: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "evaluation": {"schedule": "exponential", "warmup_epochs": 0.0, "augmentation": {"shift": 0.0}},
        "full_train": {"finalists": 1, "keep": "last", "patience": None},
    }
)
# Of files of the ancestor, HiveNAS, which may leave out any key.
ANCESTRAL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "space": {"preset": PLAIN},
        "evaluation": {
            **EARLIER["evaluation"],
            "epochs": 5,
            "batch_size": 128,
            "optimizer": {"op": "SGD", "momentum": 0.9, "nesterov": True},
        },
        "full_train": EARLIER["full_train"],
    }
)


def completed(data: Mapping[str, Any], missing: Mapping[str, Any]) -> dict[str, Any]:
    """Nested data with keys that are not there filled in; an operation or optimizer is there as a whole or not at all.

    Args:
        data: keys and values; what is no mapping is left as it is, for the configuration to refuse.
        missing: the values of keys that may be missing, nested likewise.
    """
    filled = dict(data)
    for key, value in missing.items():
        there = filled.setdefault(key, value)
        if isinstance(value, Mapping) and "op" not in value and isinstance(there, Mapping):
            filled[key] = completed(there, value)
    return filled
