"""hivenas: neural architecture search for Keras, driven by an Artificial Bee Colony, tracked in MLflow.

Names are imported when they are first used: importing hivenas pulls in neither TensorFlow nor MLflow.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ArtificialBeeColony": "hivenas.core.colony.canonical",
    "Config": "hivenas.config",
    "Evaluation": "hivenas.core.records",
    "NASInterface": "hivenas.core.nas.nas_interface",
    "NASSearchSpace": "hivenas.core.nas.space.search_space",
    "NullTracker": "hivenas.core.tracker",
    "ObjectiveInterface": "hivenas.core.objective",
    "Proposal": "hivenas.core.records",
    "TerminateOnThreshold": "hivenas.core.nas.training.act",
    "load": "hivenas.config",
    "register_cell": "hivenas.core.nas.space.operations",
    "register_dataset": "hivenas.core.nas.data.datasets",
    "register_operation": "hivenas.core.nas.space.operations",
}

__all__ = [
    "ArtificialBeeColony",
    "Config",
    "Evaluation",
    "NASInterface",
    "NASSearchSpace",
    "NullTracker",
    "ObjectiveInterface",
    "Proposal",
    "TerminateOnThreshold",
    "load",
    "register_cell",
    "register_dataset",
    "register_operation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hivenas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
